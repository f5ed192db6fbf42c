/* A uPlot in a box: made when the box is there, as wide as the box, new colours with the theme, gone with the view. */

import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { loadPlot, onTheme } from "./plot";

export interface PlotBox {
  box: { current: HTMLDivElement | null };
  plot: { current: uPlot | null };
}

/** `options` is asked again for each new plot; a change of `shape` makes one. */
export function usePlot(
  data: uPlot.AlignedData,
  height: number,
  options: (box: HTMLElement) => Omit<uPlot.Options, "width" | "height">,
  shape = "",
): PlotBox {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef(data);
  newest.current = data;
  const [theme, setTheme] = useState(0);
  useEffect(() => onTheme(() => setTheme((n) => n + 1)), []);

  useEffect(() => {
    let gone = false;
    const element = box.current;
    const watch = new ResizeObserver(() => {
      const width = element?.clientWidth ?? 0;
      if (width > 0 && plot.current && plot.current.width !== width) plot.current.setSize({ width, height });
    });
    void loadPlot().then((Plot) => {
      if (gone || !element) return;
      const width = Math.max(element.clientWidth, 50);
      plot.current = new Plot({ ...options(element), width, height }, newest.current, element);
      watch.observe(element);
    });
    return () => {
      gone = true;
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [height, theme, shape]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  return { box, plot };
}
