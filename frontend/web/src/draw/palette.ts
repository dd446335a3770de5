/** Colours to begin with, and sketches for those who would rather see one first. */

import { type Sketch, soften } from "./sketch";

export const PALETTE: readonly string[] = [
  "#f4d6c0",
  "#e0ac88",
  "#c68863",
  "#8d5a3b",
  "#5a3826",
  "#2a1c16",
  "#0e0c0b",
  "#7a7570",
  "#c9c5bf",
  "#ffffff",
  "#e2c27a",
  "#a8453f",
  "#d9806f",
  "#2f5d8a",
  "#8fb3d1",
  "#4c7a52",
];

const COLOURS: Readonly<Record<string, string>> = {
  s: "#cfd8e3", // sky
  h: "#3b2a20", // hair
  f: "#dfab89", // face
  w: "#f0c8a8", // lit
  d: "#b8805f", // in the shade
  e: "#4a342a", // eyes
  m: "#a8504a", // mouth
  c: "#33577d", // clothes
  g: "#56704f", // behind
  b: "#b98a4a", // fair hair
  k: "#7d4f36", // dark skin
  l: "#96623f",
};

const FACES: readonly (readonly string[])[] = [
  ["sshhhhss", "shhhhhhs", "shffffhs", "sfeffefs", "sffwwffs", "sdffffds", "ssdmmdss", "ccddddcc"],
  ["gbbbbbbg", "bbbwwbbb", "bbwwwwbb", "bfefwefb", "bffwwffb", "bdffffdb", "bbdmmdbb", "bccddccb"],
  ["cchhhhcc", "chhhhhhc", "chllllhc", "ckellekc", "ckllllkc", "ckkllkkc", "cckmmkcc", "wwkkkkww"],
];

export const EXAMPLES: readonly Sketch[] = FACES.map((rows) =>
  soften({ width: 8, height: 8, cells: rows.flatMap((row) => [...row].map((letter) => COLOURS[letter] ?? "#ffffff")) }),
);
