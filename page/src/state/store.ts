/* Holds the state and says when it changed: at most four times a second for what the server sends, at once for what the
 * user did, and not at all to the views while nobody looks. */

import type { Job, ServerEvent } from "../api/types";
import type { Action, State } from "./model";
import { EMPTY } from "./model";
import { reduce } from "./reduce";

/** As often as the engine itself makes progress events. */
const BEAT_MS = 250;
/** A hidden tab only keeps its title true. */
const HIDDEN_BEAT_MS = 2_000;

export type Listener = (state: State) => void;

export class Store {
  private state: State = EMPTY;
  private waiting: Action[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;
  private views = new Set<Listener>();
  private always = new Set<(state: State, before: State) => void>();
  private unseen = false;
  /** Messages of the stream, counted, and the number of the last one about each job. */
  private heard = 0;
  private heardOf = new Map<string, number>();

  constructor(private readonly hidden: () => boolean) {}

  get = (): State => this.state;

  /** What the user did, or the state of the line. */
  now(action: Action): void {
    this.waiting.push(action);
    this.flush();
  }

  /** What the server sends by itself. */
  soon(action: Action): void {
    this.waiting.push(action);
    if (action.type === "event") this.note(action.event);
    this.timer ??= setTimeout(() => this.flush(), this.hidden() ? HIDDEN_BEAT_MS : BEAT_MS);
  }

  /** The answer to what the user did. Where the stream told of that job meanwhile it may be older than that, and is not
   *  taken: what is newer comes by the stream as well. */
  async answered(asking: Promise<Job>): Promise<Job> {
    const before = this.heard;
    const job = await asking;
    if ((this.heardOf.get(job.id) ?? 0) <= before) this.now({ type: "job", job });
    return job;
  }

  private note(event: ServerEvent): void {
    this.heard++;
    if (event.type === "job" || event.type === "job_removed") this.heardOf.set(event.data.id, this.heard);
  }

  /** To be called when the page is looked at again. */
  seen(): void {
    this.flush();
    if (!this.unseen) return;
    this.unseen = false;
    for (const view of this.views) view(this.state);
  }

  onView(view: Listener): () => void {
    this.views.add(view);
    return () => this.views.delete(view);
  }

  /** Title and notifications: those matter most while the tab is hidden. */
  onAlways(listener: (state: State, before: State) => void): () => void {
    this.always.add(listener);
    return () => this.always.delete(listener);
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const before = this.state;
    this.state = reduce(before, this.waiting);
    this.waiting = [];
    if (this.state === before) return;
    for (const listener of this.always) listener(this.state, before);
    if (this.hidden()) this.unseen = true;
    else for (const view of this.views) view(this.state);
  }
}
