import { expect, it } from "vitest";
import { advance, secondsLeft } from "./eta";

it("says nothing before there is a pace", () => {
  expect(secondsLeft(null, 0)).toBeNull();
  expect(secondsLeft(advance(null, 0, 10, 1000), 9000)).toBeNull();
});

it("goes by the tiles done since the first report", () => {
  let pace = advance(null, 2, 10, 1000);
  pace = advance(pace, 6, 10, 5000);
  expect(secondsLeft(pace, 5000)).toBe(4);
});
