/** Which part of the page is seen: it stands in the address, so that it can be linked to and gone back from. */

import { useEffect, useState } from "preact/hooks";

export const TABS = ["enlarge", "draw"] as const;
export type Tab = (typeof TABS)[number];

export function useTab(): Tab {
  const [tab, setTab] = useState<Tab>(() => tabOf(location.hash));
  useEffect(() => {
    const follow = (): void => setTab(tabOf(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return tab;
}

export function tabOf(hash: string): Tab {
  return TABS.find((tab) => hash === `#${tab}`) ?? "enlarge";
}
