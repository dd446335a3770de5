import { expect, it } from "vitest";
import { colourOf, meanBits, paintEntropy } from "./entropy";
import { EXAMPLES, PALETTE } from "./palette";

it("goes from black over violet and orange to white", () => {
  expect([0, 6, 12, 18, 24, 99, -1].map(colourOf)).toEqual([
    [0, 0, 0],
    [66, 10, 104],
    [203, 71, 40],
    [251, 180, 60],
    [255, 255, 255],
    [255, 255, 255],
    [0, 0, 0],
  ]);
});

it("reads ten levels a bit", () => {
  const map = Uint8ClampedArray.from([60, 60, 60, 255, 120, 120, 120, 255]);
  expect(meanBits(map)).toBe(9);
  paintEntropy(map);
  expect([...map]).toEqual([66, 10, 104, 255, 203, 71, 40, 255]);
});

it("has examples of whole cells and a palette of different colours", () => {
  for (const { width, height, cells } of EXAMPLES) {
    expect(cells).toHaveLength(width * height);
    expect(cells.every((colour) => /^#[0-9a-f]{6}$/.test(colour))).toBe(true);
    expect(new Set(cells).size).toBeGreaterThan(4);
  }
  expect(new Set(PALETTE).size).toBe(PALETTE.length);
});
