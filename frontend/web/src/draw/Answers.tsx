/** What was drawn, each with its seed, the way to save it, and the map of where it is a guess. */

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/Icon";
import { useWords } from "../words";
import type { Frame } from "./frames";

interface Props {
  readonly frames: readonly Frame[];
  readonly entropy: boolean;
}

export function Answers({ frames, entropy }: Props) {
  const { t } = useWords();
  if (frames.length === 0) return <p class="answers-empty soft">{t.draw.empty}</p>;
  return (
    <ol class="answers" aria-label={t.draw.answers}>
      {frames.map((frame, index) => (
        <Answer key={frame.seed} frame={frame} number={index + 1} entropy={entropy} />
      ))}
    </ol>
  );
}

function Answer({ frame, number, entropy }: { frame: Frame; number: number; entropy: boolean }) {
  const { t, number: digits } = useWords();
  const { draw } = t;
  const map = entropy ? frame.entropy : null;
  return (
    <li class="answer">
      <div class="shot">
        <Mounted canvas={frame.canvas} label={draw.answer(number, frame.seed)} class="drawn" />
        {map && <Mounted canvas={map} label={draw.entropyOf(number, frame.seed)} class="map" />}
      </div>
      <div class="answer-line">
        <span>
          <b>{draw.seedOf(frame.seed)}</b>
          {frame.bits !== null && <small class="soft">{draw.bits(digits(frame.bits, 1))}</small>}
        </span>
        {frame.url && (
          <a class="tool" href={frame.url} download={`drawn_seed${frame.seed}.png`} title={draw.save(frame.seed)} aria-label={draw.save(frame.seed)}>
            <Icon name="download" />
          </a>
        )}
      </div>
    </li>
  );
}

/** A canvas that lives outside of Preact, which redraws nothing of it. */
function Mounted({ canvas, label, class: name }: { canvas: HTMLCanvasElement; label: string; class: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.replaceChildren(canvas), [canvas]);
  return <div class={name} role="img" aria-label={label} ref={place} />;
}
