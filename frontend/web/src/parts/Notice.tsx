/** A quiet remark with a sign beside it. */

import type { ComponentChildren } from "preact";
import { Icon } from "./Icon";

export function Notice({ children }: { children: ComponentChildren }) {
  return (
    <div class="notice">
      <Icon name="info" />
      <div>{children}</div>
    </div>
  );
}
