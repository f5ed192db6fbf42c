/* The one function that makes a new state out of an old one and what happened. Pure. */

import type { CacheGone, Job, ServerEvent } from "../api/types";
import type { Action, State } from "./model";

/** A listing and the event stream may cross: within one run of a job its counts never go back (P8). */
function forward(old: Job | undefined, job: Job): Job {
  if (!old || old.started_unix_ms !== job.started_unix_ms || old.total_bytes !== job.total_bytes) return job;
  const max = (key: "received_bytes" | "recorded_bytes" | "proved_bytes" | "in_place_bytes" | "checked_bytes") =>
    Math.max(old[key], job[key]);
  return {
    ...job,
    received_bytes: max("received_bytes"),
    recorded_bytes: max("recorded_bytes"),
    proved_bytes: max("proved_bytes"),
    in_place_bytes: max("in_place_bytes"),
    checked_bytes: max("checked_bytes"),
  };
}

/** A state being built: the map of jobs is copied once for many actions. */
interface Draft {
  state: State;
  jobs: Map<string, Job> | null;
}

function jobsOf(draft: Draft): Map<string, Job> {
  draft.jobs ??= new Map(draft.state.jobs);
  return draft.jobs;
}

function putJob(draft: Draft, job: Job): void {
  const jobs = jobsOf(draft);
  const old = jobs.get(job.id);
  jobs.set(job.id, forward(old, job));
  // One that is not loaded yet was counted by the listing already.
  if (!old && draft.state.next_cursor === null)
    draft.state = { ...draft.state, total_jobs: draft.state.total_jobs + 1 };
}

function removeJob(draft: Draft, id: string): void {
  if (jobsOf(draft).delete(id))
    draft.state = { ...draft.state, total_jobs: Math.max(0, draft.state.total_jobs - 1) };
}

/** One event tells the places of all: a job that moved has changed those of many. */
function putOrder(draft: Draft, queued: readonly string[]): void {
  const jobs = jobsOf(draft);
  const places = new Map(queued.map((id, i) => [id, i + 1]));
  for (const [id, job] of jobs) {
    const position = places.get(id) ?? null;
    if (job.position !== position) jobs.set(id, { ...job, position });
  }
}

function countGone(draft: Draft, data: CacheGone): void {
  const { gone } = draft.state;
  const quota = data.why === "quota";
  draft.state = {
    ...draft.state,
    gone: {
      all: gone.all + 1,
      by_quota: gone.by_quota + (quota ? 1 : 0),
      by_quota_bytes: gone.by_quota_bytes + (quota ? data.freed_bytes : 0),
      last: data,
    },
  };
}

function hello(draft: Draft, data: { version: string; boot: string }): void {
  // Another run of the daemon: its counts begin at what is recorded, so the old ones are no measure.
  if (draft.state.boot && draft.state.boot !== data.boot) draft.jobs = new Map();
  draft.state = { ...draft.state, version: data.version, boot: data.boot };
}

function serverEvent(draft: Draft, event: ServerEvent): void {
  switch (event.type) {
    case "hello":
      return hello(draft, event.data);
    case "job":
      return putJob(draft, event.data);
    case "job_removed":
      return removeJob(draft, event.data.id);
    case "queue":
      return putOrder(draft, event.data.queued);
    case "settings":
      draft.state = { ...draft.state, settings: event.data };
      return;
    case "cache":
      return countGone(draft, event.data);
    case "foreign":
      draft.state = { ...draft.state, foreign: event.data.downloads };
      return;
    case "network":
      draft.state = { ...draft.state, network: event.data };
      return;
    default: // files go to the open file lists, lost makes the link load all anew
      return;
  }
}

function apply(draft: Draft, action: Action): void {
  switch (action.type) {
    case "link":
      draft.state = { ...draft.state, link: action.link };
      return;
    case "snapshot": {
      const { snapshot } = action;
      const old = draft.jobs ?? draft.state.jobs;
      draft.jobs = new Map(snapshot.jobs.map((job) => [job.id, forward(old.get(job.id), job)]));
      draft.state = {
        ...draft.state,
        loaded: true,
        total_jobs: snapshot.total,
        next_cursor: snapshot.next_cursor,
        settings: snapshot.settings,
        foreign: snapshot.foreign,
        network: snapshot.network,
        heard_unix_ms: action.now_unix_ms,
      };
      return;
    }
    case "more": {
      const jobs = jobsOf(draft);
      for (const job of action.jobs) if (!jobs.has(job.id)) jobs.set(job.id, job);
      draft.state = { ...draft.state, next_cursor: action.next_cursor, total_jobs: action.total };
      return;
    }
    case "event":
      serverEvent(draft, action.event);
      draft.state = { ...draft.state, heard_unix_ms: action.now_unix_ms };
      return;
    case "job":
      return putJob(draft, action.job);
    case "job_removed":
      return removeJob(draft, action.id);
    case "settings":
      draft.state = { ...draft.state, settings: action.settings };
  }
}

export function reduce(state: State, actions: readonly Action[]): State {
  if (actions.length === 0) return state;
  const draft: Draft = { state, jobs: null };
  for (const action of actions) apply(draft, action);
  return draft.jobs ? { ...draft.state, jobs: draft.jobs } : draft.state;
}
