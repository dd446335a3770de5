import { expect, it } from "vitest";
import { firstLocale, LOCALES } from "./i18n";

it.each([
  [null, ["de-DE", "ru-RU", "en"], "ru"],
  [null, ["en-GB", "ru"], "en"],
  [null, ["fr"], "en"],
  [null, [], "en"],
  ["ru", ["en"], "ru"],
  ["xx", ["ru"], "ru"],
] as const)("remembered %s, preferred %s -> %s", (remembered, preferred, expected) => {
  expect(firstLocale(remembered, preferred)).toBe(expected);
});

it("has the same models and hints in every language", () => {
  const { en, ru } = LOCALES;
  expect(Object.keys(ru.strings.models)).toEqual(Object.keys(en.strings.models));
  expect(Object.keys(ru.strings.formatHints)).toEqual(Object.keys(en.strings.formatHints));
});
