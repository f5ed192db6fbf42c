/* What is inside a job: its chart, its figures, its connections, its files. */

import type { ComponentChildren } from "preact";
import { SpeedChart, useSamples } from "../charts/speed";
import type { Job } from "../api/types";
import { clock, count, duration, grouped, limit, rate, size } from "../words/format";
import { isEnded, isRunning } from "../words/job";
import { CopyButton } from "./bits";
import { Files } from "./files";
import { FrontTable, waitedWords } from "./fronts";
import { priorityWord } from "./jobmenus";

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function summaryFacts(job: Job): [string, string][] {
  const s = job.summary ?? {};
  const bytes = (key: string, name: string): [string, string] | null =>
    (s[key] ?? 0) > 0 ? [name, size(s[key] as number)] : null;
  return [
    bytes("kept_bytes", "Kept from before"),
    bytes("adopted_bytes", "Adopted"),
    bytes("copied_bytes", "Copied here"),
    bytes("fetched_bytes", "Fetched"),
    bytes("repaired_bytes", "Repaired"),
    (s["connections_lost"] ?? 0) > 0 ? (["Connections lost", grouped(s["connections_lost"] as number)] as [string, string]) : null,
  ].filter((fact): fact is [string, string] => fact !== null);
}

function planWords(job: Job): string {
  if (!job.plan) return "";
  const parts = [`${size(job.plan.fetch_bytes)} to fetch in ${count(job.plan.fetch_files, "file")}`];
  if (job.here_bytes > 0) parts.push(`${size(job.here_bytes)} was here`);
  if (job.plan.copied_bytes > 0) parts.push(`${size(job.plan.copied_bytes)} copied from chunks here`);
  if (job.plan.prove_bytes > 0) parts.push(`${size(job.plan.prove_bytes)} to be proved`);
  return parts.join(", ");
}

function Facts({ job }: { job: Job }) {
  const now = Date.now();
  const waited = waitedWords(job.waited_s);
  const filters = [...job.include.map((p) => `+ ${p}`), ...job.exclude.map((p) => `− ${p}`), ...job.paths].join("  ");
  return (
    <dl class="facts">
      {job.commit ? (
        <Fact name="Commit">
          <code>{job.commit.slice(0, 12)}</code> <CopyButton text={job.commit} what={`the commit of ${job.repo}`} />
        </Fact>
      ) : null}
      {job.plan ? <Fact name="Plan">{planWords(job)}</Fact> : null}
      {summaryFacts(job).map(([name, value]) => (
        <Fact key={name} name={name}>
          {value}
        </Fact>
      ))}
      <Fact name="Over the wire">{size(job.wire_bytes)}</Fact>
      <Fact name="Time">
        {duration(job.elapsed_s)}
        {job.started_unix_ms ? `, since ${clock(job.started_unix_ms, now)}` : ""}
      </Fact>
      {job.elapsed_s > 0 && isEnded(job) && job.wire_bytes > 0 ? <Fact name="Mean rate">{rate(job.wire_bytes / job.elapsed_s)}</Fact> : null}
      {isRunning(job) ? (
        <Fact name="Connections">
          {job.connections}
          {job.connections_silent > 0 ? `, ${job.connections_silent} silent` : ""}
        </Fact>
      ) : null}
      <Fact name="Stalls">{job.stalls}</Fact>
      {waited ? <Fact name="Time lost">{waited}</Fact> : null}
      <Fact name="Limit">{limit(job.limit_bytes_per_s)}</Fact>
      <Fact name="Priority">{priorityWord(job.priority)}</Fact>
      {filters ? <Fact name="Filters">{filters}</Fact> : null}
      {job.local_dir ? <Fact name="Folder">{job.local_dir}</Fact> : null}
      {job.snapshot ? (
        <Fact name="Where">
          <code class="path">{job.snapshot}</code> <CopyButton text={job.snapshot} what="the path" />
        </Fact>
      ) : null}
      {job.error ? (
        <Fact name="Error">
          {job.error.message} <span class="muted">({job.error.code})</span>
        </Fact>
      ) : null}
    </dl>
  );
}

export function Details({ job }: { job: Job }) {
  const data = useSamples(job, true);
  return (
    <div class="details">
      {data.samples.length > 0 ? <SpeedChart job={job} data={data} large /> : null}
      <Facts job={job} />
      {job.fronts.length > 0 && isRunning(job) ? <FrontTable fronts={job.fronts} of={job.repo} /> : null}
      <Files job={job} />
    </div>
  );
}
