/** The few drawings of the page. */

const PATHS = {
  download: "M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 20h14",
  arrows: "m9 8-4 4 4 4m6-8 4 4-4 4",
  warning: "M12 4 2.8 20h18.4zM12 10v4.5m0 2.6v.01",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zm0-10v5.5m0-8.6v.01",
  pencil: "m5 19 1-4L16.5 4.5l3 3L9 18zM14.5 6.5l3 3",
  eraser: "m8 19-4-4L14 5l6 6-8 8zm12 0H8m1-9 6 6",
  fill: "m5 12 7-7 7 7-7 7zm0 0h14M9 8 6 5m14 10c1.4 1.8 1.4 4 0 4s-1.4-2.2 0-4",
  pick: "m4 20 1-4 8-8 3 3-8 8zm8-13 5 5m-2.5-7.5a2.5 2.5 0 0 1 5 5L17 12l-5-5z",
  mirror: "M12 3v18M9 7l-5 10h5zm6 0 5 10h-5z",
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m15 14 5-5-5-5m5 5H10a6 6 0 0 0 0 12h3",
  clear: "M5 7h14M9 7V4h6v3m2 0-1 13H8L7 7m3 3.5v6m4-6v6",
  picture: "M4 5h16v14H4zm0 11 5-5 4 4 2-2 5 5M15.5 9.5v.01",
  dice: "M5 5h14v14H5zm4 4v.01M15 9v.01M12 12v.01M9 15v.01M15 15v.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A lens: coarse squares on one side of it, a smooth curve on the other. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="14" cy="14" r="10.5" />
      <path d="M21.8 21.8 28 28" />
      <path class="inside" d="M7 15.5h3.5V12H14V8.5a10 10 0 0 1 7 10.5H7z" />
    </svg>
  );
}

const COARSE = ["....", ".1.2", "1321", "3333"];

/** A small coarse picture, and the same one large and smooth. */
export function Growing() {
  return (
    <svg class="growing" viewBox="0 0 168 84" aria-hidden="true">
      <g class="coarse">
        {COARSE.flatMap((row, y) =>
          [...row].map((tone, x) => (
            <rect key={`${x}${y}`} class={`tone${tone === "." ? 0 : tone}`} x={2 + x * 9} y={40 + y * 9} width="9" height="9" />
          )),
        )}
      </g>
      <path class="arrow" d="M48 58c5-1 9-3 13-6m-4-2.5 4.5 2.2-2 4.6" />
      <g class="fine">
        <rect class="sky" x="74" y="4" width="92" height="76" rx="8" />
        <circle class="sun" cx="146" cy="25" r="8" />
        <path class="far" d="M74 60c12-8 20-24 28-26 7-2 10 12 18 16 10 5 18-10 26-8 8 3 12 12 20 15v15a8 8 0 0 1-8 8H82a8 8 0 0 1-8-8z" />
        <path class="near" d="M74 70c16-2 26-14 40-11 14 2 34 12 52 6v7a8 8 0 0 1-8 8H82a8 8 0 0 1-8-8z" />
      </g>
    </svg>
  );
}
