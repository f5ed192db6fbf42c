"""The tables, and the goals: what was aimed at, what was measured, whether it was reached."""
import re

COLUMNS = [  # key, head, format
    ("wall_s", "wall s", "{:.3f}"), ("disk_s", "on disk s", "{:.3f}"), ("cpu_s", "cpu s", "{:.3f}"),
    ("cpu_s_per_gb", "cpu s/GB", "{:.3f}"), ("rss_mib", "RSS MiB", "{:.0f}"), ("anon_mib", "RssAnon", "{:.0f}"),
    ("wire_bytes", "wire bytes", "{:.0f}"), ("wire_ratio", "wire/stored", "{:.4f}"),
    ("served_ratio", "served/size", "{:.4f}"), ("requests", "requests", "{:.0f}"), ("tail_proved_s", "to proved s", "{:.3f}"),
    ("tail_in_place_s", "in place s", "{:.3f}"), ("tail_exit_s", "to exit s", "{:.3f}"), ("again_bytes", "bytes again", "{:.0f}"),
    ("group_peak_mib", "group MiB", "{:.0f}"), ("group_oom_kills", "killed", "{:.0f}"),
]


def tables(lab):
    """One table a scene, medians; cpu also at its cheapest. In Markdown, so that docs/benchmarks.md can take them."""
    out = []
    for scene in dict.fromkeys(r["scene"] for r in lab.rows):
        clients = list(dict.fromkeys(r["client"] for r in lab.rows if r["scene"] == scene))
        columns = [c for c in COLUMNS if any(lab.values(scene, client, c[0]) for client in clients)]
        heads = " | ".join(head for _, head, _ in columns)
        out += [f"### {scene}", "", f"| program | runs | {heads} |", "|---" * (len(columns) + 2) + "|"]
        for client in sorted(clients, key=lambda c: (c != "hf-pull", c)):
            rows = [r for r in lab.rows if r["scene"] == scene and r["client"] == client]
            good = sum(not r["wrong"] for r in rows)
            cells = []
            for key, _, form in columns:
                values = lab.values(scene, client, key)
                text = form.format(lab.median(scene, client, key)) if values else ""
                if key == "cpu_s_per_gb" and values:
                    text += f" (min {min(values):.3f})"
                cells.append(text)
            out.append(f"| {client} | {good}" + (f" of {len(rows)}" if good < len(rows) else "") + " | " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def ratio(a, b):
    return a / b if a is not None and b else None


class Goals:
    def __init__(self, lab):
        self.lab, self.rows = lab, []
        self.m = lab.median

    def add(self, name, what, value, limit, form="{:.3f}", at_least=False):
        if value is None:
            self.rows.append((name, what, "", "not measured"))
            return
        reached = value >= limit if at_least else value <= limit
        sign = ">=" if at_least else "<="
        self.rows.append((name, f"{what} {sign} {form.format(limit)}", form.format(value), "reached" if reached else "MISSED"))

    def all(self):
        for part in (self.g1, self.g2, self.g3, self.g4, self.g5, self.g6, self.g7, self.g11, self.g12, self.group):
            part()
        return self.rows

    def g1(self):
        m = self.m
        cpu = m("one-plain", "hf-pull", "cpu_s_per_gb")
        self.add("G1", "cpu / floor", ratio(cpu, m("one-plain", "floor", "cpu_s_per_gb")), 1.08)
        self.add("G1", "cpu / unproved curl", ratio(cpu, m("one-plain", "curl", "cpu_s_per_gb")), 0.75)
        wall = m("one-plain", "hf-pull", "wall_s")
        self.add("G1", "wall / curl", ratio(wall, m("one-plain", "curl", "wall_s")), 1.0)
        self.add("G1", "wall / curl with its fsync", ratio(wall, m("one-plain", "curl", "disk_s")), 1.0)
        self.add("G1", "times faster than hf", ratio(m("one-plain", "hf", "wall_s"), wall), 3.0, at_least=True)
        self.add("G1", "times faster than hf_transfer", ratio(m("one-plain", "hf_transfer", "wall_s"), wall), 2.0, at_least=True)

    def g2(self):
        self.add("G2", "cpu / unproved curl into an existing file, TLS", ratio(self.m("one-tls", "hf-pull", "cpu_s_per_gb"),
                                                                             self.m("one-tls", "curl keep", "cpu_s_per_gb")), 1.85)

    def tails(self, kind, key):
        return [v for size in ("64MiB", "1GiB", "4GiB") for v in self.lab.values(f"tail-{size}-{kind}", "hf-pull", key)]

    def g3(self):
        for kind, key, what in (("memory", "tail_proved_s", "cache in memory, to the matched hash"),
                                ("disk", "tail_proved_s", "cache on disk, to the matched hash"),
                                ("memory", "tail_in_place_s", "cache in memory, until in place"),
                                ("disk", "tail_in_place_s", "cache on disk, until in place")):
            values = sorted(self.tails(kind, key))
            self.add("G3", f"{what}, median s", values[len(values) // 2] if values else None, 0.020)
            self.add("G3", f"{what}, worst s", values[-1] if values else None, 0.100)

    def peak(self, key, scene):
        ours = [r for r in self.lab.rows if r["client"].startswith("hf-pull") and re.match(scene, r["scene"])]
        return max((r[key] for r in ours if not r["wrong"]), default=None)

    def g4(self):
        self.add("G4", "RssAnon MiB, HTTP, worst of all runs", self.peak("anon_mib", "(?!many)"), 48, "{:.1f}")
        self.add("G4", f"RssAnon MiB, {self.lab.count(200_000):,} files", self.peak("anon_mib", "many"), 64, "{:.1f}")

    def g5(self):
        scenes = [("cap", 0.99), ("line-100-0ms", 0.99), ("line-100-50ms", 0.99), ("line-1000-0ms", 0.95), ("line-1000-50ms", 0.95)]
        for scene, least in scenes:
            curls = {c: self.m(scene, c, "wall_s") for c in ("curl x1", "curl x4", "curl x8", "curl x16")}
            best = min(((v, c) for c, v in curls.items() if v), default=(None, "curl"))
            for client in ("hf-pull", "hf-pull again"):
                rate = ratio(best[0], self.m(scene, client, "wall_s"))
                self.add("G5", f"{scene}, {client}: rate / {best[1]}", rate, least, at_least=True)

    def g6(self):
        for latency in (20, 50):
            scene = f"small-{latency}ms"
            requests, connections = self.m(scene, "hf-pull", "hub_requests"), self.m(scene, "hf-pull", "connections")
            ideal = requests * latency / 1000 / connections if requests and connections else None
            what = f"{latency} ms, wall / (requests x latency / connections)"
            if ideal:
                what += f", {requests:.0f} x {latency} ms / {connections:.0f}"
            self.add("G6", what, ratio(self.m(scene, "hf-pull", "wall_s"), ideal), 1.15)
        theirs, ours = (self.m("small-20ms", client, "wall_s") for client in ("hf", "hf-pull"))
        self.add("G6", "20 ms, times faster than hf", ratio(theirs, ours), 8.0, "{:.1f}", True)

    def g7(self):
        again = self.m("resume", "hf-pull", "again_bytes")
        self.add("G7", "killed at half: MiB handed out twice (in flight at the kill; blocks: docs/reliability.md)",
                 again / (1 << 20) if again is not None else None, 48, "{:.1f}")

    def g11(self):
        self.add("G11", "served / size among faults", self.m("faults", "hf-pull", "served_ratio"), 1.06)
        runs = [r for r in self.lab.rows if r["scene"].startswith("faults")]
        self.add("G11", "runs that failed among faults and lies", sum(bool(r["wrong"]) for r in runs) if runs else None, 0, "{:.0f}")

    def g12(self):
        ours, theirs = (self.m("start", client, "wall_s") for client in ("hf-pull", "curl"))
        self.add("G12", "start to end of one small file / curl", ratio(ours, theirs), 1.3)

    def group(self):
        inside, outside = (self.m(scene, "hf-pull", "wall_s") for scene in ("memory-128MiB", "memory-free"))
        self.add("P5", "in 128 MiB: wall / wall outside", ratio(inside, outside), 1.25)
        self.add("P5", "in 128 MiB: killed", self.m("memory-128MiB", "hf-pull", "group_oom_kills"), 0, "{:.0f}")


def goal_table(lab, goals=Goals):
    lines = ["### goals", "", "| goal | what | measured | |", "|---|---|---|---|"]
    lines += [f"| {name} | {what} | {value} | {verdict} |" for name, what, value, verdict in goals(lab).all()]
    lines += [f"\nskipped: {what}: {why}" for what, why in lab.skipped.items()]
    return "\n".join(lines) + "\n"
