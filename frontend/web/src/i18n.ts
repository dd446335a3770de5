/** Every word on the page, in every language. A language that lacks one does not compile. */

import { drawEn, drawRu } from "./draw/words";

export type Locale = "en" | "ru";

const en = {
  tagline: "Small pictures, larger and sharper",
  title: ["A small picture in.", "A larger, sharper one out."],
  tabs: "What to do",
  tab: { enlarge: "Enlarge", draw: "Draw" },
  draw: drawEn,
  lead: "Drop a photo, choose how much larger, and compare before you save.",
  language: "Language",
  drop: "Drop a picture here",
  dropAnywhere: "Let go to open it",
  orPaste: "or paste it with Ctrl+V, or",
  choose: "Choose a picture",
  chooseAnother: "Another picture",
  formats: (size: string) => `PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF, up to ${size}`,
  sample: "No picture at hand?",
  trySample: "Try this cat",
  factor: "How much larger",
  times: (scale: number) => `${scale} times`,
  model: "Model",
  recommended: "recommended",
  saveAs: "Save as",
  formatHints: { PNG: "no loss", JPEG: "small file", WEBP: "smallest" } as Record<string, string>,
  keepMetadata: "Keep camera data and place (EXIF)",
  enlarge: (scale: number) => `Enlarge ×${scale}`,
  enlargeAgain: (scale: number) => `Enlarge ×${scale} again`,
  from: "Picture",
  becomes: "Becomes",
  opening: "Opening the picture…",
  sending: (percent: number) => `Sending the picture, ${percent}%`,
  starting: "Starting…",
  waiting: (ahead: number) => (ahead === 0 ? "Next in line…" : `In line, ${ahead} before you…`),
  tiles: (done: number, total: number) => `Tile ${done} of ${total}`,
  finishing: "Putting it together…",
  left: (seconds: number) => {
    if (seconds < 60) return `about ${Math.max(1, Math.round(seconds))} s left`;
    return `about ${Math.round(seconds / 60)} min left`;
  },
  progress: "Progress",
  cancel: "Cancel",
  before: "Before",
  after: "After",
  compare: "Border between before and after",
  compareValue: (percent: number) => `${percent}% before`,
  stage: "The picture at 100%. Arrow keys move it.",
  view: "View",
  fit: "Fit",
  actual: "100%",
  done: "Done",
  doneSaid: (size: string) => `Done. The picture is now ${size} pixels.`,
  download: "Download",
  size: "Size",
  file: "File",
  madeBy: "Made by",
  version: (name: string, version: string) => `${name}, version ${version}`,
  took: "Took",
  seconds: (text: string) => `${text} s`,
  fromStorage: "was ready from before",
  notes: "Good to know",
  honesty:
    "Fine details in the result are partly invented: they are likely, not certain. Do not take them as evidence.",
  loading: "The models are still loading. You can already open a picture.",
  noModels: "There are no models. Put a checkpoint into the models folder and start Loupe again.",
  serverAway: "Loupe's server does not answer. Trying again…",
  several: "One picture at a time for now: the first one was opened.",
  problemTitle: "That did not work",
  tryAgain: "Try again",
  failures: {
    gone: "The connection broke off. Check that Loupe is still running, then try again.",
    inference: "The part of Loupe that runs the models does not answer. Wait a moment and try again; if it stays so, restart Loupe.",
    busy: "Loupe is busy with other pictures. Try again in a few seconds.",
    notPicture: "This file is not a picture that Loupe can read. Choose a PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF.",
    tooLarge: (size: string) => `This picture is too large. Choose one of up to ${size}, or a smaller factor.`,
    option: "These settings do not go together. Choose others and try again.",
    other: "Something broke on Loupe's side. Try again; if it stays so, look into the server's log.",
  },
  detail: "Details",
  models: {
    edsr: ["Finest", "The most careful one, and the slowest"],
    edsr_light: ["Balanced", "Nearly as fine, many times faster"],
    edsr_fast: ["Fast", "Made for video: done in a blink"],
  } as Record<string, [string, string]>,
  parameters: (count: string) => `${count} parameters`,
  api: "API",
  units: ["B", "KB", "MB", "GB"] as readonly string[],
};

export type Strings = typeof en;

const ru: Strings = {
  tagline: "Маленькие снимки — крупнее и чётче",
  title: ["Был маленький снимок.", "Стал большой и чёткий."],
  tabs: "Что делать",
  tab: { enlarge: "Увеличить", draw: "Нарисовать" },
  draw: drawRu,
  lead: "Перетащите фото, выберите, во сколько раз увеличить, и сравните, прежде чем сохранить.",
  language: "Язык",
  drop: "Перетащите снимок сюда",
  dropAnywhere: "Отпустите, чтобы открыть",
  orPaste: "или вставьте его (Ctrl+V), или",
  choose: "Выберите снимок",
  chooseAnother: "Другой снимок",
  formats: (size) => `PNG, JPEG, WebP, TIFF, GIF, BMP или AVIF, до ${size}`,
  sample: "Нет снимка под рукой?",
  trySample: "Попробуйте на этом коте",
  factor: "Во сколько раз",
  times: (scale) => `в ${scale} раза`,
  model: "Модель",
  recommended: "рекомендуем",
  saveAs: "Сохранить как",
  formatHints: { PNG: "без потерь", JPEG: "маленький файл", WEBP: "самый маленький" },
  keepMetadata: "Оставить данные камеры и место (EXIF)",
  enlarge: (scale) => `Увеличить ×${scale}`,
  enlargeAgain: (scale) => `Увеличить ×${scale} ещё раз`,
  from: "Снимок",
  becomes: "Станет",
  opening: "Открываем снимок…",
  sending: (percent) => `Отправляем снимок, ${percent}%`,
  starting: "Начинаем…",
  waiting: (ahead) => (ahead === 0 ? "Вы следующий…" : `В очереди, перед вами ${ahead}…`),
  tiles: (done, total) => `Фрагмент ${done} из ${total}`,
  finishing: "Собираем…",
  left: (seconds) => {
    if (seconds < 60) return `осталось около ${Math.max(1, Math.round(seconds))} с`;
    return `осталось около ${Math.round(seconds / 60)} мин`;
  },
  progress: "Ход работы",
  cancel: "Отменить",
  before: "До",
  after: "После",
  compare: "Граница между «до» и «после»",
  compareValue: (percent) => `${percent}% «до»`,
  stage: "Снимок в масштабе 100%. Стрелки двигают его.",
  view: "Вид",
  fit: "Целиком",
  actual: "100%",
  done: "Готово",
  doneSaid: (size) => `Готово. Теперь снимок ${size} точек.`,
  download: "Скачать",
  size: "Размер",
  file: "Файл",
  madeBy: "Модель",
  version: (name, version) => `${name}, версия ${version}`,
  took: "Заняло",
  seconds: (text) => `${text} с`,
  fromStorage: "было готово раньше",
  notes: "Полезно знать",
  honesty:
    "Мелкие детали в результате отчасти придуманы: они вероятны, но не достоверны. Не считайте их доказательством.",
  loading: "Модели ещё загружаются. Снимок уже можно открыть.",
  noModels: "Моделей нет. Положите файл модели в папку моделей и запустите Loupe снова.",
  serverAway: "Сервер Loupe не отвечает. Пробуем снова…",
  several: "Пока по одному снимку за раз: открыт первый.",
  problemTitle: "Не получилось",
  tryAgain: "Попробовать ещё раз",
  failures: {
    gone: "Связь прервалась. Проверьте, что Loupe работает, и попробуйте ещё раз.",
    inference: "Часть Loupe, где работают модели, не отвечает. Подождите немного и попробуйте ещё раз; если не поможет, перезапустите Loupe.",
    busy: "Loupe занят другими снимками. Попробуйте через несколько секунд.",
    notPicture: "Loupe не может прочитать этот файл как снимок. Выберите PNG, JPEG, WebP, TIFF, GIF, BMP или AVIF.",
    tooLarge: (size) => `Снимок слишком велик. Выберите файл до ${size} или меньшее увеличение.`,
    option: "Эти настройки не сочетаются. Выберите другие и попробуйте ещё раз.",
    other: "Что-то сломалось на стороне Loupe. Попробуйте ещё раз; если не поможет, посмотрите журнал сервера.",
  },
  detail: "Подробности",
  models: {
    edsr: ["Тщательная", "Самая точная и самая медленная"],
    edsr_light: ["Сбалансированная", "Почти так же точно, во много раз быстрее"],
    edsr_fast: ["Быстрая", "Сделана для видео: готово в один миг"],
  },
  parameters: (count) => `${count} параметров`,
  api: "API",
  units: ["Б", "КБ", "МБ", "ГБ"],
};

export const LOCALES: Readonly<Record<Locale, { name: string; strings: Strings }>> = {
  en: { name: "English", strings: en },
  ru: { name: "Русский", strings: ru },
};

/** The language to begin with: the one chosen before, else the first of the browser's that we speak. */
export function firstLocale(remembered: string | null, preferred: readonly string[]): Locale {
  if (remembered === "en" || remembered === "ru") return remembered;
  for (const tag of preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "en" || language === "ru") return language;
  }
  return "en";
}
