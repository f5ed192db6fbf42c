/* The one place that talks HTTP to the daemon. Every answer is the server's word; errors are problem+json (RFC 9457). */

import type {
  Cache,
  FilesPage,
  Foreign,
  Job,
  JobList,
  JobRequest,
  Network,
  NetworkHistory,
  NotifyResult,
  RepoType,
  Samples,
  Settings,
  SettingsChange,
} from "./types";

const BASE = "/api/v1";
const TOKEN_KEY = "hf-pull-token";
/** A daemon on the same machine answers in milliseconds; after this the page says that it does not. */
const ANSWER_MS = 15_000;
/** What has to be looked up on a disk it answers within a minute, if only to say that the disk hangs. */
const DISK_MS = 65_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** `#token=...` is read once and taken out of the address, so that it stays out of the history. */
export function takeToken(location: Location, history: History, storage: Storage): void {
  const match = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!match?.[1]) return;
  let token = match[1];
  try {
    token = decodeURIComponent(token);
  } catch {
    /* a per cent sign that escapes nothing stands for itself */
  }
  storage.setItem(TOKEN_KEY, token);
  history.replaceState(null, "", location.pathname + location.search + (match[2] ? `#${match[2]}` : ""));
}

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

export function authHeaders(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export async function problem(answer: Response): Promise<ApiError> {
  let title = answer.statusText || `status ${answer.status}`;
  let code = "";
  try {
    const body = (await answer.json()) as { title?: string; detail?: string; code?: string };
    title = body.detail || body.title || title;
    code = body.code ?? "";
  } catch {
    /* no JSON: the status line has to do */
  }
  return new ApiError(answer.status, code, title);
}

interface Call {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  within_ms?: number;
}

async function call<T>(path: string, { method = "GET", body, headers, within_ms = ANSWER_MS }: Call = {}): Promise<T> {
  const request: RequestInit = {
    method,
    headers: { ...authHeaders(), ...headers },
    signal: AbortSignal.timeout(within_ms),
    cache: "no-store",
  };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers = { ...request.headers, "Content-Type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(path, request);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(0, "", late ? `the daemon did not answer in ${within_ms / 1000} s` : "the daemon cannot be reached");
  }
  if (!answer.ok) throw await problem(answer);
  if (answer.status === 204) return undefined as T;
  return (await answer.json()) as T;
}

const job = (id: string) => `${BASE}/jobs/${encodeURIComponent(id)}`;

/** One key for each click of the user, so that a repeated request is the same job. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Jobs a page shows at first; more come on demand. */
export const JOBS_PAGE = 200;

export const api = {
  jobs: (cursor?: string) =>
    call<JobList>(`${BASE}/jobs?limit=${JOBS_PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`),
  job: (id: string) => call<Job & FilesPage>(job(id)),
  files: (id: string, offset: number, limit: number) =>
    call<FilesPage>(`${job(id)}/files?offset=${offset}&limit=${limit}`),
  samples: (id: string) => call<Samples>(`${job(id)}/samples`),
  create: (body: JobRequest) =>
    call<Job>(`${BASE}/jobs`, { method: "POST", body, headers: { "Idempotency-Key": newKey() } }),
  change: (id: string, body: { priority?: number; limit_bytes_per_s?: number }) =>
    call<Job>(job(id), { method: "PATCH", body }),
  act: (id: string, what: "pause" | "resume" | "cancel" | "retry") =>
    call<Job>(`${job(id)}/${what}`, { method: "POST", body: {} }),
  move: (id: string, before: string | null) =>
    call<Job>(`${job(id)}/move`, { method: "POST", body: { before } }),
  remove: (id: string) => call<void>(job(id), { method: "DELETE" }),
  settings: () => call<Settings>(`${BASE}/settings`),
  changeSettings: (body: SettingsChange) => call<Settings>(`${BASE}/settings`, { method: "PATCH", body }),
  testNotify: () =>
    call<{ results: NotifyResult[] }>(`${BASE}/settings/notify-test`, { method: "POST", body: {} }),
  cache: () => call<Cache>(`${BASE}/cache`, { within_ms: DISK_MS }),
  deleteRevision: (type: string, repo: string, commit: string) => {
    const [owner, name] = repo.includes("/") ? repo.split("/") : ["-", repo];
    const parts = [type, owner ?? "-", name ?? ""].map(encodeURIComponent).join("/");
    return call<{ freed_bytes: number }>(`${BASE}/cache/${parts}/revisions/${commit}`, { method: "DELETE", within_ms: DISK_MS });
  },
  foreign: () => call<{ downloads: Foreign[] }>(`${BASE}/foreign`, { within_ms: DISK_MS }),
  adopt: (id: string, body: { repo?: string; type?: RepoType; revision?: string; path?: string }) =>
    call<Job>(`${BASE}/foreign/${encodeURIComponent(id)}/adopt`, { method: "POST", body, within_ms: DISK_MS }),
  network: () => call<Network>("/api/system/network"),
  history: (span: "hour" | "day") => call<NetworkHistory>(`${BASE}/network/history?span=${span}`),
  /** The raw stream; who reads it ends it by the signal. */
  events: (after: string, signal: AbortSignal) =>
    fetch(`${BASE}/events${after ? `?after=${encodeURIComponent(after)}` : ""}`, {
      headers: { ...authHeaders(), Accept: "text/event-stream" },
      cache: "no-store",
      signal,
    }),
  alive: () => fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5_000) }).then((a) => a.ok),
};
