/** A sketch of a few cells and what is done to it; all functions are pure, so that undoing is keeping the one before. */

export interface Sketch {
  readonly width: number;
  readonly height: number;
  /** `#rrggbb`, row by row. */
  readonly cells: readonly string[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export const SMALLEST = 8;
export const LARGEST = 16;
export const PAPER = "#ffffff";

export function blank(width: number, height: number, colour = PAPER): Sketch {
  return { width, height, cells: Array.from({ length: width * height }, () => colour) };
}

export function colourAt(sketch: Sketch, { x, y }: Point): string {
  return sketch.cells[y * sketch.width + x] ?? PAPER;
}

/** The same sketch when nothing changes, so that an idle stroke is no step to undo. Points outside are passed over. */
export function paint(sketch: Sketch, points: readonly Point[], colour: string, mirrored: boolean): Sketch {
  const cells = [...sketch.cells];
  let changed = false;
  for (const { x, y } of mirrored ? points.flatMap((point) => [point, mirror(sketch, point)]) : points) {
    if (x < 0 || y < 0 || x >= sketch.width || y >= sketch.height) continue;
    const index = y * sketch.width + x;
    changed ||= cells[index] !== colour;
    cells[index] = colour;
  }
  return changed ? { ...sketch, cells } : sketch;
}

/** The cell on the other side of the vertical middle: faces are drawn with it. */
export function mirror(sketch: Sketch, { x, y }: Point): Point {
  return { x: sketch.width - 1 - x, y };
}

/** Every cell from one to another (Bresenham), so that a quick stroke has no gaps. */
export function line(from: Point, to: Point): Point[] {
  const across = Math.abs(to.x - from.x);
  const down = -Math.abs(to.y - from.y);
  const stepX = from.x < to.x ? 1 : -1;
  const stepY = from.y < to.y ? 1 : -1;
  const points: Point[] = [];
  let { x, y } = from;
  let error = across + down;
  for (;;) {
    points.push({ x, y });
    if (x === to.x && y === to.y) return points;
    const twice = 2 * error;
    if (twice >= down) {
      error += down;
      x += stepX;
    }
    if (twice <= across) {
      error += across;
      y += stepY;
    }
  }
}

/** All cells of one colour that hang together with `start` by their sides. */
export function region(sketch: Sketch, start: Point): Point[] {
  const colour = colourAt(sketch, start);
  const seen = new Set<number>();
  const found: Point[] = [];
  const open = [start];
  for (let point = open.pop(); point !== undefined; point = open.pop()) {
    const { x, y } = point;
    const index = y * sketch.width + x;
    if (x < 0 || y < 0 || x >= sketch.width || y >= sketch.height) continue;
    if (seen.has(index) || sketch.cells[index] !== colour) continue;
    seen.add(index);
    found.push(point);
    open.push({ x: x + 1, y }, { x: x - 1, y }, { x, y: y + 1 }, { x, y: y - 1 });
  }
  return found;
}

/** The same drawing in another number of cells: each takes the colour under its middle. */
export function resize(sketch: Sketch, width: number, height: number): Sketch {
  if (width === sketch.width && height === sketch.height) return sketch;
  const cells = Array.from({ length: width * height }, (_, index) => {
    const x = Math.floor((((index % width) + 0.5) * sketch.width) / width);
    const y = Math.floor(((Math.floor(index / width) + 0.5) * sketch.height) / height);
    return colourAt(sketch, { x, y });
  });
  return { width, height, cells };
}

const MIDDLE = 6; // how much more a cell counts than its neighbour to a side

/** Each cell mixed a little with its neighbours: models have learned from shrunk photos, which have no hard edges. */
export function soften(sketch: Sketch): Sketch {
  const { width, height } = sketch;
  const at = (x: number, y: number): number => {
    const inside = { x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y)) };
    return Number.parseInt(colourAt(sketch, inside).slice(1), 16);
  };
  const weights = [1, MIDDLE, 1];
  const cells = sketch.cells.map((_, index) => {
    const sum = [0, 0, 0];
    for (let down = 0; down < 3; down += 1) {
      for (let across = 0; across < 3; across += 1) {
        const level = at((index % width) + across - 1, Math.floor(index / width) + down - 1);
        const weight = (weights[down] ?? 0) * (weights[across] ?? 0);
        [level >> 16, (level >> 8) & 255, level & 255].forEach((value, channel) => {
          sum[channel] = (sum[channel] ?? 0) + weight * value;
        });
      }
    }
    return hex(sum.map((value) => Math.round(value / (MIDDLE + 2) ** 2)));
  });
  return cells.every((colour, index) => colour === sketch.cells[index]) ? sketch : { ...sketch, cells };
}

/** RGBA pixels of any size shrunk into cells: the middle of the picture, cut to their shape, averaged over each cell.
 * What is transparent counts as white.
 */
export function shrink(pixels: Uint8ClampedArray, across: number, down: number, width: number, height: number): Sketch {
  const share = Math.min(across / width, down / height);
  const left = (across - share * width) / 2;
  const top = (down - share * height) / 2;
  const cells = Array.from({ length: width * height }, (_, index) => {
    const beginX = left + (index % width) * share;
    const beginY = top + Math.floor(index / width) * share;
    return mean(pixels, across, [beginX, beginX + share], [beginY, beginY + share], down);
  });
  return { width, height, cells };
}

type Stretch = readonly [number, number];

/** The mean colour of a rectangle, pixels at its border counted by the part that lies in it. */
function mean(pixels: Uint8ClampedArray, across: number, xs: Stretch, ys: Stretch, down: number): string {
  const sum = [0, 0, 0];
  let weight = 0;
  for (let y = Math.floor(ys[0]); y < Math.min(down, Math.ceil(ys[1])); y += 1) {
    const high = Math.min(y + 1, ys[1]) - Math.max(y, ys[0]);
    for (let x = Math.floor(xs[0]); x < Math.min(across, Math.ceil(xs[1])); x += 1) {
      const part = high * (Math.min(x + 1, xs[1]) - Math.max(x, xs[0]));
      const at = 4 * (y * across + x);
      const alpha = (pixels[at + 3] ?? 255) / 255;
      for (let channel = 0; channel < 3; channel += 1) {
        sum[channel] = (sum[channel] ?? 0) + part * (alpha * (pixels[at + channel] ?? 0) + (1 - alpha) * 255);
      }
      weight += part;
    }
  }
  return hex(sum.map((value) => Math.round(value / (weight || 1))));
}

export function hex(levels: readonly number[]): string {
  return `#${levels.map((level) => level.toString(16).padStart(2, "0")).join("")}`;
}

/** RGBA, as a canvas takes it. */
export function toPixels(sketch: Sketch): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * sketch.cells.length);
  sketch.cells.forEach((colour, index) => {
    const level = Number.parseInt(colour.slice(1), 16);
    pixels.set([level >> 16, (level >> 8) & 255, level & 255, 255], 4 * index);
  });
  return pixels;
}
