/** The models on offer, asked for again until they are ready. */

import { useEffect, useState } from "preact/hooks";
import { type Drawing, fetchModels, type Limits, type Model } from "./api";

export interface Offer {
  /** Those that enlarge. */
  readonly models: readonly Model[];
  /** Those that draw. */
  readonly samplers: readonly Model[];
  readonly limits: Limits;
  readonly drawing: Drawing;
  /** `asking` before the first answer, `away` when the server does not answer, `loading` until a model is ready. */
  readonly status: "asking" | "away" | "loading" | "none" | "ready";
}

const AGAIN_MS = 2000;
const LATER_MS = 10_000; // something is ready, and something else still loads
const DRAWING: Drawing = { max_cells: 16, max_samples: 8 };
const LIMITS: Limits = { max_bytes: 64 * 1024 ** 2, max_pixels_in: 64e6, max_pixels_out: 400e6 };

export function useModels(): Offer {
  const [offer, setOffer] = useState<Offer>({ models: [], samplers: [], limits: LIMITS, drawing: DRAWING, status: "asking" });
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const ask = async (): Promise<void> => {
      let next: Offer["status"] = "away";
      let all = false;
      try {
        const { models, limits, drawing } = await fetchModels();
        const usable = models.filter((model) => model.scale !== null);
        next = models.length === 0 ? "none" : models.some((model) => model.ready) ? "ready" : "loading";
        const [enlargers, samplers] = (["enlarger", "sampler"] as const).map((kind) => usable.filter((model) => model.kind === kind));
        all = models.every((model) => model.ready);
        if (!stopped) setOffer({ models: enlargers ?? [], samplers: samplers ?? [], limits, drawing, status: next });
      } catch {
        if (!stopped) setOffer((old) => ({ ...old, status: "away" }));
      }
      if (!stopped && !(next === "ready" && all)) {
        timer = window.setTimeout(() => void ask(), next === "ready" ? LATER_MS : AGAIN_MS);
      }
    };
    void ask();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
  }, []);
  return offer;
}
