/* The door to uPlot: loaded when the first chart is drawn, coloured by the style sheet's variables. */

import type uPlot from "uplot";
import { clockSeconds } from "../words/format";

let loading: Promise<typeof uPlot> | null = null;

/** uPlot and its style sheet are a chunk of their own, after the first paint. */
export function loadPlot(): Promise<typeof uPlot> {
  loading ??= import("./uplot-chunk").then((chunk) => chunk.default);
  return loading;
}

export interface Colors {
  accent: string;
  soft: string;
  second: string;
  wait: string;
  waitSoft: string;
  grid: string;
  text: string;
}

export function colors(of: Element): Colors {
  const style = getComputedStyle(of);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    accent: read("--accent"),
    soft: read("--accent-soft"),
    second: read("--second"),
    wait: read("--wait"),
    waitSoft: read("--wait-soft"),
    grid: read("--line"),
    text: read("--muted"),
  };
}

const FONT = "12px system-ui, sans-serif";

/** Axes that read as the rest of the page does. */
export function axes(c: Colors, format: (value: number) => string): uPlot.Axis[] {
  const common = { stroke: c.text, font: FONT, grid: { stroke: c.grid, width: 1 }, ticks: { stroke: c.grid, width: 1, size: 4 } };
  return [
    {
      ...common,
      grid: { show: false },
      size: 28,
      // 24 hours, and seconds only where ticks are less than a minute apart.
      values: (_plot, at, _axis, _space, apart) => at.map((unixS) => clockSeconds(unixS * 1000).slice(0, apart < 60 ? 8 : 5)),
    },
    { ...common, size: 84, values: (_plot, values) => values.map((value) => (value === null ? "" : format(value))) },
  ];
}

/** Calls back when the colours of the page change: the theme is part of the picture. */
export function onTheme(listener: () => void): () => void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", listener);
  const watch = new MutationObserver(listener);
  watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return () => {
    query.removeEventListener("change", listener);
    watch.disconnect();
  };
}
