/** The page: its frame, and what one can do on it, a tab each. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Draw } from "./draw/Draw";
import { firstLocale, type Locale } from "./i18n";
import { Enlarge } from "./parts/Enlarge";
import { Header } from "./parts/Header";
import { useModels } from "./useModels";
import { useTab } from "./useTab";
import { words, WordsContext } from "./words";

export function App() {
  const [locale, setLocale] = useState<Locale>(() => firstLocale(localStorage.getItem("locale"), navigator.languages));
  const offer = useModels();
  const tab = useTab();
  const visited = useRef(new Set([tab])); // a tab that was left keeps its pictures and goes on with its work
  visited.current.add(tab);
  const speak = useMemo(() => words(locale), [locale]);
  const { t } = speak;

  useEffect(() => {
    document.documentElement.lang = locale;
    document.title = `Loupe: ${tab === "draw" ? t.draw.title : t.tagline}`;
  }, [locale, t, tab]);

  const switchTo = (next: Locale): void => {
    localStorage.setItem("locale", next);
    setLocale(next);
  };
  const away = { asking: "", ready: "", away: t.serverAway, loading: t.loading, none: t.noModels }[offer.status];

  return (
    <WordsContext.Provider value={speak}>
      <Header tab={tab} onLocale={switchTo} />
      {away && (
        <p class="banner" role="status">
          {away}
        </p>
      )}
      {visited.current.has("enlarge") && (
        <div class="tab" hidden={tab !== "enlarge"}>
          <Enlarge offer={offer} active={tab === "enlarge"} />
        </div>
      )}
      {visited.current.has("draw") && (
        <div class="tab" hidden={tab !== "draw"}>
          <Draw offer={offer} active={tab === "draw"} />
        </div>
      )}
    </WordsContext.Provider>
  );
}
