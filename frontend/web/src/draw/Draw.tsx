/** The tab that draws: a sketch on the left, what it could be on the right. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { openPicture } from "../open";
import { Choice } from "../parts/Choice";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { Problem } from "../parts/Problem";
import { Failure } from "../api";
import type { Problem as Failed } from "../state";
import { useDrop } from "../useDrop";
import type { Offer } from "../useModels";
import { useWords } from "../words";
import { Answers } from "./Answers";
import type { Wish } from "./ask";
import { Board } from "./Board";
import { pixelsOf } from "./frames";
import { begin, edit } from "./history";
import { newSeed, Options } from "./Options";
import { EXAMPLES } from "./palette";
import { Progress } from "./Progress";
import { blank, colourAt, LARGEST, PAPER, type Point, resize, shrink, SMALLEST } from "./sketch";
import { type Tool, Tools } from "./Tools";
import { useDrawing } from "./useDrawing";

const SIZES = [SMALLEST, 10, 12, LARGEST];
const KEYS: Readonly<Record<string, Tool>> = { b: "pencil", e: "eraser", f: "fill", i: "pick" };
const LOOKED_AT = 512; // pixels a side of a picture that becomes a sketch

export function Draw({ offer, active }: { offer: Offer; active: boolean }) {
  const words = useWords();
  const { t, number } = words;
  const [history, act] = useReducer(edit, begin(blank(SMALLEST, SMALLEST)));
  const [tool, setTool] = useState<Tool>("pencil");
  const [colour, setColour] = useState("#3b2a20");
  const [mirrored, setMirrored] = useState(false);
  const [wanted, setWanted] = useState<Wish>(() => ({ model: "", samples: 6, temperature: 1, seed: newSeed() }));
  const [keep, setKeep] = useState(false);
  const [entropy, setEntropy] = useState(false);
  const [unread, setUnread] = useState<Failed | null>(null);
  const [example, setExample] = useState(0);
  const chooser = useRef<HTMLInputElement>(null);
  const { drawing, start, cancel } = useDrawing();

  const sketch = history.present;
  const model = offer.samplers.find(({ name }) => name === wanted.model) ?? offer.samplers.find((one) => one.default) ?? offer.samplers[0];
  const wish: Wish = { ...wanted, model: model?.name ?? "", samples: Math.min(wanted.samples, offer.drawing.max_samples) };
  const working = drawing.phase === "working";
  const done = drawing.phase === "done";

  const paint = (from: Point, to: Point, first: boolean): void => {
    if (tool === "pick") {
      setColour(colourAt(sketch, to));
      if (first) setTool("pencil");
    } else if (tool === "fill") {
      if (first) act({ do: "fill", at: to, colour, mirrored });
    } else act({ do: "stroke", from, to, colour: tool === "eraser" ? PAPER : colour, mirrored });
  };
  const open = (file: File): void => {
    const take = async (): Promise<void> => {
      const { url } = await openPicture(file);
      const { data, width, height } = await pixelsOf(url, LOOKED_AT).finally(() => URL.revokeObjectURL(url));
      act({ do: "load", sketch: shrink(data, width, height, sketch.width, sketch.height) });
      setUnread(null);
    };
    take().catch((error: unknown) => setUnread({ status: error instanceof Failure ? error.status : 400, detail: error instanceof Failure ? error.message : "" }));
  };
  const showExample = (): void => {
    const next = EXAMPLES[example % EXAMPLES.length];
    if (next) act({ do: "load", sketch: resize(next, sketch.width, sketch.height) });
    setExample(example + 1);
  };
  const draw = (): void => {
    if (!model) return;
    const seed = done && !keep && drawing.frames[0]?.seed === wish.seed ? wish.seed + drawing.frames.length : wish.seed;
    setWanted({ ...wanted, seed });
    start(sketch, model.scale ?? 1, { ...wish, seed });
  };
  const over = useDrop(open, active);

  useEffect(() => {
    if (!active) return;
    const onKey = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLInputElement && event.target.type === "number";
      if (typing || event.altKey) return;
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.metaKey) {
        if (key === "z") act({ do: event.shiftKey ? "redo" : "undo" });
        else if (key === "y") act({ do: "redo" });
        else return;
        event.preventDefault();
      } else if (KEYS[key]) setTool(KEYS[key]);
      else if (key === "m") setMirrored((old) => !old);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [active]);

  const nothing = offer.status === "ready" && offer.samplers.length === 0;
  const label = !done ? t.draw.start(wish.samples) : keep ? t.draw.again(wish.samples) : t.draw.more(wish.samples);
  return (
    <main class="studio">
      <section class="sketching" aria-label={t.draw.title}>
        <h1>{t.draw.heading}</h1>
        <p class="soft">{t.draw.lead}</p>
        <Board sketch={sketch} disabled={false} onPaint={paint} onLift={() => act({ do: "lift" })} />
        <Tools
          tool={tool}
          colour={colour}
          mirrored={mirrored}
          canUndo={history.past.length > 0}
          canRedo={history.future.length > 0}
          onTool={setTool}
          onColour={(next) => {
            setColour(next);
            if (tool === "eraser" || tool === "pick") setTool("pencil");
          }}
          onMirror={() => setMirrored(!mirrored)}
          onUndo={() => act({ do: "undo" })}
          onRedo={() => act({ do: "redo" })}
          onClear={() => act({ do: "clear" })}
        />
        <div class="sources">
          <button type="button" class="quiet" title={t.draw.load} aria-label={t.draw.load} onClick={() => chooser.current?.click()}>
            <Icon name="picture" />
            {t.draw.picture}
          </button>
          <button type="button" class="quiet" onClick={showExample}>
            {t.draw.example}
          </button>
          <button type="button" class="quiet" title={t.draw.softenHint} onClick={() => act({ do: "soften" })}>
            {t.draw.soften}
          </button>
        </div>
        {unread && <Problem problem={unread} limits={offer.limits} onRetry={null} onChoose={() => chooser.current?.click()} />}
        <Choice
          legend={t.draw.cells}
          name="cells"
          kind="segments"
          value={String(sketch.width)}
          items={SIZES.filter((size) => size <= offer.drawing.max_cells).map((size) => ({
            value: String(size),
            label: `${size}\u2009×\u2009${size}`,
            hint: "",
          }))}
          onPick={(value) => act({ do: "size", cells: Number(value) })}
        />
        <p class="soft small">{t.draw.cellsHint}</p>
      </section>
      <section class="drawing" aria-label={t.draw.answers} aria-busy={working}>
        <div class="overlay-line">
          <label class="check">
            <input type="checkbox" checked={entropy} onChange={(event) => setEntropy(event.currentTarget.checked)} />
            <span>{t.draw.entropy}</span>
          </label>
          {entropy && (
            <span class="legend">
              <span class="ramp" aria-hidden="true" />
              <span class="soft small">{t.draw.entropyHint}</span>
            </span>
          )}
        </div>
        {working && <Progress drawing={drawing} onCancel={cancel} />}
        {drawing.phase !== "failed" && <Answers frames={drawing.frames} entropy={entropy} />}
        {drawing.phase === "failed" && drawing.problem && (
          <Problem problem={drawing.problem} limits={offer.limits} onRetry={draw} onChoose={null} />
        )}
        {done && drawing.result && (
          <p class="soft small">
            {drawing.result.cached ? t.fromStorage : t.seconds(number(drawing.result.seconds, 1))}
            {` · ${t.version(drawing.result.model, drawing.result.version)}`}
          </p>
        )}
      </section>
      <aside class="commission">
        <Options
          samplers={offer.samplers}
          wish={wish}
          keep={keep}
          disabled={working}
          most={offer.drawing.max_samples}
          onChange={setWanted}
          onKeep={setKeep}
        />
        {nothing && <Notice>{t.draw.none}</Notice>}
        <button type="button" class="primary draw-button" disabled={working || model?.ready !== true} onClick={draw}>
          {label}
        </button>
        <Notice>{t.draw.invented}</Notice>
      </aside>
      <p class="unseen" aria-live="polite">
        {done ? t.draw.done(drawing.frames.length) : working ? t.draw.drawing : ""}
      </p>
      <input
        ref={chooser}
        class="unseen"
        type="file"
        tabIndex={-1}
        aria-hidden="true"
        accept="image/*,.tif,.tiff,.avif,.webp"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          currentTarget.value = "";
          if (file) open(file);
        }}
      />
      {over && <div class="over">{t.draw.dropHere}</div>}
    </main>
  );
}
