/**
 * The empty page: what this is, and the place to put a picture.
 *
 * sample.jpg is Chelsea, photographed by Stéfan van der Walt (CC0), made smaller from scikit-image's sample pictures.
 */

import type { Limits } from "../api";
import { useWords } from "../words";
import { Growing } from "./Icon";
import { Notice } from "./Notice";

interface Props {
  readonly limits: Limits;
  readonly opening: boolean;
  readonly onChoose: () => void;
  readonly onFile: (file: File) => void;
}

export function Welcome({ limits, opening, onChoose, onFile }: Props) {
  const { t, bytes } = useWords();
  const trySample = async (): Promise<void> => {
    const response = await fetch("/sample.jpg");
    onFile(new File([await response.blob()], "cat.jpg", { type: "image/jpeg" }));
  };
  return (
    <main class="welcome">
      <h1>
        {t.title.map((line) => (
          <span key={line}>{line} </span>
        ))}
      </h1>
      <p class="lead">{t.lead}</p>
      <div class="drop" aria-busy={opening}>
        <Growing />
        <p class="drop-title">{opening ? t.opening : t.drop}</p>
        <p class="soft">{t.orPaste}</p>
        <button type="button" class="primary" onClick={onChoose} disabled={opening}>
          {t.choose}
        </button>
        <p class="soft small">{t.formats(bytes(limits.max_bytes))}</p>
      </div>
      <div class="sample">
        <img src="/sample.jpg" width="64" height="48" alt="" />
        <p>
          <span class="soft">{t.sample}</span>
          <button type="button" class="link" onClick={() => void trySample()} disabled={opening}>
            {t.trySample}
          </button>
        </p>
      </div>
      <Notice>{t.honesty}</Notice>
    </main>
  );
}
