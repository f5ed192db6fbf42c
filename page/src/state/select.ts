/* Questions to the state: order, groups, sums. Pure. */

import type { Job } from "../api/types";
import { eta, isEnded, isRunning, shownBytes } from "../words/job";
import type { QueueFacts } from "../words/job";
import type { State } from "./model";

export interface Groups {
  running: Job[];
  /** queued and paused, in the order of the queue */
  waiting: Job[];
  ended: Job[];
}

const byQueue = (a: Job, b: Job) =>
  (a.position ?? Infinity) - (b.position ?? Infinity) || a.created_unix_ms - b.created_unix_ms;
const byStart = (a: Job, b: Job) =>
  (a.started_unix_ms ?? a.created_unix_ms) - (b.started_unix_ms ?? b.created_unix_ms) || a.id.localeCompare(b.id);
const byEnd = (a: Job, b: Job) =>
  (b.ended_unix_ms ?? b.created_unix_ms) - (a.ended_unix_ms ?? a.created_unix_ms) || a.id.localeCompare(b.id);

/** A dry run is the add form's own business and stands in no list. */
export function groups(jobs: ReadonlyMap<string, Job>): Groups {
  const shown = [...jobs.values()].filter((job) => job.verb !== "plan");
  const running = shown.filter(isRunning).sort(byStart);
  const paused = shown.filter((job) => job.state === "paused").sort(byStart);
  const queued = shown.filter((job) => job.state === "queued").sort(byQueue);
  return { running, waiting: [...paused, ...queued], ended: shown.filter(isEnded).sort(byEnd) };
}

export const queuedOf = (list: readonly Job[]): Job[] => list.filter((job) => job.state === "queued");

/** Facts about the queue for every job in it, by id. */
export function queueFacts(all: Groups): Map<string, QueueFacts> {
  const ends = all.running.filter((job) => eta(job) !== null && job.eta_s !== null).map((job) => job.eta_s as number);
  // A running job of unknown length may be the one that is waited for.
  const freeIn_s = ends.length > 0 && ends.length === all.running.length ? Math.min(...ends) : null;
  return new Map(queuedOf(all.waiting).map((job, place) => [job.id, { place, freeIn_s }]));
}

export const NOT_QUEUED: QueueFacts = { place: -1, freeIn_s: null };

/** Before whom a queued job goes when it moves one place; undefined when it cannot. null: to the end. */
export function moveTarget(queue: readonly Job[], id: string, step: -1 | 1): string | null | undefined {
  const at = queue.findIndex((job) => job.id === id);
  if (at < 0) return undefined;
  if (step < 0) return at > 0 ? queue[at - 1]?.id : undefined;
  if (at + 1 >= queue.length) return undefined;
  return queue[at + 2]?.id ?? null;
}

export type Overall = "idle" | "running" | "stalled" | "done" | "failed";

export interface Sum {
  overall: Overall;
  percent: number | null;
  rate_bytes_per_s: number;
  running: number;
}

/** One line about everything, for the title and the small picture of the tab. */
export function sum(state: State): Sum {
  const all = groups(state.jobs);
  const known = all.running.filter((job) => job.total_bytes > 0);
  const total = known.reduce((n, job) => n + job.total_bytes, 0);
  const here = known.reduce((n, job) => n + Math.min(shownBytes(job), job.total_bytes), 0);
  const rate = all.running.reduce((n, job) => n + job.rate_bytes_per_s, 0);
  const stuck = all.running.length > 0 && all.running.every((job) => job.stalled || job.state === "waiting");
  const last = all.ended[0];
  let overall: Overall = "idle";
  if (all.running.length > 0) overall = stuck ? "stalled" : "running";
  else if (last?.state === "failed") overall = "failed";
  else if (last?.state === "done") overall = "done";
  return {
    overall,
    percent: total > 0 ? Math.floor((here / total) * 100) : null,
    rate_bytes_per_s: rate,
    running: all.running.length,
  };
}

/** Bytes per second of the newest pull that ended today: what an estimate may rest on. */
export function measuredRate(state: State, nowMs: number): number | null {
  const all = groups(state.jobs);
  const now = all.running.reduce((n, job) => n + job.rate_bytes_per_s, 0);
  if (now > 0) return now;
  const today = new Date(nowMs).toDateString();
  for (const job of all.ended) {
    const fetched = job.wire_bytes;
    const isToday = job.ended_unix_ms !== null && new Date(job.ended_unix_ms).toDateString() === today;
    // Less than this is over before a line has shown what it can do.
    if (isToday && job.state === "done" && fetched > 50e6 && job.elapsed_s >= 2) return fetched / job.elapsed_s;
  }
  return null;
}
