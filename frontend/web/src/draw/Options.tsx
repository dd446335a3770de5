/** How to draw: how many answers, how wild, from which seed, by which model. */

import type { Model } from "../api";
import { Choice } from "../parts/Choice";
import { Icon } from "../parts/Icon";
import { useWords } from "../words";
import type { Wish } from "./ask";

const COUNTS = [4, 6];
const COOLEST = 0.5;
const HOTTEST = 1.5;
const SEEDS = 1_000_000;

export function newSeed(): number {
  return Math.floor(Math.random() * SEEDS);
}

interface Props {
  readonly samplers: readonly Model[];
  readonly wish: Wish;
  readonly keep: boolean;
  readonly disabled: boolean;
  readonly most: number;
  readonly onChange: (wish: Wish) => void;
  readonly onKeep: (keep: boolean) => void;
}

export function Options({ samplers, wish, keep, disabled, most, onChange, onKeep }: Props) {
  const { t, number } = useWords();
  const { draw } = t;
  return (
    <fieldset class="settings drawing-options" disabled={disabled}>
      <legend class="unseen">{draw.how}</legend>
      {samplers.length > 1 && (
        <Choice
          legend={draw.model}
          name="sampler"
          kind="cards"
          value={wish.model}
          items={samplers.map(({ name, summary }) => ({ value: name, label: name, hint: summary }))}
          onPick={(model) => onChange({ ...wish, model })}
        />
      )}
      <Choice
        legend={draw.answers}
        name="samples"
        kind="segments"
        value={String(wish.samples)}
        items={COUNTS.filter((count) => count <= most).map((count) => ({ value: String(count), label: String(count), hint: "" }))}
        onPick={(value) => onChange({ ...wish, samples: Number(value) })}
      />
      <div class="range">
        <div class="range-label">
          <label for="temperature">{draw.temperature}</label>
          <output for="temperature">{number(wish.temperature, 2)}</output>
        </div>
        <input
          id="temperature"
          type="range"
          min={COOLEST}
          max={HOTTEST}
          step={0.05}
          value={wish.temperature}
          onInput={(event) => onChange({ ...wish, temperature: Number(event.currentTarget.value) })}
        />
        <span class="soft small">{draw.temperatureHint}</span>
      </div>
      <div class="seed">
        <label>
          <span class="range-label">{draw.seed}</span>
          <input
            type="number"
            inputMode="numeric"
            min={0}
            max={Number.MAX_SAFE_INTEGER}
            value={wish.seed}
            onInput={(event) => {
              const seed = event.currentTarget.valueAsNumber;
              if (Number.isSafeInteger(seed) && seed >= 0) onChange({ ...wish, seed });
            }}
          />
        </label>
        <button
          type="button"
          class="tool"
          title={draw.newSeed}
          aria-label={draw.newSeed}
          onClick={() => onChange({ ...wish, seed: newSeed() })}
        >
          <Icon name="dice" />
        </button>
        <label class="check">
          <input type="checkbox" checked={keep} onChange={(event) => onKeep(event.currentTarget.checked)} />
          <span>{draw.keepSeed}</span>
        </label>
      </div>
    </fieldset>
  );
}
