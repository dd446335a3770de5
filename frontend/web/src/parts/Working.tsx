/** How far the work is, over the picture it is done on. */

import { useEffect, useRef, useState } from "preact/hooks";
import { secondsLeft } from "../eta";
import type { Picture, Step } from "../state";
import { useWords, type Words } from "../words";

interface Props {
  readonly picture: Picture;
  readonly step: Step;
  readonly onCancel: () => void;
}

export function Working({ picture, step, onCancel }: Props) {
  const words = useWords();
  const cancel = useRef<HTMLButtonElement>(null);
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    cancel.current?.focus();
    const timer = setInterval(() => setNow(performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const share = shareOf(step);
  const said = sayStep(step, words);
  const left = step.kind === "tiles" ? secondsLeft(step.pace, now) : null;
  return (
    <div class="picture working">
      <img src={picture.url} alt="" />
      <div class="status">
        <div class="status-line">
          <strong>{said}</strong>
          <span class="soft">{left !== null && left > 0 && words.t.left(left)}</span>
        </div>
        <div
          class={share === null ? "bar unknown" : "bar"}
          role="progressbar"
          aria-label={words.t.progress}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuetext={said}
          {...(share === null ? {} : { "aria-valuenow": Math.round(share * 100) })}
        >
          <div style={{ transform: `scaleX(${share ?? 0.3})` }} />
        </div>
        <button type="button" class="quiet" ref={cancel} onClick={onCancel}>
          {words.t.cancel}
        </button>
      </div>
    </div>
  );
}

/** 0..1, or null while nobody knows. */
function shareOf(step: Step): number | null {
  if (step.kind === "sending") return step.share < 1 ? step.share : null;
  if (step.kind === "waiting") return null;
  const { done, total } = step.pace;
  return done < total ? done / total : null;
}

export function sayStep(step: Step, { t }: Words): string {
  if (step.kind === "sending") return step.share < 1 ? t.sending(Math.floor(step.share * 100)) : t.starting;
  if (step.kind === "waiting") return t.waiting(step.ahead);
  const { done, total } = step.pace;
  return done < total ? t.tiles(done, total) : t.finishing;
}
