/** The few drawings of the page. */

const PATHS = {
  picture: "M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 9.5h.01",
  download: "M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 20h14",
  arrows: "m9 8-4 4 4 4m6-8 4 4-4 4",
  swap: "M4 8h13l-3-3m6 11H7l3 3",
  warning: "M12 4 2.8 20h18.4zM12 10v4.5m0 2.6v.01",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zm0-10v5.5m0-8.6v.01",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A lens: coarse squares on one side of it, a smooth line on the other. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="14" cy="14" r="10.5" />
      <path d="M21.8 21.8 28 28" />
      <path class="squares" d="M8 12h4v4H8zM12 16h4v4h-4z" />
      <path d="M16 18c0-4 2-6.5 5-7" />
    </svg>
  );
}
