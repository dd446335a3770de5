/** Name, tabs and language. */

import { LOCALES, type Locale } from "../i18n";
import { TABS, type Tab } from "../useTab";
import { useWords } from "../words";
import { Mark } from "./Icon";

export function Header({ tab, onLocale }: { tab: Tab; onLocale: (locale: Locale) => void }) {
  const { t, locale } = useWords();
  return (
    <header class="header">
      <a class="brand" href="/">
        <Mark />
        <span>Loupe</span>
      </a>
      <nav class="tabs" aria-label={t.tabs}>
        {TABS.map((one) => (
          <a key={one} href={`#${one}`} {...(one === tab ? { "aria-current": "page" as const } : {})}>
            {t.tab[one]}
          </a>
        ))}
      </nav>
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
