/** What the page asks of its server. Every failure is a `Failure`: a status and a sentence. */

import { Lines } from "./ndjson";

export interface Model {
  readonly name: string;
  /** What it is for: `enlarger` of /api/upscale, `sampler` of /api/draw. */
  readonly kind: "enlarger" | "sampler";
  readonly scale: number | null;
  readonly summary: string;
  readonly parameters: number | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly ready: boolean;
  readonly default: boolean;
}

export interface Limits {
  readonly max_bytes: number;
  readonly max_pixels_in: number;
  readonly max_pixels_out: number;
}

/** What may be drawn at once. */
export interface Drawing {
  readonly max_cells: number;
  readonly max_samples: number;
}

export interface Offered {
  readonly models: Model[];
  readonly limits: Limits;
  readonly drawing: Drawing;
}

export interface Result {
  readonly url: string;
  readonly cached: boolean;
  readonly width: number;
  readonly height: number;
  readonly input_width: number;
  readonly input_height: number;
  readonly format: string;
  readonly bytes: number;
  readonly model: string;
  readonly version: string;
  readonly scale: number;
  readonly seconds: number;
  readonly notes: readonly string[];
}

export interface Options {
  readonly model: string;
  readonly format: string;
  readonly keepMetadata: boolean;
}

export interface Watch {
  /** The share of the picture that has been sent, 0..1. */
  sent(share: number): void;
  waiting(ahead: number): void;
  progress(done: number, total: number): void;
}

type Event =
  | { type: "waiting"; ahead: number }
  | { type: "progress"; done: number; total: number }
  | ({ type: "result" } & Result)
  | { type: "error"; status: number; error: string };

/** `status` is HTTP's; 0 is a connection that failed or broke. */
export class Failure extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export async function fetchModels(): Promise<Offered> {
  const response = await connect(fetch("/api/models", { cache: "no-store" }));
  return (await response.json()) as Offered;
}

/** A PNG of a picture that this browser cannot show, and the picture's own size. */
export async function fetchPreview(file: File): Promise<{ blob: Blob; width: number; height: number }> {
  const form = new FormData();
  form.set("file", file, "picture");
  const response = await connect(fetch("/api/preview", { method: "POST", body: form }));
  const [width = 0, height = 0] = (response.headers.get("X-Picture-Size") ?? "").split("x").map(Number);
  return { blob: await response.blob(), width, height };
}

/**
 * Enlarge a picture. Aborting `signal` drops the connection, which stops the work on the server.
 *
 * XMLHttpRequest, not fetch: only it tells how much of the upload has gone.
 */
export function upscale(file: File, options: Options, watch: Watch, signal: AbortSignal): Promise<Result> {
  const form = new FormData();
  form.set("model", options.model);
  form.set("format", options.format);
  form.set("keep_metadata", String(options.keepMetadata));
  form.set("file", file, "picture");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lines = new Lines();
    let read = 0;
    let result: Result | null = null;
    let failure: Failure | null = null;
    const take = (): void => {
      const piece = request.responseText.slice(read);
      read = request.responseText.length;
      for (const event of lines.push(piece) as Event[]) {
        if (event.type === "waiting") watch.waiting(event.ahead);
        else if (event.type === "progress") watch.progress(event.done, event.total);
        else if (event.type === "result") result = event;
        else failure = new Failure(event.status, event.error);
      }
    };
    request.upload.onprogress = ({ loaded, total }) => watch.sent(total > 0 ? loaded / total : 0);
    request.upload.onload = () => watch.sent(1);
    request.onprogress = () => {
      if (request.status === 200) take();
    };
    request.onload = () => {
      if (request.status !== 200) return reject(new Failure(request.status, sentence(request.responseText)));
      take();
      if (result) resolve(result);
      else reject(failure ?? new Failure(0, ""));
    };
    request.onerror = () => reject(new Failure(0, ""));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", "/api/upscale");
    request.send(form);
  });
}

async function connect(answer: Promise<Response>): Promise<Response> {
  const response = await answer.catch(() => {
    throw new Failure(0, "");
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}

export async function failureOf(response: Response): Promise<Failure> {
  return new Failure(response.status, sentence(await response.text()));
}

/** The sentence in an error's body; a proxy in between may have put anything there. */
function sentence(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === "string" ? error : "";
  } catch {
    return "";
  }
}
