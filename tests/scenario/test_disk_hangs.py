"""The cache lies on a disk that stops answering (a file server that is gone) while something writes, syncs or reads there:
the program ends when it is told to, says what it could not wait for, and nothing is lost that was recorded.

Threads that hang so cannot be ended, only left behind with the process.

Seen red on purpose, each with the program broken so:
    no bound on the end of the daemon                       test_the_daemon_ends..
    what it left behind not named, as it once was           test_the_daemon_ends..
    no alarm after a signal                                 test_a_signal_ends_a_pull[..-1]
    the second signal taken for the first                   test_a_signal_ends_a_pull[..-2]
    the progress file written by the loop, as it once was   test_a_progress_file_on_such_a_disk.. (both)
    signals held back while it looks, as it once was        test_a_watch_of_such_a_folder..
    the cursor hidden while it looks                        test_and_gives_the_terminal_its_cursor_back
    a file counted when all of it was read, as it once was  test_a_slow_verify_moves..
"""

import json
import os
import pty
import re
import signal
import time
from pathlib import Path

import pytest

import fuse
import hub
from daemon import Daemon
from disk import end, hanging, wait_until
from lab import MB, REPO

SIZE = 24 * MB
BOUND_S = 4  # it is 2 s, and a busy machine ends no process at once
WAYS = ["write", "fsync", "read"]


def stop_at(fs, way):
    """The disk hangs in the middle of the file, once all of it is written, or while it is read again."""
    seen = {"read": 0}

    def after(number):
        seen["read"] += number == fuse.READ
        if (way == "write" and fs.written > SIZE // 3 or way == "fsync" and fs.written >= SIZE
                or way == "read" and seen["read"] > 30):
            fs.hangs.set()
    fs.after = after


@pytest.fixture
def world(lab):
    """A hub that has the file, and a cache on the disk that hangs."""
    lab.file(SIZE).start()
    with hanging(lab.home / "hub") as fs:
        yield lab, fs
        fs.after = None
        fs.hangs.clear()


def begin(lab, fs, way):
    """The verb, with everything ready for the disk to hang in it."""
    if way == "read":
        lab.assert_done(lab.pull())
    stop_at(fs, way)
    return "verify" if way == "read" else "pull"


@pytest.mark.parametrize("way", WAYS)
def test_the_daemon_ends_within_its_bound_and_finds_its_queue_whole(world, way):
    lab, fs = world
    verb = begin(lab, fs, way)
    daemon = Daemon(lab).start()
    job = daemon.add(REPO, verb=verb)
    ends = (signal.SIGTERM, signal.SIGINT) if way == "write" else (signal.SIGTERM,)
    try:
        assert fs.hangs.wait(20)
        daemon.patch("/settings", {"parallel_jobs": 1})
        later = daemon.add(REPO, verb="verify", revision="other")
        time.sleep(1)
        before = daemon.job(job)  # it answers, though the disk never does
        assert before["state"] not in ("done", "failed"), before
        for how in ends:  # the second time it begins on a disk that hangs
            begun = time.monotonic()
            code = daemon.stop(how)
            assert code == 0 and 7 < time.monotonic() - begun < 12, (code, time.monotonic() - begun, daemon.text)
            assert "the jobs that ran" in daemon.lines[-1] and "seems to hang" in daemon.lines[-1], daemon.text
            if how != ends[-1]:
                daemon.start()
                assert [j["id"] for j in daemon.get("/jobs").json["jobs"]] == [job, later]
                daemon.wait(job, ("resolving",))  # the disk comes first
                time.sleep(0.5)
    finally:
        fs.after = None
        fs.hangs.clear()
        daemon.stop()
    with Daemon(lab) as daemon:
        assert daemon.wait(job)["state"] == "done", daemon.job(job)
        assert daemon.wait(later)["state"] == "failed", "no such revision: its turn came"
        assert lab.wrong() == {}


def taken(process, number):
    """A signal that was sent is no longer held back: the program has read it."""
    held = re.search(r"^ShdPnd:\t([0-9a-f]+)$", Path(f"/proc/{process.pid}/status").read_text(), re.M)
    return not int(held[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_signal_ends_a_pull(world, way, times):
    lab, fs = world
    process = lab.begin(begin(lab, fs, way), REPO)
    try:
        assert fs.hangs.wait(20)
        time.sleep(0.5)
        if times == 2:
            process.send_signal(signal.SIGINT)
            wait_until(lambda: taken(process, signal.SIGINT))
            time.sleep(0.5)  # what comes at once is the same request; after 1.5 s it says that it was stopped
        seconds = end(process, signal.SIGINT)
        out, err = process.communicate()
    finally:
        process.kill()
        fs.after = None
        fs.hangs.clear()
    assert process.returncode == 130 and seconds < BOUND_S, (process.returncode, seconds, err)
    assert out == "" and "proved" not in err, err
    assert ("stopped by SIGINT" in err) == (times == 1), err
    lab.assert_done(lab.pull())


@pytest.mark.parametrize("stopped", [False, True])
def test_a_progress_file_on_such_a_disk_holds_up_nothing(lab, tmp_path, stopped):
    lab.file(SIZE).start(options={"rate": 2 * MB if stopped else 8 * MB})
    with hanging(tmp_path / "gone") as fs:
        process = lab.begin(REPO, "--progress-file", str(fs.folder / "p.json"), "--max-workers", "1",
                            ASAN_OPTIONS="detect_leaks=0")  # the search would wait for the thread that hangs
        try:
            wait_until(lambda: fs.written > 0)
            fs.hangs.set()
            time.sleep(1.2)  # it is written once a second
            if stopped:
                assert end(process, signal.SIGINT) < BOUND_S
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
        assert process.returncode == (130 if stopped else 0), err
        assert ("stopped by SIGINT" if stopped else "proved: 1 file") in err, err
    assert stopped or lab.wrong() == {}


def test_a_watch_of_such_a_folder_can_be_ended(lab, tmp_path):
    with hanging(tmp_path / "gone") as fs:
        (fs.folder / "a.part").write_bytes(b"x" * 5_000_000)
        process = lab.begin("watch", str(fs.folder), hub="http://127.0.0.1:1", token=None)
        try:
            wait_until(lambda: "a.part" in process.stderr.readline())
            fs.hangs.set()
            time.sleep(1.5)
            end(process, signal.SIGINT)
        finally:
            process.kill()
            process.communicate()


def test_and_gives_the_terminal_its_cursor_back(lab, tmp_path):
    ours, theirs = pty.openpty()
    with hanging(tmp_path / "gone") as fs:
        (fs.folder / "a.part").write_bytes(b"x" * 5_000_000)
        process = lab.begin("watch", str(fs.folder), hub="http://127.0.0.1:1", token=None, stderr=theirs, TERM="xterm", NO_COLOR="")
        os.close(theirs)
        shown = b""
        try:
            while b"a.part" not in shown:
                shown += os.read(ours, 4096)
            assert b"\x1b[?25l" in shown, "it is hidden while lines move"
            fs.hangs.set()
            time.sleep(1.5)
            end(process, signal.SIGINT)
            while b"\x1b[?25h" not in shown[shown.rindex(b"\x1b[?25l"):]:
                shown += os.read(ours, 4096)  # an error when nothing more comes
        finally:
            process.kill()
            process.communicate()
            os.close(ours)


def test_a_slow_verify_moves_within_a_file_and_says_how_fast(world):
    lab, fs = world
    lab.assert_done(lab.pull())
    # The kernel asks for pages of 4 KiB here.
    fs.after = lambda number: time.sleep(0.0003) if number == fuse.READ else None
    run = hub.pull("verify", REPO, "--progress", "json", **lab.how({}))
    assert run.code == 0, run
    seen = [status for line in run.err.splitlines() if (status := json.loads(line).get("status"))]
    checked = [status["checked_bytes"] for status in seen]
    assert checked == sorted(checked) and checked[-1] == seen[-1]["total_bytes"]
    assert len({n for n in checked if 0 < n < SIZE}) >= 3, checked
    assert any(status["checked_bytes_per_s"] > 0 for status in seen) and not any(status["rate_bytes_per_s"] for status in seen)
