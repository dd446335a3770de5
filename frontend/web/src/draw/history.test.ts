import { expect, it } from "vitest";
import { begin, edit, type Edit, type History } from "./history";
import { blank, colourAt } from "./sketch";

const RED = "#ff0000";
const stroke = (x: number, to = x, colour = RED): Edit => ({
  do: "stroke",
  from: { x, y: 0 },
  to: { x: to, y: 0 },
  colour,
  mirrored: false,
});
const after = (...actions: Edit[]): History => actions.reduce(edit, begin(blank(8, 8)));

it("takes a whole stroke for one step", () => {
  const drawn = after(stroke(0), stroke(0, 3), stroke(3, 5), { do: "lift" }, stroke(7), { do: "lift" });
  expect(drawn.past).toHaveLength(2);
  const once = edit(drawn, { do: "undo" });
  expect([5, 7].map((x) => colourAt(once.present, { x, y: 0 }))).toEqual([RED, "#ffffff"]);
  expect(edit(once, { do: "undo" }).present).toEqual(blank(8, 8));
  expect(edit(edit(once, { do: "redo" }), { do: "redo" }).present).toEqual(drawn.present);
});

it("makes no step of what changes nothing", () => {
  expect(after(stroke(2, 2, "#ffffff"), { do: "clear" }, { do: "size", cells: 8 }, { do: "undo" }, { do: "redo" })).toEqual(
    begin(blank(8, 8)),
  );
});

it("forgets what was undone when something new is drawn", () => {
  const drawn = after(stroke(0), { do: "lift" }, { do: "undo" }, stroke(1), { do: "lift" });
  expect(drawn.future).toEqual([]);
  expect(edit(drawn, { do: "redo" })).toBe(drawn);
});

it("undoes a fill, a new size, a picture and a clearing alike", () => {
  let history = begin(blank(8, 8));
  const steps: Edit[] = [
    { do: "fill", at: { x: 1, y: 1 }, colour: RED, mirrored: false },
    { do: "size", cells: 12 },
    { do: "load", sketch: blank(8, 8, "#00ff00") },
    { do: "clear" },
  ];
  const seen = [history.present];
  for (const step of steps) {
    history = edit(history, step);
    seen.push(history.present);
  }
  expect(seen.map(({ width, cells }) => [width, cells[0]])).toEqual([
    [8, "#ffffff"],
    [8, RED],
    [12, RED],
    [8, "#00ff00"],
    [8, "#ffffff"],
  ]);
  for (const before of seen.slice(0, -1).reverse()) {
    history = edit(history, { do: "undo" });
    expect(history.present).toEqual(before);
  }
});
