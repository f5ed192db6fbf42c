/* The plan before it starts: size, what is here, what is fetched, free disk after, time, and which files. */

import { useMemo, useState } from "preact/hooks";
import type { FileRow, Job } from "../api/types";
import { limitNow } from "../api/types";
import type { State } from "../state/model";
import { measuredRate } from "../state/select";
import { aboutText, count, grouped, rate, roomy, size } from "../words/format";
import { expectedRate, filterHints, planFigures } from "../words/plan";
import type { FilterHint } from "../words/plan";
import type { Quant } from "../words/quants";
import { useStore } from "./context";
import { shortCommit } from "../words/job";
import { Icon } from "./icons";
import { windowOf } from "../state/window";

const whole = (state: State) => state;
const URLS = /(https?:\/\/[^\s),]+)/;

/** The daemon's sentence; where it names a page to go to, that is a link. */
export function Sentence({ text }: { text: string }) {
  return (
    <>
      {text.split(URLS).map((part, i) => {
        if (!URLS.test(part)) return part;
        const address = part.replace(/[.]$/, "");
        return (
          <a key={i} href={address} target="_blank" rel="noreferrer noopener">
            {address} <Icon name="out" />
          </a>
        );
      })}
    </>
  );
}

function Row({ name, value, more, bad }: { name: string; value: string; more: string; bad?: boolean }) {
  return (
    <div class={`plan-row ${bad ? "tone-bad" : ""}`}>
      <dt>{name}</dt>
      <dd class="number">{value}</dd>
      <dd class="muted">{more}</dd>
    </div>
  );
}

export function PlanFigures({ job, limit }: { job: Job; limit: number }) {
  const state = useStore(whole);
  const f = planFigures(job);
  const measured = measuredRate(state, Date.now());
  const expected = expectedRate(measured, [limit, limitNow(state.settings)]);
  const basis = expected !== null && expected === measured ? "measured today" : "your limit";
  const quota = state.network?.hub_quota;
  const time = f.fetch_bytes === 0 ? "nothing to fetch" : expected ? `about ${aboutText(f.fetch_bytes / expected)} at ${rate(expected)} (${basis})` : "no rate was measured yet";
  return (
    <dl class="plan-figures">
      <Row name="Whole" value={size(job.total_bytes)} more={`${count(job.files_total, "file")}${job.shards > 1 ? `, ${job.shards} shards` : ""}`} />
      <Row name="Here already" value={size(f.here_bytes)} more={f.prove_bytes > 0 ? `${size(f.prove_bytes)} of it will be proved first` : ""} />
      {f.copied_bytes > 0 ? <Row name="Copied here" value={size(f.copied_bytes)} more="chunks of an older revision, not fetched" /> : null}
      <Row name="To fetch" value={size(f.fetch_bytes)} more={time} />
      <Row
        name="Free after"
        value={f.fits ? roomy(f.free_after_bytes) : `${size(-f.free_after_bytes)} missing`}
        more={`of ${roomy(f.free_bytes)} free now`}
        bad={!f.fits}
      />
      {quota ? <Row name="Hub requests" value={grouped(quota.remaining)} more={`of ${grouped(quota.limit)} left in this window`} /> : null}
    </dl>
  );
}

interface QuantProps {
  quants: Quant[];
  chosen: ReadonlySet<string> | null;
  choose: (chosen: Set<string> | null) => void;
}

/** One model in many sizes: usually one of them is wanted. */
export function QuantChoice({ quants, chosen, choose }: QuantProps) {
  const toggle = (name: string) => {
    const next = new Set(chosen ?? []);
    if (!next.delete(name)) next.add(name);
    choose(next.size > 0 && next.size < quants.length ? next : null);
  };
  return (
    <fieldset class="quants">
      <legend>Quantisation</legend>
      <div class="choices">
        <button type="button" class="choice" aria-pressed={chosen === null} onClick={() => choose(null)}>
          all {quants.length}
        </button>
        {quants.map((quant) => (
          <button key={quant.name} type="button" class="choice tall" aria-pressed={chosen?.has(quant.name) ?? false} onClick={() => toggle(quant.name)}>
            <b>{quant.name}</b>
            <span>{size(quant.size_bytes)}</span>
            <span class="muted">{quant.fits_gb ? `fits in ${quant.fits_gb} GB` : "more than 192 GB"}</span>
          </button>
        ))}
      </div>
      <p class="hint">“Fits” counts the file and a tenth more and 1 GB for the context.</p>
    </fieldset>
  );
}

export function FilterHints({ files, used, add }: { files: FileRow[]; used: readonly string[]; add: (hint: FilterHint) => void }) {
  const hints = useMemo(() => filterHints(files).filter((hint) => !used.includes(hint.pattern)), [files, used]);
  if (hints.length === 0) return null;
  return (
    <div class="choices" role="group" aria-label="Filters that change this plan">
      {hints.map((hint) => (
        <button key={hint.kind + hint.pattern} type="button" class="choice" onClick={() => add(hint)}>
          {hint.text}
        </button>
      ))}
    </div>
  );
}

const ROW_PX = 30;
const MOST_ROWS = 8;

function planWord(file: FileRow): string {
  if (file.state === "proved") return "here, proved";
  return file.size_bytes > 0 && file.recorded_bytes >= file.size_bytes ? "here, to be proved" : "to fetch";
}

export function PlanFiles({ files, more }: { files: FileRow[]; more: boolean }) {
  const [top, setTop] = useState(0);
  const height = Math.min(files.length, MOST_ROWS) * ROW_PX;
  const view = windowOf(top, height, ROW_PX, files.length);
  return (
    <details class="table-door">
      <summary>
        {count(files.length, "file")}
        {more ? " and more" : ""}
      </summary>
      <div
        class="plan-files"
        tabIndex={0}
        role="list"
        aria-label="Files of the plan"
        style={{ height: `${height}px` }}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      >
        <div role="presentation" class="files-all" style={{ height: `${files.length * ROW_PX}px` }}>
          {files.slice(view.first, view.end).map((file, i) => (
            <div key={file.path} role="listitem" class="plan-file" style={{ top: `${(view.first + i) * ROW_PX}px` }}>
              <span class="path">{file.path}</span>
              <span class="number">{size(file.size_bytes)}</span>
              <span class={file.state === "proved" ? "tone-good" : "muted"}>{planWord(file)}</span>
            </div>
          ))}
        </div>
      </div>
    </details>
  );
}

export function PlanHead({ job }: { job: Job }) {
  return (
    <h2>
      {job.repo}{" "}
      <span class="muted rev">
        {job.type === "model" ? "" : `${job.type} `}
        {job.revision || "main"} {shortCommit(job.commit)}
      </span>
    </h2>
  );
}
