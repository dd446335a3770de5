/** The canvases on which answers appear: rows as they come, then the whole pictures and their maps. */

import type { Row } from "./ask";
import { meanBits, paintEntropy } from "./entropy";
import { type Sketch, toPixels } from "./sketch";

export interface Frame {
  readonly seed: number;
  readonly canvas: HTMLCanvasElement;
  readonly url: string | null;
  readonly entropy: HTMLCanvasElement | null;
  /** The mean of the map. */
  readonly bits: number | null;
}

const FAINT = 0.3; // of the sketch, where nothing is drawn yet

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("this browser has no canvas");
  return found;
}

export function canvasOf(sketch: Sketch): HTMLCanvasElement {
  const canvas = newCanvas(sketch.width, sketch.height);
  context(canvas).putImageData(new ImageData(toPixels(sketch), sketch.width, sketch.height), 0, 0);
  return canvas;
}

/** A PNG with a pixel for each cell. */
export function pngOf(sketch: Sketch): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvasOf(sketch).toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the sketch gave no PNG"))), "image/png"),
  );
}

/** One for each seed, with the sketch faintly in it. */
export function newFrames(sketch: Sketch, scale: number, seeds: readonly number[]): Frame[] {
  const small = canvasOf(sketch);
  return seeds.map((seed) => {
    const canvas = newCanvas(sketch.width * scale, sketch.height * scale);
    const drawn = context(canvas);
    drawn.imageSmoothingEnabled = false;
    drawn.globalAlpha = FAINT;
    drawn.drawImage(small, 0, 0, canvas.width, canvas.height);
    drawn.globalAlpha = 1;
    return { seed, canvas, url: null, entropy: null, bits: null };
  });
}

/** Put line k of the row's picture into frame k. */
export async function putRow(frames: readonly Frame[], row: Row): Promise<void> {
  const image = await load(`data:image/png;base64,${row.image}`);
  frames.forEach(({ canvas }, index) => {
    context(canvas).drawImage(image, 0, index, row.width, 1, 0, row.y, row.width, 1);
  });
}

/** The whole picture and its map, from their addresses. */
export async function finish(frame: Frame, url: string, entropyUrl: string): Promise<Frame> {
  const [picture, map] = await Promise.all([load(url), load(entropyUrl)]);
  context(frame.canvas).drawImage(picture, 0, 0);
  const entropy = newCanvas(map.naturalWidth, map.naturalHeight);
  const drawn = context(entropy);
  drawn.drawImage(map, 0, 0);
  const pixels = drawn.getImageData(0, 0, entropy.width, entropy.height);
  const bits = meanBits(pixels.data);
  paintEntropy(pixels.data);
  drawn.putImageData(pixels, 0, 0);
  return { ...frame, url, entropy, bits };
}

/** The pixels of a picture, drawn no larger than `most` a side. */
export async function pixelsOf(url: string, most: number): Promise<ImageData> {
  const image = await load(url);
  const shrink = Math.min(1, most / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = newCanvas(Math.max(1, Math.round(image.naturalWidth * shrink)), Math.max(1, Math.round(image.naturalHeight * shrink)));
  const drawn = context(canvas);
  drawn.imageSmoothingQuality = "high";
  drawn.drawImage(image, 0, 0, canvas.width, canvas.height);
  return drawn.getImageData(0, 0, canvas.width, canvas.height);
}

async function load(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function newCanvas(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}
