/** Before and after in one place, with a border between them that moves by mouse, touch and keys. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clampPan, drawnSize, place, seen, type Size, type View } from "../geometry";
import { useWords } from "../words";
import { Icon } from "./Icon";

interface Props extends Size {
  readonly before: string;
  readonly after: string;
}

const STEP = 0.02;
const PAN = 60;

export function Compare({ before, after, width, height }: Props) {
  const { t } = useWords();
  const stage = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<View>("fit");
  const [split, setSplit] = useState(0.5);
  const [pan, setPan] = useState({ x: 0, y: 0 });
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = stage.current;
    if (!element) return undefined;
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => setPan({ x: 0, y: 0 }), [after, view]);

  const drawn = drawnSize(view, { width, height }, size, window.devicePixelRatio || 1);
  const box = place(drawn, clampPan(pan, drawn, size), size);
  const { from, to } = seen(box, size);
  const border = from + (to - from) * split;
  const cut = border - box.left; // from the picture's own left side
  const movable = drawn.width > size.width + 1 || drawn.height > size.height + 1;

  const moveBorder = (clientX: number): void => {
    const left = stage.current?.getBoundingClientRect().left ?? 0;
    setSplit(Math.min(1, Math.max(0, (clientX - left - from) / Math.max(1, to - from))));
  };
  const movePicture = (x: number, y: number): void =>
    setPan((old) => clampPan({ x: clampPan(old, drawn, size).x + x, y: clampPan(old, drawn, size).y + y }, drawn, size));

  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const element = event.currentTarget as HTMLElement;
    const onHandle = (event.target as HTMLElement).closest(".handle") !== null;
    element.setPointerCapture(event.pointerId);
    let { clientX, clientY } = event;
    const drag = (move: PointerEvent): void => {
      if (onHandle || !movable) moveBorder(move.clientX);
      else movePicture(move.clientX - clientX, move.clientY - clientY);
      ({ clientX, clientY } = move);
    };
    const drop = (): void => {
      element.removeEventListener("pointermove", drag);
      element.removeEventListener("pointerup", drop);
      element.removeEventListener("pointercancel", drop);
    };
    element.addEventListener("pointermove", drag);
    element.addEventListener("pointerup", drop);
    element.addEventListener("pointercancel", drop);
    if (!movable) moveBorder(event.clientX);
  };

  const onHandleKey = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? STEP * 5 : STEP;
    const targets: Record<string, number> = {
      ArrowLeft: split - step,
      ArrowDown: split - step,
      ArrowRight: split + step,
      ArrowUp: split + step,
      PageDown: split - STEP * 5,
      PageUp: split + STEP * 5,
      Home: 0,
      End: 1,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setSplit(Math.min(1, Math.max(0, target)));
  };
  const onStageKey = (event: KeyboardEvent): void => {
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [PAN, 0],
      ArrowRight: [-PAN, 0],
      ArrowUp: [0, PAN],
      ArrowDown: [0, -PAN],
    };
    const move = moves[event.key];
    if (!movable || !move) return;
    event.preventDefault();
    movePicture(...move);
  };

  const position = { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px` };
  return (
    <div class="compare">
      <div
        ref={stage}
        class={movable ? "stage movable" : "stage"}
        onPointerDown={onPointerDown}
        onKeyDown={onStageKey}
        {...(movable ? { tabIndex: 0, role: "group", "aria-label": t.stage } : {})}
      >
        <img
          class="after"
          src={after}
          alt={t.after}
          draggable={false}
          style={{ ...position, clipPath: `inset(0 0 0 ${cut}px)` }}
        />
        <img
          class="before"
          src={before}
          alt={t.before}
          draggable={false}
          style={{ ...position, clipPath: `inset(0 ${box.width - cut}px 0 0)` }}
        />
        <span class={split < 0.12 ? "label left hidden" : "label left"} aria-hidden="true">
          {t.before}
        </span>
        <span class={split > 0.88 ? "label right hidden" : "label right"} aria-hidden="true">
          {t.after}
        </span>
        <div
          class="handle"
          role="slider"
          tabIndex={0}
          aria-label={t.compare}
          aria-orientation="horizontal"
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(split * 100)}
          aria-valuetext={t.compareValue(Math.round(split * 100))}
          style={{ left: `${border}px` }}
          onKeyDown={onHandleKey}
        >
          <span>
            <Icon name="arrows" />
          </span>
        </div>
      </div>
      <div class="view" role="group" aria-label={t.view}>
        <button type="button" aria-pressed={view === "fit"} onClick={() => setView("fit")}>
          {t.fit}
        </button>
        <button type="button" aria-pressed={view === "actual"} onClick={() => setView("actual")}>
          {t.actual}
        </button>
      </div>
    </div>
  );
}
