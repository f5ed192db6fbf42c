"""The daemon: it starts, a job goes from the API to proved files, and it ends in order.
"""

import json
import signal

import pytest

import hub
from daemon import Daemon
from lab import MB, REPO

SIZE = 6 * MB


@pytest.fixture
def daemon(lab):
    lab.file(SIZE, files={"config.json": b"{}"}).start()
    with Daemon(lab) as running:
        yield running


def test_a_job_goes_from_the_api_to_proved_files(daemon, lab):
    answer = daemon.post("/jobs", {"repo": REPO, "revision": "main", "type": "model"})
    assert answer.status == 201 and answer.headers["Location"] == f"/api/v1/jobs/{answer.json['id']}"
    job = daemon.wait(answer.json["id"])
    assert job["state"] == "done" and job["error"] is None
    assert job["total_bytes"] == job["recorded_bytes"] == job["proved_bytes"] == job["in_place_bytes"] == SIZE + 2
    assert job["snapshot"] == str(hub.snapshot(lab.home, REPO)) and lab.wrong() == {}
    files = {row["path"]: row for row in job["files"]}
    assert set(files) == {"config.json", "model.bin"} and job["files_next"] is None
    assert all(row["state"] == "proved" and row["recorded_bytes"] == row["size_bytes"] for row in files.values())
    assert files["model.bin"]["hash"] == hub.file_hash(hub.snapshot(lab.home, REPO) / "model.bin", True)


def test_health_and_the_head_of_it(daemon):
    assert daemon.get("//healthz").json["status"] == "ok"
    head = daemon.ask("HEAD", "//healthz")
    assert head.status == 200 and head.body == b""


def test_it_ends_in_order(lab):
    lab.file(SIZE).start(options={"conn-rate": MB})
    for number in (signal.SIGTERM, signal.SIGINT):
        running = Daemon(lab, data=lab.path / f"data{number}").start()
        running.add(REPO)
        assert running.stop(number) == 0


def test_what_it_says_of_a_job_that_cannot_be(daemon):
    job = daemon.wait(daemon.add("org/none"))
    assert job["state"] == "failed" and job["error"]["code"] == "E_NO_REPO" and job["error"]["exit_status"] == 6
    assert daemon.get("/jobs/j_0000000000000000").status == 404


@pytest.mark.parametrize("body, word", [
    ({}, "repo"), ({"repo": 5}, "repo"), ({"repo": "a/b/c/d"}, "repo"), ({"repo": REPO, "colour": 1}, "colour"),
    ({"repo": REPO, "priority": 101}, "priority"), ({"repo": REPO, "priority": 1.5}, "priority"),
    ({"repo": REPO, "verb": "destroy"}, "verb"), ({"repo": REPO, "include": "*.bin"}, "include"),
    ({"repo": REPO, "limit_bytes_per_s": -1}, "limit_bytes_per_s"), ({"repo": REPO, "force": "yes"}, "force")])
def test_what_cannot_be_asked_is_named(daemon, body, word):
    answer = daemon.post("/jobs", body)
    assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json"
    assert word in answer.json["detail"] and answer.json["status"] == 400
    assert daemon.get("/jobs").json["total"] == 0


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"repo":"a/b"} x', b'{"repo":"a/b","repo":"a/c"}', b'{"repo":"a\\u0000b/c"}',
                                 b"[" * 5000, b'{"repo":"a/\xff"}', b"nul"])
def test_what_is_no_json_is_refused(daemon, raw):
    answer = daemon.ask("POST", "/jobs", raw=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer


def test_two_daemons_do_not_share_a_folder(daemon, lab):
    with pytest.raises(RuntimeError, match="is in use"):
        Daemon(lab).start()


