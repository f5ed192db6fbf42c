/* What the daemon's API says, as docs/api.md has it. null means: not known. Units are in the names. */

export type Verb = "pull" | "verify" | "repair" | "plan" | "adopt" | "index";
export type RepoType = "model" | "dataset" | "space";
export type JobState =
  | "queued"
  | "resolving"
  | "downloading"
  | "verifying"
  | "repairing"
  | "paused"
  | "waiting"
  | "done"
  | "failed"
  | "cancelled";

export interface Front {
  path: string;
  size_bytes: number;
  recorded_bytes: number;
  rate_bytes_per_s: number;
  host: string;
  address: string;
  rtt_us: number;
  family?: string | null;
  retransmits?: number | null;
}

export interface Plan {
  fetch_bytes: number;
  fetch_files: number;
  prove_bytes: number;
  prove_files: number;
  copied_bytes: number;
}

export interface JobError {
  code: string;
  message: string;
  exit_status?: number;
  http_status?: number | null;
}

export interface Job {
  id: string;
  verb: Verb;
  repo: string;
  revision: string;
  type: RepoType;
  commit: string | null;
  include: string[];
  exclude: string[];
  paths: string[];
  local_dir: string | null;
  priority: number;
  position: number | null;
  limit_bytes_per_s: number;
  state: JobState;
  stalled: boolean;
  reason: string;
  reason_code?: string;
  quiet_s: number;
  limited_by: { what: string; text: string } | null;
  files_total: number;
  files_proved: number;
  shards: number;
  total_bytes: number;
  here_bytes: number;
  free_bytes: number;
  received_bytes: number;
  recorded_bytes: number;
  proved_bytes: number;
  checked_bytes: number;
  checked_bytes_per_s: number;
  in_place_bytes: number;
  wire_bytes: number;
  rate_bytes_per_s: number;
  eta_s: number | null;
  eta_low_s: number | null;
  eta_high_s: number | null;
  connections: number;
  connections_silent: number;
  created_unix_ms: number;
  started_unix_ms: number | null;
  ended_unix_ms: number | null;
  elapsed_s: number;
  stalls: number;
  waited_s: Record<string, number>;
  fronts: Front[];
  plan: Plan | null;
  summary: Record<string, number> | null;
  error: JobError | null;
  snapshot: string | null;
}

export type FileState = "planned" | "fetching" | "proved" | "repaired" | "damaged" | "missing" | "failed";

export interface FileRow {
  path: string;
  size_bytes: number;
  recorded_bytes: number;
  state: FileState;
  hash: string | null;
  host: string | null;
}

export interface FilesPage {
  files: FileRow[];
  files_next: number | null;
}

export interface JobList {
  jobs: Job[];
  next_cursor: string | null;
  total: number;
}

/** [unix seconds, recorded bytes per second, limit in bytes per second] */
export type Sample = [number, number, number];
/** [from, to (unix seconds), reason] */
export type Stall = [number, number, string];

export interface Samples {
  step_s: number;
  samples: Sample[];
  stalls: Stall[];
}

export interface JobRequest {
  repo: string;
  revision?: string;
  type?: RepoType;
  verb?: Verb;
  include?: string[];
  exclude?: string[];
  paths?: string[];
  local_dir?: string;
  priority?: number;
  limit_bytes_per_s?: number;
  force?: boolean;
}

export interface LearnedHost {
  host: string;
  connections: number;
  rate_bytes_per_s: number;
}

/** What a daemon was built without is absent, and the page then does not show it. */
export interface Settings {
  limit_bytes_per_s: number;
  parallel_jobs: number;
  max_connections: number;
  token: string;
  timetable?: string;
  /** without path and secret; what is shown may be sent back for what is kept */
  notify?: string[];
  notify_fixed?: string[];
  notify_on?: string[];
  quota_bytes?: number;
  watch_dirs?: string[];
  limit_now_bytes_per_s?: number;
  limit_until?: string | null;
  hosts?: LearnedHost[];
}

export const limitNow = (settings: Settings | null): number =>
  settings?.limit_now_bytes_per_s ?? settings?.limit_bytes_per_s ?? 0;

export type SettingsChange = Partial<
  Pick<
    Settings,
    | "limit_bytes_per_s"
    | "timetable"
    | "parallel_jobs"
    | "max_connections"
    | "notify"
    | "notify_on"
    | "quota_bytes"
  >
>;

export interface NotifyResult {
  url: string;
  ok: boolean;
  message: string;
}

export type Proof = "proved" | "unproved" | "damaged";

export interface CacheRevision {
  commit: string;
  refs: string[];
  size_bytes: number;
  files: number;
  proved: Proof;
  freed_bytes: number;
}

export interface CacheRepo {
  repo: string;
  type: RepoType;
  size_bytes: number;
  last_used_unix_ms: number | null;
  closed: boolean;
  revisions: CacheRevision[];
}

export interface Cache {
  root: string;
  total_bytes: number;
  free_bytes: number;
  quota_bytes: number;
  repos: CacheRepo[];
}

/** A revision that is no more. */
export interface CacheGone {
  why: "asked" | "quota";
  type: RepoType;
  repo: string;
  commit: string;
  freed_bytes: number;
}

export interface Foreign {
  id: string;
  path: string;
  repo: string | null;
  repo_type: RepoType | null;
  file: string | null;
  by: string | null;
  pid: number | null;
  size_bytes: number;
  total_bytes: number | null;
  rate_bytes_per_s: number;
  last_growth_unix_ms: number | null;
  quiet_s: number;
  stalled: boolean;
  text: string;
}

export interface NetInterface {
  name: string;
  rx_bytes_per_s: number;
  tx_bytes_per_s: number;
}

export interface NetworkJob {
  id: string;
  connections: { open: number; idle: number; connecting: number; silent: number };
  fronts: Front[];
  waited_s: Record<string, number>;
}

export interface Network {
  rx_bytes_per_s: number;
  tx_bytes_per_s: number;
  interfaces: NetInterface[];
  jobs: NetworkJob[];
  hub_quota: { remaining: number; limit: number; resets_s: number } | null;
}

export interface NetworkHistory {
  step_s: number;
  /** per interface: [unix seconds, received, sent] in bytes per second */
  interfaces: Record<string, [number, number, number][]>;
  /** [unix seconds, "start" or "end", job id, repository] */
  marks: [number, string, string, string][];
}

/** One message of the event stream, as it came. */
export type ServerEvent =
  | { type: "hello"; data: { version: string; boot: string } }
  | { type: "job"; data: Job }
  | { type: "job_removed"; data: { id: string } }
  | { type: "files"; data: { id: string; files: FileRow[] } }
  /** ids in the order of the queue, whenever it changed */
  | { type: "queue"; data: { queued: string[] } }
  | { type: "settings"; data: Settings }
  | { type: "cache"; data: CacheGone }
  | { type: "foreign"; data: { downloads: Foreign[] } }
  | { type: "network"; data: Network }
  | { type: "lost"; data: unknown };
