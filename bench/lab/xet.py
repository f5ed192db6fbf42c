"""Programs on a repository in Xet storage: the official local CAS server, the fakehub as the Hub in front of it.

Servers and programs live in a network namespace of their own, so that the counters of its loopback are what went over the
wire, in both directions: the official server keeps no log of bytes. wire_bytes of a row is that, the Hub's answers included.
"""
import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .clients import Client, Job, hf, hf_pull
from .goals import Goals, ratio
from .measure import bytes_written, run
from .rounds import GB, GIB, MIB, Lab
from .servers import TOP, FakeHub, binary

sys.path.insert(0, str(TOP / "tests/peers"))
import casdata  # noqa: E402  (tests/scenario, on the path since .servers)
from official_cas import OfficialCas  # noqa: E402

CLONE_NEWNET = 0x40000000  # linux/sched.h
OLD, NEW = "main", "next"
SHARE = 0.02     # of the new revision's bytes are others
HEADERS = 0.002  # of TCP and IP, with a loopback's packets and their answers
SLACK = 100_000  # of a repair's traffic: listing, token, reconstruction, TCP's own


def own_network():
    """From here on this process and its children have a network of their own, which is a loopback and nothing else."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "bench/xet needs root, for a network namespace of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wire():
    """Bytes over this network until now. /sys shows the network of who mounted it, /proc one's own."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    raise OSError("no loopback")


def with_xet(command, **env):
    """The same command; what the Job's environment says of Xet does not hold."""
    words = ["HF_HUB_DISABLE_XET=0", *(f"{name}={value}" for name, value in env.items())]
    return lambda job: ["env", *words, *command(job), *(["--revision", job.revision] if job.revision != OLD else [])]


XET_CLIENTS = {c.name: c for c in (
    Client("hf-pull", "--xet on: proved, fdatasync, in the cache", with_xet(lambda job: [*hf_pull(job), "--xet", "on"]), proves=True, cache=True),
    Client("hf", "huggingface_hub 2.4.0 with hf_xet 1.8.0, nothing proved", with_xet(hf), cache=True),
    Client("hf high", "the same with HF_XET_HIGH_PERFORMANCE=1", with_xet(hf, HF_XET_HIGH_PERFORMANCE=1), cache=True),
)}


class XetLab(Lab):
    """One repository, org/one, in two revisions; the second was uploaded on top of the first, as its author would."""

    def make(self, program):
        self.content.config("org/one", xet=True, lfs_over=0, commits={rev: {"dir": rev} for rev in (OLD, NEW)},
                            refs={rev: rev for rev in (OLD, NEW)})
        self.at = {rev: self.content.root / "models/org/one" / rev / "model.safetensors" for rev in (OLD, NEW)}
        for path in self.at.values():
            path.parent.mkdir()
        self.say("two revisions, uploaded by hf_xet")
        casdata.write_weights(self.at[OLD], self.size(GIB))
        casdata.write_changed(self.at[NEW], self.at[OLD], SHARE)
        self.store = casdata.CasData(self.memory / "cas")
        ids = self.store.add(*([path] for path in self.at.values()))
        os.environ["HFP_CAS_SERVER"] = str(program)
        self.cas = OfficialCas(self.memory / "official").__enter__()
        if self.cas.upload(*([path] for path in self.at.values())) != ids:
            raise RuntimeError("the same files have other ids on the two servers")
        self.records = {xorb: self.store.records(xorb) for xorb in self.store.xorbs()}
        self.chunks = {rev: {(xorb, i): self.records[xorb][i].end - self.records[xorb][i].at
                             for xorb, first, end in self.store.terms(path) for i in range(first, end)} for rev, path in self.at.items()}

    @contextlib.contextmanager
    def serving(self):
        options = {"hash-cache": self.memory / "hashes", "cas-data": self.store.path}
        try:
            with FakeHub(self.content.root, options=options | {"cas-url": self.cas.url}) as self.official, \
                 FakeHub(self.content.root, options=options) as self.own:
                self.hub = self.official
                yield self
        finally:
            self.cas.__exit__()

    def job(self, rev, keep=False):
        """To a fresh home; keep: to that of the job before."""
        entries, home = self.hub.tree("org/one", rev), self.work / "run"
        self.expected = {path: entry["lfs"]["oid"] for path, entry in entries.items()}
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
        return Job(self.hub.hub, "org/one", {path: entry["size"] for path, entry in entries.items()}, home, revision=rev)

    def contenders(self):
        found = [c for c in XET_CLIENTS.values() if not self.only or c.name in self.only]
        self.random.shuffle(found)
        return found

    def before(self, command, job, **how):
        """A run that prepares the one that counts."""
        m = run(command, job.env(), job.home, **how)
        if m.code != 0 and not m.stopped:
            raise RuntimeError(f"{command}: {(job.home / 'stderr').read_text(errors='replace')}")
        return m

    def measured(self, scene, client, number, job, command=None):
        os.sync()
        self.hub.reset()
        began = wire()
        m = run(command or client.command(job), job.env(), job.home)
        count = wire() - began
        row = {"scene": scene, "client": client.name, "round": number, "code": m.code, "wall_s": m.wall_s, "cpu_s": m.cpu_s,
               "cpu_s_per_gb": m.cpu_s / job.size * GB, "rss_mib": m.rss_kib / 1024, "anon_mib": m.anon_kib / 1024,
               "wire_bytes": count, "wire_ratio": count / sum(self.chunks[job.revision].values()),
               "http_requests": len([r for r in self.hub.settled() if r["kind"] == "body"])}
        outputs = client.outputs(job)
        row["wrong"] = self.wrong(m, outputs, job, True)
        row["disk_s"] = m.wall_s + self.to_disk(outputs)
        self.rows.append(row)
        self.say(f"    {number} {client.name:10} {m.wall_s:8.3f} s  {row['cpu_s_per_gb']:6.3f} cpu s/GB  {row['anon_mib']:6.1f} MiB  "
                 f"{count / 1e6:9.2f} MB" + (f"  WRONG: {row['wrong']}" if row["wrong"] else ""))
        shutil.rmtree(job.home)


def first(lab):
    """A first pull of 1 GiB like bf16 weights: from the official server, and from the fakehub's own CAS, which costs less to ask."""
    for number in range(lab.rounds):
        for scene, lab.hub in (("first", lab.official), ("first-fakehub", lab.own)):
            for client in lab.contenders():
                lab.measured(scene, client, number, lab.job(OLD))
    lab.hub = lab.official


def revision(lab):
    """The new revision, 2 % of it changed, where the program has brought the old one before."""
    for number in range(lab.rounds):
        for client in lab.contenders():
            job = lab.job(OLD)
            lab.before(client.command(job), job)
            lab.measured("revision", client, number, lab.job(NEW, keep=True))


def resume(lab):
    """Kill -9 when half of 1 GiB is written, then the same command again: the row is that second run."""
    for number in range(lab.rounds):
        for client in lab.contenders():
            job = lab.job(OLD)
            half = job.size // 2
            if not lab.before(client.command(job), job, stop_when=lambda pid: bytes_written(pid) >= half).stopped:
                lab.skipped["resume"] = f"{client.name} was done before it could be killed"
                continue
            lab.measured("resume", client, number, job)


def flip(path):
    """One bit in the middle, of a blob that is somebody's; the time of change is put back, as a dying disk leaves it."""
    path, about = path.resolve(), path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as f:
        f.seek(about.st_size // 2)
        byte = f.read(1)[0]
        f.seek(about.st_size // 2)
        f.write(bytes([byte ^ 4]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def repair(lab):
    """One bit flipped in the finished file: of hf-pull's own, by its receipt; and of what hf brought, by the Xet store."""
    ours = XET_CLIENTS["hf-pull"]
    for number in range(lab.rounds):
        for scene, owner in (("repair-own", ours), ("repair-other", XET_CLIENTS["hf"])):
            job = lab.job(OLD)
            lab.before(owner.command(job), job)
            for parts in ours.outputs(job).values():
                flip(parts[0])
            lab.measured(scene, ours, number, job, with_xet(lambda job: [binary("HF_PULL", "hf-pull"), "repair", job.repo])(job))


XET_SCENES = {f.__name__: f for f in (first, revision, resume, repair)}


class XetGoals(Goals):
    def all(self):
        m = self.m
        self.add("G4", "RssAnon MiB, Xet, worst of all runs", self.peak("anon_mib", ""), 96, "{:.1f}")
        own, other = m("repair-own", "hf-pull", "wire_bytes"), m("repair-other", "hf-pull", "wire_bytes")
        longest = max(records[-1].end for records in self.lab.records.values())
        self.add("G8", "a bit of our own file: MB on the wire", own / 1e6 if own else None, (MIB + SLACK) / 1e6)
        self.add("G8", "a bit of another tool's file: MB on the wire", other / 1e6 if other else None, (longest * (1 + HEADERS) + SLACK) / 1e6)
        new = sum(size for chunk, size in self.lab.chunks[NEW].items() if chunk not in self.lab.chunks[OLD])
        self.add("G9", f"new revision: wire / {new / 1e6:.2f} MB that nobody has here", ratio(m("revision", "hf-pull", "wire_bytes"), new), 1.05)
        for rival in ("hf", "hf high"):
            self.add("G10", f"cpu / {rival}", ratio(m("first", "hf-pull", "cpu_s_per_gb"), m("first", rival, "cpu_s_per_gb")), 0.45)
            self.add("G10", f"RssAnon / {rival}", ratio(m("first", "hf-pull", "anon_mib"), m("first", rival, "anon_mib")), 0.1)
            for scene, server in (("first-fakehub", "the server not the limit"), ("first", "official server")):
                self.add("G10", f"wall / {rival}, {server}", ratio(m(scene, "hf-pull", "wall_s"), m(scene, rival, "wall_s")), 0.6)
        return self.rows
