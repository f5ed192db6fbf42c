/* Home: is it moving, how long, and if not, why? */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Job } from "../api/types";
import type { State } from "../state/model";
import { NOT_QUEUED, groups, queueFacts, queuedOf } from "../state/select";
import { grouped } from "../words/format";
import { AddForm } from "./add";
import { Act } from "./bits";
import { useHouse, useNow, useStore } from "./context";
import { ForeignRow } from "./foreign";
import { JobRow } from "./job";
import { more } from "./steer";

/** Ended jobs shown at first: the newest are the ones looked for. */
const ENDED_FIRST = 20;

/** A row that moves to another place loses the focus; it gets it back, unless somebody clicked elsewhere. */
function useKeptFocus() {
  const box = useRef<HTMLDivElement>(null);
  const last = useRef("");
  useEffect(() => {
    const take = (event: Event) => {
      last.current = (event.target as Element).closest<HTMLElement>("[data-row]")?.dataset["row"] ?? "";
    };
    document.addEventListener("focusin", take);
    document.addEventListener("pointerdown", take);
    return () => {
      document.removeEventListener("focusin", take);
      document.removeEventListener("pointerdown", take);
    };
  }, []);
  useLayoutEffect(() => {
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (lost && last.current) box.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(last.current)}"]`)?.focus();
  });
  return box;
}

function Section({ title, count, children }: { title: string; count: number; children: ComponentChildren }) {
  if (count === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="count">{grouped(count)}</span>
      </h2>
      <ul class="jobs">{children}</ul>
    </section>
  );
}

function Empty() {
  return (
    <div class="empty card">
      <h2>Nothing is being downloaded.</h2>
      <p>
        Type the name of a repository above, for example <code>Qwen/Qwen3-0.6B</code>, and its plan is shown before anything is fetched.
      </p>
      <p class="muted">
        The same on the command line: <code>hf-pull add Qwen/Qwen3-0.6B</code>
      </p>
    </div>
  );
}

const pick = {
  jobs: (state: State) => state.jobs,
  foreign: (state: State) => state.foreign,
  loaded: (state: State) => state.loaded,
  cursor: (state: State) => state.next_cursor,
};

function More() {
  const house = useHouse();
  const cursor = useStore(pick.cursor);
  if (cursor === null) return null;
  return <Act label="Load more" what="The list of jobs" run={() => more(house)} class="wide" />;
}

export function Downloads() {
  const jobs = useStore(pick.jobs);
  const foreign = useStore(pick.foreign);
  const loaded = useStore(pick.loaded);
  const now = useNow(5_000);
  const growing = useNow(foreign.length > 0 ? 1_000 : 60_000);
  const [allEnded, setAllEnded] = useState(false);
  const box = useKeptFocus();
  const all = useMemo(() => groups(jobs), [jobs]);
  const facts = useMemo(() => queueFacts(all), [all]);
  const waiting = queuedOf(all.waiting).length;
  const ended = allEnded ? all.ended : all.ended.slice(0, ENDED_FIRST);
  const row = (job: Job) => <JobRow key={job.id} job={job} queue={facts.get(job.id) ?? NOT_QUEUED} waiting={waiting} now={now} />;
  const nothing = loaded && all.running.length + all.waiting.length + all.ended.length + foreign.length === 0;
  return (
    <div ref={box}>
      <h1 class="hidden">Downloads</h1>
      <AddForm />
      {nothing ? <Empty /> : null}
      <Section title="Running" count={all.running.length}>
        {all.running.map(row)}
      </Section>
      <Section title="Queue" count={all.waiting.length}>
        {all.waiting.map(row)}
      </Section>
      <Section title="Seen from other tools" count={foreign.length}>
        {foreign.map((one) => (
          <ForeignRow key={one.id} foreign={one} now={growing} />
        ))}
      </Section>
      <Section title="Ended" count={all.ended.length}>
        {ended.map(row)}
      </Section>
      {all.ended.length > ended.length ? (
        <button type="button" class="button wide" onClick={() => setAllEnded(true)}>
          Show all {grouped(all.ended.length)} ended
        </button>
      ) : (
        <More />
      )}
    </div>
  );
}
