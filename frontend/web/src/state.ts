/** What the page is doing, as one value; `reduce` is the only way from one to the next. */

import type { Result } from "./api";
import type { Pace } from "./eta";

/** A picture that a person opened; `url` shows it, `width` and `height` are its own pixels. */
export interface Picture {
  readonly file: File;
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

/** What is to be said about a failure: HTTP's status (0: no connection) and the server's own words. */
export interface Problem {
  readonly status: number;
  readonly detail: string;
}

export type Step =
  | { readonly kind: "sending"; readonly share: number }
  | { readonly kind: "waiting"; readonly ahead: number }
  | { readonly kind: "tiles"; readonly pace: Pace };

export type State =
  | { readonly phase: "empty" }
  | { readonly phase: "opening" }
  | { readonly phase: "ready"; readonly picture: Picture }
  | { readonly phase: "working"; readonly picture: Picture; readonly step: Step }
  | { readonly phase: "done"; readonly picture: Picture; readonly result: Result }
  | { readonly phase: "failed"; readonly picture: Picture | null; readonly problem: Problem };

export type Action =
  | { readonly do: "open" }
  | { readonly do: "opened"; readonly picture: Picture }
  | { readonly do: "start" }
  | { readonly do: "step"; readonly step: Step }
  | { readonly do: "finish"; readonly result: Result }
  | { readonly do: "fail"; readonly problem: Problem }
  | { readonly do: "cancel" };

export function reduce(state: State, action: Action): State {
  const picture = "picture" in state ? state.picture : null;
  switch (action.do) {
    case "open":
      return { phase: "opening" };
    case "opened":
      return { phase: "ready", picture: action.picture };
    case "start":
      return picture ? { phase: "working", picture, step: { kind: "sending", share: 0 } } : state;
    case "step":
      return state.phase === "working" ? { ...state, step: action.step } : state;
    case "finish":
      return state.phase === "working" ? { phase: "done", picture: state.picture, result: action.result } : state;
    case "fail":
      return { phase: "failed", picture, problem: action.problem };
    case "cancel":
      return picture ? { phase: "ready", picture } : { phase: "empty" };
  }
}
