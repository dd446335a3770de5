/** What the page asks of `POST /api/draw`. */

import { Failure, failureOf } from "../api";
import { Lines } from "../ndjson";

export interface Wish {
  readonly model: string;
  readonly samples: number;
  readonly temperature: number;
  readonly seed: number;
}

export interface Picture {
  readonly seed: number;
  readonly url: string;
  readonly entropy_url: string;
}

export interface Result {
  readonly cached: boolean;
  readonly model: string;
  readonly version: string;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  readonly pictures: readonly Picture[];
}

/** One row of every picture: line k of `image` belongs to picture k. */
export interface Row {
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly image: string;
}

export interface Watch {
  waiting(ahead: number): void;
  row(row: Row): void;
}

type Event =
  | { type: "waiting"; ahead: number }
  | ({ type: "row" } & Row)
  | ({ type: "result" } & Result)
  | { type: "error"; status: number; error: string };

/** Aborting `signal` drops the connection, which stops the drawing on the server. */
export async function askToDraw(sketch: Blob, wish: Wish, watch: Watch, signal: AbortSignal): Promise<Result> {
  const form = new FormData();
  for (const [name, value] of Object.entries(wish)) form.set(name, String(value));
  form.set("file", sketch, "sketch.png");
  try {
    const response = await fetch("/api/draw", { method: "POST", body: form, signal });
    if (!response.ok) throw await failureOf(response);
    return await read(response, watch);
  } catch (error) {
    if (error instanceof Failure || signal.aborted) throw error;
    throw new Failure(0, "");
  }
}

async function read(response: Response, watch: Watch): Promise<Result> {
  const lines = new Lines();
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) throw new Failure(0, "");
    for (const event of lines.push(value ?? "") as Event[]) {
      if (event.type === "waiting") watch.waiting(event.ahead);
      else if (event.type === "row") watch.row(event);
      else if (event.type === "result") return event;
      else throw new Failure(event.status, event.error);
    }
  }
}
