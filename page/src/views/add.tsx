/* Adding: a name or a link, what of it, and the plan before anything starts. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { FileRow, JobRequest, RepoType } from "../api/types";
import { limit as limitText, parseRate, rateInput } from "../words/format";
import { parseHubLink } from "../words/hublink";
import { planFigures } from "../words/plan";
import { excludeOthers, findQuants } from "../words/quants";
import { Act, Menu } from "./bits";
import { useHouse } from "./context";
import { Icon } from "./icons";
import { FilterHints, PlanFigures, PlanFiles, PlanHead, QuantChoice, Sentence } from "./plan";
import { usePlan } from "./use-plan";

interface Wishes {
  include: string[];
  exclude: string[];
  type: RepoType | "";
  priority: number;
  limit_bytes_per_s: number;
  local_dir: string;
}

const NO_WISHES: Wishes = { include: [], exclude: [], type: "", priority: 0, limit_bytes_per_s: 0, local_dir: "" };

/** A link of a Hub that the page does not know; the daemon may be pulling from that one. */
function otherLink(text: string): { repo: string; type: ""; revision: ""; path: "" } | null {
  const link = text.trim();
  return /^https?:\/\/\S+$/i.test(link) ? { repo: link, type: "", revision: "", path: "" } : null;
}

function request(text: string, revision: string, wishes: Wishes): JobRequest | null {
  const asked = parseHubLink(text) ?? otherLink(text);
  if (!asked) return null;
  const type = wishes.type || asked.type;
  return {
    repo: asked.repo,
    ...(type ? { type } : {}),
    ...(revision || asked.revision ? { revision: revision || asked.revision } : {}),
    ...(asked.path ? { paths: [asked.path] } : {}),
    ...(wishes.include.length > 0 ? { include: wishes.include } : {}),
    ...(wishes.exclude.length > 0 ? { exclude: wishes.exclude } : {}),
    ...(wishes.local_dir ? { local_dir: wishes.local_dir } : {}),
    ...(wishes.priority !== 0 ? { priority: wishes.priority } : {}),
    ...(wishes.limit_bytes_per_s > 0 ? { limit_bytes_per_s: wishes.limit_bytes_per_s } : {}),
  };
}

function PatternInput({ name, add }: { name: string; add: (pattern: string) => void }) {
  const [text, setText] = useState("");
  const typed = useRef({ text, add });
  typed.current = { text, add };
  const take = () => {
    const pattern = typed.current.text.trim();
    typed.current.text = "";
    if (pattern) typed.current.add(pattern);
    setText("");
  };
  // Who leaves the field, or closes the menu, means what stands in it.
  useLayoutEffect(() => take, []);
  return (
    <div class="inline">
      <label>
        <span class="label">{name}</span>
        <input
          value={text}
          placeholder={name === "Only" ? "*.safetensors" : "*.bin"}
          size={16}
          onInput={(event) => setText(event.currentTarget.value)}
          onBlur={take}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            take();
          }}
        />
      </label>
      <button type="button" class="button" onClick={take}>
        Add
      </button>
    </div>
  );
}

function WishesMenu({ wishes, set }: { wishes: Wishes; set: (wishes: Wishes) => void }) {
  const [rateText, setRateText] = useState("");
  const bad = parseRate(rateText) === null;
  // What was typed for the download before, or taken back by its chip, is not what this one gets.
  const shownRate = bad || parseRate(rateText) === wishes.limit_bytes_per_s ? rateText : rateInput(wishes.limit_bytes_per_s);
  const used = wishes.include.length + wishes.exclude.length;
  return (
    <Menu label={used > 0 ? `Filters ${used}` : "Filters"} title="Filters, priority, limit, folder">
      {() => (
        <div class="wishes">
          <PatternInput name="Only" add={(p) => set({ ...wishes, include: [...wishes.include, p] })} />
          <PatternInput name="Without" add={(p) => set({ ...wishes, exclude: [...wishes.exclude, p] })} />
          <label class="field">
            <span class="label">Kind</span>
            <select value={wishes.type} onChange={(e) => set({ ...wishes, type: e.currentTarget.value as RepoType | "" })}>
              <option value="">as the name says</option>
              <option value="model">model</option>
              <option value="dataset">dataset</option>
              <option value="space">space</option>
            </select>
          </label>
          <label class="field">
            <span class="label">Priority (-100 to 100)</span>
            <input
              type="number"
              min={-100}
              max={100}
              value={wishes.priority}
              onInput={(e) => set({ ...wishes, priority: Math.max(-100, Math.min(100, Math.round(Number(e.currentTarget.value)) || 0)) })}
            />
          </label>
          <label class="field">
            <span class="label">Limit</span>
            <input
              value={shownRate}
              placeholder="none, or 2M, 500K, 1.5MB"
              aria-invalid={bad}
              onInput={(e) => {
                setRateText(e.currentTarget.value);
                const value = parseRate(e.currentTarget.value);
                if (value !== null) set({ ...wishes, limit_bytes_per_s: value });
              }}
            />
          </label>
          <label class="field">
            <span class="label">Folder instead of the cache</span>
            <input value={wishes.local_dir} placeholder="the cache" onInput={(e) => set({ ...wishes, local_dir: e.currentTarget.value })} />
          </label>
        </div>
      )}
    </Menu>
  );
}

function Chips({ wishes, set }: { wishes: Wishes; set: (wishes: Wishes) => void }) {
  const chip = (text: string, drop: () => void) => (
    <li key={text} class="chip">
      {text}
      <button type="button" class="button icon-only small" aria-label={`Remove ${text}`} onClick={drop}>
        <Icon name="close" />
      </button>
    </li>
  );
  const without = (list: string[], one: string) => list.filter((other) => other !== one);
  const chips = [
    ...wishes.include.map((p) => chip(`only ${p}`, () => set({ ...wishes, include: without(wishes.include, p) }))),
    ...wishes.exclude.map((p) => chip(`without ${p}`, () => set({ ...wishes, exclude: without(wishes.exclude, p) }))),
    ...(wishes.priority !== 0 ? [chip(`priority ${wishes.priority}`, () => set({ ...wishes, priority: 0 }))] : []),
    ...(wishes.limit_bytes_per_s > 0 ? [chip(`limit ${limitText(wishes.limit_bytes_per_s)}`, () => set({ ...wishes, limit_bytes_per_s: 0 }))] : []),
    ...(wishes.local_dir ? [chip(`into ${wishes.local_dir}`, () => set({ ...wishes, local_dir: "" }))] : []),
  ];
  return chips.length > 0 ? (
    <ul class="chips" aria-label="Filters and wishes">
      {chips}
    </ul>
  ) : null;
}

export function AddForm() {
  const { store, toasts } = useHouse();
  const [text, setText] = useState("");
  const [revision, setRevision] = useState("");
  const [wishes, setWishes] = useState(NO_WISHES);
  const [wrong, setWrong] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null);
  const [listing, setListing] = useState<FileRow[]>([]);
  const planner = usePlan();
  const { state } = planner;
  const quants = useMemo(() => findQuants(listing), [listing]);
  /** what the plan on the screen is of: the fields may say something else by now */
  const named = useRef({ text: "", revision: "" });
  const start = useRef<HTMLDivElement>(null);
  /** who had the focus when the plan was asked for, where the next Enter shall start it */
  const forStart = useRef<Element | null>(null);

  const asked = (with_: Wishes, quantsChosen: ReadonlySet<string> | null): JobRequest | null => {
    const plain = request(named.current.text, named.current.revision, with_);
    if (!plain || !quantsChosen) return plain;
    const others = excludeOthers(quants, new Set(quantsChosen));
    return { ...plain, exclude: [...(plain.exclude ?? []), ...others] };
  };

  const plan = (with_: Wishes, quantsChosen: ReadonlySet<string> | null) => {
    const spec = asked(with_, quantsChosen);
    if (!spec) return setWrong(text.trim() ? `'${text.trim()}' is no repository. Write ORG/NAME, or paste a link of the Hub.` : "Write ORG/NAME, or paste a link of the Hub.");
    setWrong("");
    planner.ask(spec);
  };

  const begin = (thenStart: boolean) => {
    forStart.current = thenStart ? document.activeElement : null;
    named.current = { text, revision };
    setChosen(null);
    setListing([]);
    plan(wishes, null);
  };

  // The choices are those of the first listing: a later plan shows only what was chosen.
  useLayoutEffect(() => {
    if (state.is !== "ready") return;
    if (listing.length === 0) setListing(state.files);
    // Who went on to another field meanwhile types there, and does not start anything with Enter.
    if (forStart.current === document.activeElement) start.current?.querySelector<HTMLElement>(".primary")?.focus();
    forStart.current = null;
  }, [state.is]);

  const change = (next: Wishes) => {
    setWishes(next);
    const replan = next.include !== wishes.include || next.exclude !== wishes.exclude || next.type !== wishes.type;
    if (replan && state.is !== "none") plan(next, chosen);
  };

  const choose = (next: Set<string> | null) => {
    setChosen(next);
    plan(wishes, next);
  };

  const close = () => {
    planner.clear();
    setListing([]);
    setChosen(null);
  };

  const add = async () => {
    const spec = asked(wishes, chosen);
    if (!spec) return;
    const job = await store.answered(api.create({ ...spec, verb: "pull" }));
    toasts.say(`Added ${job.repo}.`);
    close();
    setText((now) => (now === named.current.text ? "" : now));
    setRevision((now) => (now === named.current.revision ? "" : now));
    setWishes(NO_WISHES);
  };

  const job = state.is === "ready" ? state.job : state.is === "asking" ? state.before : null;
  return (
    <section class="add card" aria-label="Add a download">
      <form
        class="add-form"
        onSubmit={(event) => {
          event.preventDefault();
          begin(true);
        }}
      >
        <label class="add-name">
          <span class="hidden">Repository or Hub link</span>
          <input
            id="add"
            value={text}
            placeholder="ORG/NAME or a Hub link"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            aria-invalid={wrong !== ""}
            aria-describedby={wrong ? "add-wrong" : undefined}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setWrong("");
            }}
          />
        </label>
        <label class="add-rev">
          <span class="hidden">Revision</span>
          <input value={revision} placeholder="main" autocomplete="off" autocapitalize="off" spellcheck={false} onInput={(e) => setRevision(e.currentTarget.value)} />
        </label>
        <WishesMenu wishes={wishes} set={change} />
        <button type="button" class="button" onClick={() => begin(false)}>
          Plan
        </button>
        <button type="submit" class="button primary">
          <Icon name="plus" /> Add
        </button>
      </form>
      <Chips wishes={wishes} set={change} />
      {wrong ? (
        <p class="wrong" id="add-wrong" role="alert">
          {wrong}
        </p>
      ) : null}
      {state.is === "none" ? null : (
        <div class="plan" ref={start} aria-busy={state.is === "asking"}>
          {state.is === "failed" ? (
            <p class="wrong" role="alert">
              <Icon name="cross" /> <Sentence text={state.message} />
            </p>
          ) : null}
          {state.is === "asking" ? (
            <p class="muted" role="status">
              Asking the Hub for the files of {state.asked.repo}
              {state.job && state.job.state === "queued" ? " (the plan is in the queue)" : ""}
              {state.job?.reason ? `: ${state.job.reason}` : ""}
            </p>
          ) : null}
          {job ? (
            <>
              <PlanHead job={job} />
              <PlanFigures job={job} limit={wishes.limit_bytes_per_s} />
              {quants.length > 1 ? <QuantChoice quants={quants} chosen={chosen} choose={choose} /> : null}
              <FilterHints
                files={listing}
                used={[...wishes.include, ...wishes.exclude]}
                add={(hint) => change({ ...wishes, [hint.kind]: [...wishes[hint.kind], hint.pattern] })}
              />
              {state.is === "ready" ? <PlanFiles files={state.files} more={state.more} /> : null}
            </>
          ) : null}
          <div class="buttons">
            {state.is === "ready" ? (
              <Act
                label={planFigures(state.job).fits ? "Start the download" : "Start all the same"}
                what={`Adding ${state.asked.repo}`}
                class="primary"
                run={add}
              />
            ) : null}
            <button type="button" class="button" onClick={close}>
              Close
            </button>
          </div>
        </div>
      )}
    </section>
  );
}
