/* Numbers as text, the same as the terminal writes them (src/cli/units.c): decimal units, two decimals for sizes. */

const SIZES = [
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

export interface SizeUnit {
  name: string;
  bytes: number;
}

export function unitFor(bytes: number): SizeUnit {
  for (const [name, size] of SIZES) if (bytes >= size) return { name, bytes: size };
  return { name: "B", bytes: 1 };
}

function inUnit(bytes: number, unit: SizeUnit): string {
  return unit.bytes === 1 ? String(Math.round(bytes)) : (bytes / unit.bytes).toFixed(2);
}

/** "61.08 GB" */
export function size(bytes: number): string {
  const unit = unitFor(bytes);
  return `${inUnit(bytes, unit)} ${unit.name}`;
}

/** "37.26 / 61.08 GB": both in the unit of the whole, so that they can be compared at a glance. */
export function sizeOf(part: number, whole: number): string {
  const unit = unitFor(whole);
  return `${inUnit(part, unit)} / ${inUnit(whole, unit)} ${unit.name}`;
}

/** Free and total space: nobody reads its hundredths. */
export function roomy(bytes: number): string {
  const unit = unitFor(bytes);
  const value = bytes / unit.bytes;
  return `${value >= 100 || unit.bytes === 1 ? Math.round(value) : value.toFixed(1)} ${unit.name}`;
}

/** "118.2 MB/s", "120 kB/s", "0 B/s" */
export function rate(bytesPerS: number): string {
  if (bytesPerS < 1000) return `${Math.round(bytesPerS)} B/s`;
  const unit = unitFor(bytesPerS);
  const value = bytesPerS / unit.bytes;
  return `${unit.name === "kB" ? Math.round(value) : value.toFixed(1)} ${unit.name}/s`;
}

/** "none" or a rate without a needless fraction: "2 MB/s" */
export function limit(bytesPerS: number): string {
  return bytesPerS > 0 ? rate(bytesPerS).replace(".0 ", " ") : "none";
}

const two = (n: number) => String(n).padStart(2, "0");

/** "20 s", "8m44s", "3h05m", "2d4h" */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86400)}d${Math.floor((s % 86400) / 3600)}h`;
}

/** A round figure for what lies ahead: "40 s", "4 min", "2 h 10 min", "3 days" */
function about(seconds: number): [string, string] {
  if (seconds < 90) return [String(Math.max(1, Math.round(seconds))), "s"];
  if (seconds < 90 * 60) return [String(Math.round(seconds / 60)), "min"];
  if (seconds < 36 * 3600) {
    const minutes = Math.round(seconds / 600) * 10;
    const rest = minutes % 60;
    return [`${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`, ""];
  }
  return [String(Math.round(seconds / 86400)), "days"];
}

export function aboutText(seconds: number): string {
  return about(seconds).join(" ").trim();
}

/** "3–4 min"; one figure where both ends read the same. */
export function etaRange(lowS: number, highS: number): string {
  const low = about(Math.min(lowS, highS));
  const high = about(Math.max(lowS, highS));
  if (low.join() === high.join()) return high.join(" ").trim();
  if (low[1] === high[1] && low[1] !== "") return `${low[0]}–${high[0]} ${high[1]}`;
  return `${low.join(" ").trim()} – ${high.join(" ").trim()}`;
}

/** "14:02" today, "Nov 19" or "2025-11-19" before. */
export function clock(unixMs: number, nowMs: number): string {
  const at = new Date(unixMs);
  const now = new Date(nowMs);
  if (at.toDateString() === now.toDateString()) return `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.getFullYear() === now.getFullYear())
    return at.toLocaleDateString("en", { month: "short", day: "numeric" });
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** "14:31:07" */
export function clockSeconds(unixMs: number): string {
  const at = new Date(unixMs);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** "2 s ago", "5 min ago", "3 days ago" */
export function ago(unixMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - unixMs) / 1000);
  return seconds < 1 ? "now" : `${aboutText(seconds)} ago`;
}

/** Whole per cent, rounded down: 100 means all of it. */
export function percent(part: number, whole: number): number {
  if (whole <= 0) return 0;
  return part >= whole ? 100 : Math.floor((part / whole) * 100);
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : many}`;
}

/** "2,871" */
export function grouped(n: number): string {
  return n.toLocaleString("en");
}

/** 2M, 500K, 1.5MB, off: as the command line takes them; null when it is not a rate. */
export function parseRate(text: string): number | null {
  const trimmed = text.trim().replace(/\/s$/i, "").trim();
  if (/^(off|none|0)?$/i.test(trimmed)) return 0;
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(k|m|g|t|kb|mb|gb|tb|kib|mib|gib|tib|b)?$/i.exec(trimmed);
  if (!match) return null;
  const scale: Record<string, number> = {
    "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30,
    tib: 2 ** 40, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
  };
  return Math.round(Number(match[1]) * (scale[(match[2] ?? "").toLowerCase()] ?? 1));
}

/** A rate as the input fields show it, in a form that parseRate reads back to the same number: "2MiB", "5MB". */
export function rateInput(bytesPerS: number): string {
  if (bytesPerS <= 0) return "";
  for (const [name, scale] of [["M", 2 ** 20], ["MB", 1e6], ["K", 2 ** 10], ["KB", 1e3]] as const)
    if (bytesPerS % scale === 0) return `${bytesPerS / scale}${name}`;
  return String(bytesPerS);
}
