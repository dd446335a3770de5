/** One picture on its way from a file to a larger file. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { Failure, type Options, type Result, upscale } from "../api";
import { advance, type Pace } from "../eta";
import { pixels } from "../names";
import { openPicture, sizeOf } from "../open";
import { type Picture, reduce, type State } from "../state";
import { useDrop } from "../useDrop";
import type { Offer } from "../useModels";
import { useWords, type Words } from "../words";
import { Compare } from "./Compare";
import { Details } from "./Details";
import { Notice } from "./Notice";
import { Problem } from "./Problem";
import { Settings } from "./Settings";
import { Welcome } from "./Welcome";
import { Working, sayStep } from "./Working";

/** `active`: whether it is seen; else it takes no pictures that are dropped or pasted. */
export function Enlarge({ offer, active }: { offer: Offer; active: boolean }) {
  const [state, act] = useReducer(reduce, { phase: "empty" } as State);
  const [wanted, setWanted] = useState<Options>({ model: "", format: "PNG", keepMetadata: true });
  const [several, setSeveral] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const newest = useRef<File | null>(null);
  const running = useRef<AbortController | null>(null);
  const speak = useWords();
  const { t } = speak;

  const model = offer.models.find(({ name }) => name === wanted.model) ?? offer.models.find((one) => one.default) ?? offer.models[0];
  const options: Options = { ...wanted, model: model?.name ?? "" };
  const picture = "picture" in state ? state.picture : null;

  useEffect(() => () => (picture ? URL.revokeObjectURL(picture.url) : undefined), [picture?.url]);

  const fail = (error: unknown): void => {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (!(error instanceof Failure)) throw error;
    act({ do: "fail", problem: { status: error.status, detail: error.message } });
  };
  const open = (file: File, more = false): void => {
    running.current?.abort();
    setSeveral(more);
    act({ do: "open" });
    if (file.size > offer.limits.max_bytes) {
      act({ do: "fail", problem: { status: 413, detail: "" } });
      return;
    }
    newest.current = file;
    openPicture(file).then(
      (opened) => {
        if (newest.current === file) act({ do: "opened", picture: opened });
        else URL.revokeObjectURL(opened.url); // another was opened meanwhile
      },
      (error: unknown) => {
        if (newest.current === file) fail(error);
      },
    );
  };
  const start = (): void => {
    if (!picture || !model) return;
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    act({ do: "start" });
    let pace: Pace | null = null;
    const watch = {
      sent: (share: number) => act({ do: "step", step: { kind: "sending", share } }),
      waiting: (ahead: number) => act({ do: "step", step: { kind: "waiting", ahead } }),
      progress: (done: number, total: number) => {
        pace = advance(pace, done, total, performance.now());
        act({ do: "step", step: { kind: "tiles", pace } });
      },
    };
    const finish = async (result: Result): Promise<void> => {
      await sizeOf(result.url).catch(() => null); // in the browser's cache before it is shown
      if (!controller.signal.aborted) act({ do: "finish", result });
    };
    upscale(picture.file, options, watch, controller.signal).then(finish).catch(fail);
  };
  const cancel = (): void => {
    running.current?.abort();
    act({ do: "cancel" });
  };
  const choose = (): void => chooser.current?.click();
  const over = useDrop(open, active);

  return (
    <>
      {state.phase === "empty" || state.phase === "opening" ? (
        <Welcome limits={offer.limits} opening={state.phase === "opening"} onChoose={choose} onFile={open} />
      ) : (
        <main class={`desk ${state.phase}`}>
          <div class="easel">
            <Shown state={state} onCancel={cancel} />
            {state.phase === "failed" && (
              <Problem
                problem={state.problem}
                limits={offer.limits}
                onRetry={picture && state.problem.status !== 400 ? start : null}
                onChoose={choose}
              />
            )}
          </div>
          {picture && (
            <aside class="panel">
              {state.phase === "done" && <Details picture={picture} result={state.result} />}
              <Source
                picture={picture}
                scale={state.phase === "done" ? null : (model?.scale ?? 1)}
                words={speak}
                onChoose={choose}
              />
              {several && <Notice>{t.several}</Notice>}
              <Settings
                models={offer.models}
                options={options}
                disabled={state.phase === "working"}
                onChange={setWanted}
              />
              <Start
                phase={state.phase}
                label={state.phase === "done" ? t.enlargeAgain(model?.scale ?? 1) : t.enlarge(model?.scale ?? 1)}
                ready={model?.ready === true}
                onStart={start}
              />
            </aside>
          )}
        </main>
      )}
      <p class="unseen" aria-live="polite">
        {announce(state, speak)}
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
      {over && <div class="over">{t.dropAnywhere}</div>}
    </>
  );
}

function Shown({ state, onCancel }: { state: State; onCancel: () => void }) {
  switch (state.phase) {
    case "working":
      return <Working picture={state.picture} step={state.step} onCancel={onCancel} />;
    case "done": {
      const { url, width, height } = state.result;
      return <Compare before={state.picture.url} after={url} width={width} height={height} />;
    }
    case "ready":
    case "failed":
      return state.picture && (
        <div class="picture">
          <img src={state.picture.url} alt="" />
        </div>
      );
    default:
      return null;
  }
}

interface SourceProps {
  readonly picture: Picture;
  /** Null once the result itself says how large it is. */
  readonly scale: number | null;
  readonly words: Words;
  readonly onChoose: () => void;
}

/** Which picture it is and how large it will be. */
function Source({ picture, scale, words: { t, bytes }, onChoose }: SourceProps) {
  return (
    <section class="source">
      <strong class="file-name">{picture.file.name}</strong>
      <button type="button" class="link" onClick={onChoose}>
        {t.chooseAnother}
      </button>
      {scale !== null && (
        <p class="soft">
          {pixels(picture.width, picture.height)} → <b>{pixels(picture.width * scale, picture.height * scale)}</b>
          {` · ${bytes(picture.file.size)}`}
        </p>
      )}
    </section>
  );
}

interface StartProps {
  readonly phase: State["phase"];
  readonly label: string;
  readonly ready: boolean;
  readonly onStart: () => void;
}

function Start({ phase, label, ready, onStart }: StartProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (phase === "ready") button.current?.focus({ preventScroll: true });
  }, [phase, ready]);
  return (
    <div class="start">
      <button
        type="button"
        ref={button}
        class={phase === "done" ? "quiet" : "primary"}
        disabled={!ready || phase === "working"}
        onClick={onStart}
      >
        {label}
      </button>
    </div>
  );
}

/** What a screen reader says of the state; tiles only at every quarter, lest it never stop. */
function announce(state: State, speak: Words): string {
  if (state.phase === "done") return speak.t.doneSaid(pixels(state.result.width, state.result.height));
  if (state.phase === "opening") return speak.t.opening;
  if (state.phase !== "working") return "";
  if (state.step.kind !== "tiles") return sayStep(state.step, speak);
  const { done, total } = state.step.pace;
  return `${Math.floor((4 * done) / total) * 25}%`;
}
