/* The cache: what is here, how big, when it was last used, whether it is proved, and what deleting it frees. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { Cache, CacheRepo, CacheRevision, Proof, RepoType } from "../api/types";
import type { State } from "../state/model";
import { ago, count, roomy, size } from "../words/format";
import type { IconName } from "../words/job";
import { Act, Confirm, CopyButton } from "./bits";
import { useHouse, useNow, useStore } from "./context";
import { Icon } from "./icons";

const PROOFS: Record<Proof, { icon: IconName; tone: string }> = {
  proved: { icon: "check", tone: "good" },
  unproved: { icon: "hourglass", tone: "quiet" },
  damaged: { icon: "cross", tone: "bad" },
};

type Order = "size" | "used" | "name";

const byOrder: Record<Order, (a: CacheRepo, b: CacheRepo) => number> = {
  size: (a, b) => b.size_bytes - a.size_bytes,
  used: (a, b) => (b.last_used_unix_ms ?? 0) - (a.last_used_unix_ms ?? 0),
  name: (a, b) => a.repo.localeCompare(b.repo),
};

interface Doomed {
  repo: string;
  type: RepoType;
  revision: CacheRevision;
}

function ProofWord({ proof }: { proof: Proof }) {
  const { icon, tone } = PROOFS[proof] ?? PROOFS.unproved;
  return (
    <span class={`state tone-${tone}`}>
      <Icon name={icon} />
      {proof}
    </span>
  );
}

/** Named ones first, then the larger ones. */
const byName = (a: CacheRevision, b: CacheRevision) => Number(b.refs.length > 0) - Number(a.refs.length > 0) || b.size_bytes - a.size_bytes;

function Revision({ repo, revision, doom }: { repo: CacheRepo; revision: CacheRevision; doom: (d: Doomed) => void }) {
  const { store, toasts } = useHouse();
  const start = async (verb: "verify" | "repair") => {
    await store.answered(api.create({ repo: repo.repo, type: repo.type, revision: revision.commit, verb }));
    toasts.say(`${verb === "verify" ? "Verifying" : "Repairing"} ${repo.repo}: see Downloads.`);
  };
  const name = `${repo.repo} ${revision.commit.slice(0, 7)}`;
  return (
    <tr>
      <td>
        <code>{revision.commit.slice(0, 10)}</code> <CopyButton text={revision.commit} what={`the commit of ${repo.repo}`} />
      </td>
      <td>{revision.refs.join(", ") || <span class="muted">no branch or tag</span>}</td>
      <td class="number">{size(revision.size_bytes)}</td>
      <td class="number">{count(revision.files, "file")}</td>
      <td>
        <ProofWord proof={revision.proved} />
      </td>
      <td>
        <div class="buttons">
          <Act label="Verify" title={`Verify ${name}`} what={`Verify ${name}`} run={() => start("verify")} />
          <Act label="Repair" title={`Repair ${name}`} what={`Repair ${name}`} run={() => start("repair")} />
          <button
            type="button"
            class="button quiet"
            aria-label={`Delete ${name}`}
            title={`Delete ${name}`}
            onClick={() => doom({ repo: repo.repo, type: repo.type, revision })}
          >
            Delete
          </button>
        </div>
      </td>
    </tr>
  );
}

function worst(repo: CacheRepo): Proof {
  const all = repo.revisions.map((revision) => revision.proved);
  if (all.includes("damaged")) return "damaged";
  return all.length > 0 && all.every((proof) => proof === "proved") ? "proved" : "unproved";
}

/** In a cache that several users share. */
function ClosedRepo({ repo }: { repo: CacheRepo }) {
  return (
    <li class="card line" data-row={`${repo.type}/${repo.repo}`} tabIndex={-1} aria-label={repo.repo}>
      <div class="job-title">
        <span class="state tone-quiet">
          <Icon name="stop" />
          closed
        </span>
        <h3>
          {repo.type === "model" ? null : <span class="kind">{repo.type}</span>} {repo.repo}
        </h3>
      </div>
      <p class="job-words muted">The user hf-pulld runs as may not read this folder: nothing of it is counted, and it cannot be deleted here.</p>
    </li>
  );
}

function Repo({ repo, now, doom }: { repo: CacheRepo; now: number; doom: (d: Doomed) => void }) {
  if (repo.closed) return <ClosedRepo repo={repo} />;
  return (
    <li class="card line" data-row={`${repo.type}/${repo.repo}`} tabIndex={-1} aria-label={repo.repo}>
      <details>
        <summary data-key="Enter" class="line-main">
          <div class="job-title">
            <ProofWord proof={worst(repo)} />
            <h3>
              {repo.type === "model" ? null : <span class="kind">{repo.type}</span>}{" "}
              {repo.repo}
            </h3>
          </div>
          <p class="job-words cache-facts">
            <b class="number">{size(repo.size_bytes)}</b>
            <span>{count(repo.revisions.length, "revision")}</span>
            <span class="muted">{repo.last_used_unix_ms ? `used ${ago(repo.last_used_unix_ms, now)}` : "last use not known"}</span>
          </p>
          <Icon name="chevron" />
        </summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`Revisions of ${repo.repo}`}>
          <table class="revisions">
            <thead>
              <tr>
                <th scope="col">Commit</th>
                <th scope="col">Names</th>
                <th scope="col">Size</th>
                <th scope="col">Files</th>
                <th scope="col">State</th>
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {[...repo.revisions].sort(byName).map((revision) => (
                <Revision key={revision.commit} repo={repo} revision={revision} doom={doom} />
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </li>
  );
}

function Room({ cache }: { cache: Cache }) {
  const whole = cache.quota_bytes > 0 ? cache.quota_bytes : cache.total_bytes + cache.free_bytes;
  const over = cache.quota_bytes > 0 ? cache.total_bytes - cache.quota_bytes : 0;
  const part = Math.min(100, (cache.total_bytes / Math.max(1, whole)) * 100);
  return (
    <section class="card room" aria-label="Space">
      <p class="figures">
        <b class="rate">{roomy(cache.total_bytes)}</b>
        <span>in the cache</span>
        <span class="muted">
          {roomy(cache.free_bytes)} free, <a href="#/settings">quota {cache.quota_bytes > 0 ? roomy(cache.quota_bytes) : "none"}</a>
        </span>
      </p>
      <div class="bar" role="img" aria-label={`${Math.round(part)} % of ${cache.quota_bytes > 0 ? "the quota" : "cache and free space"} is used`}>
        <i class="in-place" style={{ width: `${part}%` }} />
      </div>
      {over > 0 ? <p>{size(over)} beyond the quota: what is left is needed by a job, held by another program, or was fetched last.</p> : null}
      <p class="muted">
        <code class="path">{cache.root}</code>
      </p>
    </section>
  );
}

/** Another text whenever a job has ended or a revision is gone: both have changed the cache. */
function changed(state: State): string {
  const ended = [...state.jobs.values()].map((job) => job.ended_unix_ms ?? 0).filter(Boolean);
  return `${ended.length} ${Math.max(0, ...ended)} ${state.gone.all} ${state.settings?.quota_bytes ?? 0}`;
}

/** The listing, anew whenever it has changed. One question at a time: an older answer never stands over a newer one. */
function useCache(): { cache: Cache | null; error: string; load: () => void } {
  const [cache, setCache] = useState<Cache | null>(null);
  const [error, setError] = useState("");
  const asked = useRef({ now: false, again: false });
  const load = async () => {
    const state = asked.current;
    state.again = true;
    if (state.now) return;
    state.now = true;
    while (state.again) {
      state.again = false;
      try {
        setCache(await api.cache());
        setError("");
      } catch (problem) {
        setError(problem instanceof Error ? problem.message : String(problem));
      }
    }
    state.now = false;
  };
  const sign = useStore(changed);
  useEffect(() => void load(), [sign]);
  return { cache, error, load: () => void load() };
}

export function CachePage() {
  const { toasts } = useHouse();
  const { cache, error, load } = useCache();
  const [find, setFind] = useState("");
  const [order, setOrder] = useState<Order>("size");
  const [doomed, setDoomed] = useState<Doomed | null>(null);
  const now = useNow(30_000);
  const shown = useMemo(
    () => (cache?.repos ?? []).filter((repo) => repo.repo.toLowerCase().includes(find.toLowerCase())).sort(byOrder[order]),
    [cache, find, order],
  );
  const remove = async ({ repo, type, revision }: Doomed) => {
    setDoomed(null);
    try {
      const { freed_bytes } = await api.deleteRevision(type, repo, revision.commit);
      toasts.say(`Deleted ${repo} ${revision.commit.slice(0, 7)}: ${size(freed_bytes)} freed.`);
    } catch (problem) {
      toasts.bad(`Delete ${repo}`, problem);
    }
    load();
  };
  return (
    <>
      <h1>Cache</h1>
      {error ? (
        <p class="wrong" role="alert">
          The cache cannot be read: {error}
        </p>
      ) : null}
      {cache ? <Room cache={cache} /> : error ? null : <p class="muted">Reading the cache. Large ones take some seconds.</p>}
      {cache && cache.repos.length > 0 ? (
        <div class="tools">
          <label>
            <span class="hidden">Find</span>
            <input type="search" value={find} placeholder="Find a repository" onInput={(e) => setFind(e.currentTarget.value)} />
          </label>
          <label class="inline">
            <span class="label">Order</span>
            <select value={order} onChange={(e) => setOrder(e.currentTarget.value as Order)}>
              <option value="size">largest first</option>
              <option value="used">last used first</option>
              <option value="name">by name</option>
            </select>
          </label>
          <span class="muted" role="status">
            {count(shown.length, "repository", "repositories")}
          </span>
        </div>
      ) : null}
      {cache && cache.repos.length === 0 ? (
        <div class="empty card">
          <h2>The cache is empty.</h2>
          <p>
            What is pulled here, or by any other tool that uses the Hugging Face cache, shows here with its size and its state.
          </p>
        </div>
      ) : null}
      <ul class="jobs">
        {shown.map((repo) => (
          <Repo key={`${repo.type}/${repo.repo}`} repo={repo} now={now} doom={setDoomed} />
        ))}
      </ul>
      {doomed ? (
        <Confirm title="Delete this revision?" yes={`Delete, free ${size(doomed.revision.freed_bytes)}`} danger onYes={() => void remove(doomed)} onNo={() => setDoomed(null)}>
          <p>
            <b>{doomed.repo}</b> {doomed.revision.refs.join(", ")} <code>{doomed.revision.commit.slice(0, 10)}</code>
          </p>
          <p>
            {size(doomed.revision.size_bytes)} in {count(doomed.revision.files, "file")}.{" "}
            {doomed.revision.freed_bytes < doomed.revision.size_bytes
              ? `Other revisions use some of it: ${size(doomed.revision.freed_bytes)} would be freed.`
              : `${size(doomed.revision.freed_bytes)} would be freed.`}
          </p>
        </Confirm>
      ) : null}
    </>
  );
}
