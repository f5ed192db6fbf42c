/* Samples as the chart and its table want them. Pure. */

import type { Job, Sample, Samples, Stall } from "../api/types";

export interface Series {
  /** unix seconds */
  x: number[];
  rate: (number | null)[];
  /** null where there is no limit */
  limit: (number | null)[];
}

/** A hole in the samples (paused, daemon away) is a hole in the line, not a slope across it. */
export function toSeries(data: Samples): Series {
  const series: Series = { x: [], rate: [], limit: [] };
  const hole = Math.max(3, data.step_s * 3);
  let before: Sample | null = null;
  for (const sample of data.samples) {
    if (before && sample[0] - before[0] > hole) push(series, [before[0] + data.step_s, NaN, 0]);
    push(series, sample);
    before = sample;
  }
  return series;
}

function push(series: Series, [at, bytesPerS, limit]: Sample): void {
  series.x.push(at);
  series.rate.push(Number.isNaN(bytesPerS) ? null : bytesPerS);
  series.limit.push(limit > 0 ? limit : null);
}

/** A stall that still lasts reaches from the last byte to the last sample, also where the list is older than that. */
export function withOpenStall(data: Samples, job: Job): Samples {
  const last = data.samples[data.samples.length - 1];
  if (!job.stalled || !last) return data;
  const to = last[0] + data.step_s;
  const from = to - Math.max(data.step_s, job.quiet_s);
  const open = data.stalls.find((stall) => stall[1] > from);
  if (open && open[1] >= to) return data;
  if (open) return { ...data, stalls: data.stalls.map((stall) => (stall === open ? [stall[0], to, job.reason || stall[2]] : stall)) };
  return { ...data, stalls: [...data.stalls, [from, to, job.reason || "silence"]] };
}

export function stallAt(stalls: readonly Stall[], at: number): Stall | null {
  return stalls.find(([from, to]) => at >= from && at <= to) ?? null;
}

export interface TableRow {
  from_unix_s: number;
  to_unix_s: number;
  mean: number;
  limit: number;
  stall: string;
}

/** The same figures as rows, few enough to listen to: the mean of each part, and whether it stood still. */
export function tableRows(data: Samples, most = 30): TableRow[] {
  const n = data.samples.length;
  if (n === 0) return [];
  const per = Math.ceil(n / most);
  const rows: TableRow[] = [];
  for (let i = 0; i < n; i += per) {
    const part = data.samples.slice(i, i + per);
    const first = part[0] as Sample;
    const last = part[part.length - 1] as Sample;
    const to = last[0] + data.step_s;
    rows.push({
      from_unix_s: first[0],
      to_unix_s: to,
      mean: part.reduce((sum, sample) => sum + sample[1], 0) / part.length,
      limit: last[2],
      stall: data.stalls.find(([from, until]) => from < to && until > first[0])?.[2] ?? "",
    });
  }
  return rows;
}

/** The highest figure with some air above it, and never a range of nothing. */
export function top(values: readonly (number | null)[], also = 0): number {
  let most = also;
  for (const value of values) if (value !== null && value > most) most = value;
  return most > 0 ? most * 1.15 : 1000;
}
