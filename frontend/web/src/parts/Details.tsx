/** What came out: sizes, model, time, notes, and the way to save it. */

import { useEffect, useRef } from "preact/hooks";
import type { Result } from "../api";
import { pixels, resultName } from "../names";
import type { Picture } from "../state";
import { useWords } from "../words";
import { Icon } from "./Icon";
import { Notice } from "./Notice";

export function Details({ picture, result }: { picture: Picture; result: Result }) {
  const { t, bytes, number } = useWords();
  const download = useRef<HTMLAnchorElement>(null);
  useEffect(() => download.current?.focus({ preventScroll: true }), [result.url]);
  const name = resultName(picture.file.name, result.scale, result.format);
  const took = result.cached ? t.fromStorage : t.seconds(number(result.seconds, 1));
  const rows: [string, string][] = [
    [t.size, `${pixels(result.input_width, result.input_height)} → ${pixels(result.width, result.height)}`],
    [t.file, `${bytes(picture.file.size)} → ${bytes(result.bytes)}`],
    [t.madeBy, t.version(result.model, result.version)],
    [t.took, took],
  ];
  return (
    <section class="details" aria-label={t.done}>
      <a class="primary download" ref={download} href={result.url} download={name}>
        <Icon name="download" />
        <span>
          {t.download}
          <small>{name}</small>
        </span>
      </a>
      <dl>
        {rows.map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {result.notes.length > 0 && (
        <div class="notes">
          <h3>{t.notes}</h3>
          <ul lang="en">
            {result.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </div>
      )}
      <Notice>{t.honesty}</Notice>
    </section>
  );
}
