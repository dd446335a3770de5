/** Where a picture lies in the window that it is seen through; all lengths are CSS pixels. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Size {
  readonly left: number;
  readonly top: number;
}

export type View = "fit" | "actual";

/** The part of `pan` (the picture's middle against the window's) that keeps the window filled. */
export function clampPan(pan: { x: number; y: number }, picture: Size, stage: Size): { x: number; y: number } {
  const clamp = (value: number, room: number): number => Math.min(room, Math.max(-room, value)) || 0;
  return {
    x: clamp(pan.x, Math.max(0, (picture.width - stage.width) / 2)),
    y: clamp(pan.y, Math.max(0, (picture.height - stage.height) / 2)),
  };
}

/** How large the picture is drawn: whole in the window, or one of its pixels on one of the screen's. */
export function drawnSize(view: View, picture: Size, stage: Size, pixelRatio: number): Size {
  const shrink =
    view === "actual" ? 1 / pixelRatio : Math.min(stage.width / picture.width, stage.height / picture.height);
  return { width: picture.width * shrink, height: picture.height * shrink };
}

export function place(size: Size, pan: { x: number; y: number }, stage: Size): Box {
  const left = (stage.width - size.width) / 2 + pan.x;
  const top = (stage.height - size.height) / 2 + pan.y;
  return { left, top, ...size };
}

/** The stretch of the window, from left to right, in which the picture is seen. */
export function seen(box: Box, stage: Size): { from: number; to: number } {
  return { from: Math.max(0, box.left), to: Math.min(stage.width, box.left + box.width) };
}
