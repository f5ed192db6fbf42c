/* Downloads of other tools: what can be seen of them, and no more. */

import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { Foreign } from "../api/types";
import { parseHubLink } from "../words/hublink";
import { ago, percent, rate, size, sizeOf } from "../words/format";
import { Confirm, memo } from "./bits";
import { useHouse } from "./context";
import { Icon } from "./icons";

function seen(foreign: Foreign, now: number): string {
  const growth = foreign.last_growth_unix_ms ? `last growth ${ago(foreign.last_growth_unix_ms, now)}` : "no growth seen yet";
  const bytes = foreign.total_bytes ? sizeOf(foreign.size_bytes, foreign.total_bytes) : `${size(foreign.size_bytes)} so far, total not known`;
  return [bytes, foreign.rate_bytes_per_s > 0 ? rate(foreign.rate_bytes_per_s) : "", growth].filter(Boolean).join("  ·  ");
}

/** The daemon's sentence. It is not told anew each second, so the seconds are counted here. */
function stalledText(foreign: Foreign, now: number): string {
  if (!foreign.stalled || foreign.last_growth_unix_ms === null) return foreign.text;
  const quiet_s = Math.max(foreign.quiet_s, Math.floor((now - foreign.last_growth_unix_ms) / 1000));
  return foreign.text.replace(/\d+s/, `${quiet_s}s`);
}

/** What adopting needs to know and this download does not tell. */
function AdoptDialog({ foreign, done }: { foreign: Foreign; done: () => void }) {
  const house = useHouse();
  const [repo, setRepo] = useState(foreign.repo ?? "");
  const [path, setPath] = useState((foreign.repo && foreign.file) || ""); // elsewhere the name is a guess
  const [wrong, setWrong] = useState("");
  const adopt = async () => {
    const asked = parseHubLink(repo);
    if (!asked) return setWrong(`'${repo}' is no repository. Write ORG/NAME.`);
    try {
      const job = api.adopt(foreign.id, {
        repo: asked.repo,
        ...(asked.repo === foreign.repo && foreign.repo_type ? { type: foreign.repo_type } : { type: asked.type }),
        ...(asked.revision ? { revision: asked.revision } : {}),
        ...(path || asked.path ? { path: path || asked.path } : {}),
      });
      await house.store.answered(job);
      done();
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Confirm title="Adopt this download?" yes="Adopt" onYes={() => void adopt()} onNo={done}>
      <p>
        <code class="path">{foreign.path}</code>
      </p>
      <p>
        hf-pull takes a copy of the {size(foreign.size_bytes)} that are there, proves them against the Hub's list, and fetches only
        what is missing or wrong. The file of {foreign.by || "the other tool"} is not changed.
        {foreign.pid ? ` Process ${foreign.pid} still has it: end it first, or both will download.` : ""}
      </p>
      <label class="field">
        <span class="label">Repository</span>
        <input value={repo} placeholder="ORG/NAME" onInput={(event) => setRepo(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span class="label">File in it, if known</span>
        <input value={path} placeholder={foreign.file ?? "model.safetensors"} onInput={(event) => setPath(event.currentTarget.value)} />
      </label>
      {wrong ? (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      ) : null}
    </Confirm>
  );
}

export const ForeignRow = memo(({ foreign, now }: { foreign: Foreign; now: number }) => {
  const [asking, setAsking] = useState(false);
  const name = foreign.repo ?? foreign.path.split("/").slice(-2).join("/");
  const by = [foreign.by, foreign.pid ? `pid ${foreign.pid}` : ""].filter(Boolean).join(", ");
  return (
    <li class="card line" data-row={foreign.id} tabIndex={-1} aria-label={`${name}, of another tool`}>
      <div class="line-main">
        <div class="job-title">
          <span class={`state ${foreign.stalled ? "tone-wait" : "tone-quiet"}`}>
            <Icon name={foreign.stalled ? "stall" : "eye"} />
            <span class="word">{foreign.stalled ? "stalled" : "watched"}</span>
          </span>
          <h3 title={foreign.path}>{name}</h3>
          <span class="muted rev">{[foreign.file, by && `(${by})`].filter(Boolean).join(" ")}</span>
        </div>
        <p class={`job-words ${foreign.stalled ? "tone-wait" : ""}`}>
          <span class="live">{seen(foreign, now)}</span>
          {foreign.stalled && foreign.text ? <b class="foreign-text">{stalledText(foreign, now)}</b> : null}
        </p>
        <div class="buttons">
          <button type="button" class="button" onClick={() => setAsking(true)} title={`Adopt ${name}`}>
            Adopt
          </button>
        </div>
      </div>
      {foreign.total_bytes ? (
        <div
          class="bar thin"
          role="progressbar"
          aria-label={`Size seen of ${name}`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={percent(foreign.size_bytes, foreign.total_bytes)}
        >
          <i class="received" style={{ width: `${percent(foreign.size_bytes, foreign.total_bytes)}%` }} />
        </div>
      ) : null}
      {asking ? <AdoptDialog foreign={foreign} done={() => setAsking(false)} /> : null}
    </li>
  );
});
