/** One of several: real radio buttons underneath, so that arrow keys and screen readers know what to do. */

interface Item {
  readonly value: string;
  readonly label: string;
  readonly hint: string;
  readonly small?: string;
  readonly badge?: string;
}

interface Props {
  readonly legend: string;
  readonly name: string;
  readonly kind: "segments" | "cards";
  readonly value: string;
  readonly items: readonly Item[];
  readonly onPick: (value: string) => void;
}

export function Choice({ legend, name, kind, value, items, onPick }: Props) {
  return (
    <fieldset class={`choice ${kind}`}>
      <legend>{legend}</legend>
      <div class="items">
        {items.map((item) => (
          <label key={item.value}>
            <input
              type="radio"
              name={name}
              value={item.value}
              checked={item.value === value}
              onChange={() => onPick(item.value)}
            />
            <span class="item">
              <span class="item-label">
                {item.label}
                {item.badge && <em>{item.badge}</em>}
              </span>
              <span class="soft">{item.hint}</span>
              {item.small && <span class="item-small">{item.small}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
