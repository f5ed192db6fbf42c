/* Words: numbers, states, links, timetables, quants.
 * Seen red: percent() rounding to nearest; eta() without its five seconds; parseHubLink() taking "a/b/c". */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../src/api/types";
import * as f from "../src/words/format";
import { parseHubLink } from "../src/words/hublink";
import type { QueueFacts } from "../src/words/job";
import { eta, shownBytes, shownRate, stateLine, stateWords } from "../src/words/job";
import { expectedRate, filterHints, planFigures } from "../src/words/plan";
import { excludeOthers, findQuants, fitsIn, quantName } from "../src/words/quants";
import { minuteText, parseTimetable, spans } from "../src/words/timetable";
import { file, job, moving } from "./make";

function rows<T>(name: string, list: [T, string | number | null][], run: (of: T) => string | number | null): void {
  test(name, () => {
    for (const [of, want] of list) assert.equal(run(of), want, JSON.stringify(of));
  });
}

rows("sizes are decimal with two places, as on the terminal", [
  [0, "0 B"], [999, "999 B"], [1000, "1.00 kB"], [12_310_000_000, "12.31 GB"], [950e6, "950.00 MB"], [1.5e12, "1.50 TB"],
], f.size);
rows("both sizes of a pair are in the unit of the whole", [
  [[37.26e9, 61.08e9], "37.26 / 61.08 GB"], [[0, 61.08e9], "0.00 / 61.08 GB"], [[500, 900], "500 / 900 B"],
], ([a, b]) => f.sizeOf(a as number, b as number));
rows("rates", [[0, "0 B/s"], [999, "999 B/s"], [120_000, "120 kB/s"], [118.2e6, "118.2 MB/s"], [1.25e9, "1.3 GB/s"]], f.rate);
rows("a limit of nothing is none", [[0, "none"], [2e6, "2 MB/s"], [2 * 2 ** 20, "2.1 MB/s"]], f.limit);
rows("durations", [[0, "0 s"], [59.6, "1m00s"], [524, "8m44s"], [62, "1m02s"], [3 * 3600 + 300, "3h05m"], [187_200, "2d4h"]], f.duration);
rows("an ETA is a range, or one figure where both ends read the same", [
  [[180, 240], "3–4 min"], [[35, 50], "35–50 s"], [[180, 185], "3 min"], [[80, 200], "80 s – 3 min"], [[240, 180], "3–4 min"],
  [[7200, 9000], "2 h – 2 h 30 min"], [[0, 0.2], "1 s"], [[86400 * 3, 86400 * 4], "3–4 days"],
], ([a, b]) => f.etaRange(a as number, b as number));
rows("100 % means all of it", [[[999, 1000], 99], [[1000, 1000], 100], [[0, 0], 0], [[5, 0], 0]], ([a, b]) => f.percent(a as number, b as number));
rows("rates are read as the command line reads them", [
  ["2M", 2 * 2 ** 20], ["500K", 512_000], ["1.5MB", 1.5e6], ["1.5 MB/s", 1.5e6], ["off", 0], ["", 0], ["2MiB", 2 ** 21], ["10 apples", null], ["-1M", null], ["1e6", null],
], f.parseRate);
test("what a rate field shows is read back to the same number", () => {
  for (const n of [0, 1, 1000, 1_000_000, 2 * 2 ** 20, 512_000, 123_456]) assert.equal(f.parseRate(f.rateInput(n)), n);
});

const asked = (text: string) => {
  const found = parseHubLink(text);
  return found && [found.type, found.repo, found.revision, found.path].join("|");
};
rows("names and links are understood", [
  ["org/name", "model|org/name||"],
  ["  gpt2 ", "model|gpt2||"],
  ["org/name@v1.0:model.safetensors", "model|org/name|v1.0|model.safetensors"],
  ["https://huggingface.co/org/name", "model|org/name||"],
  ["https://huggingface.co/org/name/", "model|org/name||"],
  ["huggingface.co/datasets/allenai/c4/tree/main/en", "dataset|allenai/c4|main|en/"],
  ["https://hf.co/spaces/a/b?x=1", "space|a/b||"],
  ["https://huggingface.co/a/b/blob/main/sub/model.gguf", "model|a/b|main|sub/model.gguf"],
  ["https://huggingface.co/a/b/resolve/refs%2Fpr%2F4/x.bin?download=true", "model|a/b|refs/pr/4|x.bin"],
  ["https://huggingface.co/a/b/tree/refs/pr/4", "model|a/b|refs/pr/4|"],
  ["hf download org/name --revision x", "model|org/name||"],
  ["git clone https://huggingface.co/org/name.git", "model|org/name||"],
  ["datasets/allenai/c4", "dataset|allenai/c4||"],
], asked);
rows("what is no repository is not guessed at", [
  ["", null], ["a/b/c", null], ["../etc", null], ["a b", null], ["https://example.com/a/b", null], ["org/na me", null], ["%zz/x", null], ["org/", "model|org||"], [".hidden/x", null],
], asked);

const queue: QueueFacts = { place: -1, freeIn_s: null };
const line = (one: Job, place = queue) => stateLine(one, place, 1_000_000);
test("the second line says the state and why", () => {
  const list: [Job, string][] = [
    [moving({ limited_by: { what: "line", text: "the line (8 connections)" } }), "limited by: the line (8 connections)"],
    [moving({ limited_by: { what: "unknown", text: "" } }), "what limits it is not known yet"],
    [moving({ rate_bytes_per_s: 0 }), "opening connections"],
    [moving({ stalled: true, quiet_s: 34, rate_bytes_per_s: 0, reason: "8 of 8 connections silent, trying IPv4" }), "stalled 34 s: 8 of 8 connections silent, trying IPv4"],
    [moving({ state: "waiting", quiet_s: 41, reason: "Hub asks to slow down" }), "waiting 41 s: Hub asks to slow down"],
    [moving({ reason_code: "disk", rate_bytes_per_s: 0, reason: "disk is slow: 212 MB waiting for /mnt" }), "disk is slow: 212 MB waiting for /mnt"],
    [moving({ state: "paused", reason: "paused" }), "paused at 40 %, 40.00 / 100.00 GB kept"],
    [job({ state: "paused" }), "paused"],
    [moving({ state: "repairing", reason: "" }), "repairing: fetching again what was wrong"],
    [job({ state: "failed", ended_unix_ms: 1_000_000, error: { code: "E_GATED", message: "gated" } }), "failed 00:16: gated"],
    [job({ state: "done", ended_unix_ms: 1_000_000, total_bytes: 950e6, elapsed_s: 20 }), "proved 00:16, 950.00 MB, 20 s"],
    [moving({ state: "cancelled", ended_unix_ms: 1_000_000 }), "cancelled 00:16, 40.00 / 100.00 GB kept"],
  ];
  for (const [one, want] of list) assert.equal(line(one), want);
});
test("the queue says when, where that is known", () => {
  assert.equal(line(job(), { place: 0, freeIn_s: 240 }), "next in queue, starts in about 4 min");
  assert.equal(line(job(), { place: 0, freeIn_s: null }), "next in queue");
  assert.equal(line(job({ reason: "in the queue" }), { place: 2, freeIn_s: 240 }), "number 3 in the queue");
});
test("no ETA before 5 s of data, while stalled, at rest, or where the daemon knows none", () => {
  assert.equal(eta(moving()), "9–11 min");
  for (const more of [{ elapsed_s: 4 }, { stalled: true }, { rate_bytes_per_s: 0 }, { eta_low_s: null }, { state: "paused" }] as Partial<Job>[])
    assert.equal(eta(moving(more)), null);
});
test("verify and repair show what they have read, and how fast; repair what it fetches then", () => {
  const reading = { state: "verifying", verb: "verify", rate_bytes_per_s: 0, checked_bytes: 25e9, checked_bytes_per_s: 900e6 } as const;
  assert.equal(shownBytes(moving(reading)), 25e9);
  assert.equal(shownRate(moving(reading)), 900e6);
  assert.equal(eta(moving(reading)), "9–11 min");
  assert.equal(shownRate(moving({ ...reading, verb: "repair", state: "repairing", rate_bytes_per_s: 20e6, checked_bytes_per_s: 0 })), 20e6);
  assert.equal(shownRate(moving({ checked_bytes_per_s: 900e6 })), 100e6);
});
test("every state has an icon, a word and a tone; green is proved, red is failed", () => {
  for (const state of ["queued", "resolving", "downloading", "verifying", "repairing", "paused", "waiting", "done", "failed", "cancelled"] as const) {
    const { icon, word, tone } = stateWords(job({ state }));
    assert.ok(icon && word);
    assert.equal(tone === "good", state === "done");
    assert.equal(tone === "bad", state === "failed");
  }
  assert.equal(stateWords(moving({ stalled: true })).tone, "wait");
});

test("timetables: entries, the hours before the first one, and what is none", () => {
  const entries = parseTimetable("20:00,off 08:00,2M");
  assert.deepEqual(entries, [{ minute: 480, bytes_per_s: 2 ** 21 }, { minute: 1200, bytes_per_s: 0 }]);
  assert.deepEqual(spans(entries ?? []).map((s) => [minuteText(s.from), s.to, s.bytes_per_s]), [["00:00", 480, 0], ["08:00", 1200, 2 ** 21], ["20:00", 1440, 0]]);
  assert.deepEqual(parseTimetable(""), []);
  for (const [text, all] of [["2M", 2 ** 21], [" off ", 0]] as const) assert.deepEqual(parseTimetable(text), [{ minute: 0, bytes_per_s: all }], text);
  for (const wrong of ["25:00,2M", "08:00", "08:00,ten", "8,2M"]) assert.equal(parseTimetable(wrong), null, wrong);
});

rows("quant names", [
  ["Qwen3-30B-A3B-Q4_K_M.gguf", "Q4_K_M"], ["x-UD-IQ2_XXS-00001-of-00003.gguf", "UD-IQ2_XXS"], ["BF16/x-BF16-00001-of-00002.gguf", "BF16"],
  ["model.safetensors", null], ["mistral-7b-v0.1.Q8_0.gguf", "Q8_0"], ["plain.gguf", null],
], quantName);
test("quants are summed over their shards, smallest first, and projectors are no choice", () => {
  const found = findQuants([file("a-Q8_0-00001-of-00002.gguf", 20e9), file("a-Q8_0-00002-of-00002.gguf", 12e9), file("a-Q4_K_M.gguf", 18.56e9), file("mmproj-F16.gguf", 1e9), file("README.md", 5)]);
  assert.deepEqual(found.map((q) => [q.name, q.size_bytes, q.fits_gb]), [["Q4_K_M", 18.56e9, 24], ["Q8_0", 32e9, 48]]);
  assert.deepEqual(excludeOthers(found, new Set(["Q4_K_M"])), ["a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf"]);
  assert.equal(fitsIn(500e9), null);
});

test("a plan says what is missing on the disk", () => {
  const plan = { fetch_bytes: 48e9, fetch_files: 3, prove_bytes: 0, prove_files: 0, copied_bytes: 2e9 };
  const figures = planFigures(job({ total_bytes: 60e9, free_bytes: 40e9, plan }));
  assert.equal(figures.free_after_bytes, -10e9);
  assert.equal(figures.fits, false);
  assert.equal(figures.here_bytes, 10e9);
  assert.equal(planFigures(job({ total_bytes: 60e9, free_bytes: 50e9, plan })).fits, true);
});
test("the expected rate is what was measured, or the limit below it, or not known", () => {
  assert.equal(expectedRate(100, [0, 0]), 100);
  assert.equal(expectedRate(100, [50, 0]), 50);
  assert.equal(expectedRate(null, [50]), 50);
  assert.equal(expectedRate(null, [0]), null);
});
test("filters are offered only where they change something", () => {
  assert.deepEqual(filterHints([file("a.safetensors", 1), file("b.bin", 1)]).map((h) => h.text), ["without .bin", "only .json"]);
  assert.deepEqual(filterHints([file("a.txt", 1)]), []);
});
