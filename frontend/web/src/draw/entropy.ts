/** The map of where a model guessed: gray levels of its PNG in bits, and bits as colours. */

export const LEVELS_PER_BIT = 10; // as loupe/drawing.py writes it
export const MOST_BITS = 24; // of a pixel: three subpixels of 256 levels

// The same as loupe/drawing.py's, so that the page and a sheet look alike.
const STOPS: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [66, 10, 104],
  [203, 71, 40],
  [251, 180, 60],
  [255, 255, 255],
];

export function colourOf(bits: number): [number, number, number] {
  const share = Math.min(1, Math.max(0, bits / MOST_BITS)) * (STOPS.length - 1);
  const index = Math.min(STOPS.length - 2, Math.floor(share));
  const [low, high] = [STOPS[index] ?? [0, 0, 0], STOPS[index + 1] ?? [255, 255, 255]];
  const mix = (channel: 0 | 1 | 2): number => Math.round(low[channel] + (high[channel] - low[channel]) * (share - index));
  return [mix(0), mix(1), mix(2)];
}

/** RGBA of a gray map, in place: its red levels are read. */
export function paintEntropy(pixels: Uint8ClampedArray): void {
  for (let at = 0; at < pixels.length; at += 4) {
    pixels.set([...colourOf((pixels[at] ?? 0) / LEVELS_PER_BIT), 255], at);
  }
}

/** The mean of a gray map, in bits a pixel. */
export function meanBits(pixels: Uint8ClampedArray): number {
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) sum += pixels[at] ?? 0;
  return pixels.length === 0 ? 0 : sum / (pixels.length / 4) / LEVELS_PER_BIT;
}
