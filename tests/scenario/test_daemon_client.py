"""The command line as the daemon's client, and beside it on one cache.

Seen red on purpose, each with the program broken so:
    jobs named by repository asked for as ids  test_add_list_pause_resume_cancel
    options dropped in silence, as they were   test_add_says_everything_on
    --progress json heeded by the list alone   test_every_command_speaks_json
    the first page of the list taken for all   test_a_long_queue_is_seen_to_its_end
"""

import json
import os
import pty
import re
import select
import subprocess
import threading
import time

import pytest

import hub
from daemon import Daemon
from lab import MB

NAMES = ["org/a", "org/b", "org/c"]
TOKEN = "daemon-test-token-0123456789"


@pytest.fixture
def daemon(lab):
    for i, name in enumerate(NAMES):
        lab.content.repo(name, files={"config.json": b"{}"}, generated=[{"path": "model.bin", "size": 4 * MB, "seed": i + 1}])
    lab.start(options={"rate": 2 * MB})
    with Daemon(lab, "--require-token", token=TOKEN, env={"HF_PULLD_TOKEN": TOKEN}) as running:
        running.patch("/settings", {"parallel_jobs": 1})
        yield running


def client(daemon, *words, **env):
    env = {"HF_PULLD_URL": f"http://127.0.0.1:{daemon.port}", "HF_PULLD_TOKEN": TOKEN} | env
    return hub.pull(*words, hub=daemon.lab.server, home=daemon.lab.home, **env)


def test_add_list_pause_resume_cancel(daemon):
    added = client(daemon, "add", *NAMES)
    assert added.code == 0 and [line.split()[2] for line in added.out.splitlines()] == NAMES, added
    listed = client(daemon, "jobs").out.splitlines()
    assert [line.split()[2] for line in listed] == NAMES and re.match(r"j_[0-9a-f]{16}  ", listed[0])
    assert len(client(daemon, "jobs", "g/B").out.splitlines()) == 1
    rows = [json.loads(line) for line in client(daemon, "jobs", "--progress", "json").out.splitlines()]
    assert [row["repo"] for row in rows] == NAMES
    assert client(daemon, "pause", NAMES[1]).out.split()[1] == "paused"
    assert client(daemon, "cancel", rows[2]["id"]).out.split()[1] == "cancelled"
    assert client(daemon, "resume", NAMES[1], rows[0]["id"]).code == 0
    assert daemon.wait(rows[1]["id"])["state"] == "done"
    again = client(daemon, "pause", NAMES[1])
    assert again.code == 6 and "no job 'org/b'" in again.err, again
    assert client(daemon, "resume", rows[1]["id"]).code == 2


def test_every_command_speaks_json(daemon):
    for action in ("add", "pause", "resume", "cancel"):
        said = client(daemon, action, NAMES[2], "--progress", "json").out.splitlines()
        assert [json.loads(line)["repo"] for line in said] == [NAMES[2]], (action, said)


def test_add_says_everything_on(daemon):
    client(daemon, "add", f"{NAMES[0]}@main:config.json")
    client(daemon, "add", NAMES[1], "--include", "*.json", "--revision", "main", "--force-download")
    jobs = {job["repo"]: job for job in daemon.get("/jobs").json["jobs"]}
    assert jobs[NAMES[0]]["paths"] == ["config.json"] and jobs[NAMES[1]]["include"] == ["*.json"] and jobs[NAMES[1]]["force"]
    client(daemon, "add", NAMES[2], "--limit-rate", "2M")
    assert daemon.get("/jobs?q=" + NAMES[2]).json["jobs"][0]["limit_bytes_per_s"] == 2 << 20
    for words in (("--limit-rate", "08:00,2M 20:00,off"), ("--xet", "on"), ("--max-workers", "3"), ("--cache-dir", "/tmp")):
        refused = client(daemon, "add", NAMES[0], *words)
        assert refused.code == 2 and words[0] in refused.err and "daemon" in refused.err, refused
    refused = client(daemon, "add", NAMES[2], "--local-dir", "/somewhere")
    assert refused.code == 5 and "--local-root" in refused.err, refused


def test_a_long_queue_is_seen_to_its_end(daemon):
    """The daemon gives 1,000 jobs at once."""
    daemon.add(NAMES[0], limit_bytes_per_s=1)                     # has the only place, and keeps it
    more = [f"many/{i:04}" for i in range(1005)]
    line = daemon.connection()
    assert {daemon.post("/jobs", {"repo": name}, connection=line).status for name in more} == {201}
    line.close()
    listed = client(daemon, "jobs").out.splitlines()
    assert [row.split()[2] for row in listed] == [NAMES[0], *more]
    paused = client(daemon, "pause", more[-1], listed[-2].split()[0])
    assert paused.code == 0 and [row.split()[1:3] for row in paused.out.splitlines()] == [["paused", more[-1]], ["paused", more[-2]]]
    assert len(client(daemon, "jobs", "many/100").out.splitlines()) == 5


def test_what_goes_wrong_is_said(daemon, lab):
    wrong = client(daemon, "jobs", HF_PULLD_TOKEN="another-token-altogether")
    assert wrong.code == 5 and "HF_PULLD_TOKEN" in wrong.err and "another-token" not in wrong.err
    gone = client(daemon, "jobs", HF_PULLD_URL="http://127.0.0.1:9")
    assert gone.code == 3 and "hf-pull serve" in gone.err
    other = client(daemon, "jobs", HF_PULLD_URL=lab.server.hub)
    assert other.code != 0 and "Is it hf-pulld?" in other.err
    assert client(daemon, "jobs", HF_PULLD_URL="ftp://x").code == 2
    assert client(daemon, "pause").code == 2
    assert "Example: hf-pull add Qwen/" in client(daemon, "add").err
    assert client(daemon, "jobs", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9").code == 0


def test_top_moves_on_a_terminal(daemon):
    daemon.add(NAMES[0])
    master, slave = pty.openpty()
    env = hub.pull_env(daemon.lab.server, daemon.lab.home, HF_PULLD_URL=f"http://127.0.0.1:{daemon.port}", HF_PULLD_TOKEN=TOKEN,
                       TERM="xterm")
    process = subprocess.Popen([hub.binary("HF_PULL", "hf-pull"), "top"], stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    seen, deadline = b"", time.monotonic() + 20
    while seen.count(b"q ends") < 3 and time.monotonic() < deadline:
        if select.select([master], [], [], 1)[0]:
            seen += os.read(master, 65536)
    os.write(master, b"q")
    assert process.wait(10) == 0
    while select.select([master], [], [], 0.5)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert seen.count(b"q ends") >= 3 and NAMES[0].encode() in seen
    assert seen.startswith(b"\x1b[?1049h\x1b[?25l") and seen.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")  # the terminal as it was
    once = client(daemon, "top")
    assert once.code == 0 and NAMES[0] in once.out and "\x1b" not in once.out


def test_beside_the_daemon_it_is_one_download(daemon, lab):
    """Two programs on one cache: both end well, and what one fetches the other does not."""
    job = daemon.add(NAMES[0])
    daemon.wait(job, ("downloading",))
    run = {}
    beside = threading.Thread(target=lambda: run.update(done=lab.pull(NAMES[0])))
    beside.start()
    assert daemon.wait(job)["state"] == "done"
    beside.join(120)
    lab.assert_done(run["done"], NAMES[0])
    assert lab.server.bytes_served("model.bin") <= 4 * MB * 1.5, run["done"]
    first = lab.begin(NAMES[1])                                   # and the other way round
    while not list((hub.repo_folder(lab.home, NAMES[1]) / "blobs").glob("*.incomplete")):
        time.sleep(0.01)
    late = daemon.wait(daemon.add(NAMES[1]))
    assert late["state"] == "done" and first.wait(60) == 0
    assert lab.wrong(NAMES[1]) == {} and lab.server.bytes_served("model.bin") <= 8 * MB * 1.5
