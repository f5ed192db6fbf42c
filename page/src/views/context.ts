/* What every view may use: the state, the line, and a place to say things. */

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { LinkReader } from "../api/link";
import type { State } from "../state/model";
import type { Store } from "../state/store";
import type { Toasts } from "../state/toasts";

export interface House {
  store: Store;
  link: LinkReader;
  toasts: Toasts;
}

export const HouseContext = createContext<House | null>(null);

export function useHouse(): House {
  const house = useContext(HouseContext);
  if (!house) throw new Error("no house around this view");
  return house;
}

/** A part of the state; the view is drawn anew only when that part is another one. */
export function useStore<T>(pick: (state: State) => T): T {
  const { store } = useHouse();
  const [value, setValue] = useState(() => pick(store.get()));
  useEffect(() => {
    const take = (state: State) => setValue(() => pick(state));
    take(store.get());
    return store.onView(take);
    // `pick` must be a constant function: it is read once.
  }, [store]);
  return value;
}

/** The time, once a second while somebody looks. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
