/* What a person can do to a job. Each asks the daemon and takes its answer into the state. */

import { api } from "../api/client";
import type { Job } from "../api/types";
import { groups, moveTarget, queuedOf } from "../state/select";
import { sizeOf } from "../words/format";
import { shownBytes } from "../words/job";
import type { House } from "./context";

export async function act(house: House, job: Job, what: "pause" | "resume" | "retry"): Promise<void> {
  house.store.now({ type: "job", job: await api.act(job.id, what) });
}

/** Cancelling is taken back by trying again: what is recorded is kept. */
export async function cancel(house: House, job: Job): Promise<void> {
  const ended = await api.act(job.id, "cancel");
  house.store.now({ type: "job", job: ended });
  const kept = ended.total_bytes > 0 ? ` ${sizeOf(shownBytes(ended), ended.total_bytes)} is kept.` : "";
  house.toasts.say(`Cancelled ${job.repo}.${kept}`, {
    undo: () => void act(house, job, "retry").catch((error: unknown) => house.toasts.bad(`Undo for ${job.repo}`, error)),
  });
}

export async function remove(house: House, job: Job): Promise<void> {
  await api.remove(job.id);
  house.store.now({ type: "job_removed", id: job.id });
}

export async function move(house: House, job: Job, step: -1 | 1): Promise<void> {
  const queue = queuedOf(groups(house.store.get().jobs).waiting);
  const before = moveTarget(queue, job.id, step);
  if (before === undefined) return;
  house.store.now({ type: "job", job: await api.move(job.id, before) }); // the places of the others come as an event
}

export async function again(house: House, job: Job, verb: "pull" | "verify" | "repair"): Promise<void> {
  const made = await api.create({
    repo: job.repo,
    revision: job.revision,
    type: job.type,
    verb,
    include: job.include,
    exclude: job.exclude,
    paths: job.paths,
    ...(job.local_dir ? { local_dir: job.local_dir } : {}),
  });
  house.store.now({ type: "job", job: made });
}
