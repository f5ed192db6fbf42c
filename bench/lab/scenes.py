"""What is measured. Every scene makes its content, serves it, lets the programs compete, and clears up."""
import contextlib
import shutil
import time
from pathlib import Path

from .clients import CLIENTS
from .line import SERVER, Line, NoLine
from .measure import bytes_written, run
from .rounds import GB, GIB, MIB
from .servers import binary

CAP = 2 * MIB    # bytes per second of a connection. By the fakehub: nginx's limit_rate counts each request anew and gives
                 # every one its first second's bytes at once, so many short requests would escape it
TAIL = 20 * MIB  # the same: sixteen together stay far below what SHA-256 takes in
FAST = ["hf-pull", "curl", "curl keep", "curl+dgst", "aria2c", "hf", "hf_transfer"]


def one(lab):
    """4 GiB in one file, loopback, plain HTTP and TLS."""
    lab.content.repo("org/one", {"model.safetensors": lab.size(4 * GIB)}, seed=10)
    for kind in ("plain", "tls"):
        with lab.serving(kind, "org/one"):
            lab.compete(f"one-{kind}", FAST, floor=kind == "plain")


def six(lab):
    """6 x 512 MiB, loopback, plain HTTP and TLS."""
    lab.content.repo("org/six", {f"model-{i:05}-of-00006.safetensors": lab.size(512 * MIB) for i in range(1, 7)}, seed=20)
    for kind in ("plain", "tls"):
        with lab.serving(kind, "org/six"):
            lab.compete(f"six-{kind}", FAST)


def cap(lab):
    """2 MiB/s per connection (by the fakehub), 1 GiB: what sixteen connections make of it."""
    lab.content.repo("org/one", {"model.safetensors": lab.size(GIB)}, seed=10)
    with lab.serving(None, "org/one", **{"conn-rate": CAP}):
        lab.compete("cap", ["hf-pull", "hf-pull again", "curl x8", "curl x16", "aria2c"], rounds=min(3, lab.rounds))


def line(lab):
    """100 Mbit/s (256 MiB) and 1 Gbit/s (2 GiB) by htb, each also with 50 ms of round trip."""
    for rate, full in ((100, 256 * MIB), (1000, 2 * GIB)):
        lab.content.repo("org/one", {"model.safetensors": lab.size(full)}, seed=10)
        for rtt in (0, 50):
            name = f"line-{rate}-{rtt}ms"
            try:
                with Line(binary("DELAY", "bench/delay"), rate, rtt) as way:
                    with lab.serving("plain", "org/one", inside=way.at, address=SERVER):
                        lab.compete(name, ["hf-pull", "hf-pull again", "curl x1", "curl x4", "curl x16", "aria2c"],
                                    rounds=min(3, lab.rounds))
            except NoLine as why:
                lab.skipped[name] = str(why)
                lab.say(f"  {name} skipped: {why}")
        lab.content.clear()


def small(lab):
    """2,000 files of 2 to 20 KB; the fakehub delays the headers of every answer by 0, 20, 50 ms."""
    lab.content.config("org/small", generated_many={"count": lab.count(2000), "prefix": "f", "suffix": ".json", "size_min": 2000,
                                                    "size_max": 20000, "seed": 30, "lfs": False})
    for latency in (0, 20, 50):
        with lab.serving(None, "org/small", latency=latency):
            lab.compete(f"small-{latency}ms", ["hf-pull", "curl many", "aria2c", "hf"])


def many(lab):
    """200,000 files of 100 to 300 bytes: memory of the whole pull, listing included."""
    lab.content.config("org/many", generated_many={"count": lab.count(200_000), "prefix": "f", "suffix": ".txt", "size_min": 100,
                                                   "size_max": 300, "seed": 40, "lfs": False})
    with lab.serving(None, "org/many"):
        lab.compete("many", ["hf-pull"], rounds=1, timeout_s=3600)


def resume(lab):
    """4 GiB; kill -9 when half is written, then the same command again. The row is the second run's, bytes are of both."""
    lab.content.repo("org/one", {"model.safetensors": lab.size(4 * GIB)}, seed=10)
    with lab.serving("plain", "org/one"):
        lab.say("  resume")
        for number in range(min(3, lab.rounds)):
            names = [n for n in ("hf-pull", "curl -C -", "aria2c", "hf", "hf_transfer") if not lab.only or n in lab.only]
            lab.random.shuffle(names)
            for name in names:
                resume_one(lab, CLIENTS[name], number)


def resume_one(lab, client, number):
    job = lab.job()
    lab.clean(client, job)
    lab.settle()
    half = job.size // 2
    first = run(client.command(job), job.env(), job.home, stop_when=lambda pid: bytes_written(pid) >= half)
    before = lab.served(job)["served_bytes"]
    m = run(client.command(job), job.env(), job.home)
    after = lab.served(job)
    row = {"scene": "resume", "client": client.name, "round": number, "code": m.code, "wall_s": m.wall_s, "cpu_s": m.cpu_s,
           "cpu_s_per_gb": m.cpu_s / job.size * GB, "rss_mib": m.rss_kib / 1024, "anon_mib": m.anon_kib / 1024,
           "killed": first.stopped, "first_wall_s": first.wall_s, "before_bytes": before, **after,
           "again_bytes": after["served_bytes"] - job.size}
    row.pop("last_byte_unix_s")
    row["wrong"] = lab.wrong(m, client.outputs(job), job, True) or (None if first.stopped else "was done before it was killed")
    lab.rows.append(row)
    lab.say(f"    {number} {client.name:14} {m.wall_s:8.3f} s after the kill  {row['again_bytes'] / MIB:8.1f} MiB again" +
            (f"  WRONG: {row['wrong']}" if row["wrong"] else ""))
    shutil.rmtree(job.home)


def tail(lab):
    """64 MiB, 1 GiB, 4 GiB at 20 MiB/s a connection, so that neither hash nor line is the limit: last byte to proved.
    Into the disk's cache, and into memory, where fdatasync costs nothing."""
    for label, full in (("64MiB", 64 * MIB), ("1GiB", GIB), ("4GiB", 4 * GIB)):
        lab.content.repo("org/one", {"model.safetensors": lab.size(full)}, seed=10)
        with lab.serving(None, "org/one", **{"conn-rate": TAIL}):
            lab.compete(f"tail-{label}-disk", ["hf-pull"], trace=True)
            lab.compete(f"tail-{label}-memory", ["hf-pull"], home=lab.memory / "run", trace=True)
        lab.content.clear()


def start(lab):
    """One file of 10 KB, 40 times: from the start of the program to its end. No latency."""
    lab.content.config("org/tiny", generated=[{"path": "config.json", "size": 10_000, "seed": 50, "lfs": False}])
    with lab.serving(None, "org/tiny"):
        lab.compete("start", ["hf-pull", "curl", "hf"], rounds=40 if lab.rounds > 2 else 10)


GROUP = Path("/sys/fs/cgroup/memory/hfp-bench")


@contextlib.contextmanager
def memory_group(limit):
    """A memory cgroup (version 1) of `limit` bytes; gives its procs file. OSError where there is none."""
    GROUP.mkdir()
    try:
        (GROUP / "memory.limit_in_bytes").write_text(str(limit))
        yield GROUP / "cgroup.procs"
    finally:
        for _ in range(50):
            try:
                GROUP.rmdir()
                break
            except OSError:
                time.sleep(0.1)  # its last process is still being taken away


def group_facts():
    killed = [line.split()[1] for line in (GROUP / "memory.oom_control").read_text().splitlines() if line.startswith("oom_kill ")]
    return {"group_peak_mib": int((GROUP / "memory.max_usage_in_bytes").read_text()) / MIB,
            "group_failcnt": int((GROUP / "memory.failcnt").read_text()), "group_oom_kills": int(killed[0]) if killed else None}


def memory(lab):
    """8 GB written by a program in a memory cgroup of 128 MiB, and outside of it."""
    lab.content.repo("org/eight", {"model.safetensors": lab.size(8 * GB)}, seed=60)
    with lab.serving("plain", "org/eight"):
        lab.compete("memory-free", ["hf-pull", "curl"], rounds=min(2, lab.rounds))
        lab.say("  memory-128MiB")
        for number in range(min(2, lab.rounds)):
            for name in ("hf-pull", "curl"):
                if lab.only and name not in lab.only:
                    continue
                try:
                    with memory_group(128 * MIB) as group:
                        row = lab.run("memory-128MiB", CLIENTS[name], number, check=number == 0, group=group)
                        row.update(group_facts())
                except OSError as why:
                    lab.skipped["memory-128MiB"] = f"no memory cgroup of version 1 can be made: {why}"
                    lab.say(f"  memory-128MiB skipped: {why}")
                    return


FAULTS = [
    {"match": {"kind": "body", "every": 7}, "do": {"reset_after": 700_000}, "note": "resets"},
    {"match": {"kind": "body", "every": 11}, "do": {"status": 503}, "note": "refusals"},
    {"match": {"kind": "body", "every": 13}, "do": {"close_after": 1_500_000}, "note": "cut off"},
    {"match": {"kind": "body", "every": 29}, "do": {"stall_after": 300_000, "stall_ms": 60_000}, "note": "silence"},
]
LIE = [{"match": {"kind": "body", "max_first": 0, "nth": [1]}, "do": {"garbage": {"from": 1_000_000, "to": 1_100_000}}}]


def faults(lab):
    """512 MiB over a CDN that resets, refuses, cuts off, falls silent: bytes beyond the content. Then one that lies once: the Hub has
    no hash of parts, so finding the wrong block means fetching others a second time."""
    size = lab.size(512 * MIB)
    lab.content.config("org/bad", generated=[{"path": "model.safetensors", "size": size, "seed": 70, "lfs": True}])
    for name, rules in (("faults", FAULTS), ("faults-lie", LIE)):
        with lab.serving(None, "org/bad", rules=rules, **{"conn-rate": 40 * MIB}):
            lab.compete(name, ["hf-pull"])


SCENES = {f.__name__: f for f in (one, six, start, small, tail, cap, line, resume, faults, memory, many)}
