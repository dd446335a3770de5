/** The models on offer, asked for again until they are ready. */

import { useEffect, useState } from "preact/hooks";
import { fetchModels, type Limits, type Model } from "./api";

export interface Offer {
  readonly models: readonly Model[];
  readonly limits: Limits;
  /** `asking` before the first answer, `away` when the server does not answer, `loading` until a model is ready. */
  readonly status: "asking" | "away" | "loading" | "none" | "ready";
}

const AGAIN_MS = 2000;
const LIMITS: Limits = { max_bytes: 64 * 1024 ** 2, max_pixels_in: 64e6, max_pixels_out: 400e6 };

export function useModels(): Offer {
  const [offer, setOffer] = useState<Offer>({ models: [], limits: LIMITS, status: "asking" });
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const ask = async (): Promise<void> => {
      let next: Offer["status"] = "away";
      try {
        const { models, limits } = await fetchModels();
        const usable = models.filter((model) => model.scale !== null);
        next = models.length === 0 ? "none" : models.some((model) => model.ready) ? "ready" : "loading";
        if (!stopped) setOffer({ models: usable, limits, status: next });
      } catch {
        if (!stopped) setOffer((old) => ({ ...old, status: "away" }));
      }
      if (!stopped && next !== "ready") timer = window.setTimeout(() => void ask(), AGAIN_MS);
    };
    void ask();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
  }, []);
  return offer;
}
