/* One event stream for all tabs of a browser.
 *
 * The tab that holds the Web Lock reads the stream and hands each event to the others over a BroadcastChannel; when it
 * closes, the lock goes to another tab, which reads on after the last id it heard of. Where locks are missing (a plain
 * http address other than loopback is no secure context) each tab reads for itself.
 *
 * A lost connection is tried again for ever, and the daemon replays what was missed; when it cannot, or is another
 * run, all is loaded anew. */

import type { Link, Snapshot } from "../state/model";
import { EMPTY } from "../state/model";
import type { Store } from "../state/store";
import { ApiError, api, problem } from "./client";
import { decodeEvent } from "./decode";
import { SseReader } from "./sse";
import type { FileRow, ServerEvent } from "./types";

const CHANNEL = "hf-pull";
const RETRY_MS = [500, 1_000, 2_000, 4_000, 5_000];
/** A stream that is silent for so long is asked about by another way before it is believed dead. */
const SILENT_MS = 20_000;
/** Other tools' downloads may lie on a disk that hangs: the list of jobs waits so long for them. */
const BESIDE_MS = 1_000;

type TabMessage =
  | { kind: "event"; id: string; event: ServerEvent }
  | { kind: "link"; link: Link }
  | { kind: "reload" }
  | { kind: "ask" };

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Jobs must be seen even where a figure beside them cannot be had, or comes late: that one is then told of by `late`. */
async function load(store: Store, late: (event: ServerEvent) => void): Promise<Snapshot> {
  const old = store.get();
  const look = api.foreign();
  look.then((data) => late({ type: "foreign", data })).catch(() => undefined);
  const [jobs, settings, foreign, network] = await Promise.all([
    api.jobs(),
    api.settings(),
    Promise.race([look.catch(() => null), pause(BESIDE_MS).then(() => null)]),
    api.network().catch(() => old.network),
  ]);
  return {
    jobs: jobs.jobs,
    total: jobs.total,
    next_cursor: jobs.next_cursor,
    settings,
    foreign: foreign?.downloads ?? [...old.foreign],
    network: network ?? { rx_bytes_per_s: 0, tx_bytes_per_s: 0, interfaces: [], jobs: [], hub_quota: null },
  };
}

type FilesListener = (files: FileRow[]) => void;

export class LinkReader {
  private channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(CHANNEL) : null;
  private lastId = "";
  private leads = false;
  private link: Link = EMPTY.link;
  private stream: AbortController | null = null;
  private wake: (() => void) | null = null;
  private files = new Map<string, Set<FilesListener>>();
  /** Listings asked for, the newest of those that were taken, and how many are under way. */
  private listings = { asked: 0, taken: 0, open: 0 };
  /** How often other tools' downloads were told of. */
  private foreignTold = 0;
  /** What the stream says while a listing is under way: some seconds of it at most. */
  private held: ServerEvent[] = [];

  constructor(private readonly store: Store) {}

  start(): void {
    if (this.channel && "locks" in navigator) {
      this.channel.onmessage = (event: MessageEvent<TabMessage>) => this.fromTab(event.data);
      void navigator.locks.request(CHANNEL, () => this.lead());
      this.tell({ kind: "ask" });
      void this.reload();
    } else {
      this.channel?.close(); // each reads it all: what others say would be heard twice
      this.channel = null;
      void this.lead();
    }
  }

  /** At most one tab is true: the one that may notify. */
  get isLeader(): boolean {
    return this.leads;
  }

  /** Try at once: the user gave a token, or the machine is back on the line. */
  again(): void {
    this.stream?.abort();
    this.wake?.();
    this.tell({ kind: "reload" });
  }

  onFiles(job: string, listener: FilesListener): () => void {
    const set = this.files.get(job) ?? new Set();
    set.add(listener);
    this.files.set(job, set);
    return () => set.delete(listener);
  }

  private tell(message: TabMessage): void {
    this.channel?.postMessage(message);
  }

  private setLink(state: Link["state"], error?: ApiError): void {
    const lost = state === "lost" || state === "refused";
    const since = lost ? this.link.since_unix_ms || Date.now() : 0;
    this.link = { state, since_unix_ms: since, why: error?.message ?? "", needs_token: error?.status === 401 };
    this.store.now({ type: "link", link: this.link });
    this.tell({ kind: "link", link: this.link });
  }

  private fromTab(message: TabMessage): void {
    if (message.kind === "ask") {
      if (this.leads) this.tell({ kind: "link", link: this.link });
    } else if (message.kind === "reload") {
      if (this.leads) this.wake?.();
      else void this.reload();
    } else if (message.kind === "link") {
      this.link = message.link;
      this.store.now({ type: "link", link: message.link });
      if (message.link.state === "live" && !this.store.get().loaded) void this.reload();
    } else {
      this.lastId = message.id || this.lastId;
      this.take(message.event);
    }
  }

  private take(event: ServerEvent): void {
    if (event.type === "foreign") this.foreignTold++;
    if (event.type === "files") for (const listener of this.files.get(event.data.id) ?? []) listener(event.data.files);
    // Which run of the daemon it is must be known before its listing is taken.
    if (this.listings.open > 0 && event.type !== "hello") this.held.push(event);
    else this.soon(event);
  }

  /** Events that come meanwhile are applied after the listing: whatever changed since is among them. */
  private async reload(): Promise<boolean> {
    const turn = ++this.listings.asked;
    const told = this.foreignTold;
    this.listings.open++;
    try {
      const snapshot = await load(this.store, (event) => {
        if (this.foreignTold === told) this.take(event); // else the stream was faster, and is newer
      });
      if (turn < this.listings.taken) return true; // a newer one overtook it
      this.listings.taken = turn;
      this.store.now({ type: "snapshot", snapshot, now_unix_ms: Date.now() });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.setLink("refused", error);
      return false;
    } finally {
      if (--this.listings.open === 0) for (const event of this.held.splice(0)) this.soon(event);
    }
  }

  private soon(event: ServerEvent): void {
    this.store.soon({ type: "event", event, now_unix_ms: Date.now() });
  }

  private async lead(): Promise<never> {
    this.leads = true;
    for (let tries = 0; ; tries++) {
      const heard = await this.readStream();
      if (heard) tries = 0;
      await Promise.race([pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 5_000), this.woken()]);
    }
  }

  private woken(): Promise<void> {
    return new Promise((done) => {
      this.wake = done;
    });
  }

  /** Reads until the stream ends; true when it brought anything. */
  private async readStream(): Promise<boolean> {
    const abort = new AbortController();
    this.stream = abort;
    let heard = false;
    try {
      const answer = await api.events(this.lastId, abort.signal);
      if (answer.status === 401 || answer.status === 403) {
        this.setLink("refused", await problem(answer));
        return false;
      }
      if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const sse = new SseReader();
      sse.lastId = this.lastId;
      for (;;) {
        const { done, value } = await this.orSilent(reader.read(), abort);
        if (done) break;
        heard = true;
        for (const message of sse.push(value)) await this.fromServer(message.id, decodeEvent(message));
      }
    } catch {
      /* the same as an end: said below, tried again by lead() */
    }
    abort.abort();
    if (this.link.state !== "refused") this.setLink("lost");
    return heard;
  }

  private async fromServer(id: string, event: ServerEvent | null): Promise<void> {
    this.lastId = id || this.lastId;
    if (!event) return;
    const boot = this.store.get().boot;
    this.take(event);
    this.tell({ kind: "event", id, event });
    const another = event.type === "hello" && boot !== event.data.boot;
    if (event.type === "lost" || another || (event.type === "hello" && !this.store.get().loaded)) {
      this.tell({ kind: "reload" });
      if (!(await this.reload())) throw new Error("the listing did not come"); // a new connection asks again
    }
    if (this.link.state !== "live") this.setLink("live");
  }

  private async orSilent<T>(read: Promise<T>, abort: AbortController): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      const alive = await api.alive().catch(() => false);
      if (alive) timer = setTimeout(() => void ask(), SILENT_MS);
      else abort.abort();
    };
    timer = setTimeout(() => void ask(), SILENT_MS);
    try {
      return await read;
    } finally {
      clearTimeout(timer);
    }
  }
}
