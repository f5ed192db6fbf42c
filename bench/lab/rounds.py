"""Rounds of programs against each other: every program once a round, in random order, each from nothing.

Row of a result, one per run:
  wall_s            start to exit
  disk_s            the same and an fsync of what it left behind (sync, for more than 100 files): hf-pull has done that
                    itself, others leave it to the kernel
  cpu_s, cpu_s_per_gb   user and system, its children included; per 10^9 bytes of content
  rss_mib, anon_mib the most that was seen, children included
  served_ratio      body bytes handed out by nginx and the fakehub / size of the content
  requests, connections   of bodies
  tail_*_s          after the last body byte was handed to the kernel by the server (its log, milliseconds): until exit, and for hf-pull with its trace
                    until its hash matched (proved) and until the file was published (in_place)
"""
import contextlib
import json
import os
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import time

from .clients import CLIENTS, Job
from .measure import run
from .servers import Content, Nginx, binary, certificate, hub, sha256_file

MIB, GIB = 1 << 20, 1 << 30
GB = 1_000_000_000
LEAST = 8 * MIB  # of a scaled file: below, only the start is measured


class Lab:
    def __init__(self, work, memory, scale, rounds, seed, only):
        self.work, self.memory, self.scale, self.rounds, self.only = work, memory, scale, rounds, only
        self.random = random.Random(seed)
        self.rows, self.skipped, self.times = [], {}, {}
        self.content = Content(memory)
        self.cert = certificate(memory)
        self.inside = lambda side: contextlib.nullcontext()
        self.trust = ssl.create_default_context(cafile=self.cert[0])
        self.trust.check_hostname = False
        self.nginx = self.hub = None
        self.expected = {}

    def size(self, full):
        return max(LEAST, int(full * self.scale) // MIB * MIB)

    def count(self, full, least=20):
        return max(least, int(full * self.scale))

    def say(self, text):
        print(text, flush=True)

    @contextlib.contextmanager
    def serving(self, kind="plain", repo=None, inside=None, address="127.0.0.1", rules=(), **options):
        """Servers over the content as it is now. kind: the port of nginx that the Hub sends to; None: its own CDN."""
        self.inside = inside or self.inside
        with self.inside("server"):
            self.nginx = Nginx(self.memory / "nginx", self.content.cdn, address, self.cert)
            self.hub = hub(self.content, self.cert if kind == "tls" else None, address=address, **options).start()
        self.rules = list(rules)
        if kind:
            self.rules.append({"match": {"kind": "resolve"}, "do": {"location_base": self.nginx.base(kind)}})
        try:
            with self.inside("client"):
                self.hub_began = self.clock()
                self.hub.rules(self.rules)
                entries = self.tree(repo)
                if kind:
                    self.content.publish(entries)
            self.expected = {path: entry["lfs"]["oid"] for path, entry in entries.items() if "lfs" in entry}
            self.files = {path: entry["size"] for path, entry in entries.items()}
            self.repo, self.kind = repo, kind
            yield self
        finally:
            self.nginx.stop()
            self.hub.stop()
            self.inside = lambda side: contextlib.nullcontext()

    def tree(self, repo):
        """All pages of the Hub's own listing; hub.tree() of the tests does not speak TLS."""
        found, path = {}, f"/api/models/{repo}/tree/main?recursive=true"
        while path:
            done = subprocess.run(["curl", "-sS", "-f", "-k", "--noproxy", "*", "-D", "-", self.hub.hub + path], check=True,
                                  capture_output=True).stdout
            head, _, body = done.partition(b"\r\n\r\n")
            found.update({e["path"]: e for e in json.loads(body) if e["type"] == "file"})
            more = re.search(rb'(?im)^link:\s*<[a-z]+://[^/]+(/[^>]*)>;\s*rel="next"', head)
            path = more and more[1].decode()
        return found

    def clock(self):
        """Wall clock at which the fakehub's own was zero. It logs a request when it has come, a moment after it was sent:
        of ten the one with the shortest moment counts."""
        sent = []
        for _ in range(10):
            with socket.create_connection((self.nginx.address, self.hub.cdn_port)) as s:
                s = self.trust.wrap_socket(s) if self.hub.tls else s
                sent.append(time.time())
                s.sendall(b"GET / HTTP/1.1\r\nHost: clock\r\nConnection: close\r\n\r\n")
                s.recv(1)
        began = [r["t_ms"] / 1000 for r in self.hub.settled()][-10:]
        return max(wall - own for wall, own in zip(sent, began))

    def job(self, home=None, **rest):
        home = home or self.work / "run"
        return Job(self.hub.hub, self.repo, self.files, home, self.cert[0] if self.kind == "tls" else None, **rest)

    # one run

    def clean(self, client, job):
        if client.keep and job.home.with_name("kept").exists():
            job.home = job.home.with_name("kept")
        elif client.keep:
            job.home = job.home.with_name("kept")
            job.home.mkdir(parents=True)
            run(client.command(job), job.env(), job.home)  # so that there is a file to overwrite
        else:
            shutil.rmtree(job.home, ignore_errors=True)
            job.home.mkdir(parents=True)
        if client.name == "hf-pull again":
            job.state = self.memory / "state"
            if not job.state.exists():
                run(client.command(job), job.env(), job.home)
                shutil.rmtree(job.home)
                job.home.mkdir()

    def run(self, scene, client, number, job=None, check=False, **how):
        """One run, as a row. Servers are settled and logs empty before it; what it left is looked at, then removed."""
        job = job or self.job()
        with self.inside("client"):
            self.clean(client, job)
            self.settle()
            m = run(client.command(job), job.env(), job.home, **how)
            row = {"scene": scene, "client": client.name, "round": number, "code": m.code, "wall_s": m.wall_s, "cpu_s": m.cpu_s,
                   "cpu_s_per_gb": m.cpu_s / job.size * GB, "rss_mib": m.rss_kib / 1024, "anon_mib": m.anon_kib / 1024}
            row.update(self.served(job))
        outputs = client.outputs(job)
        row["wrong"] = self.wrong(m, outputs, job, check)
        row["disk_s"] = m.wall_s + self.to_disk(outputs)
        self.tails(row, m, job)
        self.rows.append(row)
        self.say(f"    {number} {client.name:14} {m.wall_s:8.3f} s  {row['cpu_s_per_gb']:6.3f} cpu s/GB" +
                 (f"  WRONG: {row['wrong']}" if row["wrong"] else ""))
        if not client.keep:
            self.put_away(job)
        return row

    def put_away(self, job):
        """Many files are kept until the very end: ext4 passes over inodes that were freed in the last minutes, one by one,
        and the next program would pay for it."""
        if len(job.files) <= 100:
            shutil.rmtree(job.home)
            return
        (self.work / "away").mkdir(exist_ok=True)
        job.home.rename(self.work / "away" / str(len(self.rows)))

    def settle(self):
        """What earlier runs left for the disk is written before the next one begins."""
        os.sync()
        self.hub.reset()
        self.hub.rules(self.rules)
        self.nginx.skip_log()

    def served(self, job):
        rows = [r for r in self.nginx.settled() if r.bytes > 0 and r.method == "GET" and r.status < 300]
        own = [r for r in self.hub.settled() if r["kind"] == "body" and r["bytes"] > 0]
        total = sum(r.bytes for r in rows) + sum(r["bytes"] for r in own)
        return {"served_bytes": total, "served_ratio": total / job.size, "requests": len(rows) + len(own),
                "hub_requests": len(self.hub.log()),
                "connections": len({r.connection for r in rows}) + len({r["conn"] for r in own}),
                "last_byte_unix_s": max([r.unix_s for r in rows] + self.ends(own), default=None)}

    def ends(self, own):
        return [self.hub_began + r["end_ms"] / 1000 for r in own if "end_ms" in r]

    def wrong(self, m, outputs, job, check):
        """None, or why this run counts for nothing."""
        if m.late:
            return "took too long"
        if m.code != 0:
            return f"exit {m.code}: {(job.home / 'stderr').read_text(errors='replace').strip()[-200:]}"
        for path, size in job.files.items():
            parts = outputs.get(path, [])
            if sum(part.stat().st_size for part in parts if part.exists()) != size:
                return f"{path} is not there, or of another size"
            if check and len(parts) == 1 and path in self.expected and sha256_file(parts[0]) != self.expected[path]:
                return f"{path} has other content"
        return None

    def to_disk(self, outputs):
        begun = time.monotonic()
        if len(outputs) > 100:
            os.sync()  # one fsync each would take longer than all else
            return time.monotonic() - begun
        for parts in outputs.values():
            for part in parts:
                if part.exists():
                    with open(part, "rb") as f:
                        os.fsync(f.fileno())
        return time.monotonic() - begun

    def tails(self, row, m, job):
        last = row.pop("last_byte_unix_s")
        # On a slow line what the server has handed over still waits in queues: nothing can be said of it.
        if not last or row["code"] != 0 or row["scene"].startswith("line"):
            return
        row["tail_exit_s"] = m.ended_unix_s - last
        proved = in_place = 0
        for line in (job.home / "stderr").read_text(errors="replace").splitlines():
            event = json.loads(line) if line.startswith('{"seq"') else {}
            if event.get("type") == "log" and re.search(r": \w+ -> publish$", event.get("text", "")):
                proved = event["unix_ms"] / 1000
            if event.get("file_state") == "proved":
                in_place = event["unix_ms"] / 1000
        if proved:
            row["tail_proved_s"] = proved - last
        if in_place:
            row["tail_in_place_s"] = in_place - last

    # rounds

    def compete(self, scene, names, floor=False, rounds=None, timeout_s=900, **job):
        """All of them, interleaved."""
        self.say(f"  {scene}")
        contenders = [CLIENTS[name] for name in names if not self.only or name in self.only]
        for number in range(rounds or self.rounds):
            order = contenders + (["floor"] if floor else [])
            self.random.shuffle(order)
            for one in order:
                if one == "floor":
                    self.floor(scene, number)
                else:
                    self.run(scene, one, number, self.job(**job), check=number == 0, timeout_s=timeout_s)
        shutil.rmtree(self.work / "kept", ignore_errors=True)

    def floor(self, scene, number):
        """The parts measured apart, by the same clock, from the same server."""
        length = min(GIB, max(self.files.values()))
        content = self.expected[max(self.files, key=self.files.get)]
        os.sync()
        command = [binary("FLOOR", "bench/floor"), self.nginx.address, self.nginx.port["plain"], f"/repos/x/{content}", length,
                   self.work / "floor.bin"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipped[f"{scene}: floor"] = done.stderr.strip()
            return
        parts = json.loads(done.stdout)
        per_gb = {name: parts[name]["cpu_s"] / parts["bytes"] * GB for name in ("recv", "write", "sha256", "blake3")}
        self.rows.append({"scene": scene, "client": "floor", "round": number, "wrong": None, "parts_cpu_s_per_gb": per_gb,
                          "cpu_s_per_gb": sum(per_gb.values())})
        self.say(f"    {number} {'floor':14} {'':10}  {sum(per_gb.values()):6.3f} cpu s/GB")

    def values(self, scene, client, key):
        rows = [r for r in self.rows if r["scene"] == scene and r["client"] == client and not r["wrong"]]
        return [r[key] for r in rows if r.get(key) is not None]

    def median(self, scene, client, key):
        values = self.values(scene, client, key)
        return statistics.median(values) if values else None
