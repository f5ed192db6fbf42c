/* Settings: what is shown is what the daemon answered. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import { limitNow } from "../api/types";
import type { NotifyResult, Settings, SettingsChange } from "../api/types";
import type { State } from "../state/model";
import { notifyState, setNotify } from "../state/notify";
import { setTheme, themeNow } from "../state/theme";
import type { Theme } from "../state/theme";
import { limit as limitText, parseRate, size, rate, rateInput } from "../words/format";
import { Act, Confirm, unlessTyped } from "./bits";
import { useHouse, useStore } from "./context";
import { Icon } from "./icons";
import { TimetableField } from "./timetable";

const EVENTS = ["started", "stalled", "recovered", "done", "failed", "disk_low"];

type Save = (change: SettingsChange) => Promise<void>;

function Group({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="card group" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

interface FieldProps {
  label: string;
  hint?: string;
  value: string;
  placeholder?: string;
  /** null: not a value */
  read: (text: string) => number | null;
  save: (value: number) => Promise<void>;
}

function NumberField({ label, hint, value, placeholder, read, save }: FieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const shown = draft ?? value;
  const number = read(shown);
  const store = async () => {
    if (number === null) return;
    await save(number);
    setDraft(unlessTyped(draft));
  };
  return (
    <form
      class="setting"
      onSubmit={(event) => event.preventDefault()}
    >
      <div class="inline">
        <label class="grow">
          <span class="label">{label}</span>
          <input value={shown} placeholder={placeholder} autocomplete="off" aria-invalid={number === null} onInput={(e) => setDraft(e.currentTarget.value)} />
        </label>
        <Act label="Save" title={`Save: ${label}`} what={label} disabled={number === null || draft === null} run={store} />
      </div>
      {hint ? <p class="hint">{hint}</p> : null}
    </form>
  );
}

const whole = (least: number, most: number) => (text: string) => {
  const n = Number(text);
  return text.trim() !== "" && Number.isInteger(n) && n >= least && n <= most ? n : null;
};

function LimitGroup({ settings, save }: { settings: Settings; save: Save }) {
  const now = limitNow(settings);
  return (
    <Group title="Limit">
      <p class="setting">
        Now: <b>{limitText(now)}</b>
        {settings.limit_until ? ` until ${settings.limit_until}` : ""}
      </p>
      <NumberField
        label="All downloads together"
        hint="2M, 500K, 1.5MB; empty or off for none. The lower of this and the timetable holds."
        value={rateInput(settings.limit_bytes_per_s)}
        placeholder="off"
        read={parseRate}
        save={(value) => save({ limit_bytes_per_s: value })}
      />
      {settings.timetable === undefined ? null : <TimetableField text={settings.timetable} save={(timetable) => save({ timetable })} />}
    </Group>
  );
}

function LineGroup({ settings, save }: { settings: Settings; save: Save }) {
  return (
    <Group title="Queue and connections">
      <NumberField label="Downloads at once" value={String(settings.parallel_jobs)} read={whole(1, 16)} save={(n) => save({ parallel_jobs: n })} />
      <NumberField
        label="Connections at most"
        hint="0 learns the best number for each host."
        value={String(settings.max_connections)}
        read={whole(0, 16)}
        save={(n) => save({ max_connections: n })}
      />
      {settings.hosts === undefined ? null : settings.hosts.length > 0 ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="Learned hosts">
          <table>
            <thead>
              <tr>
                <th scope="col">Host</th>
                <th scope="col">Learned connections</th>
                <th scope="col">Rate</th>
              </tr>
            </thead>
            <tbody>
              {settings.hosts.map((host) => (
                <tr key={host.host}>
                  <td>{host.host}</td>
                  <td class="number">{host.connections}</td>
                  <td class="number">{rate(host.rate_bytes_per_s)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="hint">No host has been learned yet.</p>
      )}
    </Group>
  );
}

interface HooksProps {
  notify: string[];
  fixed: string[];
  on: string[];
  save: Save;
}

function Webhooks({ notify, fixed, on, save }: HooksProps) {
  const { store } = useHouse();
  const [draft, setDraft] = useState<string | null>(null);
  const [results, setResults] = useState<NotifyResult[] | null>(null);
  const shown = draft ?? notify.join("\n");
  const lines = shown.split("\n").map((line) => line.trim()).filter(Boolean);
  // One after the other: each choice changes the list that the one before has left.
  const before = useRef(Promise.resolve());
  const flip = async (name: string) => {
    const now = store.get().settings?.notify_on ?? [];
    await save({ notify_on: now.includes(name) ? now.filter((other) => other !== name) : [...now, name] });
  };
  const toggle = (name: string) => {
    const asked = before.current.then(() => flip(name));
    before.current = asked.catch(() => undefined);
    return asked;
  };
  const names = [...new Set([...EVENTS, ...on])];
  return (
    <>
      <label class="field">
        <span class="label">Send to (webhook, ntfy or Matrix, one address a line)</span>
        <textarea aria-describedby="notify-hint" rows={Math.max(2, lines.length)} value={shown} spellcheck={false} onInput={(e) => setDraft(e.currentTarget.value)} />
      </label>
      <p class="hint" id="notify-hint">
        Shown without path and secret. A line that is left as it is keeps the address behind it.
        {fixed.length > 0 ? ` From the config file or the command line: ${fixed.join(", ")}.` : ""}
      </p>
      <div class="buttons">
        <Act
          label="Save"
          title="Save the addresses"
          what="Notifications"
          disabled={draft === null}
          run={async () => {
            await save({ notify: lines });
            setDraft(unlessTyped(draft));
          }}
        />
        <Act
          label="Send a test"
          what="Test"
          disabled={notify.length + fixed.length === 0}
          run={async () => setResults((await api.testNotify()).results)}
        />
      </div>
      {results ? (
        <ul class="results" role="status">
          {results.length === 0 ? <li>There is nowhere to send to.</li> : null}
          {results.map((result) => (
            <li key={result.url} class={result.ok ? "" : "tone-bad"}>
              <Icon name={result.ok ? "check" : "cross"} /> {result.url}: {result.ok ? "sent" : "not sent"}
              {result.message ? `, ${result.message}` : ""}
            </li>
          ))}
        </ul>
      ) : null}
      <div class="choices" role="group" aria-label="Tell when">
        {names.map((name) => (
          <Act
            key={name}
            label={name.replace("_", " ")}
            title={`Tell when: ${name.replace("_", " ")}, ${on.includes(name) ? "on" : "off"}`}
            what="Notifications"
            class={`choice ${on.includes(name) ? "on" : ""}`}
            run={() => toggle(name)}
          />
        ))}
      </div>
    </>
  );
}

function BrowserNotes() {
  const [state, setState] = useState(notifyState());
  const words = {
    on: "This browser tells when a job is done, has failed or stalls.",
    off: "This browser can tell when a job is done, has failed or stalls.",
    denied: "The browser does not allow notifications for this page.",
    missing: "This browser has no notifications here.",
  }[state];
  return (
    <p class="setting inline">
      <span class="grow">{words}</span>
      {state === "on" || state === "off" ? (
        <button type="button" class="button" onClick={() => void setNotify(state === "off").then(setState)}>
          <Icon name="bell" /> {state === "on" ? "Turn off" : "Turn on"}
        </button>
      ) : null}
    </p>
  );
}

function ThemeChoice() {
  const [theme, set] = useState<Theme>(themeNow());
  return (
    <div class="segmented" role="group" aria-label="Colours">
      {(["auto", "light", "dark"] as const).map((one) => (
        <button
          key={one}
          type="button"
          class="choice"
          aria-pressed={theme === one}
          onClick={() => {
            setTheme(one);
            set(one);
          }}
        >
          {one === "auto" ? "as the system" : one}
        </button>
      ))}
    </div>
  );
}

const pickSettings = (state: State) => state.settings;
const pickVersion = (state: State) => state.version;
const gigabytes = (text: string) => {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "off") return 0;
  const n = Number(trimmed);
  return Number.isFinite(n) && n >= 0 ? Math.round(n * 1e9) : null;
};

/** What a smaller quota would take is said before it takes it. */
function QuotaField({ quota, save }: { quota: number; save: Save }) {
  const [asked, setAsked] = useState<{ bytes: number; total: number; answer: (yes: boolean) => void } | null>(null);
  const change = async (bytes: number) => {
    const total = bytes > 0 ? (await api.cache()).total_bytes : 0;
    if (total > bytes) {
      const yes = await new Promise<boolean>((answer) => setAsked({ bytes, total, answer }));
      setAsked(null);
      if (!yes) return;
    }
    await save({ quota_bytes: bytes });
  };
  return (
    <>
      <NumberField
        label="Quota of the cache in GB"
        hint="Beyond it the least recently used revisions go first. Empty for none."
        value={quota > 0 ? String(quota / 1e9) : ""}
        placeholder="none"
        read={gigabytes}
        save={change}
      />
      {asked ? (
        <Confirm title="Delete what is beyond the quota?" yes={`Delete, keep ${size(asked.bytes)}`} danger onYes={() => asked.answer(true)} onNo={() => asked.answer(false)}>
          <p>
            The cache holds {size(asked.total)}, {size(asked.total - asked.bytes)} more. The revisions used longest ago are deleted at once, until it fits.
          </p>
          <p>What a job still wants stays, and what was fetched last.</p>
        </Confirm>
      ) : null}
    </>
  );
}

export function SettingsPage() {
  const { store } = useHouse();
  const settings = useStore(pickSettings);
  const version = useStore(pickVersion);
  const save: Save = async (change) => store.now({ type: "settings", settings: await api.changeSettings(change) });
  if (!settings) {
    return (
      <>
        <h1>Settings</h1>
        <p class="muted">Not loaded yet.</p>
      </>
    );
  }
  return (
    <>
      <h1>Settings</h1>
      <div class="groups">
        <LimitGroup settings={settings} save={save} />
        <LineGroup settings={settings} save={save} />
        <Group title="Notifications">
          <BrowserNotes />
          {settings.notify ? <Webhooks notify={settings.notify} fixed={settings.notify_fixed ?? []} on={settings.notify_on ?? []} save={save} /> : null}
        </Group>
        <Group title="Cache and access">
          {settings.quota_bytes === undefined ? null : <QuotaField quota={settings.quota_bytes} save={save} />}
          <dl class="facts">
            <div class="fact">
              <dt>Hub token</dt>
              <dd>{settings.token}</dd>
            </div>
            {settings.watch_dirs ? (
              <div class="fact">
                <dt>Watched folders</dt>
                <dd>{settings.watch_dirs.length > 0 ? settings.watch_dirs.join(", ") : "none (--watch-dir)"}</dd>
              </div>
            ) : null}
            <div class="fact">
              <dt>hf-pulld</dt>
              <dd>{version || "version not known"}</dd>
            </div>
          </dl>
        </Group>
        <Group title="This page">
          <ThemeChoice />
        </Group>
      </div>
    </>
  );
}
