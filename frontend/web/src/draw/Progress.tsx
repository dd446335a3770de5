/** How many rows are drawn, and the way to stop. */

import { useEffect, useRef } from "preact/hooks";
import { useWords } from "../words";
import type { Drawing } from "./useDrawing";

export function Progress({ drawing, onCancel }: { drawing: Drawing; onCancel: () => void }) {
  const { t } = useWords();
  const cancel = useRef<HTMLButtonElement>(null);
  useEffect(() => cancel.current?.focus(), []);
  const { rows, height, ahead } = drawing;
  const said = ahead !== null ? t.waiting(ahead) : rows > 0 ? t.draw.row(rows, height) : t.draw.drawing;
  const share = height > 0 ? rows / height : null;
  return (
    <div class="row-status">
      <span class="row-said">{said}</span>
      <div
        class={share === null ? "bar unknown" : "bar"}
        role="progressbar"
        aria-label={t.draw.progress}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuetext={said}
        {...(share === null ? {} : { "aria-valuenow": Math.round(share * 100) })}
      >
        <div style={{ transform: `scaleX(${share ?? 0.3})` }} />
      </div>
      <button type="button" class="quiet" ref={cancel} onClick={onCancel}>
        {t.cancel}
      </button>
    </div>
  );
}
