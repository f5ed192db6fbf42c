/* Notifications of the browser: only when the user turned them on, only from the tab that reads the stream. */

import type { Job } from "../api/types";
import { stateLine } from "../words/job";
import type { State } from "./model";
import { NOT_QUEUED } from "./select";

const KEY = "hf-pull-notify";
export type NotifyState = "on" | "off" | "denied" | "missing";

export function notifyState(): NotifyState {
  if (!("Notification" in globalThis)) return "missing";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && localStorage.getItem(KEY) === "on" ? "on" : "off";
}

export async function setNotify(on: boolean): Promise<NotifyState> {
  if (on) await Notification.requestPermission();
  localStorage.setItem(KEY, on ? "on" : "off");
  return notifyState();
}

/** What is worth telling about the change from one state to the next. Pure. */
export function news(before: State, after: State): { job: Job; what: "done" | "failed" | "stalled" }[] {
  if (!before.loaded || before.jobs === after.jobs) return [];
  const found: { job: Job; what: "done" | "failed" | "stalled" }[] = [];
  for (const job of after.jobs.values()) {
    const old = before.jobs.get(job.id);
    if (!old || old === job || job.verb === "plan") continue;
    if (job.state !== old.state && (job.state === "done" || job.state === "failed")) found.push({ job, what: job.state });
    else if (job.stalled && !old.stalled) found.push({ job, what: "stalled" });
  }
  return found;
}

export function tell(list: ReturnType<typeof news>): void {
  if (list.length === 0 || notifyState() !== "on") return;
  for (const { job, what } of list) {
    // The tag lets a later word about the same job replace the earlier one.
    new Notification(`${job.repo}: ${what === "done" ? "proved" : what}`, {
      body: stateLine(job, NOT_QUEUED, Date.now()),
      tag: job.id,
    });
  }
}
