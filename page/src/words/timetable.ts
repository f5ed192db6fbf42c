/* Timetables as the daemon and the command line write them: "08:00,2M 20:00,off", local time, around the clock. Pure. */

import { parseRate } from "./format";

export interface Entry {
  /** minutes since midnight */
  minute: number;
  bytes_per_s: number;
}

export interface Span {
  from: number;
  to: number;
  bytes_per_s: number;
}

export const DAY = 24 * 60;

/** null when it is no timetable; an empty text is an empty one, a rate alone holds all day. */
export function parseTimetable(text: string): Entry[] | null {
  const entries: Entry[] = [];
  const allDay = text.trim() ? parseRate(text) : null;
  if (allDay !== null) return [{ minute: 0, bytes_per_s: allDay }];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const match = /^([01]?\d|2[0-3]):([0-5]\d),(.+)$/.exec(word);
    const value = match?.[3] ? parseRate(match[3]) : null;
    if (!match || value === null) return null;
    entries.push({ minute: Number(match[1]) * 60 + Number(match[2]), bytes_per_s: value });
  }
  return entries.sort((a, b) => a.minute - b.minute);
}

/** Covers midnight to midnight: before the first entry the last one of the day before holds. */
export function spans(entries: Entry[]): Span[] {
  const last = entries[entries.length - 1];
  if (!last) return [];
  const all: Span[] = [];
  let from = 0;
  let now = last.bytes_per_s;
  for (const entry of entries) {
    if (entry.minute > from) all.push({ from, to: entry.minute, bytes_per_s: now });
    from = entry.minute;
    now = entry.bytes_per_s;
  }
  if (from < DAY) all.push({ from, to: DAY, bytes_per_s: now });
  return all;
}

export function minuteText(minute: number): string {
  return `${String(Math.floor(minute / 60) % 24).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}
