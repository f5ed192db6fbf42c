"""What the daemon shows of a job over its whole life: every file from the plan on, its curve, and a stall while it lasts.

Seen red on purpose, each with the program broken so:
    files told of when they end, not before             test_every_file_has_a_row..
    files left as being fetched when the job is over    test_every_file_has_a_row..
    a stall in the curve only when it is over           test_a_stall_is_in_the_curve..
    a new curve at each start of the daemon             test_a_stall_is_in_the_curve..
    no bound on the end                                 test_a_disk_that_hangs.. (both)
    the looks waited for before the store is written    test_a_disk_that_hangs..[watched]
    the looks waited for before the jobs                test_a_disk_that_hangs..[watched]
    an answer made of rooms that are closed             test_a_slow_disk_at_the_end..
    a folder that is asked for looked at by the loop    test_a_folder_that_hangs..
"""

import threading
import time

import pytest

import disk
from daemon import Daemon
from lab import MB, REPO
from test_net_stall import on_body


def test_every_file_has_a_row_from_the_plan_on_and_says_who_sent_it(lab):
    names = [f"part-{i}.bin" for i in range(14)]
    lab.content.repo(REPO, {"config.json": b"{}", "empty": b""},
                     generated=[{"path": n, "size": 3 * MB // 2, "seed": i} for i, n in enumerate(names)])
    lab.start(options={"rate": 3 * MB})
    with Daemon(lab) as daemon:
        job = daemon.add(REPO)
        first = daemon.wait(job, until=lambda j: len(j["files"]) == 16 and any(f["state"] == "fetching" for f in j["files"]))
        states = [f["state"] for f in first["files"]]
        assert states.count("planned") > 5 and set(states) <= {"planned", "fetching", "proved"}, states
        daemon.wait(job, until=lambda j: j["files_proved"] > 3)
        daemon.post(f"/jobs/{job}/cancel")
        # Cancelled it is at once, its rows are when the engine has let go of them.
        ended = daemon.wait(job, until=lambda j: j["state"] == "cancelled" and all(f["state"] != "fetching" for f in j["files"]))
        states = [f["state"] for f in ended["files"]]
        assert states.count("proved") >= 3 and states.count("planned") > 3, states
        lab.server.set(rate=0)
        daemon.post(f"/jobs/{job}/retry")
        done = daemon.wait(job)
        assert {f["state"] for f in done["files"]} == {"proved"} and len(done["files"]) == 16
        assert all("tries" not in f for f in done["files"])
        came = [f for f in done["files"] if f["host"]]
        assert came and {f["host"] for f in came} == {"127.0.0.1"} and all(f["recorded_bytes"] == f["size_bytes"] for f in done["files"])
        again = daemon.wait(daemon.add(REPO, verb="verify"))
        assert {f["state"] for f in again["files"]} == {"proved"} and len(again["files"]) == 16


def test_a_stall_is_in_the_curve_while_it_lasts_and_a_kill_takes_neither(lab):
    lab.file(20 * MB).start([on_body({"stall_after": 0}, min_first=2 * MB)], options={"rate": 4 * MB})
    options = "--stall-timeout", "1", "--max-workers", "1", "--timeout", "300"
    with Daemon(lab, *options) as daemon:
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["stalled"] and j["elapsed_s"] >= 2)
        before = daemon.get(f"/jobs/{job}/samples").json
        assert len(before["stalls"]) == 1 and "sent nothing" in before["stalls"][0][2], before
        time.sleep(1.2)
        now = daemon.get(f"/jobs/{job}/samples").json["stalls"]
        assert now[0][0] == before["stalls"][0][0] and now[0][1] > before["stalls"][0][1], "it lasts until now"
        daemon.wait(job, until=lambda j: j["elapsed_s"] >= 9)  # the curve is kept every four seconds, on a slow machine a little later
        daemon.kill()
        daemon.start()
        daemon.wait(job, until=lambda j: j["state"] == "downloading")
        after = daemon.get(f"/jobs/{job}/samples").json
        assert after["samples"][0] == before["samples"][0], (before, after)
        assert after["samples"][-1][0] >= before["samples"][0][0] + 2, "what came after the stall began was kept too"
        assert after["stalls"][0][0] == before["stalls"][0][0] and after["stalls"][0][2]
        assert daemon.post(f"/jobs/{job}/pause").status == 200
        assert daemon.get(f"/jobs/{job}/samples").json["samples"][0] == before["samples"][0]


@pytest.mark.parametrize("what", ["watched", "cache"])
def test_a_disk_that_hangs_holds_up_neither_the_api_nor_the_end(lab, tmp_path, what):
    """A file server that is gone: the look that waits for it is left behind, after what is to be kept was written."""
    lab.file(24 * MB).start()
    with disk.hanging(tmp_path / "gone") as fs:
        args = ("--watch-dir", fs.folder) if what == "watched" else ("--local-root", tmp_path)
        env = {} if what == "watched" else {"HF_HUB_CACHE": fs.folder}
        daemon = Daemon(lab, *args, env=env).start()
        try:
            daemon.patch("/settings", {"limit_bytes_per_s": MB})
            place = {} if what == "watched" else {"local_dir": str(tmp_path / "here")}
            job = daemon.add(REPO, **place)
            daemon.wait(job, until=lambda j: j["received_bytes"] > 2 * MB)
            path = "/foreign" if what == "watched" else "/cache"
            assert daemon.get(path).status == 200
            time.sleep(3.5)  # that answer stands for a while
            fs.hangs.set()
            asker = threading.Thread(target=lambda: pytest.raises(OSError, daemon.get, path), daemon=True)
            asker.start()
            disk.wait_until(fs.asked, what="a look that hangs")
            time.sleep(0.3)
            assert asker.is_alive() and daemon.job(job)["state"] == "downloading"  # this one is answered
            begun = time.monotonic()
            code = daemon.stop()
            assert code == 0 and 7 < time.monotonic() - begun < 12, (code, time.monotonic() - begun)
            left = "the look at other tools' downloads" if what == "watched" else "what was read or deleted in the cache"
            assert daemon.lines[-1] == f"a disk seems to hang: ended without waiting any longer for {left}", daemon.text
            if what == "watched":
                assert disk.notebooks(lab.home)[0].pid == 0, "the job's own disk works: it was closed in order"
        finally:
            daemon.stop()
    with Daemon(lab) as daemon:
        assert daemon.job(job)["elapsed_s"] >= 2, "what ran was put down before anything was waited for"
        daemon.post(f"/jobs/{job}/cancel")


def test_a_folder_that_hangs_holds_up_its_request_alone(lab, tmp_path):
    """Whether a job may write there is seen on that disk; nobody else has to wait for it."""
    lab.file(MB).start()
    with disk.hanging(tmp_path / "disk") as fs, Daemon(lab, "--local-root", fs.folder) as daemon:
        fs.hangs.set()
        answers = []
        where = {"repo": REPO, "local_dir": str(fs.folder / "new" / "here")}
        asker = threading.Thread(target=lambda: answers.append(daemon.post("/jobs", where)), daemon=True)
        asker.start()
        time.sleep(0.5)
        assert daemon.get("//healthz", connection=daemon.connection(timeout=5)).status == 200 and not answers
        assert daemon.wait(daemon.add(REPO))["state"] == "done"
        fs.hangs.clear()
        asker.join(10)
        assert answers[0].status == 201 and answers[0].json["local_dir"] == where["local_dir"]
        daemon.delete(f"/jobs/{answers[0].json['id']}")


def test_a_slow_disk_at_the_end_is_waited_for(lab, tmp_path):
    """The database comes back when the jobs are closed already, and who waits for it is answered."""
    with disk.hanging(tmp_path / "disk") as fs:
        daemon = Daemon(lab, data=fs.folder / "data").start()
        fs.hangs.set()
        answers = []
        asker = threading.Thread(target=lambda: answers.append(daemon.patch("/settings", {"parallel_jobs": 7})), daemon=True)
        asker.start()
        time.sleep(0.5)
        daemon.process.terminate()
        time.sleep(4.5)                                           # 3 s for the store, 8 s for all
        fs.hangs.clear()
        assert daemon.stop() == 0, daemon.text
        asker.join(5)
        assert answers and answers[0].status == 503, answers
        with daemon:
            assert daemon.get("/settings").json["parallel_jobs"] == 7
