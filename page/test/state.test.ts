/* State: the reducer, the order of jobs, the title, news.
 * Seen red: reduce() without forward(); moveTarget() one place short; news() telling of jobs it never saw before; answered()
 * that takes whatever comes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job, Settings } from "../src/api/types";
import type { Action, State } from "../src/state/model";
import { EMPTY } from "../src/state/model";
import { news } from "../src/state/notify";
import { reduce } from "../src/state/reduce";
import { groups, measuredRate, moveTarget, queueFacts, sum } from "../src/state/select";
import { Store } from "../src/state/store";
import { pictureOf, titleOf } from "../src/state/title";
import { evicted } from "../src/words/gone";
import { job, moving } from "./make";

const snapshot = (jobs: Job[], next_cursor: string | null = null): Action => ({
  type: "snapshot",
  now_unix_ms: 5,
  snapshot: { jobs, total: jobs.length, next_cursor, settings: {} as Settings, foreign: [], network: { rx_bytes_per_s: 0, tx_bytes_per_s: 0, interfaces: [], jobs: [], hub_quota: null } },
});
const said = (one: Job): Action => ({ type: "event", event: { type: "job", data: one }, now_unix_ms: 6 });
const loaded = (...jobs: Job[]): State => reduce(EMPTY, [snapshot(jobs)]);

test("counts of one run never go back, whatever arrives late", () => {
  const now = moving({ id: "j_1" });
  const late = { ...now, recorded_bytes: 39e9, received_bytes: 39.5e9, rate_bytes_per_s: 7 };
  const state = reduce(loaded(now), [said(late)]);
  assert.equal(state.jobs.get("j_1")?.recorded_bytes, 40e9);
  assert.equal(state.jobs.get("j_1")?.rate_bytes_per_s, 7);
});
test("another run of the daemon begins at what is recorded", () => {
  const hello = (boot: string): Action => ({ type: "event", event: { type: "hello", data: { version: "1", boot } }, now_unix_ms: 1 });
  const state = reduce(EMPTY, [hello("a"), snapshot([moving({ id: "j_1" })]), hello("b"), said(moving({ id: "j_1", received_bytes: 40e9 }))]);
  assert.equal(state.jobs.get("j_1")?.received_bytes, 40e9);
});
test("a listing replaces what was there, and what is gone is gone", () => {
  const state = reduce(loaded(job({ id: "j_1" }), job({ id: "j_2" })), [snapshot([job({ id: "j_2" })])]);
  assert.deepEqual([...state.jobs.keys()], ["j_2"]);
});
test("removed jobs go, twice is once", () => {
  const gone: Action = { type: "event", event: { type: "job_removed", data: { id: "j_1" } }, now_unix_ms: 1 };
  const state = reduce(loaded(job({ id: "j_1" })), [gone, gone]);
  assert.equal(state.jobs.size, 0);
  assert.equal(state.total_jobs, 0);
});
test("a job that does not change stays the same object, so that its row is not drawn again", () => {
  const before = loaded(job({ id: "j_1" }), job({ id: "j_2" }));
  const after = reduce(before, [said(job({ id: "j_2", priority: 5 }))]);
  assert.equal(after.jobs.get("j_1"), before.jobs.get("j_1"));
  assert.notEqual(after.jobs.get("j_2"), before.jobs.get("j_2"));
  assert.equal(reduce(before, []), before);
});
test("one event gives all their places in the queue", () => {
  const state = reduce(loaded(job({ id: "a", position: 1 }), job({ id: "b", position: 2 }), moving({ id: "c" })), [
    { type: "event", event: { type: "queue", data: { queued: ["b", "a"] } }, now_unix_ms: 1 },
  ]);
  assert.deepEqual([...state.jobs.values()].map((one) => one.position), [2, 1, null]);
});
test("what the quota takes is told, what somebody deleted only counted", () => {
  const event = (why: "asked" | "quota", repo: string): Action => ({
    type: "event",
    event: { type: "cache", data: { why, type: "model", repo, commit: "0123456789abcdef", freed_bytes: 2e9 } },
    now_unix_ms: 1,
  });
  const asked = reduce(EMPTY, [event("asked", "a/b")]);
  assert.equal(asked.gone.all, 1);
  assert.equal(evicted(EMPTY.gone, asked.gone), "");
  assert.equal(evicted(asked.gone, reduce(asked, [event("quota", "a/c")]).gone), "Quota: deleted a/c 0123456, 2.00 GB freed.");
  const many = reduce(asked, [event("quota", "a/c"), event("quota", "a/d")]);
  assert.equal(evicted(asked.gone, many.gone), "Quota: deleted 2 revisions, 4.00 GB freed.");
});
test("running, then the queue in its order, then ended, newest first; dry runs stand nowhere", () => {
  const all = groups(
    loaded(
      job({ id: "done1", state: "done", ended_unix_ms: 10 }), job({ id: "q2", position: 2 }), moving({ id: "run" }), job({ id: "q1", position: 1 }),
      job({ id: "done2", state: "failed", ended_unix_ms: 20 }), job({ id: "plan", verb: "plan", state: "resolving" }), job({ id: "held", state: "paused", started_unix_ms: 3 }),
    ).jobs,
  );
  const ids = (list: Job[]) => list.map((one) => one.id);
  assert.deepEqual([ids(all.running), ids(all.waiting), ids(all.ended)], [["run"], ["held", "q1", "q2"], ["done2", "done1"]]);
  assert.deepEqual(queueFacts(all).get("q2"), { place: 1, freeIn_s: 600 });
  assert.equal(queueFacts(all).get("held"), undefined);
});
test("no time is promised while one running job has no ETA", () => {
  const all = groups(loaded(moving({ id: "a" }), moving({ id: "b", eta_s: null, eta_low_s: null }), job({ id: "q", position: 1 })).jobs);
  assert.equal(queueFacts(all).get("q")?.freeIn_s, null);
});
test("up is before the one above, down is before the one after the next, the ends stay", () => {
  const queue = ["a", "b", "c"].map((id) => job({ id }));
  const rows: [string, -1 | 1, string | null | undefined][] = [["b", -1, "a"], ["a", -1, undefined], ["a", 1, "c"], ["b", 1, null], ["c", 1, undefined], ["x", 1, undefined]];
  for (const [id, step, want] of rows) assert.equal(moveTarget(queue, id, step), want, `${id} ${step}`);
});
test("the title says per cent and rate, stalled, failed, proved, and that the line is gone", () => {
  const title = (...jobs: Job[]) => titleOf(sum(loaded(...jobs)), false);
  assert.equal(title(moving()), "40 % ↓ 100.0 MB/s – hf-pull");
  assert.equal(title(moving(), moving({ total_bytes: 0 })), "40 % ↓ 200.0 MB/s – hf-pull");
  assert.equal(title(moving({ stalled: true, rate_bytes_per_s: 0 })), "stalled at 40 % – hf-pull");
  assert.equal(title(job({ state: "done", ended_unix_ms: 2 }), job({ state: "failed", ended_unix_ms: 1 })), "proved – hf-pull");
  assert.equal(title(), "hf-pull");
  assert.match(titleOf(sum(loaded(moving())), true), /^connection lost/);
  assert.equal(pictureOf("running", false), "./assets/icons/running.svg");
});
test("news is what changed while we knew the job: done, failed, stalled; not what a listing brings", () => {
  const before = loaded(moving({ id: "a" }), moving({ id: "b" }), moving({ id: "p", verb: "plan" }));
  const after = reduce(before, [said(moving({ id: "a", state: "done" })), said(moving({ id: "b", stalled: true })), said(moving({ id: "p", verb: "plan", state: "done" })), said(job({ id: "new", state: "failed" }))]);
  assert.deepEqual(news(before, after).map(({ job: one, what }) => `${one.id} ${what}`), ["a done", "b stalled"]);
  assert.deepEqual(news(EMPTY, loaded(job({ state: "failed" }))), []);
  assert.deepEqual(news(after, after), []);
});
test("an estimate rests on what runs now, or on a pull of today that was long enough", () => {
  const day = Date.parse("2026-11-21T12:00:00Z");
  const done = job({ state: "done", ended_unix_ms: day - 3600_000, wire_bytes: 1e9, elapsed_s: 10 });
  assert.equal(measuredRate(loaded(moving()), day), 100e6);
  assert.equal(measuredRate(loaded(done), day), 100e6);
  assert.equal(measuredRate(loaded({ ...done, wire_bytes: 1e6 }), day), null);
  assert.equal(measuredRate(loaded({ ...done, ended_unix_ms: day - 86400_000 }), day), null);
});
test("views hear at most four times a second, not while hidden, and once when looked at again", async () => {
  let hidden = false;
  const store = new Store(() => hidden);
  let drawn = 0;
  store.onView(() => drawn++);
  for (let i = 0; i < 50; i++) store.soon(said(job({ id: `j_${i}` })));
  assert.equal(drawn, 0);
  await new Promise((done) => setTimeout(done, 300));
  assert.equal(drawn, 1);
  assert.equal(store.get().jobs.size, 50);
  hidden = true;
  store.now(said(job({ id: "j_0", priority: 9 })));
  assert.equal(drawn, 1);
  assert.equal(store.get().jobs.get("j_0")?.priority, 9);
  hidden = false;
  store.seen();
  store.seen();
  assert.equal(drawn, 2);
});
test("an answer is taken, unless the stream told of that job since it was asked for", async () => {
  const store = new Store(() => false);
  const state = (id: string) => store.get().jobs.get(id)?.state;
  const told = (one: Job) => store.now(said(one));
  store.soon(said(job({ id: "a", state: "resolving" })));
  await store.answered(Promise.resolve(job({ id: "a", state: "paused" })));
  assert.equal(state("a"), "paused", "what was told before the question is older");
  let answer: (one: Job) => void = () => undefined;
  const asking = store.answered(new Promise<Job>((done) => (answer = done)));
  store.soon(said(job({ id: "a", state: "done" })));
  store.soon(said(job({ id: "b", state: "done" })));
  answer(job({ id: "a", state: "queued" }));
  assert.equal((await asking).state, "queued", "who asked is given it");
  told(job({ id: "c" }));
  assert.deepEqual([state("a"), state("b")], ["done", "done"]);
  const again = store.answered(new Promise<Job>((done) => (answer = done)));
  store.soon({ type: "event", event: { type: "job_removed", data: { id: "a" } }, now_unix_ms: 7 });
  answer(job({ id: "a", state: "queued" }));
  await again;
  store.seen();
  assert.equal(state("a"), undefined, "what was taken off the list stays away");
});
