/* The event stream, the file list, the window of rows, the chart's data.
 * Seen red: SseReader splitting "\r\n" between two pieces; FileList asking twice for one page, and taking an older answer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { takeToken } from "../src/api/client";
import { decodeEvent } from "../src/api/decode";
import { SseReader } from "../src/api/sse";
import type { FileRow, Sample } from "../src/api/types";
import { stallAt, tableRows, toSeries, top, withOpenStall } from "../src/charts/series";
import { FILES_PAGE, FileList } from "../src/state/filelist";
import { windowOf } from "../src/state/window";
import { file, moving } from "./make";

const STREAM = "retry: 1000\nid: b.1\nevent: job\ndata: {\"a\":1}\n\n: a heartbeat\n\nid: b.2\r\nevent: files\r\ndata: x\r\ndata: y\r\n\r\ndata: plain\n\n";
const WANT = [
  { id: "b.1", type: "job", data: '{"a":1}' },
  { id: "b.2", type: "files", data: "x\ny" },
  { id: "b.2", type: "message", data: "plain" },
];

test("the stream reads the same wherever it is cut", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const reader = new SseReader();
    const got = [];
    for (let at = 0; at < STREAM.length; at += size) got.push(...reader.push(STREAM.slice(at, at + size)));
    assert.deepEqual(got, WANT, `pieces of ${size}`);
    assert.equal(reader.lastId, "b.2");
  }
});
test("an event without an end is refused", () => {
  const reader = new SseReader();
  const piece = `data: ${"x".repeat(1 << 20)}\n`;
  assert.throws(() => {
    for (let i = 0; i < 20; i++) reader.push(piece);
  });
});
test("events of a newer daemon and broken ones are left out", () => {
  const decode = (type: string, data: string) => decodeEvent({ id: "1", type, data });
  assert.equal(decode("weather", "{}"), null);
  assert.equal(decode("job", "{"), null);
  assert.equal(decode("job", "null"), null);
  assert.deepEqual(decode("foreign", "[]"), { type: "foreign", data: { downloads: [] } });
  assert.deepEqual(decode("lost", "null"), { type: "lost", data: null });
});
test("the token leaves the address and stays in the tab", () => {
  const kept = new Map<string, string>();
  const storage = { setItem: (key: string, value: string) => void kept.set(key, value) } as unknown as Storage;
  let shown = "";
  const history = { replaceState: (_a: unknown, _b: string, to: string) => void (shown = to) } as unknown as History;
  takeToken({ hash: "#token=a%2Bb&/cache", pathname: "/", search: "" } as Location, history, storage);
  assert.deepEqual([...kept.values()], ["a+b"]);
  assert.equal(shown, "/#/cache");
  takeToken({ hash: "#/cache", pathname: "/", search: "" } as Location, history, storage);
  assert.equal(kept.size, 1);
  takeToken({ hash: "#token=50%off", pathname: "/", search: "" } as Location, history, storage);
  assert.deepEqual([...kept.values()], ["50%off"]); // typed by hand: a broken escape is no reason to show nothing at all
});

test("only rows in sight exist, at the start, in the middle and at the end", () => {
  for (const scroll of [0, 100_000, 379_640, 1e9]) {
    const view = windowOf(scroll, 380, 38, 10_000);
    assert.ok(view.end - view.first <= 26, `${view.end - view.first} rows`);
    assert.ok(view.first <= scroll / 38 || view.end === 10_000);
    assert.equal(view.above_px + (view.end - view.first) * 38 + view.below_px, 380_000);
  }
  assert.deepEqual(windowOf(0, 380, 38, 3), { first: 0, end: 3, above_px: 0, below_px: 0 });
  assert.equal(windowOf(0, 0, 38, 0).end, 0);
});

test("file pages are asked for once, where they are in sight, and again after a lost line", async () => {
  const asked: number[] = [];
  let changed = 0;
  const list = new FileList(
    async (offset, limit) => {
      asked.push(offset);
      return { files: Array.from({ length: limit }, (_, i) => file(`f${offset + i}`, 10)), files_next: null };
    },
    () => changed++,
  );
  await list.need(0, 20, 10_000);
  await list.need(5, 25, 10_000);
  await list.need(FILES_PAGE - 5, FILES_PAGE + 5, 10_000);
  assert.deepEqual(asked, [0, FILES_PAGE]);
  list.update([file("f3", 10, { recorded_bytes: 7, state: "fetching" }), file("unknown", 1)]);
  assert.equal(list.row(3)?.recorded_bytes, 7);
  const before = changed;
  list.update([file("unknown", 1)]);
  assert.equal(changed, before);
  list.stale();
  await list.need(0, 20, 10_000);
  assert.deepEqual(asked, [0, FILES_PAGE, 0]);
});
test("a page that did not come is asked for again", async () => {
  let tries = 0;
  const list = new FileList(
    async () => {
      if (++tries === 1) throw new Error("gone");
      return { files: [file("a", 1)], files_next: null };
    },
    () => undefined,
  );
  await list.need(0, 1, 1);
  await list.need(0, 1, 1);
  assert.equal(list.row(0)?.path, "a");
});

test("an older answer never stands over a newer one", async () => {
  const answers: ((state: FileRow["state"]) => void)[] = [];
  const list = new FileList(
    () => new Promise((done) => answers.push((state) => done({ files: [file("a", 1, { state })], files_next: null }))),
    () => undefined,
  );
  const first = list.need(0, 1, 1);
  list.stale();
  const second = list.need(0, 1, 1);
  answers[1]?.("proved");
  await second;
  answers[0]?.("fetching");
  await first;
  assert.equal(list.row(0)?.state, "proved");
});

test("a hole in the samples is a hole in the line, and no limit is no line", () => {
  const samples: Sample[] = [[100, 5, 0], [101, 6, 9], [120, 7, 9]];
  const series = toSeries({ step_s: 1, samples, stalls: [] });
  assert.deepEqual(series.x, [100, 101, 102, 120]);
  assert.deepEqual(series.rate, [5, 6, null, 7]);
  assert.deepEqual(series.limit, [null, 9, null, 9]);
});
test("stalls are found by time and stand in the table", () => {
  const data = { step_s: 1, samples: Array.from({ length: 90 }, (_, i) => [i, i < 30 ? 10 : 0, 0] as Sample), stalls: [[30, 60, "silence"]] as [number, number, string][] };
  assert.equal(stallAt(data.stalls, 45)?.[2], "silence");
  assert.equal(stallAt(data.stalls, 61), null);
  const rows = tableRows(data);
  assert.equal(rows.length, 30);
  assert.deepEqual(rows.filter((row) => row.stall).map((row) => row.from_unix_s)[0], 30);
  assert.equal(rows[0]?.mean, 10);
  assert.deepEqual(tableRows({ step_s: 1, samples: [], stalls: [] }), []);
});
test("a stall that still lasts is shaded too, once", () => {
  const data = { step_s: 1, samples: [[90, 5, 0], [99, 0, 0]] as Sample[], stalls: [] };
  const still = moving({ stalled: true, quiet_s: 8, reason: "8 of 8 connections silent" });
  const shown = withOpenStall(data, still);
  assert.deepEqual(shown.stalls, [[92, 100, "8 of 8 connections silent"]]);
  assert.equal(withOpenStall(shown, still), shown);
  const older = { ...data, stalls: [[92, 97, "by then"] as [number, number, string]] };
  assert.deepEqual(withOpenStall(older, still).stalls, shown.stalls, "the daemon's own word of it goes on");
  assert.equal(withOpenStall(data, moving()), data);
});
test("an empty chart still has a height", () => {
  assert.equal(top([null, null]), 1000);
  assert.equal(Math.round(top([100, null])), 115);
});
