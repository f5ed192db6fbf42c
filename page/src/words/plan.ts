/* What a plan means for disk and time. Pure. */

import type { FileRow, Job } from "../api/types";

export interface PlanFigures {
  fetch_bytes: number;
  copied_bytes: number;
  prove_bytes: number;
  /** already here, and known to be right */
  here_bytes: number;
  free_bytes: number;
  /** below zero: so much is missing */
  free_after_bytes: number;
  fits: boolean;
}

export function planFigures(job: Job): PlanFigures {
  const fetch = job.plan?.fetch_bytes ?? Math.max(0, job.total_bytes - job.here_bytes);
  const copied = job.plan?.copied_bytes ?? 0;
  const after = job.free_bytes - fetch - copied;
  return {
    fetch_bytes: fetch,
    copied_bytes: copied,
    prove_bytes: job.plan?.prove_bytes ?? 0,
    here_bytes: Math.max(0, job.total_bytes - fetch - copied),
    free_bytes: job.free_bytes,
    free_after_bytes: after,
    fits: after >= 0 || fetch + copied === 0,
  };
}

/** The rate the line showed, or the limit where that is lower. */
export function expectedRate(measured: number | null, limits: readonly number[]): number | null {
  const least = limits.filter((limit) => limit > 0).reduce((a, b) => Math.min(a, b), Infinity);
  if (measured === null) return Number.isFinite(least) ? least : null;
  return Math.min(measured, least);
}

export interface FilterHint {
  kind: "include" | "exclude";
  pattern: string;
  text: string;
}

/** Weights that a repository holds twice are the usual reason to filter. Offered only where it changes something. */
export function filterHints(files: readonly FileRow[]): FilterHint[] {
  const has = (suffix: string) => files.some((file) => file.path.endsWith(suffix));
  const hints: FilterHint[] = [];
  const weights = [".safetensors", ".bin", ".gguf", ".onnx", ".h5", ".msgpack", ".pth", ".pt"].filter(has);
  if (weights.includes(".safetensors"))
    for (const other of weights)
      if (other !== ".safetensors") hints.push({ kind: "exclude", pattern: `*${other}`, text: `without ${other}` });
  if (weights.length > 0 && files.some((file) => /\.(md|png|jpe?g|gif|mp4|webp)$/i.test(file.path)))
    hints.push({ kind: "exclude", pattern: "*.md", text: "without .md" });
  if (weights.includes(".safetensors")) hints.push({ kind: "include", pattern: "*.json", text: "only .json" });
  return hints.slice(0, 6);
}
