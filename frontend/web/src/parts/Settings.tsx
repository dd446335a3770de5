/** What to make of the picture: factor, model, format. */

import type { Model, Options } from "../api";
import { family } from "../names";
import { useWords } from "../words";
import { Choice } from "./Choice";

interface Props {
  readonly models: readonly Model[];
  readonly options: Options;
  readonly disabled: boolean;
  readonly onChange: (options: Options) => void;
}

const FORMATS = ["PNG", "JPEG", "WEBP"];

export function Settings({ models, options, disabled, onChange }: Props) {
  const { t, number } = useWords();
  const chosen = models.find((model) => model.name === options.model);
  const scales = [...new Set(models.map((model) => model.scale ?? 0))].sort((a, b) => a - b);
  const ofScale = models.filter((model) => model.scale === chosen?.scale);
  const pickScale = (scale: number): void => {
    const fitting = models.filter((model) => model.scale === scale);
    const same = fitting.find((model) => chosen && family(model.name) === family(chosen.name));
    const next = same ?? fitting.find((model) => model.default) ?? fitting[0];
    if (next) onChange({ ...options, model: next.name });
  };
  return (
    <fieldset class="settings" disabled={disabled}>
      <Choice
        legend={t.factor}
        name="scale"
        kind="segments"
        value={String(chosen?.scale ?? "")}
        items={scales.map((scale) => ({ value: String(scale), label: `×${scale}`, hint: t.times(scale) }))}
        onPick={(value) => pickScale(Number(value))}
      />
      <Choice
        legend={t.model}
        name="model"
        kind="cards"
        value={options.model}
        items={ofScale.map((model) => {
          const [title, line] = t.models[family(model.name)] ?? [model.name, model.summary];
          const size = model.parameters === null ? "" : ` · ${t.parameters(number(model.parameters))}`;
          const badge = model.default ? { badge: t.recommended } : {};
          return { value: model.name, label: title, hint: line, small: `${model.name}${size}`, ...badge };
        })}
        onPick={(model) => onChange({ ...options, model })}
      />
      <Choice
        legend={t.saveAs}
        name="format"
        kind="segments"
        value={options.format}
        items={FORMATS.map((format) => ({
          value: format,
          label: format === "WEBP" ? "WebP" : format,
          hint: t.formatHints[format] ?? "",
        }))}
        onPick={(format) => onChange({ ...options, format })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={options.keepMetadata}
          onChange={(event) => onChange({ ...options, keepMetadata: event.currentTarget.checked })}
        />
        <span>{t.keepMetadata}</span>
      </label>
    </fieldset>
  );
}
