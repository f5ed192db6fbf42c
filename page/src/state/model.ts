/* What the page knows. Views read it; only state/reduce.ts makes a new one. */

import type { CacheGone, Foreign, Job, Network, ServerEvent, Settings } from "../api/types";

export type LinkState = "connecting" | "live" | "lost" | "refused";

export interface Link {
  state: LinkState;
  /** when the connection was lost; 0 while it is there */
  since_unix_ms: number;
  /** refused: the daemon's own words */
  why: string;
  /** refused for want of a token, which the user may have */
  needs_token: boolean;
}

/** What left the cache since this page was opened. */
export interface Gone {
  all: number;
  by_quota: number;
  by_quota_bytes: number;
  last: CacheGone | null;
}

export interface State {
  link: Link;
  version: string;
  boot: string;
  loaded: boolean;
  jobs: ReadonlyMap<string, Job>;
  total_jobs: number;
  next_cursor: string | null;
  settings: Settings | null;
  gone: Gone;
  foreign: readonly Foreign[];
  network: Network | null;
  /** when the last message came: figures older than a lost connection are shown with this age */
  heard_unix_ms: number;
}

export interface Snapshot {
  jobs: Job[];
  total: number;
  next_cursor: string | null;
  settings: Settings;
  foreign: Foreign[];
  network: Network;
}

export type Action =
  | { type: "link"; link: Link }
  | { type: "snapshot"; snapshot: Snapshot; now_unix_ms: number }
  | { type: "more"; jobs: Job[]; next_cursor: string | null; total: number }
  | { type: "event"; event: ServerEvent; now_unix_ms: number }
  /** the server's answer to something this page did */
  | { type: "job"; job: Job }
  | { type: "job_removed"; id: string }
  | { type: "settings"; settings: Settings };

export const EMPTY: State = {
  link: { state: "connecting", since_unix_ms: 0, why: "", needs_token: false },
  version: "",
  boot: "",
  loaded: false,
  jobs: new Map(),
  total_jobs: 0,
  next_cursor: null,
  settings: null,
  gone: { all: 0, by_quota: 0, by_quota_bytes: 0, last: null },
  foreign: [],
  network: null,
  heard_unix_ms: 0,
};
