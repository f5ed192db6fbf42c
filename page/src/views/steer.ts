/* What a person can do to a job. Each asks the daemon and takes its answer into the state. */

import { api } from "../api/client";
import type { Job } from "../api/types";
import { groups, moveTarget, queuedOf } from "../state/select";
import { sizeOf } from "../words/format";
import { shownBytes } from "../words/job";
import type { House } from "./context";

export async function act(house: House, job: Job, what: "pause" | "resume" | "retry"): Promise<void> {
  await house.store.answered(api.act(job.id, what));
}

/** Cancelling is taken back by trying again: what is recorded is kept. */
export async function cancel(house: House, job: Job): Promise<void> {
  const ended = await house.store.answered(api.act(job.id, "cancel"));
  const kept = ended.total_bytes > 0 ? ` ${sizeOf(shownBytes(ended), ended.total_bytes)} is kept.` : "";
  house.toasts.say(`Cancelled ${job.repo}.${kept}`, {
    undo: () => void act(house, job, "retry").catch((error: unknown) => house.toasts.bad(`Undo for ${job.repo}`, error)),
  });
}

export async function remove(house: House, job: Job): Promise<void> {
  await api.remove(job.id);
  house.store.now({ type: "job_removed", id: job.id });
}

/** The next part of a long list of jobs; false: there is none. */
export async function more({ store }: House): Promise<boolean> {
  const cursor = store.get().next_cursor;
  if (cursor === null) return false;
  const list = await api.jobs(cursor);
  store.now({ type: "more", jobs: list.jobs, next_cursor: list.next_cursor, total: list.total });
  return true;
}

export async function move(house: House, job: Job, step: -1 | 1): Promise<void> {
  const target = () => moveTarget(queuedOf(groups(house.store.get().jobs).waiting), job.id, step);
  let before = target();
  // Behind the last one that is here others may wait.
  while (before === null && (await more(house))) before = target();
  if (before === undefined) return;
  await house.store.answered(api.move(job.id, before)); // the places of the others come as an event
}

export async function again(house: House, job: Job, verb: "pull" | "verify" | "repair"): Promise<void> {
  const made = api.create({
    repo: job.repo,
    revision: job.revision,
    type: job.type,
    verb,
    include: job.include,
    exclude: job.exclude,
    paths: job.paths,
    ...(job.local_dir ? { local_dir: job.local_dir } : {}),
  });
  await house.store.answered(made);
}
