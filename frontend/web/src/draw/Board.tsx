/** The cells that one paints: by mouse, finger or keys; a grid for those who hear the page. */

import { useRef, useState } from "preact/hooks";
import { useWords } from "../words";
import type { Point, Sketch } from "./sketch";

interface Props {
  readonly sketch: Sketch;
  readonly disabled: boolean;
  /** From one cell to another, which may be the same; `first` begins a stroke. */
  readonly onPaint: (from: Point, to: Point, first: boolean) => void;
  readonly onLift: () => void;
}

const STEPS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

export function Board({ sketch, disabled, onPaint, onLift }: Props) {
  const { t } = useWords();
  const [cursor, setCursor] = useState<Point>({ x: 0, y: 0 });
  const last = useRef<Point | null>(null); // of the stroke under way
  const { width, height, cells } = sketch;
  const at = { x: Math.min(cursor.x, width - 1), y: Math.min(cursor.y, height - 1) };
  const clamp = ({ x, y }: Point): Point => ({
    x: Math.min(width - 1, Math.max(0, x)),
    y: Math.min(height - 1, Math.max(0, y)),
  });
  const cellAt = (event: PointerEvent): Point => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return clamp({
      x: Math.floor(((event.clientX - box.left) * width) / box.width),
      y: Math.floor(((event.clientY - box.top) * height) / box.height),
    });
  };
  const onPointerDown = (event: PointerEvent): void => {
    if (disabled || event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const cell = cellAt(event);
    last.current = cell;
    setCursor(cell);
    onPaint(cell, cell, true);
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!last.current) return;
    const cell = cellAt(event);
    if (cell.x === last.current.x && cell.y === last.current.y) return;
    onPaint(last.current, cell, false);
    last.current = cell;
    setCursor(cell);
  };
  const lift = (): void => {
    if (!last.current) return;
    last.current = null;
    onLift();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (disabled || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    if (step) {
      const next = clamp({ x: at.x + step.x, y: at.y + step.y });
      setCursor(next);
      if (event.shiftKey) onPaint(at, next, true);
      if (event.shiftKey) onLift();
    } else if (event.key === "Home") setCursor({ x: 0, y: at.y });
    else if (event.key === "End") setCursor({ x: width - 1, y: at.y });
    else if (event.key === " " || event.key === "Enter") {
      onPaint(at, at, true);
      onLift();
    } else return;
    event.preventDefault();
  };
  return (
    <div
      class="board"
      role="grid"
      tabIndex={0}
      aria-label={t.draw.board(width, height)}
      aria-rowcount={height}
      aria-colcount={width}
      aria-disabled={disabled}
      aria-activedescendant={`cell-${at.x}-${at.y}`}
      style={{ gridTemplateColumns: `repeat(${width}, 1fr)`, gridTemplateRows: `repeat(${height}, 1fr)` }}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={lift}
      onPointerCancel={lift}
      onKeyDown={onKeyDown}
    >
      {Array.from({ length: height }, (_, y) => (
        <div role="row" class="board-row" key={y}>
          {Array.from({ length: width }, (_, x) => {
            const colour = cells[y * width + x] ?? "";
            return (
              <div
                role="gridcell"
                key={x}
                id={`cell-${x}-${y}`}
                class={x === at.x && y === at.y ? "cell here" : "cell"}
                aria-label={t.draw.cell(y + 1, x + 1, colour)}
                style={{ backgroundColor: colour }}
              />
            );
          })}
        </div>
      ))}
    </div>
  );
}
