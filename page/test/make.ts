/* Jobs for the tests: a plain one, and what differs. */

import type { FileRow, Job } from "../src/api/types";

let made = 0;

export function job(more: Partial<Job> = {}): Job {
  return {
    id: `j_${(++made).toString(16).padStart(16, "0")}`, verb: "pull", repo: "org/x", revision: "main", type: "model",
    commit: null, include: [], exclude: [], paths: [], local_dir: null, priority: 0, position: null, limit_bytes_per_s: 0,
    state: "queued", stalled: false, reason: "", reason_code: "", quiet_s: 0, limited_by: null, files_total: 0,
    files_proved: 0, shards: 0, total_bytes: 0, here_bytes: 0, free_bytes: 0, received_bytes: 0, recorded_bytes: 0,
    proved_bytes: 0, in_place_bytes: 0, wire_bytes: 0, checked_bytes: 0, checked_bytes_per_s: 0, rate_bytes_per_s: 0,
    eta_s: null, eta_low_s: null, eta_high_s: null,
    connections: 0, connections_silent: 0, created_unix_ms: 1_000, started_unix_ms: null, ended_unix_ms: null,
    elapsed_s: 0, stalls: 0, waited_s: {}, fronts: [], plan: null, summary: null, error: null, snapshot: null, ...more,
  };
}

export const moving = (more: Partial<Job> = {}): Job =>
  job({
    state: "downloading", started_unix_ms: 2_000, elapsed_s: 60, total_bytes: 100e9, recorded_bytes: 40e9, received_bytes: 41e9,
    in_place_bytes: 10e9, rate_bytes_per_s: 100e6, eta_s: 600, eta_low_s: 540, eta_high_s: 660, ...more,
  });

export function file(path: string, size_bytes: number, more: Partial<FileRow> = {}): FileRow {
  return { path, size_bytes, recorded_bytes: 0, state: "planned", hash: null, host: null, ...more };
}
