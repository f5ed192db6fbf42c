"""The daemon and the cache: what it lists is what is on the disk, what it deletes is what it said, and nothing that is needed goes.

Seen red on purpose, each with the daemon broken so:
    an answer that stands after a job has ended, a scan for each who asks      test_many_who_ask_cost_one_scan_and_what_changed_is_seen_at_once
    what jobs have found left out                                              test_what_is_proved_what_is_not_and_what_is_damaged
    the event not sent, "-" taken for a name                                   test_a_deletion_frees_what_it_said_and_nothing_else
    jobs not asked, paused ones not asked                                      test_what_a_job_works_on_stays
    a lock told as trouble of the disk                                         test_what_another_process_pulls_stays
    any type taken for a model                                                 test_names_that_are_none_touch_nothing
    the listing open to all                                                    test_who_may_ask
    the queue, --ready or the last pull forgotten, no look after a job         test_beyond_the_quota_what_was_used_longest_ago_goes_first
    what was wanted while it looked forgotten at the end of the look           test_what_changes_while_the_quota_looks_is_looked_at_again
    no second look at who needs what was found                                 test_what_came_into_use_while_the_quota_looked_stays
    all jobs held from the question on, as it once was                         test_a_deletion_that_waits.., test_a_job_that_began.., test_no_job_of_its..
    jobs of its repository begun while a revision leaves                       test_no_job_of_its_repository_begins_while_a_revision_leaves
    who works on it not asked again at the turn of a deletion                  test_a_job_that_began_before_the_turn_of_a_deletion_keeps_its_repository
"""

import concurrent.futures
import contextlib
import os
import time

import pytest

import fuse
import hub
from daemon import Daemon
from disk import flip_bit, hanging, read_only, wait_until
from lab import MB, REPO, files_below

ONE = {"path": "one.bin", "size": 2 * MB, "seed": 1}
TWO = {"path": "two.bin", "size": MB, "seed": 2}
BOTH = {"path": "both.bin", "size": 3 * MB, "seed": 3}
TOKEN = "cache-test-token-0123456789"
YEAR_S = 365 * 86400


@pytest.fixture
def filled(lab):
    """A hub with two revisions of REPO that share a file, a dataset, and a model without a namespace."""
    lab.content.repo(REPO, commits={"a": {"generated": [ONE, BOTH]}, "b": {"generated": [TWO, BOTH]}}, refs={"main": "b", "v1": "a"})
    lab.content.repo("org/data", {"rows.txt": b"rows\n"}, type="datasets")
    lab.content.repo("bare", {"config.json": b"{}"})
    return lab


@pytest.fixture
def daemon(filled):
    filled.start()
    with Daemon(filled) as running:
        yield running


def pull(daemon, repo=REPO, **more):
    """The commit that is in place now."""
    job = daemon.wait(daemon.add(repo, **more))
    assert job["state"] == "done", job
    return job["commit"]


def listing(daemon):
    """{(repo, commit): revision}, and the whole answer."""
    answer = daemon.get("/cache")
    assert answer.status == 200, answer
    return {(repo["repo"], one["commit"]): one for repo in answer.json["repos"] for one in repo["revisions"]}, answer.json


def where(repo, commit, kind="model"):
    space, _, name = repo.rpartition("/")
    return f"/cache/{kind}/{space or '-'}/{name}/revisions/{commit}"


def blobs(lab, repo=REPO):
    """{inode: bytes} of the content of a repository, or of all."""
    folders = [hub.repo_folder(lab.home, repo)] if repo else list((lab.home / "hub").iterdir())
    found = [p.stat() for folder in folders for p in folder.glob("blobs/*") if p.is_file()]
    return {about.st_ino: about.st_size for about in found}


# ---- listing -------------------------------------------------------------------------------------------------------

def on_disk(lab):
    """What the listing has to say, read here: {(repo, commit): (bytes, files, refs)}."""
    rows = {}
    for folder in (lab.home / "hub").iterdir():
        if "--" not in folder.name:
            continue
        refs = {p.name: p.read_text() for p in (folder / "refs").rglob("*") if p.is_file()}
        for snapshot in (folder / "snapshots").iterdir():
            files = [p.stat() for p in snapshot.rglob("*") if p.is_file()]
            size = sum({about.st_ino: about.st_size for about in files}.values())
            named = sorted(name for name, commit in refs.items() if commit == snapshot.name)
            rows["/".join(folder.name.split("--")[1:]), snapshot.name] = (size, len(files), named)
    return rows


def test_the_listing_is_what_the_disk_says(daemon, lab):
    assert listing(daemon)[0] == {} and listing(daemon)[1]["total_bytes"] == 0
    for repo, more in ((REPO, {}), (REPO, {"revision": "v1"}), ("org/data", {"type": "dataset"}), ("bare", {})):
        pull(daemon, repo, **more)
    rows, whole = listing(daemon)
    assert {key: (row["size_bytes"], row["files"], sorted(row["refs"])) for key, row in rows.items()} == on_disk(lab)
    assert {row["proved"] for row in rows.values()} == {"proved"}
    assert whole["root"] == str(lab.home / "hub") and whole["quota_bytes"] == 0
    assert whole["total_bytes"] == sum(blobs(lab, None).values()) == sum(repo["size_bytes"] for repo in whole["repos"])
    free = os.statvfs(lab.home / "hub")
    assert abs(whole["free_bytes"] - free.f_bavail * free.f_frsize) < 1 << 30, "others write here too"
    assert {repo["repo"]: repo["type"] for repo in whole["repos"]} == {REPO: "model", "org/data": "dataset", "bare": "model"}
    assert all(abs(repo["last_used_unix_ms"] / 1000 - time.time()) < 3600 for repo in whole["repos"])
    assert rows[REPO, hub.snapshot(lab.home, REPO).name]["freed_bytes"] == TWO["size"]


def test_a_repository_that_is_closed_to_us_is_named_and_the_rest_is_listed(daemon, lab):
    with fuse.closed(lab.home / "hub/models--org--closed/snapshots"):
        pull(daemon)
        rows, whole = listing(daemon)
        assert {repo["repo"]: (repo["closed"], len(repo["revisions"])) for repo in whole["repos"]} == {REPO: (False, 1), "org/closed": (True, 0)}
        assert whole["total_bytes"] == sum(blobs(lab, None).values()) == sum(row["size_bytes"] for row in rows.values())
        answer = daemon.delete(where("org/closed", "0" * 40))
        assert "Permission denied" in answer.json["detail"], answer


def test_what_is_proved_what_is_not_and_what_is_damaged(daemon, lab):
    old, new = pull(daemon, revision="v1"), pull(daemon)
    folder = hub.repo_folder(lab.home, REPO)
    flip_bit((folder / "snapshots" / old / "one.bin").resolve(), 1000)
    job = daemon.wait(daemon.add(REPO, revision=old, verb="verify"))
    assert job["state"] == "failed" and job["error"]["code"] == "E_CONTENT"
    words = {commit: row["proved"] for (_, commit), row in listing(daemon)[0].items()}
    assert words == {old: "damaged", new: "proved"}
    daemon.stop()
    daemon.start()
    assert listing(daemon)[0][REPO, old]["proved"] == "damaged", "known after a restart"
    assert daemon.wait(daemon.add(REPO, revision=old, verb="repair"))["state"] == "done"
    assert {row["proved"] for row in listing(daemon)[0].values()} == {"proved"}
    for receipt in (folder / ".hf-pull").glob("*.receipt"):
        receipt.unlink()
    assert daemon.wait(daemon.add("bare"))["state"] == "done"  # an end makes it look anew
    rows = listing(daemon)[0]
    assert rows[REPO, old]["proved"] == rows[REPO, new]["proved"] == "unproved"
    assert daemon.wait(daemon.add(REPO, revision=new, verb="verify"))["state"] == "done"
    rows = listing(daemon)[0]
    assert (rows[REPO, old]["proved"], rows[REPO, new]["proved"]) == ("unproved", "proved"), "one revision, not the other"
    (folder / "snapshots" / new / "two.bin").resolve().unlink()
    daemon.wait(daemon.add("bare", force=True))
    assert listing(daemon)[0][REPO, new]["proved"] == "damaged"


def scans(daemon):
    line = next(line for line in daemon.get("//metrics").body.decode().splitlines() if line.startswith("hfpulld_cache_scans_total "))
    return int(line.split()[1])


def test_many_who_ask_cost_one_scan_and_what_changed_is_seen_at_once(daemon):
    pull(daemon)
    before = scans(daemon)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        bodies = {answer.body for answer in pool.map(lambda _: daemon.get("/cache"), range(200))}
    assert len(bodies) == 1 and scans(daemon) - before <= 2
    for _ in range(3):  # an answer that stands is stale when a job has ended, or something is deleted
        commit = pull(daemon, "bare", force=True)
        assert ("bare", commit) in listing(daemon)[0]
        assert daemon.delete(where("bare", commit)).status == 200
        assert ("bare", commit) not in listing(daemon)[0]


# ---- deletion ------------------------------------------------------------------------------------------------------

def test_a_deletion_frees_what_it_said_and_nothing_else(daemon, lab):
    old, new = pull(daemon, revision="v1"), pull(daemon)
    pull(daemon, "bare")
    events = daemon.events()
    said, before = listing(daemon)[0][REPO, old]["freed_bytes"], blobs(lab)
    answer = daemon.delete(where(REPO, old))
    assert answer.status == 200 and answer.json == {"freed_bytes": said} and said == ONE["size"]
    assert sum(before.values()) - sum(blobs(lab).values()) == said
    assert {(repo, commit) for repo, commit in listing(daemon)[0]} == {(REPO, new), ("bare", hub.snapshot(lab.home, "bare").name)}
    assert not (hub.repo_folder(lab.home, REPO) / "refs/v1").exists()
    assert lab.wrong() == {} and lab.wrong("bare") == {}, "what is shared, and all of the others, stays"
    gone = {"why": "asked", "type": "model", "repo": REPO, "commit": old, "freed_bytes": said}
    assert events.wait(lambda rows: [data for _, kind, data, _ in rows if kind == "cache"]) == [gone]
    events.close()
    assert daemon.delete(where(REPO, old)).json["code"] == "E_NO_REVISION"
    assert daemon.delete(where(REPO, new)).json == {"freed_bytes": TWO["size"] + BOTH["size"]}
    assert not hub.repo_folder(lab.home, REPO).exists(), "nothing of it is left"
    assert daemon.delete(where(REPO, new)).json["code"] == "E_NO_REPO"
    assert daemon.delete(where("bare", hub.snapshot(lab.home, "bare").name)).json == {"freed_bytes": 2}
    assert f"{REPO} {old[:7]} is deleted (asked): 2.00 MB freed" in daemon.text


def test_what_a_job_works_on_stays(filled, lab):
    lab.start(options={"conn-rate": MB // 4})
    with Daemon(lab) as daemon:
        old = pull(daemon, "bare")
        lab.server.set(conn_rate=0)
        first = pull(daemon, revision="v1")
        lab.server.set(conn_rate=MB // 8)
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda now: now["state"] == "downloading")
        for act, state in ((None, "downloading"), ("pause", "paused")):
            if act:
                daemon.post(f"/jobs/{job}/{act}")
            answer = daemon.delete(where(REPO, first))
            assert answer.status == 409 and answer.json["code"] == "in_use"
            assert all(word in answer.json["detail"] for word in (job, "pull", REPO, state)), answer
        assert (REPO, first) in listing(daemon)[0]
        assert daemon.delete(where("bare", old)).status == 200, "another repository"
        daemon.kill()
        daemon.start()
        assert daemon.job(job)["state"] == "paused"
        assert daemon.delete(where(REPO, first)).status == 409, "paused, though no engine knows it"
        daemon.post(f"/jobs/{job}/cancel")
        assert daemon.delete(where(REPO, first)).json == {"freed_bytes": ONE["size"] + BOTH["size"]}
        lab.server.set(conn_rate=0)
        pull(daemon)
        assert lab.wrong() == {}


def test_what_another_process_pulls_stays(daemon, lab):
    old = pull(daemon, revision="v1")
    lab.server.set(conn_rate=MB // 8)
    other = lab.begin(REPO)
    deadline = time.monotonic() + 20
    while not list(hub.repo_folder(lab.home, REPO).glob("blobs/*.incomplete")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    answer = daemon.delete(where(REPO, old))
    assert answer.status == 409 and answer.json["code"] == "E_LOCKED" and "another process" in answer.json["detail"]
    other.terminate()
    other.communicate()
    assert daemon.delete(where(REPO, old)).status == 200


def test_names_that_are_none_touch_nothing(daemon, lab):
    commit = pull(daemon)
    (lab.home / "hub/outside").mkdir()
    (lab.home / "hub/outside/keep").write_text("x")
    before = files_below(lab.home / "hub")
    good = where(REPO, commit)
    for path, status in (
            (good.replace("model", "models"), 400), (good.replace("model", ".."), 404), (good[:-1], 400), (good + "0", 400),
            (good.replace(commit, commit.upper()), 400), (good.replace(commit, "main"), 400), (good.replace(commit, "0" * 40), 404),
            (good.replace("/org/", "/%2e%2e/"), 404), (good.replace("/org/", "/org%2f../"), 404), (good.replace("/org/", "/../"), 404),
            (good.replace("/org/", "/..%5c/"), 400), (good.replace("/org/", "/o%00rg/"), 404), (good.replace("/org/", "//"), 404),
            (good.replace("/x/", "/x--y/"), 400), (good.replace("/x/", "/outside/"), 404), (good.replace("/x/", f"/{'x' * 97}/"), 400),
            (good.replace("/x/", f"/{'x' * 300}/"), 404), (good.replace("model", "dataset"), 404), (good + "/..", 404),
            ("/cache", 405), ("/cache/model/org/x", 404), ("/cache/model/-/outside/revisions/" + commit, 404)):
        answer = daemon.delete(path)
        assert answer.status == status and answer.headers["Content-Type"] == "application/problem+json", (path, answer)
    assert files_below(lab.home / "hub") == before
    assert daemon.get(good).status == 405


def test_a_cache_that_cannot_be_written_is_listed_and_stays(filled, lab):
    lab.start()
    lab.pull()
    commit, before = hub.snapshot(lab.home, REPO).name, files_below(lab.home / "hub")
    with read_only(lab.home / "hub"), Daemon(lab) as daemon:  # a daemon started here sees the mount
        answer = daemon.delete(where(REPO, commit))
        assert answer.status == 503 and "Read-only" in answer.json["detail"], answer
        assert listing(daemon)[0][REPO, commit]["proved"] == "proved"
        daemon.patch("/settings", {"quota_bytes": 1})
        deadline = time.monotonic() + 10
        while not any("quota: " in line and "Read-only" in line for line in daemon.lines):
            assert time.monotonic() < deadline, daemon.text
            time.sleep(0.02)
    assert files_below(lab.home / "hub") == before


def test_a_cache_that_is_none(daemon, lab):
    (lab.home / "hub").write_text("no folder")
    assert daemon.get("/cache").status == 503 and daemon.delete(where(REPO, "0" * 40)).status in (404, 503)
    (lab.home / "hub").unlink()
    assert listing(daemon)[0] == {}, "one that is not there is an empty one"


def test_who_may_ask(filled, lab):
    lab.start()
    with Daemon(lab, "--require-token", token=TOKEN, env={"HF_PULLD_TOKEN": TOKEN}) as daemon:
        commit = pull(daemon)
        for headers, status in (({"Authorization": "Bearer no"}, 401), ({"Host": "evil.example"}, 403),
                                ({"Origin": "https://evil.example"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403)):
            for method, path in (("GET", "/cache"), ("DELETE", where(REPO, commit))):
                assert daemon.ask(method, path, headers=headers).status == status, (method, headers)
        assert (REPO, commit) in listing(daemon)[0]


# ---- quota ---------------------------------------------------------------------------------------------------------

def used(lab, repo, years_ago):
    when = time.time() - years_ago * YEAR_S
    for blob in hub.repo_folder(lab.home, repo).glob("blobs/*"):
        os.utime(blob, (when, when))


def here(daemon):
    return sorted({repo for repo, _ in listing(daemon)[0]})


def wait_for(daemon, repos):
    deadline = time.monotonic() + 20
    while here(daemon) != repos:
        assert time.monotonic() < deadline, (here(daemon), daemon.text)
        time.sleep(0.02)


def test_beyond_the_quota_what_was_used_longest_ago_goes_first(lab):
    for name in ("a", "b", "c", "d", "e"):
        lab.content.repo(f"org/{name}", generated=[{"path": "w.bin", "size": MB, "seed": ord(name)}])
    lab.start()
    with Daemon(lab, "--ready", "org/c") as daemon:
        for name in ("a", "b", "c", "d"):
            pull(daemon, f"org/{name}")
        for name, years in (("a", 2), ("b", 4), ("c", 9), ("d", 8)):
            used(lab, f"org/{name}", years)
        assert daemon.patch("/settings", {"quota_bytes": -1}).status == 400
        events = daemon.events()
        assert daemon.patch("/settings", {"quota_bytes": 7 * MB // 2}).json["quota_bytes"] == 7 * MB // 2
        wait_for(daemon, ["org/a", "org/c", "org/d"])  # c is older: --ready; d too: the last that came
        row = events.wait(lambda rows: [data for _, kind, data, _ in rows if kind == "cache"])[0]
        assert (row["why"], row["repo"], row["freed_bytes"]) == ("quota", "org/b", MB)
        events.close()
        wait_until(lambda: any("org/b" in line and "(quota): 1.00 MB freed" in line for line in daemon.lines))
        pull(daemon, "org/e")  # d is no longer the last, and the next to go
        wait_for(daemon, ["org/a", "org/c", "org/e"])
        lab.server.set(conn_rate=MB // 8)
        daemon.patch("/settings", {"parallel_jobs": 1})
        running, queued = daemon.add("org/d"), daemon.add("org/a", verb="verify")
        daemon.wait(running, until=lambda now: now["state"] == "downloading")
        daemon.patch("/settings", {"quota_bytes": 1})
        deadline = time.monotonic() + 10
        while not any("what is left is needed" in line for line in daemon.lines):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert here(daemon) == ["org/a", "org/c", "org/e"], "wanted by the queue, by --ready, and fetched last"
        daemon.kill()
        daemon.start()
        assert daemon.get("/settings").json["quota_bytes"] == 1
        daemon.delete(f"/jobs/{running}")
        daemon.delete(f"/jobs/{queued}")
        wait_for(daemon, ["org/c", "org/e"])
        daemon.patch("/settings", {"quota_bytes": 0})
        lab.server.set(conn_rate=0)
        pull(daemon, "org/a")
        assert here(daemon) == ["org/a", "org/c", "org/e"], "off is off"
        assert lab.wrong("org/a") == {} and lab.wrong("org/c") == {}


@contextlib.contextmanager
def looks_that_wait(lab):
    """A daemon with org/a to org/d in a cache where each look waits, while hangs is set, for a folder that does not answer."""
    for name in "abcd":
        lab.content.repo(f"org/{name}", generated=[{"path": "w.bin", "size": MB, "seed": ord(name)}])
    lab.start()
    with hanging(lab.home / "hub/models--org--gone") as fs, Daemon(lab) as daemon:
        for name in "ab":
            pull(daemon, f"org/{name}")
        used(lab, "org/a", 3)
        used(lab, "org/b", 2)
        try:
            yield daemon, fs.hangs
        finally:
            fs.hangs.clear()


def quiet(daemon, hangs):
    """No look is under way, and no other comes: one that is asked for now is answered."""
    hangs.clear()
    wait_until(lambda: any("what is left is needed" in line for line in daemon.lines), what="the end of the round")


def test_what_changes_while_the_quota_looks_is_looked_at_again(lab):
    with looks_that_wait(lab) as (daemon, hangs):
        lab.server.set(conn_rate=MB // 64)
        daemon.patch("/settings", {"parallel_jobs": 1})
        running = daemon.add("org/c")
        needs = daemon.add("org/a", verb="verify")
        hangs.set()
        daemon.patch("/settings", {"quota_bytes": MB // 2})  # b, brought last, stays; a is needed: this look will find nothing
        time.sleep(0.3)
        daemon.delete(f"/jobs/{needs}")
        time.sleep(0.3)
        hangs.clear()
        wait_until(lambda: not hub.repo_folder(lab.home, "org/a").exists(), what="org/a to go")
        daemon.delete(f"/jobs/{running}")


def test_what_came_into_use_while_the_quota_looked_stays(lab):
    with looks_that_wait(lab) as (daemon, hangs):
        lab.server.set(conn_rate=MB // 64)
        daemon.patch("/settings", {"parallel_jobs": 1})
        running = daemon.add("org/c")
        hangs.set()
        daemon.patch("/settings", {"quota_bytes": MB // 2})  # a is what it will find
        time.sleep(0.3)
        needs = daemon.add("org/a", verb="verify")
        assert daemon.job(needs)["state"] == "queued"
        time.sleep(0.3)
        quiet(daemon, hangs)
        assert "org/a" in here(daemon), daemon.text
        daemon.delete(f"/jobs/{running}")
        assert daemon.wait(needs)["state"] == "done"


def test_a_deletion_that_waits_for_a_look_holds_nothing_and_is_given_up(lab):
    """The look hangs, so the deletion's turn does not come: whoever asked is told so, and jobs begin as ever."""
    with looks_that_wait(lab) as (daemon, hangs), concurrent.futures.ThreadPoolExecutor() as pool:
        commit = hub.snapshot(lab.home, "org/a").name
        time.sleep(2.1)  # an answer stands so long
        hangs.set()
        look = pool.submit(daemon.get, "/cache")
        time.sleep(0.2)
        leaves, begun = pool.submit(daemon.delete, where("org/a", commit)), time.monotonic()
        time.sleep(0.2)
        assert daemon.wait(daemon.add("org/c"), timeout=10)["state"] == "done", "of another repository"
        assert daemon.wait(daemon.add("org/a", verb="verify"), timeout=10)["state"] == "done", "of the one that is to go"
        answer = leaves.result(30)
        assert 10 < time.monotonic() - begun < 22, "before the deadline of an answer"
        assert answer.status == 503 and answer.json["code"] == "E_IO" and "nothing was deleted" in answer.json["detail"], answer
        hangs.clear()
        assert look.result().status == 200 and lab.wrong("org/a") == {}
        assert daemon.delete(where("org/a", commit)).json == {"freed_bytes": MB}


def test_a_job_that_began_before_the_turn_of_a_deletion_keeps_its_repository(lab):
    with looks_that_wait(lab) as (daemon, hangs), concurrent.futures.ThreadPoolExecutor() as pool:
        commit = hub.snapshot(lab.home, "org/a").name
        lab.server.set(conn_rate=MB // 64)
        time.sleep(2.1)
        hangs.set()
        look = pool.submit(daemon.get, "/cache")
        time.sleep(0.2)
        leaves = pool.submit(daemon.delete, where("org/a", commit))
        time.sleep(0.2)
        job = daemon.add("org/a", force=True)
        daemon.wait(job, until=lambda now: now["state"] == "downloading")
        assert not leaves.done()
        hangs.clear()
        answer = leaves.result()
        assert answer.status == 409 and answer.json["code"] == "in_use" and job in answer.json["detail"], answer
        assert look.result().status == 200 and lab.wrong("org/a") == {}
        daemon.delete(f"/jobs/{job}")


def test_no_job_of_its_repository_begins_while_a_revision_leaves(lab):
    """The deletion itself hangs: at another revision of the repository, where it looks for what is still used."""
    with looks_that_wait(lab) as (daemon, _), concurrent.futures.ThreadPoolExecutor() as pool:
        commit, other = hub.snapshot(lab.home, "org/a").name, "0" * 40
        with hanging(hub.repo_folder(lab.home, "org/a") / "snapshots" / other) as fs:
            fs.hangs.set()
            leaves = pool.submit(daemon.delete, where("org/a", commit))
            time.sleep(0.3)
            job = daemon.add("org/a")
            assert daemon.wait(daemon.add("org/c"), timeout=10)["state"] == "done", "of another repository"
            assert daemon.job(job)["state"] == "queued" and not leaves.done()
            fs.hangs.clear()
            assert leaves.result().json == {"freed_bytes": MB}
        done = daemon.wait(job)
        assert done["state"] == "done" and done["received_bytes"] == MB, "it met a cache without it"
        assert lab.wrong("org/a") == {}
