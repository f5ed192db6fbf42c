"""What the daemon says beside its API: progress files, log lines, probes, metrics, its service manager.

Seen red on purpose, each with the daemon broken so:
    progress files written in place            test_progress_files_follow_no_link..
    signs of life ten times as seldom          test_the_service_manager_is_told
    files of an earlier life not known         test_a_progress_file_goes_with_its_job..
    failed or running taken for done           test_ready_when_all_jobs_are_done
    any job counts; the cache not asked; what
    nobody asked for counts; a job under way
    or cancelled taken for a verdict           test_ready_when_these_are_proved
    progress looked at, or heartbeats sent,
    ten times a second                         test_idle_it_sleeps
"""

import json
import os
import re
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client import parser

import disk
import hub
from daemon import Daemon
from lab import MB, REPO

SIZE = 12 * MB
LINE = re.compile(r"Download progress: (\d+)% \((\d+\.\d\d) (kB|MB|GB|TB) / (\d+\.\d\d) (kB|MB|GB|TB)\) \| (\d+) files \| Last update: (\d+)s ago")


@pytest.fixture
def slow(lab):
    return lab.file(SIZE).start(options={"rate": 3 * MB}) and lab


def test_a_progress_file_a_job(slow):
    with Daemon(slow) as daemon:
        job = daemon.add(REPO)
        path, seen = slow.path / f"download_{job}.json", []
        while (state := daemon.job(job))["state"] not in ("done", "failed"):
            if path.exists():
                seen.append((path.stat().st_ino, json.loads(path.read_text())))
            time.sleep(0.05)
        assert state["state"] == "done"
        assert len({inode for inode, _ in seen}) >= 3                    # replaced whole, about once a second
        assert all(set(row) == {"downloaded", "total", "progress", "speed", "eta"} for _, row in seen)
        values = [row["downloaded"] for _, row in seen]
        assert values == sorted(values) and seen[-1][1]["total"] == SIZE
        daemon.wait(job, until=lambda _: json.loads(path.read_text())["progress"] == 100)
        assert [p.name for p in slow.path.glob("download_*")] == [path.name]
        daemon.delete(f"/jobs/{job}")
        daemon.wait_gone = time.monotonic() + 15
        while path.exists():
            assert time.monotonic() < daemon.wait_gone
            time.sleep(0.1)


def test_a_progress_file_goes_with_its_job_also_after_a_kill(slow):
    with Daemon(slow) as daemon:
        job = daemon.add(REPO)
        path = slow.path / f"download_{job}.json"
        assert daemon.wait(job)["state"] == "done"
        daemon.kill()
        path.write_text("{}")                                            # killed before the last figures were written
        daemon.start()
        disk.wait_until(lambda: "progress" in json.loads(path.read_text()))
        assert json.loads(path.read_text())["progress"] == 100
        daemon.kill()
        path.unlink()
        daemon.start()
        time.sleep(1)
        assert not path.exists()                                         # who took it away wants none back
        path.write_text("{}")
        daemon.delete(f"/jobs/{job}")
        disk.wait_until(lambda: not path.exists())


def test_progress_files_follow_no_link_and_their_failure_is_harmless(slow):
    precious = slow.path / "precious"
    precious.write_text("keep me")
    with Daemon(slow) as daemon:
        job = daemon.add(REPO)
        path = slow.path / f"download_{job}.json"
        daemon.wait(job, ("downloading",))
        path.unlink(missing_ok=True)
        path.symlink_to(precious)
        daemon.wait(job)
        assert precious.read_text() == "keep me" and stat.S_ISREG(os.lstat(path).st_mode)
    with Daemon(slow, "--progress-dir", slow.path / "nowhere", data=slow.path / "data2") as daemon:
        assert daemon.wait(daemon.post("/jobs", {"repo": REPO, "force": True}).json["id"])["state"] == "done"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_line(slow, form):
    with Daemon(slow, "--log-format", form, "--log-interval", "1") as daemon:
        daemon.wait(daemon.add(REPO))
        lines = [json.loads(line)["message"] if form == "json" else line for line in daemon.lines]
    found = [LINE.fullmatch(line) for line in lines if line.startswith("Download progress")]
    assert len(found) >= 2 and all(found), lines
    assert all(m[3] == m[5] == "MB" and m[4] == "12.00" and m[6] == "1" for m in found)
    assert [int(m[1]) for m in found] == sorted(int(m[1]) for m in found)
    if form == "json":
        rows = [json.loads(line) for line in daemon.lines]
        assert all({"time", "level", "message"} <= set(row) for row in rows)
        assert any(row.get("job", "").startswith("j_") and "done" in row["message"] for row in rows)


def test_ready_when_all_jobs_are_done(slow):
    with Daemon(slow) as daemon:
        assert daemon.get("//readyz").status == 200
        job = daemon.add(REPO)
        answer = daemon.get("//readyz")
        assert answer.status == 503 and answer.json == {"ready": False, "missing": 1} and REPO not in str(answer)
        daemon.wait(job)
        assert daemon.get("//readyz").status == 200
        daemon.wait(daemon.add("org/none"))
        assert daemon.get("//readyz").status == 503                     # failed is not done


def test_ready_when_these_are_proved(slow):
    with Daemon(slow, "--ready", REPO) as daemon:
        time.sleep(0.5)
        assert daemon.get("//readyz").status == 503                     # nobody has asked for it yet
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["recorded_bytes"] > 0)
        assert daemon.get("//readyz").status == 503                     # under way is not proved,
        daemon.post(f"/jobs/{job}/cancel")
        assert daemon.wait(job)["state"] == "cancelled" and daemon.get("//readyz").status == 503    # nor is this
        daemon.post(f"/jobs/{job}/retry")
        assert daemon.wait(job, ("done", "failed"))["state"] == "done"
        assert daemon.get("//readyz").status == 200
        again = daemon.add(REPO, force=True)                            # what is proved stays so until a job says otherwise
        daemon.wait(again, ("downloading",))
        assert daemon.get("//readyz").status == 200
        daemon.post(f"/jobs/{again}/cancel")
        assert daemon.wait(again)["state"] == "cancelled" and daemon.get("//readyz").status == 200
    with Daemon(slow, "--ready", REPO, data=slow.path / "data2") as daemon:
        deadline = time.monotonic() + 10                                # another queue: it is in the cache
        while daemon.get("//readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert daemon.get("/jobs").json["total"] == 0


def parse_metrics(text):
    """Figures by name and labels. The format is judged by Prometheus' own parser below."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics(slow):
    with Daemon(slow) as daemon:
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["recorded_bytes"] > 2 * MB)
        answer = daemon.get("//metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        rows = parse_metrics(answer.body.decode())
        assert rows['hfpulld_jobs{state="downloading"}'] == 1 and rows["hfpulld_rate_bytes_per_second"] > 0
        daemon.wait(job)
        text = daemon.get("//metrics").body.decode()
        families = {f.name: f for f in parser.text_string_to_metric_families(text)}
        assert parse_metrics(text)["hfpulld_received_bytes_total"] >= SIZE
        assert families["hfpulld_jobs_done"].type == "counter" and families["hfpulld_jobs"].type == "gauge"
        assert all(f.documentation and f.type in ("counter", "gauge") for f in families.values())
        assert REPO not in text


def test_the_service_manager_is_told(slow):
    path = slow.path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(10)
        with Daemon(slow, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": 2_000_000}) as daemon:
            assert manager.recv(100) == b"READY=1"
            beats = []
            while len(beats) < 4:
                assert manager.recv(100) == b"WATCHDOG=1"
                beats.append(time.monotonic())
            assert 2 < beats[-1] - beats[0] < 5                         # each second: half of what was asked
            assert daemon.get("//healthz").status == 200
            manager.settimeout(0.1)
        said = []
        try:
            while True:
                said.append(manager.recv(100))
        except TimeoutError:
            pass
        assert said[-1] == b"STOPPING=1"


def wake_ups(daemon, seconds=7):
    """A second, of all its threads."""
    switches = lambda: sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", p.read_text())[1])
                           for p in Path(f"/proc/{daemon.process.pid}/task").glob("*/status"))
    before, begun = switches(), time.monotonic()
    time.sleep(seconds)
    return (switches() - before) / (time.monotonic() - begun)


def settle(daemon):
    """What a start, or the end of a job, still has to do is done: nobody woke up for a second."""
    disk.wait_until(lambda: wake_ups(daemon, 1) == 0, what="a second without a wake-up")


def test_idle_it_sleeps(lab):
    """G12: less than one wake-up a second when nothing runs and nobody listens; a few when somebody does."""
    lab.file(MB).start()
    with Daemon(lab) as daemon:
        daemon.wait(daemon.add(REPO))
        time.sleep(6)                                                    # connections are kept for the next job for a while
        settle(daemon)
        assert wake_ups(daemon) < 1
        pages = [daemon.events() for _ in range(5)]
        pages[-1].wait(lambda rows: rows)
        time.sleep(1)
        assert wake_ups(daemon) < 3                                      # the network's figures are sampled once a second then
        for page in pages:
            page.close()
        daemon.kill()
        daemon.start()
        settle(daemon)
        assert wake_ups(daemon) < 1                                      # with an ended job on the list


def test_serve_is_the_same_program(lab):
    version = subprocess.run([hub.binary("HF_PULL", "hf-pull"), "serve", "--version"], capture_output=True, text=True)
    assert version.returncode == 0 and version.stdout.startswith("hf-pulld "), version
    late = subprocess.run([hub.binary("HF_PULL", "hf-pull"), "-q", "serve"], capture_output=True, text=True)
    assert late.returncode == 2 and "first word" in late.stderr
