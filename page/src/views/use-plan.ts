/* A dry run for the add form: asked for, waited for, read with its files, and taken off the daemon's list again. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { FileRow, Job, JobRequest } from "../api/types";
import { isEnded } from "../words/job";
import { useHouse } from "./context";

export type PlanState =
  | { is: "none" }
  | { is: "asking"; asked: JobRequest; job: Job | null; before: Job | null; files: FileRow[] }
  | { is: "ready"; asked: JobRequest; job: Job; files: FileRow[]; more: boolean }
  | { is: "failed"; asked: JobRequest; job: Job | null; message: string };

/** A listing is asked for again this often; the event stream is not needed to see a plan. */
const ASK_MS = 250;
/** As many rows as choices are made from; a repository with more is filtered by patterns. */
const FILES_READ = 5_000;

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

async function readFiles(id: string): Promise<{ files: FileRow[]; more: boolean }> {
  const files: FileRow[] = [];
  let offset: number | null = 0;
  while (offset !== null && files.length < FILES_READ) {
    const page: { files: FileRow[]; files_next: number | null } = await api.files(id, offset, 1_000);
    files.push(...page.files);
    offset = page.files_next;
  }
  return { files, more: offset !== null };
}

export interface Planner {
  state: PlanState;
  ask: (asked: JobRequest) => void;
  clear: () => void;
}

export function usePlan(): Planner {
  const house = useHouse();
  const [state, setState] = useState<PlanState>({ is: "none" });
  const newest = useRef(0);
  useEffect(() => () => void newest.current++, []);

  const drop = async (id: string) => {
    await api.remove(id).catch(() => undefined); // it ends by itself; at worst a line stays in the history
    house.store.now({ type: "job_removed", id });
  };

  const run = async (asked: JobRequest, turn: number) => {
    let id = "";
    const current = () => newest.current === turn;
    try {
      let job = await api.create({ ...asked, verb: "plan" });
      id = job.id;
      while (!isEnded(job) && current()) {
        const now = job;
        setState((old) => (old.is === "asking" ? { ...old, job: now } : old));
        await pause(ASK_MS);
        job = await api.job(id);
      }
      if (!current()) return await drop(id);
      if (job.state !== "done") {
        setState({ is: "failed", asked, job, message: job.error?.message ?? `the plan was ${job.state}` });
      } else {
        const { files, more } = await readFiles(id);
        if (current()) setState({ is: "ready", asked, job, files, more });
      }
    } catch (error) {
      if (current()) setState({ is: "failed", asked, job: null, message: error instanceof Error ? error.message : String(error) });
    }
    if (id) await drop(id);
  };

  const ask = (asked: JobRequest) => {
    const turn = ++newest.current;
    setState((old) => ({
      is: "asking",
      asked,
      job: null,
      before: old.is === "ready" ? old.job : old.is === "asking" ? old.before : null,
      files: old.is === "ready" || old.is === "asking" ? old.files : [],
    }));
    void run(asked, turn);
  };
  const clear = () => {
    newest.current++;
    setState({ is: "none" });
  };
  return { state, ask, clear };
}
