/* Who serves what now: file, host, address, round trip, retransmits. */

import type { Front } from "../api/types";
import { duration, percent, rate } from "../words/format";

function family(front: Front): string {
  if (front.family) return front.family.replace(/^ipv/i, "IPv");
  if (!front.address) return "";
  return front.address.includes(":") ? "IPv6" : "IPv4";
}

function roundTrip(us: number): string {
  if (us <= 0) return "–";
  return us < 10_000 ? `${(us / 1000).toFixed(1)} ms` : `${Math.round(us / 1000)} ms`;
}

/** "silence 34 s, hub busy 12 s"; what cost less than half a second is left out. */
export function waitedWords(waited: Record<string, number>): string {
  return Object.entries(waited)
    .filter(([reason, seconds]) => reason !== "" && seconds >= 0.5)
    .sort((a, b) => b[1] - a[1])
    .map(([reason, seconds]) => `${reason} ${duration(seconds)}`)
    .join(", ");
}

export function FrontTable({ fronts, of }: { fronts: readonly Front[]; of: string }) {
  return (
    <div class="scroll live" tabIndex={0} role="region" aria-label={`Connections of ${of}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Moving now</th>
            <th scope="col">Progress</th>
            <th scope="col">Rate</th>
            <th scope="col">Host</th>
            <th scope="col">Address</th>
            <th scope="col">Family</th>
            <th scope="col">Round trip</th>
            <th scope="col">Retransmits</th>
          </tr>
        </thead>
        <tbody>
          {fronts.map((front) => (
            <tr key={front.path}>
              <td class="path">{front.path}</td>
              <td>{percent(front.recorded_bytes, front.size_bytes)} %</td>
              <td>{rate(front.rate_bytes_per_s)}</td>
              <td>{front.host || "not connected"}</td>
              <td>{front.address || "–"}</td>
              <td>{family(front) || "–"}</td>
              <td>{roundTrip(front.rtt_us)}</td>
              <td>{front.retransmits ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
