/** One drawing after another: what is under way, what came of it, and how to stop it. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../api";
import type { Problem } from "../state";
import { askToDraw, type Result, type Wish } from "./ask";
import { finish, type Frame, newFrames, pngOf, putRow } from "./frames";
import type { Sketch } from "./sketch";

export interface Drawing {
  readonly phase: "idle" | "working" | "done" | "failed";
  readonly frames: readonly Frame[];
  /** Rows so far, of `height`; both 0 while nothing has come. */
  readonly rows: number;
  readonly height: number;
  /** How many are before this one, null when it is not in line. */
  readonly ahead: number | null;
  readonly result: Result | null;
  readonly problem: Problem | null;
}

const IDLE: Drawing = { phase: "idle", frames: [], rows: 0, height: 0, ahead: null, result: null, problem: null };

export function useDrawing(): {
  drawing: Drawing;
  start: (sketch: Sketch, scale: number, wish: Wish) => void;
  cancel: () => void;
} {
  const [drawing, setDrawing] = useState<Drawing>(IDLE);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const start = useCallback((sketch: Sketch, scale: number, wish: Wish): void => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const seeds = Array.from({ length: wish.samples }, (_, index) => wish.seed + index);
    const frames = newFrames(sketch, scale, seeds);
    const update = (change: Partial<Drawing>): void => {
      if (running.current === controller) setDrawing((old) => ({ ...old, ...change }));
    };
    setDrawing({ ...IDLE, phase: "working", frames });
    const watch = {
      waiting: (ahead: number) => update({ ahead }),
      row: (row: Parameters<typeof putRow>[1]) => {
        void putRow(frames, row).catch(() => undefined); // a row that cannot be shown comes again with the whole
        update({ rows: row.y + 1, height: row.height, ahead: null });
      },
    };
    const run = async (): Promise<void> => {
      const result = await askToDraw(await pngOf(sketch), wish, watch, controller.signal);
      const finished = await Promise.all(
        frames.map((frame, index) => {
          const picture = result.pictures[index];
          return picture ? finish(frame, picture.url, picture.entropy_url).catch(() => unseen()) : frame;
        }),
      );
      update({ phase: "done", frames: finished, result, rows: result.height, height: result.height });
    };
    run().catch((error: unknown) => {
      if (controller.signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      update({ phase: "failed", frames: [], problem: { status: error.status, detail: error.message } });
    });
  }, []);
  const cancel = useCallback((): void => {
    running.current?.abort();
    running.current = null;
    setDrawing(IDLE);
  }, []);
  return { drawing, start, cancel };
}

/** A picture that was drawn and then could not be fetched. */
function unseen(): never {
  throw new Failure(0, "");
}
