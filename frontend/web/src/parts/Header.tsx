/** Name and language. */

import { LOCALES, type Locale } from "../i18n";
import { useWords } from "../words";
import { Mark } from "./Icon";

export function Header({ onLocale }: { onLocale: (locale: Locale) => void }) {
  const { t, locale } = useWords();
  return (
    <header class="header">
      <a class="brand" href="/">
        <Mark />
        <span>Loupe</span>
      </a>
      <p class="tagline">{t.tagline}</p>
      <a class="api" href="/docs">
        {t.api}
      </a>
      <nav class="languages" aria-label={t.language}>
        {(Object.keys(LOCALES) as Locale[]).map((key) => (
          <button
            type="button"
            key={key}
            lang={key}
            title={LOCALES[key].name}
            aria-label={LOCALES[key].name}
            aria-pressed={key === locale}
            onClick={() => onLocale(key)}
          >
            {key.toUpperCase()}
          </button>
        ))}
      </nav>
    </header>
  );
}
