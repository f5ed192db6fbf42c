/* The timetable as text and drawn over 24 hours. */

import { useState } from "preact/hooks";
import { limit as limitText } from "../words/format";
import { DAY, minuteText, parseTimetable, spans } from "../words/timetable";
import { Act, unlessTyped } from "./bits";
import { useNow } from "./context";

const HOURS = [0, 3, 6, 9, 12, 15, 18, 21, 24];

export function Day({ text }: { text: string }) {
  const now = new Date(useNow(30_000));
  const entries = parseTimetable(text);
  const parts = spans(entries ?? []);
  const most = Math.max(...parts.map((part) => part.bytes_per_s), 1);
  const minute = now.getHours() * 60 + now.getMinutes();
  const said = parts.map((part) => `${minuteText(part.from)} to ${minuteText(part.to)} ${limitText(part.bytes_per_s)}`).join(", ");
  const at = (m: number) => `${(m / DAY) * 100}%`;
  return (
    <div class="day" role="img" aria-label={said || "no timetable: the same limit all day"}>
      <div class="day-track">
        {parts.map((part) => {
          const free = part.bytes_per_s === 0;
          const height = free ? 100 : 15 + 60 * (part.bytes_per_s / most);
          return (
            <div
              key={part.from}
              class={`day-span ${free ? "free" : "limited"}`}
              style={{ left: at(part.from), width: at(part.to - part.from), height: `${height}%` }}
              title={`${minuteText(part.from)} to ${minuteText(part.to)}: ${limitText(part.bytes_per_s)}`}
            >
              <span>{free ? "no limit" : limitText(part.bytes_per_s)}</span>
            </div>
          );
        })}
        <i class="day-now" style={{ left: at(minute) }} title={`now, ${minuteText(minute)}`} />
      </div>
      <div class="day-hours" aria-hidden="true">
        {HOURS.map((hour) => (
          <span key={hour} style={{ left: at(hour * 60) }}>
            {hour}
          </span>
        ))}
      </div>
    </div>
  );
}

export function TimetableField({ text, save }: { text: string; save: (text: string) => Promise<void> }) {
  const [draft, setDraft] = useState<string | null>(null);
  const shown = draft ?? text;
  const fine = parseTimetable(shown) !== null;
  return (
    <>
      <div class="inline">
        <label class="grow">
          <span class="label">Timetable</span>
          <input
            value={shown}
            placeholder="08:00,2M 20:00,off"
            aria-invalid={!fine}
            aria-describedby="timetable-hint"
            spellcheck={false}
            onInput={(event) => setDraft(event.currentTarget.value)}
          />
        </label>
        <Act
          label="Save"
          title="Save the timetable"
          what="Timetable"
          disabled={!fine || draft === null}
          run={async () => {
            await save(shown.trim());
            setDraft(unlessTyped(draft));
          }}
        />
      </div>
      <p class={fine ? "hint" : "wrong"} id="timetable-hint">
        {fine ? "Local time. From each time on its limit holds, around the clock." : `'${shown}' is no timetable. Example: 08:00,2M 20:00,off`}
      </p>
      <Day text={shown} />
    </>
  );
}
