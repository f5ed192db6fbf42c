"""Notifications of the daemon: a real receiver stands beside the Hub and checks what comes.

Seen red on purpose, each with the daemon broken so:
    addresses shown whole                               test_settings_say_where_to.., test_what_the_start_gives..
    the setting not kept                                test_settings_say_where_to..
    what comes over the network trusted like a start    test_what_may_not_be_an_address.., test_hf_pull_add..
    addresses of this machine allowed to all            test_an_address_of_the_network..
    the job's choice of events not looked at            test_what_the_start_gives.., test_hf_pull_add..
    the loop waits for a delivery                       test_a_job_has_addresses_of_its_own..
    disks not looked at                                 test_a_stall_its_end_and_a_disk_that_is_low_are_told
    what was told not kept in the store                 test_each_happening_is_told_once_across_kills
    no word of a stall that was over at the restart     test_each_happening_is_told_once_across_kills[gone]
    what is told not forgotten at a retry               test_what_is_tried_again_is_told_again
    free space as it was planned                        test_the_room_on_the_disk_is_that_of_now
    said before it is on disk                           test_nothing_is_told_before_it_is_kept..
"""

import json
import signal
import time

import pytest

import disk
from daemon import Daemon
from hook import Hook
from lab import MB, MIB, REPO
from test_daemon_client import client
from test_net_stall import on_body

SECRET = "k3y-nobody-sees"


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.close()


def secrets_in(daemon, *texts):
    """Where a secret or the path of an address shows up, of all that the daemon says."""
    said = {f"answer {i}": text for i, text in enumerate(texts)}
    said |= {"log": daemon.text, "metrics": daemon.get("//metrics").body.decode(), "settings": daemon.get("/settings").body.decode(),
             "jobs": daemon.get("/jobs").body.decode()}
    return [where for where, text in said.items() if SECRET in text or "s3cret" in text]


def test_settings_say_where_to_and_survive_and_nothing_shows_a_secret(lab, hook):
    lab.file(2 * MB).start()
    url, shown = f"{hook.url}#{SECRET}", f"http://127.0.0.1:{hook.server_port}/..."
    with Daemon(lab, "--notify-local", "-v") as daemon:
        reader = daemon.events()
        answer = daemon.patch("/settings", {"notify": [url, "https://hooks.example/s3cret-too"]})
        assert answer.status == 200 and answer.json["notify"] == [shown, "https://hooks.example/..."], answer
        assert daemon.patch("/settings", {"notify": [shown]}).json["notify"] == [shown], "what is shown may be sent back"
        job = daemon.add(REPO)
        hook.wait(2)
        assert hook.told == ["started", "done"] and hook.signed(SECRET.encode()) and not hook.signed(b"other")
        assert [m["job"] for m in hook.messages(REPO)] == [job, job] and hook.messages(REPO)[1]["status"]["state"] == "done"
        reader.wait(lambda rows: any(kind == "job" and data["state"] == "done" for _, kind, data, _ in rows))
        assert secrets_in(daemon, answer.body.decode(), json.dumps([row[2] for row in reader.rows])) == []
        reader.close()
    with Daemon(lab, "--notify-local", "--notify-on", "failed") as daemon:
        settings = daemon.get("/settings").json
        assert settings["notify"] == [shown] and settings["notify_on"] == ["failed"], "kept; the command line says on what"
        daemon.wait(daemon.add("no/such"))
        hook.wait(3)
        assert hook.told[2:] == ["failed"]
        assert daemon.patch("/settings", {"notify_on": []}).json["notify_on"] == []


def test_what_may_not_be_an_address_is_refused_with_words(lab):
    lab.file(MB).start()
    with Daemon(lab) as daemon:
        before = daemon.get("/settings").json
        for wrong, word in ((["cmd:touch /tmp/x"], "config file and the command line only"), (["file:///etc/passwd"], "begins with none"),
                            (["https://hooks.example/..."], "shown like this"), (["https://a/ b"], "blank"), ("https://a/", "list"),
                            ([f"https://hooks.example/{i}" for i in range(17)], "at most 16"), ([7], "list of addresses"),
                            (["https://user:s3cret@hooks.example/"], "no user")):
            answer = daemon.patch("/settings", {"notify": wrong, "parallel_jobs": 3})
            assert answer.status == 400 and word in answer.json["detail"] and "s3cret" not in answer.json["detail"], (wrong, answer)
            if isinstance(wrong, list):
                assert daemon.post("/jobs", {"repo": REPO, "notify": wrong}).status == 400, wrong
        assert daemon.patch("/settings", {"notify_on": ["sometimes"]}).status == 400
        assert daemon.get("/settings").json == before and daemon.get("/jobs").json["jobs"] == []


def test_an_address_of_the_network_does_not_lead_inside_nor_is_a_redirect_followed(lab, hook):
    lab.file(MB).start()
    with Daemon(lab) as daemon:
        daemon.patch("/settings", {"notify": [hook.url, hook.url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest"]})
        results = daemon.post("/settings/notify-test").json["results"]
        assert [r["ok"] for r in results] == [False] * 3 and all("leads to this machine" in r["message"] for r in results), results
        daemon.wait(daemon.add(REPO, notify=[hook.url + "?own"]))
        time.sleep(0.3)
        assert hook.got == [] and secrets_in(daemon) == []
    with Daemon(lab, "--notify-local") as daemon:
        daemon.patch("/settings", {"notify": daemon.get("/settings").json["notify"][:2]})
        hook.answers, hook.location = [307], hook.url.replace("hook", "elsewhere")
        results = daemon.post("/settings/notify-test").json["results"]
        assert sorted(r["ok"] for r in results) == [False, True] and any("redirects are not followed" in r["message"] for r in results)
        assert [path for _, _, path in hook.got] == ["/hook/s3cret-path"] * 2


def test_what_the_start_gives_is_trusted_and_tested_and_can_only_be_read(lab, hook, tmp_path):
    lab.file(MB).start()
    mark = tmp_path / "mark"
    with Daemon(lab, f"--notify={hook.url}#{SECRET}", f"--notify=cmd:cat > {mark}") as daemon:
        settings = daemon.get("/settings").json
        assert settings["notify"] == [] and settings["notify_fixed"] == [f"http://127.0.0.1:{hook.server_port}/...", "cmd:cat ..."]
        results = daemon.post("/settings/notify-test").json["results"]
        assert [(r["url"], r["ok"]) for r in results] == [(name, True) for name in settings["notify_fixed"]]
        assert json.loads(mark.read_text())["event"] == hook.told[0] == "test" and hook.signed(SECRET.encode())
        assert daemon.patch("/settings", {"notify_fixed": []}).status == 400
        daemon.add(REPO, notify_on=["done"])
        hook.wait(2)
        assert hook.told[1:] == ["done"], "what the job wants counts for all"
        assert secrets_in(daemon) == []


def test_a_job_has_addresses_of_its_own_and_a_receiver_that_hangs_holds_nothing_up(lab, hook):
    other = Hook()
    lab.file(MB).start()
    other.takes_s, hook.answers = 30, [503]
    with Daemon(lab, "--notify-local") as daemon:
        daemon.patch("/settings", {"notify": [other.url]})
        began = time.monotonic()
        job = daemon.post("/jobs", {"repo": REPO, "notify": [hook.url], "notify_on": ["started", "done"]}).json
        assert job["notify"] == [f"http://127.0.0.1:{hook.server_port}/..."] and job["notify_on"] == ["started", "done"]
        assert daemon.wait(job["id"])["state"] == "done" and time.monotonic() - began < 5, "neither job nor loop waits"
        hook.wait(3)  # the first was answered 503
        assert hook.told == ["started", "started", "done"] and other.told == ["started"]
        assert len({headers["X-Hf-Pull-Delivery"] for headers, _, _ in hook.got}) == 2
        began = time.monotonic()
    assert time.monotonic() - began < 5, "nor does the end"
    other.close()


def test_a_stall_its_end_and_a_disk_that_is_low_are_told(lab, hook, tmp_path):
    lab.file(12 * MB).start([on_body({"stall_after": 0}, min_first=4 * MB, to=2)])
    with disk.tmpfs(tmp_path / "small", "200m") as folder, \
            Daemon(lab, "--notify-local", "--stall-timeout", "1", "--max-workers", "1", home=folder) as daemon:
        daemon.patch("/settings", {"notify": [hook.url]})
        daemon.add(REPO)
        hook.wait(lambda h: "done" in h.told)
        assert set(hook.told) == {"disk_low", "done", "recovered", "stalled", "started"} and hook.told.count("disk_low") == 1
        low = next(m for m in hook.messages(REPO) if m["event"] == "disk_low")
        assert 0 < low["free_bytes"] < 200 << 20 and "disk low" in low["text"] and " to come" in low["text"]
        assert any("the disk has less room" in line for line in daemon.lines)


def test_the_room_on_the_disk_is_that_of_now(lab, tmp_path):
    lab.file(64 * MB).start()
    with disk.tmpfs(tmp_path / "small", "200m") as folder, Daemon(lab, home=folder) as daemon:
        daemon.patch("/settings", {"limit_bytes_per_s": MB})
        job = daemon.add(REPO)
        before = daemon.wait(job, until=lambda j: j["received_bytes"] > 0)["free_bytes"]
        (folder / "of somebody else").write_bytes(bytes(60 * MB))
        after = daemon.wait(job, until=lambda j: j["free_bytes"] < before - 100 * MB, timeout=20)["free_bytes"]
        assert before < 210 * MB and after > before - 140 * MB, "its own file, which is laid out, and the other one"


@pytest.mark.parametrize("stall", ["lasts", "gone"])
def test_each_happening_is_told_once_across_kills(lab, hook, stall):
    """A stall that outlives the daemon is the same stall; its end is told by the next run, whether that still meets it or not."""
    lab.file(64 * MB).start()
    with Daemon(lab, "--notify-local", "--stall-timeout", "1") as daemon:
        daemon.patch("/settings", {"notify": [hook.url], "limit_bytes_per_s": 2 * MB})
        job = daemon.add(REPO)
        hook.wait(1)
        daemon.wait(job, until=lambda j: j["received_bytes"] > 0)
        lab.server.process.send_signal(signal.SIGSTOP)
        hook.wait(2)
        daemon.kill()
        if stall == "gone":
            lab.server.process.send_signal(signal.SIGCONT)
        daemon.start()
        if stall == "lasts":
            daemon.wait(job, until=lambda j: j["stalls"] == 2)
            lab.server.process.send_signal(signal.SIGCONT)
        hook.wait(3)
        daemon.kill()
        daemon.start()
        daemon.patch("/settings", {"limit_bytes_per_s": 0})
        daemon.wait(job)
        hook.wait(4)
        daemon.kill()
        daemon.start()
        assert daemon.job(job)["state"] == "done"
    assert hook.told == ["started", "stalled", "recovered", "done"], "nothing twice, nothing lost"
    assert lab.wrong() == {}


def test_nothing_is_told_before_it_is_kept_that_it_was(lab, hook, tmp_path):
    """The daemon's own disk stands still: jobs go on, and what would be told again after a kill is not told yet."""
    lab.file(2 * MB).start()
    with disk.loop_disk("ext4", tmp_path / "own", 64 * MIB) as folder, Daemon(lab, "--notify-local", data=folder / "data") as daemon:
        daemon.patch("/settings", {"notify": [hook.url]})
        lab.server.process.send_signal(signal.SIGSTOP)
        daemon.add(REPO)
        disk.order("fsfreeze", "-f", folder)
        try:
            lab.server.process.send_signal(signal.SIGCONT)
            disk.wait_until(lambda: daemon.get("/jobs").json["jobs"][0]["state"] == "done")
            time.sleep(0.5)
            assert hook.told == []
        finally:
            disk.order("fsfreeze", "-u", folder)
        hook.wait(2)
        assert hook.told == ["started", "done"]


def test_what_is_tried_again_is_told_again(lab, hook):
    lab.file(MB).start()
    with Daemon(lab, "--notify-local") as daemon:
        daemon.patch("/settings", {"notify": [hook.url]})
        job = daemon.add("no/such")
        hook.wait(1)
        daemon.post(f"/jobs/{job}/retry")
        hook.wait(2)
        assert hook.told == ["failed", "failed"]


def test_hf_pull_add_takes_addresses_along(lab, hook):
    lab.file(MB).start()
    with Daemon(lab, "--notify-local") as daemon:
        run = client(daemon, "add", REPO, f"--notify={hook.url}", "--notify-on", "done,failed")
        assert run.code == 0, run
        hook.wait(1)
        assert hook.told == ["done"]
        refused = client(daemon, "add", REPO, "--notify=cmd:true")
        assert refused.code != 0 and "command line only" in refused.err, refused
