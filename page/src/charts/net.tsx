/* Bytes in and out of one interface over an hour or a day, with marks where jobs began and ended. */

import { useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import type { NetworkHistory } from "../api/types";
import { clockSeconds, rate } from "../words/format";
import { axes, colors } from "./plot";
import { top } from "./series";
import { usePlot } from "./use-plot";

type Mark = NetworkHistory["marks"][number];

function drawMarks(marks: { current: Mark[] }, color: string) {
  return (plot: uPlot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = color;
    ctx.lineWidth = 1;
    for (const [at, kind] of marks.current) {
      const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.setLineDash(kind === "start" ? [] : [3, 3]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

export function markWords([at, kind, , repo]: Mark): string {
  return `${clockSeconds(at * 1000)} ${repo} ${kind === "start" ? "began" : "ended"}`;
}

interface Props {
  name: string;
  points: [number, number, number][];
  marks: Mark[];
  step_s: number;
}

export function NetChart({ name, points, marks, step_s }: Props) {
  const data = useMemo<uPlot.AlignedData>(() => {
    const x: number[] = [];
    const rx: (number | null)[] = [];
    const tx: (number | null)[] = [];
    let before = 0;
    for (const [at, received, sent] of points) {
      // Nothing was sampled while nobody looked: a hole, not a slope.
      if (before && at - before > 3 * step_s) {
        x.push(before + step_s);
        rx.push(null);
        tx.push(null);
      }
      x.push(at);
      rx.push(received);
      tx.push(sent);
      before = at;
    }
    return [x, rx, tx];
  }, [points, step_s]);
  const latest = useRef(marks);
  latest.current = marks;
  const [index, setIndex] = useState<number | null>(null);
  const options = (box: HTMLElement) => {
    const c = colors(box);
    return {
      legend: { show: false },
      padding: [8, 12, 0, 0] as uPlot.Padding,
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { y: { range: (_plot: uPlot, _low: number, high: number): [number, number] => [0, top([high])] } },
      axes: axes(c, rate),
      series: [
        {},
        { stroke: c.accent, fill: c.soft, width: 1.5, points: { show: false } },
        { stroke: c.second, width: 1.5, points: { show: false } },
      ],
      hooks: { drawClear: [drawMarks(latest, c.text)], setCursor: [(plot: uPlot) => setIndex(plot.cursor.idx ?? null)] },
    };
  };
  const { box, plot } = usePlot(data, 200, options);
  const at = index === null ? undefined : data[0][index];
  const near = at === undefined ? undefined : marks.find(([when]) => Math.abs(when - at) <= 2 * step_s);
  const said =
    at === undefined || index === null
      ? "Filled: received. Line: sent. Upright: a job began (whole) or ended (dashed)."
      : `${clockSeconds(at * 1000)}, ↓ ${rate(data[1]?.[index] ?? 0)}, ↑ ${rate(data[2]?.[index] ?? 0)}${near ? `, ${markWords(near)}` : ""}`;
  const step = (event: KeyboardEvent) => {
    const last = data[0].length - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last }[event.key];
    if (by === undefined || last < 0 || !plot.current) return;
    event.preventDefault();
    const to = Math.min(last, Math.max(0, (index ?? last) + by));
    plot.current.setCursor({ left: plot.current.valToPos(data[0][to] as number, "x"), top: 20 });
    setIndex(to);
  };
  return (
    <div class="chart-box">
      <div
        class="chart"
        ref={box}
        tabIndex={0}
        role="slider"
        aria-label={`Traffic of ${name}. Arrow keys read it.`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, data[0].length - 1)}
        aria-valuenow={index ?? Math.max(0, data[0].length - 1)}
        aria-valuetext={said}
        onKeyDown={step}
      />
      <p class="readout" aria-hidden="true">
        {said}
      </p>
    </div>
  );
}
