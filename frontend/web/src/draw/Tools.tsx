/** What one paints with, and what can be done to the whole sketch. */

import { Icon, type IconName } from "../parts/Icon";
import { useWords } from "../words";
import { PALETTE } from "./palette";

export const TOOLS = ["pencil", "eraser", "fill", "pick"] as const;
export type Tool = (typeof TOOLS)[number];

interface Props {
  readonly tool: Tool;
  readonly colour: string;
  readonly mirrored: boolean;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly onTool: (tool: Tool) => void;
  readonly onColour: (colour: string) => void;
  readonly onMirror: () => void;
  readonly onUndo: () => void;
  readonly onRedo: () => void;
  readonly onClear: () => void;
}

export function Tools(props: Props) {
  const { t } = useWords();
  const { draw } = t;
  const button = (icon: IconName, label: string, onClick: () => void, pressed?: boolean, disabled = false) => (
    <button
      type="button"
      key={icon}
      class="tool"
      title={label}
      aria-label={label}
      disabled={disabled}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <>
      <div class="toolbar" role="group" aria-label={draw.tools}>
        {TOOLS.map((tool) => button(tool, draw.tool[tool], () => props.onTool(tool), props.tool === tool))}
        <span class="gap" />
        {button("mirror", draw.mirror, props.onMirror, props.mirrored)}
        <span class="gap" />
        {button("undo", draw.undo, props.onUndo, undefined, !props.canUndo)}
        {button("redo", draw.redo, props.onRedo, undefined, !props.canRedo)}
        {button("clear", draw.clear, props.onClear)}
      </div>
      <div class="palette" role="group" aria-label={draw.palette}>
        {PALETTE.map((colour) => (
          <button
            type="button"
            key={colour}
            class="swatch"
            title={colour}
            aria-label={draw.colour(colour)}
            aria-pressed={colour === props.colour}
            style={{ backgroundColor: colour }}
            onClick={() => props.onColour(colour)}
          />
        ))}
        <label class="own" title={draw.ownColour}>
          <span class="unseen">{draw.ownColour}</span>
          <input type="color" value={props.colour} onInput={(event) => props.onColour(event.currentTarget.value)} />
        </label>
      </div>
    </>
  );
}
