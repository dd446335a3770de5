/** A sketch with what came before and after it; one stroke is one step, however many cells it crosses. */

import { blank, colourAt, line, paint, type Point, region, resize, type Sketch, soften } from "./sketch";

export interface History {
  readonly past: readonly Sketch[];
  readonly present: Sketch;
  readonly future: readonly Sketch[];
  /** Whether the stroke under way has changed something already. */
  readonly open: boolean;
}

export type Edit =
  | { readonly do: "stroke"; readonly from: Point; readonly to: Point; readonly colour: string; readonly mirrored: boolean }
  | { readonly do: "lift" }
  | { readonly do: "fill"; readonly at: Point; readonly colour: string; readonly mirrored: boolean }
  | { readonly do: "load"; readonly sketch: Sketch }
  | { readonly do: "size"; readonly cells: number }
  | { readonly do: "soften" }
  | { readonly do: "clear" }
  | { readonly do: "undo" }
  | { readonly do: "redo" };

const MOST = 200;

export function begin(sketch: Sketch): History {
  return { past: [], present: sketch, future: [], open: false };
}

export function edit(history: History, action: Edit): History {
  const { past, present, future, open } = history;
  switch (action.do) {
    case "stroke": {
      const next = paint(present, line(action.from, action.to), action.colour, action.mirrored);
      if (next === present) return history;
      return open ? { ...history, present: next } : { ...step(history, next), open: true };
    }
    case "lift":
      return open ? { ...history, open: false } : history;
    case "fill": {
      const points = region(present, action.at);
      return step(history, paint(present, points, action.colour, action.mirrored));
    }
    case "load":
      return step(history, action.sketch);
    case "size":
      return step(history, resize(present, action.cells, action.cells));
    case "soften":
      return step(history, soften(present));
    case "clear":
      return step(history, same(present) ? present : blank(present.width, present.height));
    case "undo": {
      const before = past.at(-1);
      return before ? { past: past.slice(0, -1), present: before, future: [present, ...future], open: false } : history;
    }
    case "redo": {
      const after = future[0];
      return after ? { past: [...past, present], present: after, future: future.slice(1), open: false } : history;
    }
  }
}

function step(history: History, next: Sketch): History {
  if (next === history.present) return history;
  return { past: [...history.past, history.present].slice(-MOST), present: next, future: [], open: false };
}

/** Whether it is blank already. */
function same(sketch: Sketch): boolean {
  const empty = blank(sketch.width, sketch.height);
  return sketch.cells.every((_, index) => {
    const at = { x: index % sketch.width, y: Math.floor(index / sketch.width) };
    return colourAt(sketch, at) === colourAt(empty, at);
  });
}
