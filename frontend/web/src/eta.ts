/** How long it will still take, from the pace so far. */

export interface Pace {
  readonly done: number;
  readonly total: number;
  /** Milliseconds: when the first tile was reported, and how many tiles that was. */
  readonly since: number;
  readonly first: number;
}

/** The pace after one more report, given in milliseconds of any steady clock. */
export function advance(pace: Pace | null, done: number, total: number, now: number): Pace {
  return pace === null ? { done, total, since: now, first: done } : { ...pace, done, total };
}

/** Seconds left, or null while there is too little to go by. */
export function secondsLeft(pace: Pace | null, now: number): number | null {
  if (pace === null) return null;
  const tiles = pace.done - pace.first;
  const elapsed = (now - pace.since) / 1000;
  if (tiles < 1 || elapsed < 0.5) return null;
  return ((pace.total - pace.done) * elapsed) / tiles;
}
