"""The daemon shows other tools' downloads and takes them over.

Seen red on purpose, each with the daemon broken so:
    links followed while it looks                           test_only_what_was_found_inside..
    the place of a file not looked at before it is adopted  test_only_what_was_found_inside.. (201 instead of 403)
    files named by POST /jobs taken over                    test_only_what_was_found_inside..
    a file that grows taken over                            test_what_is_seen_and_told
    no event when something has changed                     test_what_is_seen_and_told
    four looks where one is due                             test_what_is_seen_and_told
    rest by the time a look took, as it once was            test_one_slow_look..
    files looked at that anybody has open, as it once was   test_what_others_have_open..
    the adopted file not kept in the store                  test_adopted_across_a_kill
"""

import os
import subprocess
import sys
import time

import disk
from daemon import Daemon
from hub import gen_fast, repo_folder
from lab import MB, MIB, REPO
from test_adopt import SIZE, world  # noqa: F401  (world: a fixture)

HAVE = 10 * MIB + 77
GROW = ("import sys, time\nf = open(sys.argv[1], 'ab', buffering=0)\nwhile True:\n    f.write(bytes(200_000))\n    time.sleep(0.1)\n")
HOLD = "import sys, time\nf = open(sys.argv[1], 'wb', buffering=0)\nf.write(b'x')\nprint(flush=True)\ntime.sleep(100)\n"


def leftover(path, n=HAVE, age=60, seed=7):
    """What a download that ended a minute ago has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gen_fast(seed, 0, n))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def seen(daemon):
    answer = daemon.get("/foreign")
    assert answer.status == 200, answer
    return {row["path"]: row for row in answer.json["downloads"]}


def adopt(daemon, path, **body):
    return daemon.post(f"/foreign/{seen(daemon)[str(path)]['id']}/adopt", body)


def test_what_is_seen_and_told(world):
    """A stalled one with its words, one that grows with its writer, rate and events; the page's reader hears of both."""
    old = leftover(world.other / "deep/old.gguf.partial", 5 * MB, age=40)
    etag = world.server.tree(REPO)["model.bin"]["lfs"]["oid"]
    in_hub = leftover(repo_folder(world.home, REPO) / f"blobs/{etag}.incomplete")
    moving = world.other / "new.bin.part"
    with Daemon(world, "--watch-dir", world.other) as daemon:
        assert daemon.get("/settings").json["watch_dirs"] == [str(world.other)]
        writer = subprocess.Popen([sys.executable, "-c", GROW, moving])
        try:
            events, begun = daemon.events(), time.monotonic()
            rows = events.wait(lambda rows: [r for r in rows if r[1] == "foreign" and any(
                d["path"] == str(moving) and d["rate_bytes_per_s"] for d in r[2]["downloads"])], timeout=60)
            last = {d["path"]: d for d in rows[-1][2]["downloads"]}
            assert 500_000 < last[str(moving)]["rate_bytes_per_s"] < 3_000_000
            assert last[str(moving)]["pid"] == writer.pid and last[str(moving)]["by"].startswith("python")
            refused = adopt(daemon, moving, repo=REPO)
            assert refused.status == 409 and refused.json["code"] == "still_growing"
            assert "still grows" in refused.json["detail"] and str(writer.pid) in refused.json["detail"]
        finally:
            writer.kill()
            writer.wait()
        downloads = seen(daemon)
        assert set(downloads) == {str(old), str(in_hub), str(moving)}
        stalled = downloads[str(old)]
        assert stalled["stalled"] and stalled["pid"] is None and stalled["total_bytes"] is None
        assert stalled["text"] == f"No file activity for {stalled['quiet_s']}s - download may be stalled" and stalled["quiet_s"] >= 40
        assert abs(stalled["last_growth_unix_ms"] / 1000 - old.stat().st_mtime) < 1
        assert (downloads[str(in_hub)]["repo"], downloads[str(in_hub)]["repo_type"]) == (REPO, "model")
        moving.unlink()
        events.wait(lambda rows: str(moving) not in {d["path"] for d in [r for r in rows if r[1] == "foreign"][-1][2]["downloads"]})
        heard = [row[3] for row in events.rows if row[1] == "foreign"]
        assert len(heard) <= (heard[-1] - begun) / 2 + 4, "it looks every two seconds, or when it is asked, as three times here"
        events.close()


def test_one_slow_look_is_not_half_a_minute_of_blindness(world):
    with disk.hanging(world.other / "slow") as fs:
        file = leftover(fs.folder / "a.gguf.part", 1000, age=0)
        with Daemon(world, "--watch-dir", world.other) as daemon:
            events = daemon.events()
            sizes = lambda rows: [d["size_bytes"] for r in rows if r[1] == "foreign" for d in r[2]["downloads"] if d["path"] == str(file)]
            events.wait(sizes)
            fs.hangs.set()
            time.sleep(5)  # two looks are due meanwhile: one of them takes 2 s and more
            fs.hangs.clear()
            file.write_bytes(bytes(2000))
            events.wait(lambda rows: sizes(rows)[-1] == 2000)
            events.close()


def test_what_others_have_open_on_a_disk_that_hangs_is_nobodys_business(world, tmp_path):
    file = leftover(world.other / "a.gguf.part", 1000, age=0)
    with disk.hanging(tmp_path / "gone") as fs:
        holder = subprocess.Popen([sys.executable, "-c", HOLD, fs.folder / "notes.txt"], stdout=subprocess.PIPE)
        try:
            holder.stdout.readline()
            fs.hangs.set()
            with Daemon(world, "--watch-dir", world.other) as daemon:
                events = daemon.events()
                events.wait(lambda rows: str(file) in {d["path"] for r in rows if r[1] == "foreign" for d in r[2]["downloads"]})
                events.close()
        finally:
            fs.hangs.clear()
            holder.kill()
            holder.wait()


def test_adopted_across_a_kill(world):
    """201, a job like any other, and what the other tool had is not fetched; the job survives kill -9 with its file."""
    path = leftover(world.other / "model.bin.part")
    with Daemon(world, "--watch-dir", world.other) as daemon:
        daemon.patch("/settings", {"limit_bytes_per_s": 2 * MB})
        answer = adopt(daemon, path, repo=f"{REPO}@main")
        assert answer.status == 201, answer
        job = answer.json
        assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
        assert (job["verb"], job["repo"], job["revision"]) == ("adopt", REPO, "main")
        again = adopt(daemon, path, repo=REPO)
        assert again.status == 200 and again.json["id"] == job["id"], "the same download once more is the same job"
        daemon.kill()
        daemon.start()
        daemon.patch("/settings", {"limit_bytes_per_s": 0})
        done = daemon.wait(job["id"])
        assert done["state"] == "done" and done["verb"] == "adopt", done
        assert done["summary"]["adopted_bytes"] + done["summary"]["kept_bytes"] >= 10 * MIB, "some of it perhaps before the kill"
    assert world.wrong() == {}
    assert world.server.bytes_served("model.bin") <= SIZE - 10 * MIB + 4 * MIB
    assert path.stat().st_size == HAVE, "the other tool's file stays as it is"


def test_only_what_was_found_inside_and_nothing_through_links(world):
    outside = leftover(world.path / "outside/secret.bin.part")
    (world.other / "folder").symlink_to(outside.parent)
    (world.other / "file.bin.part").symlink_to(outside)
    path = leftover(world.other / "model.bin.part")
    with Daemon(world, "--watch-dir", world.other) as daemon:
        downloads = seen(daemon)
        assert set(downloads) == {str(path)}, "links are not followed"
        found = downloads[str(path)]["id"]
        assert daemon.post("/foreign/0123456789abcdef/adopt", {"repo": REPO}).status == 404
        assert daemon.post("/foreign/..%2F..%2Fetc/adopt", {"repo": REPO}).status == 404
        wrong = [({"file": "/etc/passwd"}, "file"), ({"repo": "../../etc"}, "repo"), ({"revision": "a\nb"}, "revision"),
                 ({"repo": REPO, "type": "thing"}, "type"), ({"repo": REPO, "revision": "../x"}, "revision"), ({}, "repo")]
        for body, name in wrong:
            answer = daemon.post(f"/foreign/{found}/adopt", body)
            assert answer.status == 400 and name in answer.json["detail"], (body, answer)
        for body in ({"verb": "adopt"}, {"verb": "adopt", "adopt": ["/etc/passwd"]}, {"adopt": [str(outside)]}):
            assert daemon.post("/jobs", dict(body, repo=REPO)).status == 400
        # The folder's own name is another folder by now.
        world.other.rename(world.path / "moved")
        (world.path / "other").symlink_to(world.path / "outside")
        leftover(world.path / "outside/model.bin.part")
        answer = daemon.post(f"/foreign/{found}/adopt", {"repo": REPO})
        assert answer.status == 403 and answer.json["code"] == "folder_refused", answer
        assert daemon.get("/jobs").json["total"] == 0
