/** A failure: what happened, what to do next, and the server's own words for those who want them. */

import { useEffect, useRef } from "preact/hooks";
import type { Limits } from "../api";
import type { Problem as Failed } from "../state";
import { explain, useWords } from "../words";
import { Icon } from "./Icon";

interface Props {
  readonly problem: Failed;
  readonly limits: Limits;
  readonly onRetry: (() => void) | null;
  /** Null where there is nothing else to choose. */
  readonly onChoose: (() => void) | null;
}

export function Problem({ problem, limits, onRetry, onChoose }: Props) {
  const words = useWords();
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), [problem]);
  return (
    <section class="problem" role="alert">
      <Icon name="warning" />
      <h2>{words.t.problemTitle}</h2>
      <p>{explain(problem, words, limits)}</p>
      {problem.detail && (
        <details>
          <summary>{words.t.detail}</summary>
          <p lang="en">{problem.detail}</p>
        </details>
      )}
      <div class="buttons">
        {onRetry && (
          <button type="button" class="primary" ref={first} onClick={onRetry}>
            {words.t.tryAgain}
          </button>
        )}
        {onChoose && (
          <button type="button" class={onRetry ? "quiet" : "primary"} ref={onRetry ? null : first} onClick={onChoose}>
            {onRetry ? words.t.chooseAnother : words.t.choose}
          </button>
        )}
      </div>
    </section>
  );
}
