import { expect, it } from "vitest";
import type { Result } from "./api";
import { type Picture, reduce, type State } from "./state";

const picture: Picture = { file: new File([], "a.png"), url: "blob:a", width: 4, height: 3 };
const ready: State = { phase: "ready", picture };
const result = { url: "/api/results/0" } as Result;

it("goes from empty to done", () => {
  let state: State = { phase: "empty" };
  state = reduce(state, { do: "open" });
  state = reduce(state, { do: "opened", picture });
  state = reduce(state, { do: "start" });
  expect(state).toEqual({ phase: "working", picture, step: { kind: "sending", share: 0 } });
  state = reduce(state, { do: "finish", result });
  expect(state).toEqual({ phase: "done", picture, result });
});

it("keeps the picture when the work fails or is cancelled", () => {
  const working = reduce(ready, { do: "start" });
  expect(reduce(working, { do: "cancel" })).toEqual(ready);
  const problem = { status: 502, detail: "" };
  expect(reduce(working, { do: "fail", problem })).toEqual({ phase: "failed", picture, problem });
});

it("ignores steps and results of work that was cancelled", () => {
  expect(reduce(ready, { do: "step", step: { kind: "waiting", ahead: 1 } })).toBe(ready);
  expect(reduce(ready, { do: "finish", result })).toBe(ready);
});
