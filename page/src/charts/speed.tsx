/* The recorded rate of one job over its life: a line, the limit as steps, stalls as shaded bands with their reason. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { api } from "../api/client";
import type { Job, Samples } from "../api/types";
import { clockSeconds, duration, limit as limitText, rate } from "../words/format";
import { isRunning, shownRate } from "../words/job";
import { axes, colors } from "./plot";
import { stallAt, tableRows, top, toSeries, withOpenStall } from "./series";
import { usePlot } from "./use-plot";

const NONE: Samples = { step_s: 1, samples: [], stalls: [] };
/** A chart that nobody opened needs no second-by-second truth. */
const SMALL_EVERY_MS = 6_000;
const LARGE_EVERY_MS = 2_000;

/** The samples of a job, asked for again while it runs and somebody looks. */
export function useSamples(job: Job, large: boolean): Samples {
  const [data, setData] = useState<Samples>(NONE);
  const step = useRef(1);
  const running = isRunning(job);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      if (!document.hidden) {
        const got = await api.samples(job.id).catch(() => null);
        if (gone) return;
        if (got) {
          step.current = got.step_s;
          setData(got);
        }
      }
      // Samples of long jobs are thinned: asking more often than they change brings nothing.
      const every = Math.max(large ? LARGE_EVERY_MS : SMALL_EVERY_MS, step.current * 1000);
      if (running) timer = setTimeout(() => void ask(), every);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [job.id, running, large]);
  return useMemo(() => withOpenStall(data, job), [data, job.stalled, job.quiet_s]);
}

function shade(data: { current: Samples }, wait: string) {
  return (plot: uPlot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = wait;
    for (const [from, to] of data.current.stalls) {
      const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
      // One that is shorter than a pixel is still one.
      if (right > bbox.left && left < bbox.left + bbox.width) ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
    }
    ctx.restore();
  };
}

function readout(data: Samples, index: number | null | undefined): string {
  const sample = index === null || index === undefined ? undefined : toSeries(data);
  const at = sample?.x[index as number];
  if (!sample || at === undefined) return "";
  const stall = stallAt(data.stalls, at);
  const value = sample.rate[index as number];
  const limited = sample.limit[index as number];
  return [
    clockSeconds(at * 1000),
    value === null || value === undefined ? "no data" : rate(value),
    limited ? `limit ${limitText(limited)}` : "",
    stall ? `stalled ${duration(stall[1] - stall[0])}: ${stall[2]}` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

interface Props {
  job: Job;
  data: Samples;
  large: boolean;
}

export function SpeedChart({ job, data, large }: Props) {
  const series = useMemo(() => toSeries(data), [data]);
  const latest = useRef(data);
  latest.current = data;
  const [index, setIndex] = useState<number | null>(null);
  const limits = series.limit.some((value) => value !== null);
  const values: uPlot.AlignedData = [series.x, series.rate, series.limit];

  const options = (box: HTMLElement) => {
    const c = colors(box);
    return {
      legend: { show: false },
      padding: (large ? [8, 12, 0, 0] : [2, 0, 2, 0]) as uPlot.Padding,
      cursor: { show: large, points: { size: 6 }, drag: { x: false, y: false }, y: false },
      scales: { y: { range: (_plot: uPlot, _low: number, high: number): [number, number] => [0, top([high])] } },
      axes: large ? axes(c, rate) : [{ show: false }, { show: false }],
      series: [
        {},
        { stroke: c.accent, fill: c.soft, width: 1.5, points: { show: false } },
        { stroke: c.second, dash: [4, 4], width: 1.5, points: { show: false } },
      ],
      hooks: {
        drawClear: [shade(latest, c.waitSoft)],
        setCursor: [(plot: uPlot) => setIndex(plot.cursor.idx ?? null)],
      },
    };
  };
  const { box, plot } = usePlot(values, large ? 190 : 44, options, large ? "large" : "small");

  const step = (event: KeyboardEvent) => {
    const last = series.x.length - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last }[event.key];
    if (by === undefined || last < 0 || !plot.current) return;
    event.preventDefault();
    const to = Math.min(last, Math.max(0, (index ?? last) + by));
    plot.current.setCursor({ left: plot.current.valToPos(series.x[to] as number, "x"), top: 20 });
    setIndex(to);
  };
  const words = `Speed of ${job.repo}`;
  if (!large) return <div class="chart small" ref={box} role="img" aria-label={`${words}, now ${rate(shownRate(job))}`} />;
  const said = readout(data, index) || (limits ? "dashed: the limit. " : "") + "Shaded: stalled. Point at the chart for figures.";
  return (
    <div class="chart-box">
      <div
        class="chart"
        ref={box}
        tabIndex={0}
        role="slider"
        aria-label={`${words}. Arrow keys read it.`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, series.x.length - 1)}
        aria-valuenow={index ?? Math.max(0, series.x.length - 1)}
        aria-valuetext={said}
        onKeyDown={step}
      />
      <p class="readout" aria-hidden="true">
        {said}
      </p>
      <SpeedTable data={data} />
    </div>
  );
}

function SpeedTable({ data }: { data: Samples }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="table-door" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The chart as a table</summary>
      {open ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="Speed as a table">
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                <th scope="col">To</th>
                <th scope="col">Mean rate</th>
                <th scope="col">Limit</th>
                <th scope="col">Stalled</th>
              </tr>
            </thead>
            <tbody>
              {tableRows(data).map((row) => (
                <tr key={row.from_unix_s}>
                  <td>{clockSeconds(row.from_unix_s * 1000)}</td>
                  <td>{clockSeconds(row.to_unix_s * 1000)}</td>
                  <td>{rate(row.mean)}</td>
                  <td>{limitText(row.limit)}</td>
                  <td>{row.stall || "no"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}
