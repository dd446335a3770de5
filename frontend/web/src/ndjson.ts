/**
 * Newline-delimited JSON from text that comes in pieces of any size.
 *
 *     const lines = new Lines();
 *     for (const value of lines.push(piece)) ...
 */
export class Lines {
  #rest = "";

  /** The values of the lines that `piece` completes. Throws SyntaxError for a line that is not JSON. */
  push(piece: string): unknown[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as unknown);
  }

  /** Whether the text ended in the middle of a line. */
  get torn(): boolean {
    return this.#rest.trim() !== "";
  }
}
