/** The chosen language, and what a failure means in it. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Limits } from "./api";
import { LOCALES, type Locale, type Strings } from "./i18n";
import { bytes } from "./names";
import type { Problem } from "./state";

export interface Words {
  readonly locale: Locale;
  readonly t: Strings;
  readonly bytes: (count: number) => string;
  readonly number: (value: number, digits?: number) => string;
}

export function words(locale: Locale): Words {
  const t = LOCALES[locale].strings;
  return {
    locale,
    t,
    bytes: (count) => bytes(count, locale, t.units),
    number: (value, digits = 0) => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value),
  };
}

export const WordsContext = createContext<Words>(words("en"));

export function useWords(): Words {
  return useContext(WordsContext);
}

/** A failure in words: what happened and the next step. The server's own sentence is shown as a detail. */
export function explain(problem: Problem, { t, bytes }: Words, limits: Limits): string {
  const { failures } = t;
  switch (problem.status) {
    case 0:
      return failures.gone;
    case 400:
      return failures.notPicture;
    case 413:
      return failures.tooLarge(bytes(limits.max_bytes));
    case 404:
    case 422:
      return failures.option;
    case 429:
    case 503:
      return failures.busy;
    case 502:
    case 504:
      return failures.inference;
    default:
      return failures.other;
  }
}
