/* Limit and priority of one job: what is set is what the daemon answered. */

import { useState } from "preact/hooks";
import { api } from "../api/client";
import type { Job } from "../api/types";
import { limit as limitText, parseRate, rateInput } from "../words/format";
import { Menu } from "./bits";
import { useHouse } from "./context";

const LIMITS = [1e6, 2e6, 5e6, 10e6, 50e6];
const PRIORITIES: [string, number][] = [
  ["First", 100],
  ["High", 50],
  ["Normal", 0],
  ["Low", -50],
];

export function priorityWord(priority: number): string {
  return PRIORITIES.find(([, value]) => value === priority)?.[0].toLowerCase() ?? String(priority);
}

/** A rate to type, with the usual ones as buttons. */
export function RateChoice({ now, set }: { now: number; set: (bytesPerS: number) => Promise<void> }) {
  const [text, setText] = useState(rateInput(now));
  const [wrong, setWrong] = useState("");
  const typed = () => {
    const value = parseRate(text);
    if (value === null) setWrong(`'${text}' is not a rate. Examples: 2M, 500K, 1.5MB, off.`);
    else void set(value);
  };
  return (
    <>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          typed();
        }}
      >
        <label>
          <span class="label">Limit</span>
          <input value={text} placeholder="off" size={8} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        <button type="submit" class="button primary">
          Set
        </button>
      </form>
      {wrong ? (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      ) : null}
      <div class="choices">
        <button type="button" class="choice" aria-pressed={now === 0} onClick={() => void set(0)}>
          none
        </button>
        {LIMITS.map((value) => (
          <button key={value} type="button" class="choice" aria-pressed={now === value} onClick={() => void set(value)}>
            {limitText(value)}
          </button>
        ))}
      </div>
    </>
  );
}

export function LimitMenu({ job }: { job: Job }) {
  const { store, toasts } = useHouse();
  const set = (close: () => void) => async (bytesPerS: number) => {
    try {
      await store.answered(api.change(job.id, { limit_bytes_per_s: bytesPerS }));
      close();
    } catch (error) {
      toasts.bad(`Limit of ${job.repo}`, error);
    }
  };
  const label = job.limit_bytes_per_s > 0 ? `Limit ${limitText(job.limit_bytes_per_s)}` : "Limit";
  return (
    <Menu label={label} name={`${label} of ${job.repo}`} shortcut="l">
      {(close) => <RateChoice now={job.limit_bytes_per_s} set={set(close)} />}
    </Menu>
  );
}

export function PriorityMenu({ job }: { job: Job }) {
  const { store, toasts } = useHouse();
  const set = async (priority: number, close: () => void) => {
    try {
      await store.answered(api.change(job.id, { priority }));
      close();
    } catch (error) {
      toasts.bad(`Priority of ${job.repo}`, error);
    }
  };
  const label = job.priority === 0 ? "Priority" : `Priority ${priorityWord(job.priority)}`;
  return (
    <Menu label={label} name={`${label} of ${job.repo}`}>
      {(close) => (
        <div class="choices column">
          {PRIORITIES.map(([name, value]) => (
            <button key={name} type="button" class="choice" aria-pressed={job.priority === value} onClick={() => void set(value, close)}>
              {name}
            </button>
          ))}
          <label class="inline">
            <span class="label">-100 to 100</span>
            <input
              type="number"
              min={-100}
              max={100}
              value={job.priority}
              onChange={(event) => {
                const value = Math.round(Number(event.currentTarget.value));
                if (event.currentTarget.value !== "" && Math.abs(value) <= 100) void set(value, close);
              }}
            />
          </label>
        </div>
      )}
    </Menu>
  );
}
