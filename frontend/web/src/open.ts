/** Opening a picture: its size, and an address under which the browser can show it. */

import { fetchPreview } from "./api";
import type { Picture } from "./state";

/** Show the file itself where the browser can; else (TIFF, or no picture at all) or what it shows has no
 * pixels (SVG), the server is asked. */
export async function openPicture(file: File): Promise<Picture> {
  if (file.type !== "image/svg+xml") {
    const own = URL.createObjectURL(file);
    try {
      const { width, height } = await sizeOf(own);
      return { file, url: own, width, height };
    } catch {
      URL.revokeObjectURL(own);
    }
  }
  const { blob, width, height } = await fetchPreview(file);
  return { file, url: URL.createObjectURL(blob), width, height };
}

/** Load an image; rejects when the browser cannot show it. */
export async function sizeOf(url: string): Promise<{ width: number; height: number }> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight };
}

/** The first picture among files dropped or pasted, and whether there were more. */
export function firstFile(transfer: DataTransfer | null): { file: File | null; more: boolean } {
  const files = [...(transfer?.files ?? [])];
  return { file: files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null, more: files.length > 1 };
}
