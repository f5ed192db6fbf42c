/* One job: a card while it runs, a line while it waits or has ended, and what is inside when it is opened. */

import { useState } from "preact/hooks";
import { SpeedChart, useSamples } from "../charts/speed";
import type { Job } from "../api/types";
import type { QueueFacts } from "../words/job";
import { canPause, eta, isEnded, isRunning, provedWords, shortCommit, shownBytes, shownRate, stateLine, stateWords, verbWord } from "../words/job";
import { percent, rate, sizeOf } from "../words/format";
import { Act, Bar, Menu, memo } from "./bits";
import { useHouse } from "./context";
import { Details } from "./details";
import { Icon } from "./icons";
import { LimitMenu, PriorityMenu } from "./jobmenus";
import { act, again, cancel, move, remove } from "./steer";

interface Props {
  job: Job;
  queue: QueueFacts;
  /** how many wait in the queue: the last one cannot go further down */
  waiting: number;
  now: number;
}

function Title({ job }: { job: Job }) {
  const { icon, word, tone } = stateWords(job);
  return (
    <div class="job-title">
      <span class={`state tone-${tone}`}>
        <Icon name={icon} />
        <span class="word">{word}</span>
      </span>
      <h3>
        {job.type === "model" ? null : <span class="kind">{job.type}</span>}
        {job.repo}
      </h3>
      <span class="muted rev">
        {verbWord(job) ? <b>{verbWord(job)} </b> : null}
        {job.revision || "main"} {shortCommit(job.commit)}
      </span>
    </div>
  );
}

function PauseOrResume({ job }: { job: Job }) {
  const house = useHouse();
  if (job.state === "paused") {
    return (
      <Act
        label={
          <>
            <Icon name="play" /> Resume
          </>
        }
        title={`Resume ${job.repo}`}
        what={`Resume ${job.repo}`}
        shortcut="p"
        run={() => act(house, job, "resume")}
      />
    );
  }
  if (!canPause(job)) return null;
  return (
    <Act
      label={
        <>
          <Icon name="pause" /> Pause
        </>
      }
      title={`Pause ${job.repo}`}
      what={`Pause ${job.repo}`}
      shortcut="p"
      run={() => act(house, job, "pause")}
    />
  );
}

function Cancel({ job }: { job: Job }) {
  const house = useHouse();
  return (
    <Act label="Cancel" title={`Cancel ${job.repo}`} what={`Cancel ${job.repo}`} class="quiet" run={() => cancel(house, job)} />
  );
}

function Moves({ job, place, waiting }: { job: Job; place: number; waiting: number }) {
  const house = useHouse();
  if (place < 0) return null;
  return (
    <span class="pair">
      <Act
        label={<Icon name="up" />}
        title={`Move ${job.repo} up`}
        what={`Move ${job.repo}`}
        class="icon-only"
        disabled={place === 0}
        run={() => move(house, job, -1)}
      />
      <Act
        label={<Icon name="down" />}
        title={`Move ${job.repo} down`}
        what={`Move ${job.repo}`}
        class="icon-only"
        disabled={place === waiting - 1}
        run={() => move(house, job, 1)}
      />
    </span>
  );
}

function EndedMenu({ job }: { job: Job }) {
  const house = useHouse();
  const row = (text: string, what: string, run: () => Promise<void>, close: () => void) => (
    <Act
      label={text}
      what={`${what} ${job.repo}`}
      class="row"
      run={async () => {
        await run();
        close();
      }}
    />
  );
  return (
    <Menu label={<Icon name="more" />} name={`More for ${job.repo}`} class="icon-only">
      {(close) => (
        <div class="choices column">
          {row("Verify on disk", "Verify", () => again(house, job, "verify"), close)}
          {row("Repair", "Repair", () => again(house, job, "repair"), close)}
          {row("Pull again", "Pull", () => again(house, job, "pull"), close)}
          {row("Take off the list", "Remove", () => remove(house, job), () => undefined)}
        </div>
      )}
    </Menu>
  );
}

function OpenButton({ job, open, set }: { job: Job; open: boolean; set: (open: boolean) => void }) {
  const name = isEnded(job) ? (open ? "Close" : "Open") : "Files";
  return (
    <button
      type="button"
      class="button"
      aria-expanded={open}
      data-key="Enter"
      aria-label={`${name} ${isEnded(job) ? "" : "of "}${job.repo}`}
      onClick={() => set(!open)}
    >
      {name}
      <Icon name="chevron" />
    </button>
  );
}

function SmallChart({ job }: { job: Job }) {
  return <SpeedChart job={job} data={useSamples(job, false)} large={false} />;
}

function Running({ job, queue, now }: Props) {
  const [open, setOpen] = useState(false);
  const range = eta(job);
  const part = shownBytes(job);
  const { tone } = stateWords(job);
  return (
    <li class="card running" data-row={job.id} tabIndex={-1} aria-label={`${job.repo}, ${stateWords(job).word}`}>
      <div class="job-head">
        <Title job={job} />
        <p class="figures live">
          <b class="rate">{rate(shownRate(job))}</b>
          <span class="eta">{range ? `ETA ${range}` : ""}</span>
        </p>
      </div>
      <div class="job-bar live">
        <Bar job={job} />
        <p class="job-sizes">
          <b>{job.total_bytes > 0 ? `${percent(part, job.total_bytes)} %` : "–"}</b>
          <span>{job.total_bytes > 0 ? sizeOf(part, job.total_bytes) : "size not known yet"}</span>
          <span class="muted">{provedWords(job)}</span>
        </p>
      </div>
      <p class={`job-words ${tone === "wait" ? "tone-wait" : ""}`}>{stateLine(job, queue, now)}</p>
      <div class="job-foot">
        {open ? <span class="chart-gap" /> : <SmallChart job={job} />}
        <div class="buttons">
          <PauseOrResume job={job} />
          <LimitMenu job={job} />
          <PriorityMenu job={job} />
          <OpenButton job={job} open={open} set={setOpen} />
          <Cancel job={job} />
        </div>
      </div>
      {open ? <Details job={job} /> : null}
    </li>
  );
}

function Waiting({ job, queue, waiting, now }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <li class="card line" data-row={job.id} tabIndex={-1} aria-label={`${job.repo}, ${stateWords(job).word}`}>
      <div class="line-main">
        <Title job={job} />
        <p class="job-words">{stateLine(job, queue, now)}</p>
        <div class="buttons">
          <Moves job={job} place={queue.place} waiting={waiting} />
          <PauseOrResume job={job} />
          <LimitMenu job={job} />
          <PriorityMenu job={job} />
          <OpenButton job={job} open={open} set={setOpen} />
          <Cancel job={job} />
        </div>
      </div>
      {job.total_bytes > 0 && job.state === "paused" ? <Bar job={job} /> : null}
      {open ? <Details job={job} /> : null}
    </li>
  );
}

function Ended({ job, queue, now }: Props) {
  const house = useHouse();
  const [open, setOpen] = useState(false);
  const bad = job.state === "failed";
  return (
    <li class="card line" data-row={job.id} tabIndex={-1} aria-label={`${job.repo}, ${stateWords(job).word}`}>
      <div class="line-main">
        <Title job={job} />
        <p class={`job-words ${bad ? "tone-bad" : ""}`}>{stateLine(job, queue, now)}</p>
        <div class="buttons">
          {job.state === "done" ? null : (
            <Act label="Retry" title={`Retry ${job.repo}`} what={`Retry ${job.repo}`} run={() => act(house, job, "retry")} />
          )}
          <OpenButton job={job} open={open} set={setOpen} />
          <EndedMenu job={job} />
        </div>
      </div>
      {open ? <Details job={job} /> : null}
    </li>
  );
}

export const JobRow = memo((props: Props) => {
  if (isRunning(props.job)) return <Running {...props} />;
  return isEnded(props.job) ? <Ended {...props} /> : <Waiting {...props} />;
});
