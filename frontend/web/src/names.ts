/** Names of files, and sizes as people read them. */

const SUFFIXES: Record<string, string> = { PNG: "png", JPEG: "jpg", WEBP: "webp", TIFF: "tif", AVIF: "avif" };

/** What to save a result as: `holiday.JPG`, 4, `PNG` -> `holiday_x4.png`. */
export function resultName(original: string, scale: number, format: string): string {
  const last = original.split(/[/\\]/).pop() ?? "";
  const dot = last.lastIndexOf(".");
  const stem = (dot > 0 ? last.slice(0, dot) : last).trim() || "picture";
  return `${stem}_x${scale}.${SUFFIXES[format] ?? format.toLowerCase()}`;
}

/** `1536` -> `1.5 KB` (of 1024 bytes, as the server counts), in the reader's digits. */
export function bytes(count: number, locale: string, units: readonly string[]): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${units[unit]}`;
}

/** `1280`, `960` -> `1280 × 960`. */
export function pixels(width: number, height: number): string {
  return `${width}\u2009×\u2009${height}`;
}

/** The family of a model, which is what it is called beside its factor: `edsr_light_x4` -> `edsr_light`. */
export function family(model: string): string {
  return model.replace(/_x\d+$/, "");
}
