"""What the machine's line and the jobs carry, told by the daemon.

Seen red on purpose, each with the daemon broken so:
    loopback summed                              test_rates_are_those_of_the_wire..
    samples while nobody listens                 test_rates_are_those_of_the_wire..
    three events a second                        test_rates_are_those_of_the_wire..
    the quota told as if nothing of it was used  test_jobs_on_the_line..
    own limits not judged                        test_jobs_on_the_line..
    the reason of a wait not told by the engine  test_what_stands_in_the_way.. (proxy)
    connections that we hold back not looked at  test_a_disk_that_takes_less..
    all cores of the machine taken for ours      test_a_processor_of_which_little..
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import disk
from daemon import Daemon
from lab import MB, REPO

# In two networks of their own, joined by a pair of Ethernet ends: what one sends is all that the other receives.
SENDER = """
import socket, sys, time
s, sent, begun = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0, time.monotonic()
packet = bytes(1458)                     # with UDP, IP and Ethernet 1,500 bytes on the wire
while True:
    while sent < (time.monotonic() - begun) * 2_000_000:
        sent += 1500 * (s.sendto(packet, ("10.77.0.1", 9)) > 0)
    time.sleep(0.005)
"""
INSIDE = """
import json, socket, subprocess, sys, threading, time, types
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from daemon import Daemon
def ip(*words): subprocess.run(["ip", *words], check=True)
other = subprocess.Popen(["unshare", "--net", "sleep", "100"])
while open(f"/proc/{other.pid}/comm").read() != "sleep\\n": time.sleep(0.01)
ip("link", "set", "lo", "up")
ip("link", "add", "here0", "type", "veth", "peer", "name", "there0")
ip("link", "set", "there0", "netns", str(other.pid))
ip("addr", "add", "10.77.0.1/24", "dev", "here0"); ip("link", "set", "here0", "up")
there = ["nsenter", "-t", str(other.pid), "-n"]
subprocess.run(there + ["sh", "-c", "ip addr add 10.77.0.2/24 dev there0 && ip link set there0 up"], check=True)
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sink.bind(("10.77.0.1", 9))
lab = types.SimpleNamespace(path=Path(sys.argv[2]), home=Path(sys.argv[2]) / "home", server=None)
out = {}
with Daemon(lab) as daemon:
    ask = lambda path="//api/system/network": daemon.get(path).json
    begun = time.monotonic()
    out["first"], out["first_s"] = ask(), time.monotonic() - begun
    sender = subprocess.Popen(there + [sys.executable, "-c", sys.argv[3]])
    loud = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)          # and as much again, over loopback
    stop = threading.Event()
    def shout():
        while not stop.is_set():
            loud.sendto(bytes(30000), ("127.0.0.1", 9)); time.sleep(0.005)
    threading.Thread(target=shout, daemon=True).start()
    time.sleep(0.3)
    out["quiet"] = ask("/network/history")
    events, out["begun"] = daemon.events(), time.monotonic()
    events.wait(lambda rows: len([r for r in rows if r[1] == "network"]) >= 7)
    out["rows"] = [(r[2], r[3]) for r in events.rows if r[1] == "network"]
    out["now"] = ask()
    out["hour"], out["day"] = ask("/network/history?span=hour"), ask("/network/history?span=day")
    out["week"] = daemon.get("/network/history?span=week").status
    stop.set()
    events.close(); sender.kill(); sender.wait()
    out["after"] = []
    for _ in range(16):                   # a reader that left is missed at the second write to it: a heartbeat, if nothing moves
        out["after"].append(len(ask("/network/history")["interfaces"]["here0"]))
        if out["after"][-1:] == out["after"][-2:-1]: break
        time.sleep(1.3)
other.kill(); other.wait()
print(json.dumps(out))
"""


def test_rates_are_those_of_the_wire_without_loopback(lab):
    lab.path.mkdir(exist_ok=True)
    run = subprocess.run(["unshare", "--net", sys.executable, "-c", INSIDE, Path(__file__).parent, lab.path, SENDER],
                         capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run
    out = json.loads(run.stdout)
    assert out["first"]["rx_bytes_per_s"] < 20_000 and 0.15 < out["first_s"] < 2
    assert out["quiet"]["interfaces"] == {}, "nobody listened: nothing was sampled"
    rates = [row["rx_bytes_per_s"] for row, _ in out["rows"][2:]]
    assert 1_700_000 < sum(rates) / len(rates) < 2_300_000, rates  # a sender that had to wait catches up in the next second
    assert len(out["rows"]) <= out["rows"][-1][1] - out["begun"] + 2, "at most once a second"
    now = out["now"]
    assert [one["name"] for one in now["interfaces"]] == ["here0"], "loopback is not shown"
    assert now["rx_bytes_per_s"] == now["interfaces"][0]["rx_bytes_per_s"] and now["jobs"] == [] and now["hub_quota"] is None
    points = out["hour"]["interfaces"]["here0"]
    assert out["hour"]["step_s"] == 1 and len(points) >= 3
    assert [p[0] for p in points] == sorted({p[0] for p in points}) and 1_700_000 < sum(p[1] for p in points[2:]) / len(points[2:]) < 2_300_000
    assert out["day"]["step_s"] == 60 and len(out["day"]["interfaces"]["here0"]) in (1, 2)
    assert out["week"] == 400
    assert out["after"][-1] == out["after"][-2], (out["after"], "nobody listens: no sample")


def test_jobs_on_the_line_and_what_limits_them(lab):
    """Connections by state, fronts, the Hub's quota, marks; and each limit as it is set, and goes."""
    lab.file(60 * MB).start(options={"rate": 4 * MB, "quota-api": 500, "quota-window": 300})
    with Daemon(lab) as daemon:
        job = daemon.add(REPO, limit_bytes_per_s=MB)
        limits = lambda what: daemon.wait(job, until=lambda j: j["limited_by"]["what"] == what or j["state"] == "done", timeout=20)
        assert limits("own_limit")["limited_by"] == {"what": "own_limit", "text": "this job's limit, 1.0 MB/s"}
        line = daemon.get("//api/system/network").json
        assert [row["id"] for row in line["jobs"]] == [job]
        row = line["jobs"][0]
        states = row["connections"]
        assert states["open"] >= 1 and states["idle"] + states["connecting"] + states["silent"] <= states["open"]
        assert row["fronts"][0]["address"] == "127.0.0.1" and row["fronts"][0]["family"] == "IPv4" and row["fronts"][0]["rtt_us"] > 0
        quota = line["hub_quota"]
        assert quota["limit"] == 500 and 490 <= quota["remaining"] < 500 and 0 < quota["resets_s"] <= 300
        daemon.patch(f"/jobs/{job}", {"limit_bytes_per_s": 0})
        assert limits("line")["limited_by"]["text"].startswith("the line (")
        daemon.wait(job, until=lambda j: daemon.get("/settings").json["hosts"] or j["state"] == "done")
        hosts = daemon.get("/settings").json["hosts"]
        assert [h["host"] for h in hosts] == [f"127.0.0.1:{lab.server.cdn_port}"] and 1 <= hosts[0]["connections"] <= 16
        assert hosts[0]["rate_bytes_per_s"] > 0
        daemon.post(f"/jobs/{job}/cancel")
        daemon.wait(job, until=lambda j: j["ended_unix_ms"])
        marks = daemon.get("/network/history").json["marks"]
        assert [mark[1:] for mark in marks] == [["start", job, REPO], ["end", job, REPO]] and marks[0][0] < marks[1][0]
        daemon.stop()
        daemon.start()
        again = daemon.get("/network/history").json
        assert again["marks"] == marks and again["interfaces"] == {}, "marks are the jobs' own, points are in memory"


@pytest.mark.parametrize("args, rules, what, words", [
    (["--proxy", "http://127.0.0.1:9"], [], "proxy", "the proxy: "),
    ([], [{"match": {"kind": "body"}, "do": {"http429": {"retry_after": 30}}}], "hub_quota", "slow down"),
    ([], [{"match": {"kind": "body"}, "do": {"stall_after": 2_000_000}}], "cdn", "no bytes on 1 connection"),
])
def test_what_stands_in_the_way_is_named(lab, args, rules, what, words):
    lab.file(6 * MB).start(rules)
    with Daemon(lab, *args) as daemon:
        job = daemon.wait(daemon.add(REPO), until=lambda j: j["limited_by"]["what"] == what, timeout=20)
        assert words in job["limited_by"]["text"], job["limited_by"]
        assert job["error"] is None or job["error"]["code"] in ("E_PROXY", "E_BUSY")


def limited(daemon, job, what):
    """What limits the job, once it is this for 30 looks in a row."""
    seen = []
    def steady(j):
        seen.append(j["limited_by"]["what"])
        return j["state"] in ("done", "failed", "cancelled") or seen[-30:].count(what) == 30
    ended = daemon.wait(job, until=steady, timeout=40)
    assert ended["limited_by"]["what"] == what, (ended["limited_by"], seen[-30:])
    return ended["limited_by"]["text"]


def test_a_disk_that_takes_less_than_comes_is_named(lab, tmp_path):
    """4 MB/s is all it writes; the line brings what it is asked for."""
    lab.file(100 * MB).start()
    with disk.loop_disk("ext4", tmp_path / "slow") as folder, Daemon(lab, home=folder / "home") as daemon:
        device = os.stat(folder).st_dev
        name = f"{os.major(device)}:{os.minor(device)}"
        with disk.held_down(daemon.process, "blkio", ("blkio.throttle.write_bps_device", f"{name} {4 * MB}"),
                            ("io.max", f"{name} wbps={4 * MB}")):
            job = daemon.add(REPO)
            assert "disk: " in limited(daemon, job, "disk")
        daemon.post(f"/jobs/{job}/cancel")


def test_a_processor_of_which_little_is_ours_is_named(lab):
    """As in a container with 3 % of a core: all of that at work is all there is, whatever the machine has beside."""
    lab.file(400 * MB).start()
    with Daemon(lab) as daemon:
        with disk.held_down(daemon.process, "cpu", ("cpu.cfs_quota_us", "3000"), ("cpu.max", "3000 100000")):
            job = daemon.add(REPO)
            assert "of what we may use of it" in limited(daemon, job, "cpu")
        daemon.post(f"/jobs/{job}/cancel")
