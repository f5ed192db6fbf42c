/* What a job says of itself in words. The reason is the engine's own phrase; the page adds only the state before it. */

import type { Job } from "../api/types";
import { aboutText, clock, count, duration, etaRange, size, sizeOf } from "./format";

export type Tone = "move" | "wait" | "bad" | "good" | "quiet";
export type IconName = "play" | "pause" | "hourglass" | "eye" | "check" | "cross" | "stop" | "stall" | "search" | "wrench";

export interface StateWords {
  icon: IconName;
  /** one word that stands beside the icon for those who do not see it */
  word: string;
  tone: Tone;
}

const ENDED = new Set(["done", "failed", "cancelled"]);
const RUNNING = new Set(["resolving", "downloading", "verifying", "repairing", "waiting"]);

export const isEnded = (job: Job) => ENDED.has(job.state);
export const isRunning = (job: Job) => RUNNING.has(job.state);
export const canPause = (job: Job) => isRunning(job) || job.state === "queued";

export function stateWords(job: Job): StateWords {
  if (job.stalled && isRunning(job)) return { icon: "stall", word: "stalled", tone: "wait" };
  switch (job.state) {
    case "downloading":
      return { icon: "play", word: "downloading", tone: "move" };
    case "resolving":
      return { icon: "search", word: "resolving", tone: "move" };
    case "verifying":
      return { icon: "search", word: "verifying", tone: "move" };
    case "repairing":
      return { icon: "wrench", word: "repairing", tone: "move" };
    case "waiting":
      return { icon: "hourglass", word: "waiting", tone: "wait" };
    case "paused":
      return { icon: "pause", word: "paused", tone: "quiet" };
    case "done":
      return { icon: "check", word: job.verb === "index" ? "done" : "proved", tone: "good" };
    case "failed":
      return { icon: "cross", word: "failed", tone: "bad" };
    case "cancelled":
      return { icon: "stop", word: "cancelled", tone: "quiet" };
    default:
      return { icon: "hourglass", word: "queued", tone: "quiet" };
  }
}

const VERBS: Record<string, string> = { verify: "verify", repair: "repair", adopt: "adopt", index: "index" };

/** What kind of job it is, where that is not a plain pull. */
export const verbWord = (job: Job): string => VERBS[job.verb] ?? "";

export interface QueueFacts {
  /** place among the waiting ones, 0 is next; -1 when not queued */
  place: number;
  /** seconds until a running job is expected to end; null when not known */
  freeIn_s: number | null;
}

function queued(job: Job, queue: QueueFacts): string {
  const place = queue.place <= 0 ? "next in queue" : `number ${queue.place + 1} in the queue`;
  if (job.reason && !job.reason.includes("queue")) return `${place}: ${job.reason}`;
  if (queue.place <= 0 && queue.freeIn_s !== null) return `${place}, starts in about ${aboutText(queue.freeIn_s)}`;
  return place;
}

function kept(job: Job): string {
  if (job.total_bytes <= 0) return job.recorded_bytes > 0 ? `, ${size(job.recorded_bytes)} kept` : "";
  return `, ${sizeOf(hereBytes(job), job.total_bytes)} kept`;
}

/** What is surely here: recorded, and what was in place before. Receiving may be ahead of it. */
const hereBytes = (job: Job): number => Math.max(job.recorded_bytes, job.in_place_bytes);

/** Verify and repair read what is here: their work is to prove it. */
export const readsDisk = (job: Job): boolean => job.verb === "verify" || job.verb === "repair";

export const shownBytes = (job: Job): number => (readsDisk(job) ? job.checked_bytes : hereBytes(job));

/** Repair reads at first, and then fetches what was wrong. */
export const shownRate = (job: Job): number =>
  readsDisk(job) ? Math.max(job.checked_bytes_per_s, job.rate_bytes_per_s) : job.rate_bytes_per_s;

function ended(job: Job, nowMs: number): string {
  const at = job.ended_unix_ms ? ` ${clock(job.ended_unix_ms, nowMs)}` : "";
  if (job.state === "done") {
    const facts = [job.total_bytes > 0 ? size(job.total_bytes) : "", duration(job.elapsed_s)].filter(Boolean).join(", ");
    return `${job.verb === "index" ? "done" : "proved"}${at}${facts ? `, ${facts}` : ""}`;
  }
  if (job.state === "cancelled") return `cancelled${at}${kept(job)}`;
  const why = job.error?.message ?? job.reason;
  return `failed${at}: ${why || "no reason was given"}`;
}

/** The second line of a job: the state, and why. `aheadS` is how old the job's own figures are. */
export function stateLine(job: Job, queue: QueueFacts, nowMs: number, aheadS = 0): string {
  if (isEnded(job)) return ended(job, nowMs);
  const quiet = duration(job.quiet_s + (job.quiet_s > 0 ? aheadS : 0));
  const because = job.reason ? `: ${job.reason}` : "";
  if (job.state === "queued") return queued(job, queue);
  if (job.state === "paused") {
    const why = job.reason && job.reason !== "paused" ? ` (${job.reason})` : "";
    return job.total_bytes > 0
      ? `paused${why} at ${Math.floor((shownBytes(job) / job.total_bytes) * 100)} %${kept(job)}`
      : `paused${why}${kept(job)}`;
  }
  if (job.reason_code === "disk" && job.rate_bytes_per_s === 0) return job.reason;
  if (job.stalled) return `stalled ${quiet}${because}`;
  if (job.state === "waiting") return `waiting${job.quiet_s > 0 ? ` ${quiet}` : ""}${because}`;
  if (job.state === "resolving") return `asking the Hub for the list of files${because}`;
  if (job.state === "verifying") return `reading the disk and proving it against the Hub's list${because}`;
  if (job.state === "repairing") return `repairing${because || ": fetching again what was wrong"}`;
  if (job.rate_bytes_per_s === 0 && because) return `waiting ${quiet}${because}`;
  if (job.limited_by && !["nothing", "unknown", ""].includes(job.limited_by.what))
    return `limited by: ${job.limited_by.text}`;
  if (job.reason) return job.reason;
  if (job.rate_bytes_per_s === 0) return "opening connections";
  return job.limited_by?.what === "nothing" ? "nothing limits it" : "what limits it is not known yet";
}

/** No range before 5 s of data or while nothing moves: a figure then would be made up. */
export function eta(job: Job): string | null {
  if (job.state !== "downloading" && job.state !== "verifying" && job.state !== "repairing") return null;
  if (job.stalled || job.elapsed_s < 5 || shownRate(job) === 0) return null;
  if (job.eta_low_s === null || job.eta_high_s === null) return null;
  return etaRange(job.eta_low_s, job.eta_high_s);
}

export function provedWords(job: Job): string {
  if (job.files_total === 0) return "";
  return `proved ${job.files_proved.toLocaleString("en")} of ${count(job.files_total, "file")}`;
}

/** The first seven figures, as the Hub's own pages show a commit. */
export const shortCommit = (commit: string | null): string => (commit ? commit.slice(0, 7) : "");
