import { describe, expect, it } from "vitest";
import { blank, colourAt, line, mirror, paint, region, resize, shrink, type Sketch, soften, toPixels } from "./sketch";

const of = (...rows: string[]): Sketch => ({
  width: rows[0]?.length ?? 0,
  height: rows.length,
  cells: rows.flatMap((row) => [...row].map((letter) => `#${letter.repeat(6)}`)),
});

it("paints cells, and the ones across the middle when mirrored", () => {
  const sketch = blank(5, 2, "#000000");
  expect(paint(sketch, [{ x: 0, y: 1 }], "#aaaaaa", true)).toEqual(of("00000", "a000a"));
  expect(paint(sketch, [{ x: 2, y: 0 }], "#aaaaaa", true)).toEqual(of("00a00", "00000"));
  expect(mirror(blank(8, 8), { x: 3, y: 1 })).toEqual({ x: 4, y: 1 });
});

it("leaves what is outside, and says that nothing changed by being the same", () => {
  const sketch = blank(3, 3, "#000000");
  expect(paint(sketch, [{ x: -1, y: 0 }, { x: 3, y: 1 }, { x: 0, y: 3 }], "#aaaaaa", false)).toBe(sketch);
  expect(paint(sketch, [{ x: 1, y: 1 }], "#000000", false)).toBe(sketch);
});

describe("a line", () => {
  it.each([
    [{ x: 0, y: 0 }, { x: 7, y: 3 }],
    [{ x: 6, y: 7 }, { x: 5, y: 0 }],
    [{ x: 4, y: 4 }, { x: 4, y: 4 }],
    [{ x: 7, y: 2 }, { x: 0, y: 2 }],
  ])("from %j to %j has both ends and no gap", (from, to) => {
    const points = line(from, to);
    expect([points[0], points.at(-1)]).toEqual([from, to]);
    expect(points).toHaveLength(Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y)) + 1);
    points.slice(1).forEach((point, index) => {
      const before = points[index]!;
      expect(Math.max(Math.abs(point.x - before.x), Math.abs(point.y - before.y))).toBe(1);
    });
  });
});

it("fills what hangs together by its sides, not by its corners", () => {
  const sketch = of("aab", "bab", "aba");
  expect(region(sketch, { x: 0, y: 0 })).toHaveLength(3);
  expect(paint(sketch, region(sketch, { x: 1, y: 1 }), "#cccccc", false)).toEqual(of("ccb", "bcb", "aba"));
});

it("keeps the drawing in more cells and in fewer", () => {
  const sketch = of("ab", "cd");
  expect(resize(sketch, 4, 4)).toEqual(of("aabb", "aabb", "ccdd", "ccdd"));
  expect(resize(resize(sketch, 6, 6), 2, 2)).toEqual(sketch);
  expect(resize(sketch, 2, 2)).toBe(sketch);
});

it("softens edges, keeps plain areas, and has an end", () => {
  const edge = soften(of("00ff", "00ff", "00ff", "00ff"));
  expect(edge.cells.slice(0, 4)).toEqual(["#000000", "#202020", "#dfdfdf", "#ffffff"]);
  const plain = blank(8, 8, "#1a2b3c");
  expect(soften(plain)).toBe(plain);
});

describe("a picture shrunk into cells", () => {
  const gray = (across: number, down: number, level: (x: number, y: number) => number, alpha = 255): Uint8ClampedArray =>
    Uint8ClampedArray.from(
      Array.from({ length: across * down }, (_, i) => {
        const value = level(i % across, Math.floor(i / across));
        return [value, value, value, alpha];
      }).flat(),
    );

  it("is averaged over each cell", () => {
    const sketch = shrink(gray(4, 2, (x) => [10, 30, 100, 200][x] ?? 0), 4, 2, 2, 1);
    expect(sketch.cells).toEqual(["#141414", "#969696"]);
  });

  it("has its middle cut out, and pixels at a border shared", () => {
    const wide = shrink(gray(6, 2, (x) => (x < 2 ? 255 : x < 4 ? 80 : 0)), 6, 2, 1, 1);
    expect(wide.cells).toEqual(["#505050"]);
    const uneven = shrink(gray(3, 3, (x) => [0, 90, 180][x] ?? 0), 3, 3, 2, 2);
    expect(colourAt(uneven, { x: 0, y: 0 })).toBe("#1e1e1e"); // (1 * 0 + 0.5 * 90) / 1.5
  });

  it("takes what is transparent for white", () => {
    expect(shrink(gray(2, 2, () => 0, 0), 2, 2, 1, 1).cells).toEqual(["#ffffff"]);
  });

  it("comes back from its own pixels", () => {
    const sketch: Sketch = { width: 2, height: 1, cells: ["#12ab9f", "#fe0001"] };
    expect(shrink(toPixels(sketch), 2, 1, 2, 1)).toEqual(sketch);
  });
});
