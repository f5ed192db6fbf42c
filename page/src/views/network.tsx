/* The line: what each interface carries now and carried before, and for each job who serves it and where time went. */

import { useEffect, useState } from "preact/hooks";
import { NetChart, markWords } from "../charts/net";
import { api } from "../api/client";
import type { Job, Network, NetworkHistory, NetworkJob } from "../api/types";
import type { State } from "../state/model";
import { clockSeconds, duration, grouped, rate } from "../words/format";
import { useStore } from "./context";
import { FrontTable, waitedWords } from "./fronts";
import { Icon } from "./icons";

type Span = "hour" | "day";
/** An hour is drawn second by second, a day minute by minute; asking more often shows nothing new. */
const EVERY_MS: Record<Span, number> = { hour: 5_000, day: 60_000 };

function useHistory(span: Span): NetworkHistory | null {
  const [history, setHistory] = useState<NetworkHistory | null>(null);
  useEffect(() => {
    let gone = false;
    const ask = async () => {
      if (document.hidden) return;
      const got = await api.history(span).catch(() => null);
      if (got && !gone) setHistory(got);
    };
    void ask();
    const timer = setInterval(() => void ask(), EVERY_MS[span]);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [span]);
  return history;
}

function Now({ network }: { network: Network }) {
  return (
    <section class="card live" aria-label="Now">
      <p class="figures">
        <b class="rate">
          <span aria-label="received">↓</span> {rate(network.rx_bytes_per_s)}
        </b>
        <b class="rate second">
          <span aria-label="sent">↑</span> {rate(network.tx_bytes_per_s)}
        </b>
        <span class="muted">{network.interfaces.length > 1 ? "all interfaces, without loopback" : "without loopback"}</span>
      </p>
      {network.interfaces.length > 1 ? (
        <table class="narrow">
          <thead>
            <tr>
              <th scope="col">Interface</th>
              <th scope="col">Received</th>
              <th scope="col">Sent</th>
            </tr>
          </thead>
          <tbody>
            {network.interfaces.map((one) => (
              <tr key={one.name}>
                <td>{one.name}</td>
                <td class="number">{rate(one.rx_bytes_per_s)}</td>
                <td class="number">{rate(one.tx_bytes_per_s)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="muted">{network.interfaces[0]?.name ?? "There is no interface but loopback."}</p>
      )}
      {network.hub_quota ? (
        <p>
          Hub quota {grouped(network.hub_quota.remaining)} of {grouped(network.hub_quota.limit)} requests, new in{" "}
          {duration(network.hub_quota.resets_s)}
        </p>
      ) : null}
    </section>
  );
}

function OneJob({ traffic, job }: { traffic: NetworkJob; job: Job }) {
  const c = traffic.connections;
  const waited = waitedWords(traffic.waited_s);
  return (
    <li class="card" data-row={job.id} tabIndex={-1} aria-label={`Connections of ${job.repo}`}>
      <div class="job-title">
        <h3>{job.repo}</h3>
        <span class="muted">{job.revision}</span>
      </div>
      <p class="job-words">
        {job.limited_by && job.limited_by.what !== "unknown" ? <b>limited by: {job.limited_by.text || job.limited_by.what}</b> : "what limits it is not known yet"}
      </p>
      <p class="muted live">
        {c.open} open, {c.idle} idle, {c.connecting} connecting, {c.silent} silent
        {waited ? `. Time lost: ${waited}` : ""}
      </p>
      {traffic.fronts.length > 0 ? <FrontTable fronts={traffic.fronts} of={job.repo} /> : null}
    </li>
  );
}

const pickNetwork = (state: State) => state.network;
const pickJobs = (state: State) => state.jobs;

function History() {
  const [span, setSpan] = useState<Span>("hour");
  const history = useHistory(span);
  const names = Object.keys(history?.interfaces ?? {});
  return (
    <section aria-label="History">
      <div class="tools">
        <h2>History</h2>
        <div class="segmented" role="group" aria-label="Span">
          {(["hour", "day"] as const).map((one) => (
            <button key={one} type="button" class="choice" aria-pressed={span === one} onClick={() => setSpan(one)}>
              {one}
            </button>
          ))}
        </div>
      </div>
      {history && names.length === 0 ? <p class="muted">Nothing was sampled in this {span}: figures are taken while a job runs or this page is open.</p> : null}
      <div class="charts">
        {history
          ? names.map((name) => (
              <div class="card" key={`${span}/${name}`}>
                <h3>{name}</h3>
                <NetChart name={name} points={history.interfaces[name] ?? []} marks={history.marks} step_s={history.step_s} />
                <HistoryTable history={history} name={name} />
              </div>
            ))
          : null}
      </div>
    </section>
  );
}

const TABLE_ROWS = 24;

function HistoryTable({ history, name }: { history: NetworkHistory; name: string }) {
  const points = history.interfaces[name] ?? [];
  const per = Math.max(1, Math.ceil(points.length / TABLE_ROWS));
  const rows = [];
  for (let i = 0; i < points.length; i += per) {
    const part = points.slice(i, i + per);
    const first = part[0];
    if (!first) continue;
    const mean = (at: 1 | 2) => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    rows.push({ at: first[0], rx: mean(1), tx: mean(2) });
  }
  return (
    <details class="table-door">
      <summary>The chart as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Traffic of ${name} as a table`}>
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Received</th>
              <th scope="col">Sent</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.at}>
                <td>{clockSeconds(row.at * 1000)}</td>
                <td class="number">{rate(row.rx)}</td>
                <td class="number">{rate(row.tx)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {history.marks.length > 0 ? (
          <ul class="marks">
            {history.marks.slice(-TABLE_ROWS).map((mark) => (
              <li key={`${mark[0]}${mark[1]}${mark[2]}`}>{markWords(mark)}</li>
            ))}
          </ul>
        ) : null}
      </div>
    </details>
  );
}

export function NetworkPage() {
  const network = useStore(pickNetwork);
  const jobs = useStore(pickJobs);
  const served = (network?.jobs ?? [])
    .map((traffic) => ({ traffic, job: jobs.get(traffic.id) }))
    .filter((one): one is { traffic: NetworkJob; job: Job } => one.job !== undefined);
  return (
    <>
      <h1>Network</h1>
      {network ? <Now network={network} /> : <p class="muted">No figures yet.</p>}
      <History />
      <section aria-label="By job">
        <h2>By job</h2>
        {served.length === 0 ? (
          <p class="muted">
            <Icon name="hourglass" /> No job has connections now.
          </p>
        ) : (
          <ul class="jobs">
            {served.map(({ traffic, job }) => (
              <OneJob key={traffic.id} traffic={traffic} job={job} />
            ))}
          </ul>
        )}
      </section>
    </>
  );
}
