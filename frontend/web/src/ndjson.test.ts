import { expect, it } from "vitest";
import { Lines } from "./ndjson";

const TEXT = '{"done":1}\n{"said":"é\\n"}\n\n{"done":2}\n';

it("gives the same values however the text is cut", () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const lines = new Lines();
    const values: unknown[] = [];
    for (let at = 0; at < TEXT.length; at += size) values.push(...lines.push(TEXT.slice(at, at + size)));
    expect(values).toEqual([{ done: 1 }, { said: "é\n" }, { done: 2 }]);
    expect(lines.torn).toBe(false);
  }
});

it("knows when it was cut off in the middle of a line", () => {
  const lines = new Lines();
  expect(lines.push('{"done":1}\n{"do')).toEqual([{ done: 1 }]);
  expect(lines.torn).toBe(true);
});

it("refuses what is not JSON", () => {
  expect(() => new Lines().push("<html>\n")).toThrow(SyntaxError);
});
