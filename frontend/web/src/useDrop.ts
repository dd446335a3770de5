/** Pictures dropped or pasted anywhere on the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import { firstFile } from "./open";

/** While `active`, calls `onFile` with the first picture; returns whether one is held over the page now. */
export function useDrop(onFile: (file: File, more: boolean) => void, active = true): boolean {
  const [over, setOver] = useState(false);
  const take = useRef(onFile);
  take.current = onFile;
  useEffect(() => {
    if (!active) return;
    let depth = 0; // dragenter of an inner element comes before dragleave of the outer one
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    const onEnter = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const onLeave = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const onOver = (event: DragEvent): void => {
      if (holdsFiles(event)) event.preventDefault();
    };
    const accept = (event: Event, transfer: DataTransfer | null): void => {
      const { file, more } = firstFile(transfer);
      if (!file) return;
      event.preventDefault();
      take.current(file, more);
    };
    const onDrop = (event: DragEvent): void => {
      depth = 0;
      setOver(false);
      accept(event, event.dataTransfer);
    };
    const onPaste = (event: ClipboardEvent): void => accept(event, event.clipboardData);
    const listeners: [string, EventListener][] = [
      ["dragenter", onEnter as EventListener],
      ["dragleave", onLeave as EventListener],
      ["dragover", onOver as EventListener],
      ["drop", onDrop as EventListener],
      ["paste", onPaste as EventListener],
    ];
    for (const [name, listener] of listeners) document.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of listeners) document.removeEventListener(name, listener);
    };
  }, [active]);
  return over;
}
