"""The queue: order, places, pause, and that a kill at any instant loses nothing.

Seen red on purpose, each with the daemon broken so:
    an answer before the transaction           test_a_full_disk_is_said..
    a key's request not compared               test_the_same_key_is_the_same_job
    paused kept as queued                      test_a_paused_job_stays_paused_over_a_kill
    a pause the engine is not told of          test_pause_gives_the_place_away..
    the moved job's place kept without the
    places of the others                       test_a_move_that_was_answered..
    a job that is taken off put back           test_what_is_taken_off_stays_off..
"""

import contextlib
import os
import random
import time

import pytest

import disk
import fuse
import hub
from daemon import Daemon
from lab import MB, REPO, together

NAMES = [f"org/m{i}" for i in range(6)]


def slow_models(lab, size=3 * MB, rate=400_000, names=NAMES):
    for i, name in enumerate(names):
        lab.content.repo(name, generated=[{"path": "model.bin", "size": size, "seed": i + 1}])
    lab.start(options={"conn-rate": rate})
    return lab


def states(daemon):
    return {job["repo"]: job["state"] for job in daemon.get("/jobs").json["jobs"]}


def queue(daemon):
    return [job["repo"] for job in daemon.get("/jobs?state=queued").json["jobs"]]


def only_one_place(daemon):
    assert daemon.patch("/settings", {"parallel_jobs": 1}).status == 200


# ---- asking twice --------------------------------------------------------------------------------------------------

def test_the_same_key_is_the_same_job(lab):
    with Daemon(slow_models(lab)) as daemon:
        key = {"Idempotency-Key": "5f2a"}
        first = daemon.post("/jobs", {"repo": NAMES[0]}, headers=key)
        again = daemon.post("/jobs", {"repo": NAMES[0], "revision": "main"}, headers=key)
        assert (first.status, again.status) == (201, 200) and first.json["id"] == again.json["id"]
        assert daemon.post("/jobs", {"repo": NAMES[1]}, headers=key).status == 422
        daemon.kill()
        daemon.start()                                            # the key outlives the daemon
        assert daemon.post("/jobs", {"repo": NAMES[0]}, headers=key).json["id"] == first.json["id"]
        assert daemon.post("/jobs", {"repo": NAMES[0], "force": True}, headers=key).status == 422
        daemon.post(f"/jobs/{first.json['id']}/cancel")
        daemon.wait(first.json["id"])
        assert daemon.post("/jobs", {"repo": NAMES[0]}, headers=key).status == 200  # ended, and still the answer to that key
        for bad in ("", "x" * 201, "a\x7f"):
            assert daemon.post("/jobs", {"repo": NAMES[0]}, headers={"Idempotency-Key": bad}).status == 400


def test_many_at_once_with_one_key_are_one_job(lab):
    with Daemon(slow_models(lab)) as daemon:
        ask = lambda: daemon.post("/jobs", {"repo": NAMES[0]}, headers={"Idempotency-Key": "k"})
        answers = together({i: ask for i in range(12)}).values()
        assert sorted(a.status for a in answers) == [200] * 11 + [201] and len({a.json["id"] for a in answers}) == 1


def test_the_same_words_while_it_has_not_ended(lab):
    with Daemon(slow_models(lab, size=20 * MB, rate=100_000)) as daemon:
        first = daemon.add(NAMES[0])
        assert daemon.post("/jobs", {"repo": NAMES[0], "priority": 5}).json["id"] == first
        assert daemon.post("/jobs", {"repo": NAMES[0], "include": ["*.json"]}).status == 201


# ---- order ---------------------------------------------------------------------------------------------------------

def test_priorities_order_and_places(lab):
    with Daemon(slow_models(lab, size=20 * MB, rate=100_000)) as daemon:  # none ends meanwhile
        only_one_place(daemon)
        ids = {name: daemon.add(name) for name in NAMES}
        daemon.wait(ids[NAMES[0]], ("downloading",))
        assert queue(daemon) == NAMES[1:]
        assert daemon.patch(f"/jobs/{ids[NAMES[4]]}", {"priority": 10}).json["position"] == 1
        assert daemon.post(f"/jobs/{ids[NAMES[3]]}/move", {"before": ids[NAMES[1]]}).status == 200
        assert queue(daemon) == [NAMES[i] for i in (4, 3, 1, 2, 5)]
        moved = daemon.post(f"/jobs/{ids[NAMES[4]]}/move", {"before": None}).json
        assert moved["position"] == 5 and moved["priority"] == 0
        assert daemon.post(f"/jobs/{ids[NAMES[0]]}/move", {"before": None}).status == 409       # it runs
        assert daemon.post(f"/jobs/{ids[NAMES[1]]}/move", {"before": ids[NAMES[0]]}).status == 409
        assert daemon.post(f"/jobs/{ids[NAMES[1]]}/move", {}).status == 400
        daemon.kill()
        daemon.start()
        assert [NAMES[0]] + queue(daemon) == [NAMES[i] for i in (0, 3, 1, 2, 5, 4)]             # what ran goes on first
        assert daemon.get("/settings").json["parallel_jobs"] == 1
        daemon.patch("/settings", {"parallel_jobs": 3})
        daemon.wait(ids[NAMES[3]], until=lambda _: sum(s == "downloading" for s in states(daemon).values()) == 3)
        assert queue(daemon) == [NAMES[i] for i in (2, 5, 4)]


def test_pages_filters_and_search(lab):
    with Daemon(slow_models(lab, size=20 * MB, rate=100_000)) as daemon:
        only_one_place(daemon)
        for name in NAMES:
            daemon.add(name)
        seen, cursor = [], ""
        while True:
            page = daemon.get(f"/jobs?limit=2{cursor}").json
            seen += [job["repo"] for job in page["jobs"]]
            assert page["total"] == 6 and len(page["jobs"]) <= 2 and "files" not in page["jobs"][0]
            if not page["next_cursor"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == NAMES
        assert [job["repo"] for job in daemon.get("/jobs?q=M3").json["jobs"]] == [NAMES[3]]
        assert daemon.get("/jobs?q=%2Fm3").json["total"] == 1 and daemon.get("/jobs?q=%252Fm3").json["total"] == 0
        assert daemon.get("/jobs?state=queued&limit=1").json["total"] == 5
        for bad in ("state=asleep", "limit=0", "limit=x", "limit=1001", "limit=-1", "limit=99999999999999999999"):
            assert daemon.get(f"/jobs?{bad}").status == 400, bad
        assert daemon.get("/jobs?cursor=nonsense").json["jobs"] == []


# ---- pause, cancel, retry ------------------------------------------------------------------------------------------

def test_pause_gives_the_place_away_and_resume_fetches_nothing_twice(lab):
    with Daemon(slow_models(lab, size=5 * MB, names=NAMES[:2]), "--max-workers", 2) as daemon:
        only_one_place(daemon)
        first, second = daemon.add(NAMES[0]), daemon.add(NAMES[1])
        daemon.wait(first, until=lambda j: j["recorded_bytes"] >= 2 * MB)
        paused = daemon.post(f"/jobs/{first}/pause")
        assert paused.status == 200 and paused.json["state"] == "paused" and paused.json["reason"] == "paused"
        daemon.wait(second, ("downloading",))
        kept = daemon.job(first)["recorded_bytes"]
        time.sleep(1.5)
        assert daemon.job(first)["recorded_bytes"] - kept <= MB and daemon.job(first)["rate_bytes_per_s"] == 0
        resumed = daemon.post(f"/jobs/{first}/resume")
        assert resumed.json["state"] == "queued" and resumed.json["position"] == 1             # no place yet
        assert daemon.wait(second)["state"] == "done"
        job = daemon.wait(first)
        assert job["state"] == "done" and "paused" in job["waited_s"]
        assert lab.server.bytes_served("model.bin") <= 11.5 * MB and lab.wrong(NAMES[0]) == {}
        for action in ("pause", "resume", "cancel", "retry"):
            assert daemon.post(f"/jobs/{first}/{action}").status == 409, action


def test_a_paused_job_stays_paused_over_a_kill(lab):
    with Daemon(slow_models(lab, names=NAMES[:1]), "--max-workers", 1) as daemon:
        job = daemon.add(NAMES[0])
        daemon.wait(job, until=lambda j: j["recorded_bytes"] >= MB)
        daemon.post(f"/jobs/{job}/pause")
        daemon.kill()
        daemon.start()
        time.sleep(1)
        assert daemon.job(job)["state"] == "paused"
        daemon.post(f"/jobs/{job}/resume")
        assert daemon.wait(job)["state"] == "done"
        assert lab.server.bytes_served("model.bin") <= 3 * MB + 16 * MB / 10 + MB                # unfinished blocks only


def test_cancel_keeps_what_came_and_retry_goes_on(lab):
    with Daemon(slow_models(lab, names=NAMES[:1]), "--max-workers", 1) as daemon:
        job = daemon.add(NAMES[0])
        daemon.wait(job, until=lambda j: j["recorded_bytes"] >= MB)
        assert daemon.post(f"/jobs/{job}/cancel").json["state"] == "cancelled"
        assert daemon.wait(job)["state"] == "cancelled"
        again = daemon.post(f"/jobs/{job}/retry")  # answered once it is kept, and the job has gone on meanwhile
        assert again.status == 200 and again.json["state"] in ("queued", "resolving", "downloading"), again
        assert daemon.wait(job)["state"] == "done"
        assert lab.server.bytes_served("model.bin") <= 3 * MB * 1.5 and lab.wrong(NAMES[0]) == {}


def test_delete_takes_it_off_the_list_and_leaves_the_files(lab):
    with Daemon(slow_models(lab, names=NAMES[:3]), "--max-workers", 1) as daemon:
        only_one_place(daemon)
        running, queued = daemon.add(NAMES[0]), daemon.add(NAMES[1])
        daemon.wait(running, until=lambda j: j["recorded_bytes"] >= MB)
        assert daemon.delete(f"/jobs/{queued}").status == 204 and daemon.get(f"/jobs/{queued}").status == 404
        assert daemon.delete(f"/jobs/{running}").status == 204 and daemon.get(f"/jobs/{running}").status == 404
        assert daemon.delete(f"/jobs/{running}").status == 404
        daemon.kill()
        daemon.start()
        assert daemon.get("/jobs").json["total"] == 0
        assert list((hub.repo_folder(lab.home, NAMES[0]) / "blobs").glob("*.incomplete"))


# ---- limits --------------------------------------------------------------------------------------------------------

def test_limits_act_at_once(lab):
    lab.file(40 * MB).start()
    with Daemon(lab) as daemon:
        assert daemon.patch("/settings", {"limit_bytes_per_s": 2 * MB}).json["limit_now_bytes_per_s"] == 2 * MB
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["rate_bytes_per_s"] > MB)
        time.sleep(2)
        assert daemon.job(job)["rate_bytes_per_s"] < 3 * MB
        assert daemon.patch(f"/jobs/{job}", {"limit_bytes_per_s": MB}).json["limit_bytes_per_s"] == MB
        daemon.wait(job, until=lambda j: j["rate_bytes_per_s"] < 1.4 * MB, timeout=12)
        daemon.patch(f"/jobs/{job}", {"limit_bytes_per_s": 0})
        daemon.patch("/settings", {"limit_bytes_per_s": 0})
        assert daemon.wait(job, timeout=15)["state"] == "done", "a limit that stayed takes twice as long"


def test_connections_are_changed_at_once(lab):
    lab.file(60 * MB).start(options={"conn-rate": 1_500_000})
    with Daemon(lab, "--chunk-size", "1M") as daemon:
        daemon.patch("/settings", {"max_connections": 2})
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["recorded_bytes"] > 4 * MB)
        assert daemon.job(job)["connections"] <= 2
        daemon.patch("/settings", {"max_connections": 12})
        daemon.wait(job, until=lambda j: j["connections"] >= 10, timeout=15)
        daemon.patch("/settings", {"max_connections": 3})
        daemon.wait(job, until=lambda j: j["connections"] <= 3, timeout=15)
        assert daemon.wait(job, until=lambda j: j["limited_by"]["what"] == "cdn" or j["state"] == "done", timeout=20)
        daemon.kill()
        daemon.start()
        assert daemon.get("/settings").json["max_connections"] == 3


def test_a_timetable_holds_beside_the_limit(lab):
    lab.file(MB).start()
    with Daemon(lab) as daemon:
        settings = daemon.patch("/settings", {"timetable": "00:00,3M", "limit_bytes_per_s": 5 * MB}).json
        assert settings["limit_now_bytes_per_s"] == 3 << 20 and settings["limit_until"] is None
        assert daemon.patch("/settings", {"limit_bytes_per_s": MB}).json["limit_now_bytes_per_s"] == MB
        now = time.localtime()
        minute = (now.tm_hour * 60 + now.tm_min + 2) % 1440
        later = f"{minute // 60:02}:{minute % 60:02}"
        opposite = f"{(minute + 600) % 1440 // 60:02}:{minute % 60:02}"
        settings = daemon.patch("/settings", {"timetable": f"{opposite},2M {later},off", "limit_bytes_per_s": 0}).json
        assert settings["limit_now_bytes_per_s"] == 2 << 20 and settings["limit_until"] == later
        for bad in ("25:00,2M", "apples", "08:00,2M 08:00,3M", 5, None, "x" * 600):
            assert daemon.patch("/settings", {"timetable": bad}).status == 400, bad
        daemon.kill()
        daemon.start()
        assert daemon.get("/settings").json["limit_now_bytes_per_s"] == 2 << 20


@pytest.mark.parametrize("change, word", [({"parallel_jobs": 0}, "parallel_jobs"), ({"parallel_jobs": 17}, "parallel_jobs"),
                                          ({"parallel_jobs": 3, "colour": 1}, "colour"), ({"token": "x"}, "token"),
                                          ({"limit_now_bytes_per_s": 1}, "limit_now")])
def test_settings_are_changed_all_or_none(lab, change, word):
    lab.file(MB).start()
    with Daemon(lab) as daemon:
        before = daemon.get("/settings").json
        answer = daemon.patch("/settings", change)
        assert answer.status == 400 and word in answer.json["detail"]
        assert daemon.get("/settings").json == before


# ---- kills ---------------------------------------------------------------------------------------------------------

def test_kills_at_any_instant_lose_nothing(lab):
    """P2 and the queue: what was answered is so after kill -9, jobs go on by themselves, and no block comes twice."""
    chance = random.Random(7)
    names = NAMES[:4]
    slow_models(lab, rate=2 * MB, names=names)
    daemon, asked, kills = Daemon(lab, "--max-workers", 4), {}, 0
    daemon.start()
    for name in names:
        asked[name] = daemon.add(name)
        time.sleep(chance.random() * 0.3)
        daemon.kill()
        daemon.start()
        kills += 1
        assert {job["repo"] for job in daemon.get("/jobs").json["jobs"]} == set(asked)
    while any(state != "done" for state in states(daemon).values()):
        time.sleep(chance.random() * 0.8)
        daemon.kill()
        daemon.start()
        kills += 1
        assert kills < 80, states(daemon)
        assert {job["repo"]: job["id"] for job in daemon.get("/jobs").json["jobs"]} == asked
        if kills > 12:                                            # proved by now that kills do not stop it: let it end
            for job in asked.values():
                daemon.wait(job)
    assert daemon.stop() == 0
    for name in names:
        assert lab.wrong(name) == {}
    # Recorded blocks are never asked for again: what comes twice is what was on the wire, 4 connections of a MiB or two.
    assert lab.server.bytes_served() <= 4 * 3 * MB + kills * 4 * 2 * (1 << 20)


def test_a_move_that_was_answered_outlives_a_kill(lab, tmp_path):
    """A place is one among others: whatever is written after the answer is lost here."""
    with disk.hanging(tmp_path / "disk") as fs:
        daemon = Daemon(slow_models(lab, rate=10_000), data=fs.folder / "data").start()
        only_one_place(daemon)
        ids = [daemon.add(name) for name in NAMES]
        assert queue(daemon) == NAMES[1:]
        log = fs.nodes[fs.nodes[fs.nodes[1].below[b"data"]].below[b"hf-pulld.db-wal"]]
        before = bytes(log.data)
        fs.after = lambda number: number == fuse.FSYNC and log.data != before and fs.hangs.set()
        assert daemon.post(f"/jobs/{ids[5]}/move", {"before": ids[2]}).status == 200
        daemon.kill()
        fs.after = None
        fs.hangs.clear()
        with daemon:
            assert queue(daemon) == [NAMES[1], NAMES[5], *NAMES[2:5]]


def test_what_is_taken_off_stays_off_although_the_engine_cannot_let_go(lab, tmp_path):
    """Its files are on a disk that hangs; the job database is not."""
    lab.file(24 * MB).start(options={"rate": 2 * MB})
    with disk.hanging(tmp_path / "disk") as fs:
        daemon = Daemon(lab, env={"HF_HUB_CACHE": fs.folder}).start()
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["recorded_bytes"] > 2 * MB)
        fs.hangs.set()
        time.sleep(1)                                             # a write hangs
        assert daemon.delete(f"/jobs/{job}").status == 204
        daemon.process.terminate()                                # what runs is put down as it stands
        disk.wait_until(lambda: "ending; jobs go on" in daemon.text)
        time.sleep(1)
        daemon.kill()
        fs.hangs.clear()
    with Daemon(lab) as daemon:
        assert daemon.get("/jobs").json["jobs"] == []


def test_a_full_disk_is_said_and_nothing_is_promised(lab, tmp_path):
    """The database cannot grow: the answer is 507, the job is not there, and later it is taken."""
    lab.file(MB).start()
    with disk.tmpfs(tmp_path / "small", "8m") as folder:
        with Daemon(lab, data=folder / "data") as daemon:
            filler = folder / "filler"
            with open(filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * 4096)
            refused = daemon.post("/jobs", {"repo": REPO})
            assert refused.status == 507, refused
            assert daemon.get("//healthz").status == 503 and daemon.get("/jobs").json["total"] == 0
            refused = daemon.patch("/settings", {"limit_bytes_per_s": 5_000_000})
            assert refused.status == 507 and refused.json["detail"].endswith("It is in force, and forgotten when the daemon ends."), refused
            assert daemon.get("/settings").json["limit_bytes_per_s"] == 5_000_000
            os.truncate(filler, 0)
            disk.wait_until(lambda: daemon.get("//healthz").status == 200)
            assert daemon.wait(daemon.add(REPO))["state"] == "done"
