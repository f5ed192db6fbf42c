/* The frame: head, three places and the settings, foot, and what lies above them. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { setToken } from "../api/client";
import { limitNow } from "../api/types";
import { listenKeys, KEYS } from "../state/keys";
import type { State } from "../state/model";
import { news } from "../state/notify";
import { NOT_QUEUED } from "../state/select";
import type { Toast } from "../state/toasts";
import { UNDO_MS } from "../state/toasts";
import { evicted } from "../words/gone";
import { ago, clockSeconds, grouped, limit as limitText, rate, roomy } from "../words/format";
import { stateLine } from "../words/job";
import { CachePage } from "./cache";
import { useHouse, useNow, useStore } from "./context";
import { Downloads } from "./downloads";
import { Icon } from "./icons";
import { NetworkPage } from "./network";
import { SettingsPage } from "./settings";

const PLACES: Record<string, { name: string; page: () => JSX.Element }> = {
  "": { name: "Downloads", page: Downloads },
  cache: { name: "Cache", page: CachePage },
  network: { name: "Network", page: NetworkPage },
  settings: { name: "Settings", page: SettingsPage },
};

function placeNow(): string {
  const name = location.hash.replace(/^#\/?/, "");
  return name in PLACES ? name : "";
}

function usePlace(): [string, () => void] {
  const [place, setPlace] = useState(placeNow());
  const look = () => setPlace(placeNow());
  useLayoutEffect(() => {
    window.addEventListener("hashchange", look);
    return () => window.removeEventListener("hashchange", look);
  }, []);
  return [place, look];
}

const pick = {
  network: (state: State) => state.network,
  link: (state: State) => state.link,
  heard: (state: State) => state.heard_unix_ms,
  whole: (state: State) => state,
};

function Head({ place, keys }: { place: string; keys: () => void }) {
  const network = useStore(pick.network);
  const nav = (name: string) => (
    <a href={`#/${name}`} aria-current={place === name ? "page" : undefined}>
      {PLACES[name]?.name}
    </a>
  );
  return (
    <header class="head">
      <a class="brand" href="#/" aria-label="hf-pull, Downloads">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M16 6v14M10 14.500l6 6 6-6M8 25.500h16" />
        </svg>
        hf-pull
      </a>
      <nav aria-label="Places">
        {nav("")}
        {nav("cache")}
        {nav("network")}
      </nav>
      <p class="badge live" aria-label="Network now">
        <span title="received">↓ {rate(network?.rx_bytes_per_s ?? 0)}</span>
        <span title="sent">↑ {rate(network?.tx_bytes_per_s ?? 0)}</span>
      </p>
      <button type="button" class="button icon-only keys-button" aria-label="Keys" title="Keys (?)" onClick={keys}>
        ?
      </button>
      <a class="button icon-only" href="#/settings" aria-label="Settings" title="Settings" aria-current={place === "settings" ? "page" : undefined}>
        <Icon name="gear" />
      </a>
    </header>
  );
}

function Foot() {
  const state = useStore(pick.whole);
  const { network, settings } = state;
  if (!network) return <footer class="foot" />;
  const busy = network.interfaces.filter((one) => one.rx_bytes_per_s + one.tx_bytes_per_s > 0);
  const names = (network.interfaces.length > 3 ? busy : network.interfaces).map((one) => one.name).join(", ");
  const free = [...state.jobs.values()].find((job) => job.free_bytes > 0 && job.ended_unix_ms === null)?.free_bytes;
  const parts = [
    `↓ ${rate(network.rx_bytes_per_s)}`,
    `↑ ${rate(network.tx_bytes_per_s)}${names ? `  ${names}` : ""}`,
    settings ? `limit ${limitText(limitNow(settings))}${settings.limit_until ? ` until ${settings.limit_until}` : ""}` : "",
    network.hub_quota ? `Hub quota ${grouped(network.hub_quota.remaining)} of ${grouped(network.hub_quota.limit)}` : "",
    free ? `free ${roomy(free)}` : "",
  ].filter(Boolean);
  return (
    <footer class="foot live">
      <b>Network</b>
      {parts.map((part) => (
        <span key={part.slice(0, 8)}>{part}</span>
      ))}
    </footer>
  );
}

/** A quiet bar while the daemon is away: the figures below it are old, and it says how old. */
function LostBar() {
  const link = useStore(pick.link);
  const heard = useStore(pick.heard);
  const now = useNow();
  if (link.state !== "lost") return null;
  return (
    <div class="lost" role="status">
      <Icon name="stall" />
      <span>connection lost {clockSeconds(link.since_unix_ms)}, trying again</span>
      {heard > 0 ? <span class="muted">figures are of {ago(heard, now)}</span> : null}
    </div>
  );
}

function Refused({ why, needsToken }: { why: string; needsToken: boolean }) {
  const { link } = useHouse();
  const [text, setText] = useState("");
  if (!needsToken) {
    return (
      <div class="card empty">
        <h1>The daemon does not serve this page</h1>
        <p>{why}</p>
      </div>
    );
  }
  return (
    <form
      class="card empty"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text.trim());
        link.again();
      }}
    >
      <h1>This daemon wants a token</h1>
      <p>
        Paste it here, and it stays in this tab. It is what HF_PULLD_TOKEN or the file of <code>--api-token-file</code> says; else hf-pulld
        names the file when it starts.
      </p>
      <p class="muted">{why}</p>
      <div class="inline">
        <label class="grow">
          <span class="label">Token</span>
          <input type="password" value={text} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button primary">
          Use it
        </button>
      </div>
    </form>
  );
}

function ToastList() {
  const { store, toasts } = useHouse();
  const [list, setList] = useState<readonly Toast[]>([]);
  useEffect(() => toasts.onChange(setList), [toasts]);
  useEffect(
    () =>
      store.onAlways((state, before) => {
        const text = evicted(before.gone, state.gone);
        if (text) toasts.say(text);
      }),
    [store, toasts],
  );
  const now = useNow();
  return (
    <div class="toasts" role="status" aria-live="polite">
      {list.map((toast) => (
        <div key={toast.id} class={`toast ${toast.tone === "bad" ? "tone-bad" : ""}`}>
          <span>{toast.text}</span>
          {toast.undo ? (
            <button
              type="button"
              class="button"
              onClick={() => {
                toast.undo?.();
                toasts.drop(toast.id);
              }}
            >
              <Icon name="undo" /> Undo <span aria-hidden="true">{Math.min(UNDO_MS / 1000, Math.max(0, Math.ceil((toast.until_unix_ms - now) / 1000)))} s</span>
            </button>
          ) : null}
          <button type="button" class="button icon-only small" aria-label="Dismiss" onClick={() => toasts.drop(toast.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

/** Says changes of state to those who listen: the figures themselves would talk without end. */
function Teller() {
  const { store } = useHouse();
  const [words, setWords] = useState("");
  useEffect(
    () =>
      store.onAlways((state, before) => {
        const said = news(before, state).map(({ job }) => `${job.repo}: ${stateLine(job, NOT_QUEUED, Date.now())}`);
        if (said.length > 0) setWords(said.join(". "));
      }),
    [store],
  );
  return (
    <p class="hidden" role="log" aria-live="polite">
      {words}
    </p>
  );
}

function KeysDialog({ done }: { done: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="keys-title" onClose={done}>
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="dialog-buttons">
        <button type="button" class="button primary" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

export function App() {
  const [place, look] = usePlace();
  const link = useStore(pick.link);
  const [help, setHelp] = useState(false);
  const toAdd = useRef(false);
  const focusAdd = () => {
    const field = document.getElementById("add");
    if (field) return field.focus();
    toAdd.current = true;
    location.hash = "#/";
    look(); // the browser tells of the new address later, and what is typed until then would be taken for keys
  };
  useLayoutEffect(() => listenKeys({ add: focusAdd, help: () => setHelp(true) }), []);
  const main = useRef<HTMLElement>(null);
  const Page = useMemo(() => PLACES[place]?.page ?? Downloads, [place]);
  useLayoutEffect(() => {
    window.scrollTo(0, 0);
    if (toAdd.current) document.getElementById("add")?.focus();
    toAdd.current = false;
  }, [place]);
  return (
    <div class={`frame ${link.state === "lost" ? "is-lost" : ""}`}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        To the content
      </a>
      <Head place={place} keys={() => setHelp(true)} />
      <LostBar />
      <main id="main" ref={main} tabIndex={-1}>
        {link.state === "refused" ? <Refused why={link.why} needsToken={link.needs_token} /> : <Page />}
      </main>
      <Foot />
      <ToastList />
      <Teller />
      {help ? <KeysDialog done={() => setHelp(false)} /> : null}
    </div>
  );
}
