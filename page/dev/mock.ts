/* A daemon for work on the page alone: HFP_MOCK=1 npx vite, or vite preview. It speaks the API of docs/api.md with made
 * up jobs that move. No part of the build, and no test rests on it: those use the real daemon. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";
import type { FileRow, Foreign, Job, Network, Settings } from "../src/api/types";

const GB = 1e9;
const started = Date.now();
const COMMIT = "4c446470ba0aec43e22ac1128f9ffd915f338ba3";
let eventId = 0;
let made = 0;

function job(more: Partial<Job>): Job {
  const id = `j_${(++made).toString(16).padStart(16, "0")}`;
  return {
    id, verb: "pull", repo: "acme/big", revision: "main", type: "model", commit: COMMIT, include: [], exclude: [], paths: [],
    local_dir: null, priority: 0, position: null, limit_bytes_per_s: 0, state: "queued", stalled: false, reason: "",
    reason_code: "", quiet_s: 0, limited_by: { what: "unknown", text: "" }, files_total: 24, files_proved: 0, shards: 16,
    total_bytes: 61.08 * GB, here_bytes: 0, free_bytes: 412 * GB, received_bytes: 0, recorded_bytes: 0, proved_bytes: 0,
    in_place_bytes: 0, wire_bytes: 0, checked_bytes: 0, checked_bytes_per_s: 0, rate_bytes_per_s: 0, eta_s: null, eta_low_s: null, eta_high_s: null, connections: 0,
    connections_silent: 0, created_unix_ms: started - 4e6, started_unix_ms: null, ended_unix_ms: null, elapsed_s: 0,
    stalls: 0, waited_s: {}, fronts: [], plan: null, summary: null, error: null, snapshot: null, ...more,
  };
}

const running = (more: Partial<Job>) =>
  job({
    state: "downloading", started_unix_ms: started - 1200_000, elapsed_s: 1200, connections: 8,
    recorded_bytes: 37.26 * GB, received_bytes: 38.1 * GB, in_place_bytes: 22 * GB, proved_bytes: 22 * GB, files_proved: 9,
    rate_bytes_per_s: 118.2e6, eta_s: 200, eta_low_s: 180, eta_high_s: 240, wire_bytes: 38.2 * GB, here_bytes: 12.31 * GB,
    limited_by: { what: "line", text: "the line (8 connections, each steady; more gave nothing)" },
    plan: { fetch_bytes: 48.77 * GB, fetch_files: 15, prove_bytes: 0, prove_files: 0, copied_bytes: 0 },
    fronts: [
      { path: "model-00009-of-00016.safetensors", size_bytes: 3.9 * GB, recorded_bytes: 3.2 * GB, rate_bytes_per_s: 98e6, host: "cdn-lfs.huggingface.co", address: "18.2.3.4", rtt_us: 12_400, family: "IPv4", retransmits: 3 },
      { path: "model-00010-of-00016.safetensors", size_bytes: 3.9 * GB, recorded_bytes: 0.4 * GB, rate_bytes_per_s: 20e6, host: "cdn-lfs.huggingface.co", address: "2600:9000::5", rtt_us: 14_100, family: "IPv6", retransmits: 0 },
    ],
    ...more,
  });

const jobs = new Map<string, Job>();
const put = (one: Job) => jobs.set(one.id, one).size && one;
put(running({ repo: "Qwen/Qwen3-30B-A3B" }));
put(running({ repo: "rdtand/Qwen3.6-35B-PrismaQuant-4.75bit", total_bytes: 22.02 * GB, recorded_bytes: 10.4 * GB, received_bytes: 10.42 * GB, in_place_bytes: 4 * GB, rate_bytes_per_s: 0, stalled: true, quiet_s: 34, reason: "8 of 8 connections silent, trying IPv4", reason_code: "silence", connections_silent: 8, stalls: 2, waited_s: { silence: 58, "hub busy": 12 }, files_total: 11, files_proved: 2 }));
put(job({ repo: "acme/big", state: "paused", recorded_bytes: 7.1 * GB, received_bytes: 7.1 * GB, in_place_bytes: 3 * GB, started_unix_ms: started - 9e5, total_bytes: 61 * GB, reason: "paused" }));
put(job({ repo: "org/third", position: 1, commit: null, total_bytes: 0, files_total: 0 }));
put(job({ repo: "allenai/c4-small", type: "dataset", position: 2, commit: null, total_bytes: 0, files_total: 0 }));
put(job({ repo: "org/fifth", position: 3, commit: null, priority: -50, total_bytes: 0, files_total: 0 }));
put(job({ repo: "z-lab/Qwen3.6-35B-A3B-DFlash", state: "done", total_bytes: 0.95 * GB, recorded_bytes: 0.95 * GB, in_place_bytes: 0.95 * GB, proved_bytes: 0.95 * GB, received_bytes: 0.95 * GB, wire_bytes: 0.95 * GB, files_total: 7, files_proved: 7, started_unix_ms: started - 6e5, ended_unix_ms: started - 5.8e5, elapsed_s: 20, snapshot: "/ai/models/hub/models--z-lab--Qwen3.6-35B-A3B-DFlash/snapshots/" + COMMIT, summary: { fetched_bytes: 0.95 * GB, connections_lost: 3 } }));
put(job({ repo: "meta-llama/Llama-4-Scout", state: "failed", total_bytes: 0, files_total: 0, commit: null, started_unix_ms: started - 2e6, ended_unix_ms: started - 2e6, elapsed_s: 1, error: { code: "E_GATED", message: "meta-llama/Llama-4-Scout is gated, and this token has not been granted access. Ask for it at https://huggingface.co/meta-llama/Llama-4-Scout, then run again.", exit_status: 5, http_status: 403 } }));

const foreign: Foreign[] = [
  { id: "f_1", path: "/ai/models/hub/models--vibevoice--VibeVoice-1.5B/blobs/6a.incomplete", repo: "vibevoice/VibeVoice-1.5B", repo_type: "model", file: "model-00001-of-00003.safetensors", by: "hf download", pid: 4711, size_bytes: 5.88 * GB, total_bytes: 12 * GB, rate_bytes_per_s: 41e6, last_growth_unix_ms: Date.now(), quiet_s: 0, stalled: false, text: "" },
  { id: "f_2", path: "/ai/old/flux1-dev.safetensors.partial", repo: null, repo_type: null, file: null, by: "unknown", pid: null, size_bytes: 1.2 * GB, total_bytes: null, rate_bytes_per_s: 0, last_growth_unix_ms: Date.now() - 35_000, quiet_s: 0, stalled: true, text: "No file activity for 35s - download may be stalled" },
];

let settings: Settings = {
  limit_bytes_per_s: 0, timetable: "08:00,2M 20:00,off", parallel_jobs: 2, max_connections: 0, notify: ["https://ntfy.example.com/models"],
  notify_on: ["done", "failed"], quota_bytes: 0, watch_dirs: ["/ai/models"], token: "set", limit_now_bytes_per_s: 0, limit_until: "20:00",
  hosts: [{ host: "cdn-lfs.huggingface.co", connections: 8, rate_bytes_per_s: 118e6 }, { host: "cas-server.xethub.hf.co", connections: 4, rate_bytes_per_s: 61e6 }],
};

function files(of: Job): FileRow[] {
  const n = of.repo === "acme/big" ? 10_000 : Math.max(of.files_total, 24);
  return Array.from({ length: n }, (_, i) => {
    const proved = i < of.files_proved;
    const moving = of.fronts.find((front) => front.path === name(i, n));
    return {
      path: name(i, n), size_bytes: i < 16 || n > 100 ? 3.9 * GB : 12_000 + i * 700, recorded_bytes: proved ? 3.9 * GB : (moving?.recorded_bytes ?? 0),
      state: proved ? "proved" : moving ? "fetching" : "planned", hash: proved ? COMMIT + COMMIT.slice(0, 24) : null,
      host: proved || moving ? "cdn-lfs.huggingface.co" : null, tries: proved ? 1 : 0,
    } as FileRow;
  });
}
const name = (i: number, n: number) => (n > 100 ? `data/part-${String(i).padStart(5, "0")}.parquet` : i < 16 ? `model-${String(i + 1).padStart(5, "0")}-of-00016.safetensors` : ["config.json", "tokenizer.json", "README.md", "merges.txt", "vocab.json", "generation_config.json", "model.safetensors.index.json", "LICENSE"][i - 16] ?? `extra/${i}.json`);
const ggufs = (): FileRow[] => ["Q2_K", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "BF16"].map((quant, i) => ({ path: `Qwen3-30B-A3B-${quant}.gguf`, size_bytes: [11.26, 18.56, 21.73, 25.09, 32.48, 61.1][i]! * GB, recorded_bytes: 0, state: "planned" as const, hash: null, host: null, tries: 0 }));

function network(): Network {
  const now = [...jobs.values()].filter((one) => one.state === "downloading");
  const rx = now.reduce((sum, one) => sum + one.rate_bytes_per_s, 0);
  return {
    rx_bytes_per_s: Math.round(rx * 1.01), tx_bytes_per_s: 120_000, interfaces: [{ name: "eth0", rx_bytes_per_s: Math.round(rx * 1.01), tx_bytes_per_s: 120_000 }],
    jobs: now.map((one) => ({ id: one.id, connections: { open: 8, idle: 1, connecting: 0, silent: one.connections_silent }, fronts: one.fronts, waited_s: one.waited_s })),
    hub_quota: { remaining: 2871, limit: 3000, resets_s: 212 },
  };
}

const clients = new Set<ServerResponse>();
function send(type: string, data: unknown): void {
  const text = `id: ${++eventId}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  for (const client of clients) client.write(text);
}

function tick(): void {
  for (const one of jobs.values()) {
    if (one.state !== "downloading" || one.stalled) {
      if (one.stalled) send("job", Object.assign(one, { quiet_s: one.quiet_s + 1, elapsed_s: one.elapsed_s + 1 }));
      continue;
    }
    const rate = (one.limit_bytes_per_s || 118e6) * (0.9 + 0.2 * Math.random());
    one.received_bytes = Math.min(one.total_bytes, one.received_bytes + rate);
    one.recorded_bytes = Math.min(one.total_bytes, one.received_bytes - 0.2 * GB);
    const left = (one.total_bytes - one.recorded_bytes) / rate;
    Object.assign(one, { rate_bytes_per_s: Math.round(rate), elapsed_s: one.elapsed_s + 1, eta_s: Math.round(left), eta_low_s: Math.round(left * 0.93), eta_high_s: Math.round(left * 1.15) });
    send("job", one);
  }
  send("network", network());
  send("foreign", { downloads: foreign });
}

function samples(of: Job) {
  const now = Math.floor(Date.now() / 1000);
  const from = now - Math.max(60, of.elapsed_s);
  const stalls = of.repo.startsWith("Qwen") ? [[from + 400, from + 452, "8 of 8 connections silent"]] : of.stalled ? [[now - 34, now, of.reason]] : [];
  const still = (t: number) => stalls.some(([a, b]) => t >= (a as number) && t <= (b as number));
  const list = [];
  for (let t = from; t <= now; t++) list.push([t, still(t) ? 0 : Math.round(118e6 * Math.min(1, (t - from) / 20) * (0.85 + 0.2 * Math.sin(t / 40) ** 2)), t > now - 300 && of.limit_bytes_per_s ? of.limit_bytes_per_s : 0]);
  return { step_s: 1, samples: list, stalls };
}

function history() {
  const now = Math.floor(Date.now() / 1000);
  const list = [];
  for (let t = now - 3600; t <= now; t += 10) list.push([t, t < now - 2400 ? 90_000 : Math.round(118e6 * (0.8 + 0.2 * Math.sin(t / 300) ** 2)), 120_000]);
  return { step_s: 10, interfaces: { eth0: list }, marks: [[now - 2400, "start", "j_1", "Qwen/Qwen3-30B-A3B"], [now - 600, "end", "j_7", "z-lab/Qwen3.6-35B-A3B-DFlash"]] };
}

const cache = () => ({
  root: "/ai/models/hub", total_bytes: 214.4 * GB, free_bytes: 412 * GB, quota_bytes: 0,
  repos: [
    { repo: "Qwen/Qwen3-30B-A3B", type: "model", size_bytes: 102.98 * GB, last_used_unix_ms: started - 36e5, closed: false, revisions: [{ commit: COMMIT, refs: ["main"], size_bytes: 61.08 * GB, files: 24, proved: "unproved", freed_bytes: 19.18 * GB }, { commit: "1f0e2d" + COMMIT.slice(6), refs: [], size_bytes: 60.9 * GB, files: 24, proved: "proved", freed_bytes: 19.0 * GB }] },
    { repo: "z-lab/Qwen3.6-35B-A3B-DFlash", type: "model", size_bytes: 0.95 * GB, last_used_unix_ms: started - 5e5, closed: false, revisions: [{ commit: COMMIT, refs: ["main"], size_bytes: 0.95 * GB, files: 7, proved: "proved", freed_bytes: 0.95 * GB }] },
    { repo: "allenai/c4-small", type: "dataset", size_bytes: 88 * GB, last_used_unix_ms: started - 9e9, closed: false, revisions: [{ commit: COMMIT, refs: ["main"], size_bytes: 88 * GB, files: 1024, proved: "damaged", freed_bytes: 88 * GB }] },
    { repo: "gpt2", type: "model", size_bytes: 0.55 * GB, last_used_unix_ms: null, closed: false, revisions: [{ commit: COMMIT, refs: ["main"], size_bytes: 0.55 * GB, files: 11, proved: "unproved", freed_bytes: 0.55 * GB }] },
  ],
});

const body = (req: IncomingMessage) =>
  new Promise<Record<string, unknown>>((done) => {
    let text = "";
    req.on("data", (piece) => (text += String(piece)));
    req.on("end", () => done(text ? JSON.parse(text) : {}));
  });

type Answer = [number, unknown];
const fail = (status: number, detail: string): Answer => [status, { type: "about:blank", title: detail, status, detail, code: "E_ARG" }];

function createJob(spec: Record<string, unknown>): Answer {
  if (spec["repo"] === "acme/secret") return [201, put(job({ ...spec, commit: null, state: "failed", ended_unix_ms: Date.now(), error: { code: "E_NO_REPO", message: "acme/secret: no such repository, or private: give a token (--token, HF_TOKEN)" } }))];
  const plan = spec["verb"] === "plan";
  const one = put(job({ ...(spec as Partial<Job>), revision: (spec["revision"] as string) ?? "main", created_unix_ms: Date.now(), state: plan ? "resolving" : "queued", position: 9, here_bytes: plan ? 12.31 * GB : 0 }));
  if (plan) setTimeout(() => Object.assign(one, { state: "done", ended_unix_ms: Date.now(), plan: { fetch_bytes: 6.87 * GB, fetch_files: 4, prove_bytes: 0, prove_files: 0, copied_bytes: 41.9 * GB } }), 700);
  return [201, one];
}

function act(one: Job, what: string): Answer {
  const next: Record<string, Partial<Job>> = { pause: { state: "paused", rate_bytes_per_s: 0, stalled: false }, resume: { state: "downloading" }, cancel: { state: "cancelled", ended_unix_ms: Date.now() }, retry: { state: "queued", position: 9, ended_unix_ms: null } };
  if (what === "pause" && one.state === "paused") return fail(409, "the job is paused already");
  Object.assign(one, next[what] ?? {});
  send("job", one);
  return [200, one];
}

function move(one: Job, before: unknown): Answer {
  const queue = [...jobs.values()].filter((other) => other.state === "queued" && other !== one).sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  const at = before === null ? queue.length : queue.findIndex((other) => other.id === before);
  queue.splice(at, 0, one);
  queue.forEach((other, i) => (other.position = i + 1));
  send("queue", { queued: queue.map((other) => other.id) });
  return [200, one];
}

async function answer(method: string, path: string, query: URLSearchParams, req: IncomingMessage): Promise<Answer> {
  const [, , , kind, id, what] = path.split("/");
  if (path === "/api/system/network") return [200, network()];
  if (kind === "network") return [200, history()];
  if (kind === "settings" && method === "GET") return [200, settings];
  if (kind === "settings" && id === "notify-test") return [200, { results: [{ url: "https://ntfy.example.com/…", ok: false, message: "name not found" }] }];
  if (kind === "settings") return [200, (settings = { ...settings, ...(await body(req)) })];
  if (kind === "foreign" && method === "GET") return [200, { downloads: foreign }];
  if (kind === "foreign") return createJob({ verb: "adopt", repo: foreign[0]!.repo, ...(await body(req)) });
  if (kind === "cache") return [200, method === "GET" ? cache() : { freed_bytes: 19 * GB }];
  if (kind !== "jobs") return fail(404, "no such path");
  if (!id) return method === "POST" ? createJob(await body(req)) : [200, { jobs: [...jobs.values()], next_cursor: null, total: jobs.size }];
  const one = jobs.get(id);
  if (!one) return fail(404, "no such job");
  if (method === "DELETE") return send("job_removed", { id }), jobs.delete(id), [204, null];
  if (method === "PATCH") return Object.assign(one, await body(req)), send("job", one), [200, one];
  if (what === "samples") return [200, samples(one)];
  if (what === "files") {
    const all = /gguf/i.test(one.repo) ? ggufs() : files(one);
    const offset = Number(query.get("offset") ?? 0);
    const limit = Number(query.get("limit") ?? 1000);
    return [200, { files: all.slice(offset, offset + limit), files_next: offset + limit < all.length ? offset + limit : null }];
  }
  if (what === "move") return move(one, (await body(req))["before"]);
  return what ? act(one, what) : [200, { ...one, files: files(one).slice(0, 1000), files_next: null }];
}

function middleware(req: Connect.IncomingMessage, res: ServerResponse, next: () => void): void {
  const url = new URL(req.url ?? "/", "http://localhost");
  if (url.pathname === "/healthz") return void res.end("ok\n");
  if (!url.pathname.startsWith("/api/")) return next();
  if (url.pathname === "/api/v1/events") {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    res.write(`id: ${eventId}\nevent: hello\ndata: {"version":"0.1.0","boot":"mock"}\n\n`);
    clients.add(res);
    res.on("close", () => clients.delete(res));
    return;
  }
  void answer(req.method ?? "GET", url.pathname, url.searchParams, req).then(([status, data]) => {
    res.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json" });
    res.end(status === 204 ? undefined : JSON.stringify(data));
  });
}

export function mock(): Plugin {
  jobs.forEach((one) => one.repo === "acme/big" && Object.assign(one, { files_total: 10_000 }));
  const start = (server: { middlewares: Connect.Server }) => {
    setInterval(tick, 1000).unref();
    server.middlewares.use(middleware);
  };
  return { name: "mock", configureServer: start, configurePreviewServer: start };
}
