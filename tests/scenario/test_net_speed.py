"""How many connections, how many bytes, how fast: bad lines, slow lines, limits, small files, very large files.

Everything is asserted on counts; where time matters the bounds are wide.

Seen red on purpose, each with the engine broken so:
    a lost range begun at its block again      test_a_bad_line.., test_a_reset_every_hundred_kilobytes
    creeping streams above a threshold kept    test_throttled_above_four_streams
    what the limit holds back taken over       test_limit_rate_is_exact.. (bytes)
    the limit 5 % off                          test_limit_rate_is_exact..
    one small file at a time                   test_two_thousand_small_files
    the number of connections never raised     test_more_connections_where_they_pay
    every rise kept                            test_few_connections_where_they_do_not_pay
    no connection used twice                   test_more_connections.., test_two_thousand_small_files
    the user's number not kept                 test_the_user_fixes_the_number, test_a_slow_line..
"""

import json
import os
import shutil
import time

import pytest

from hub import gen_fast, repo_folder
from lab import MB, MIB, REPO, ends

LONG = bool(os.environ.get("HFP_TEST_ALL") or os.environ.get("HFP_ALL"))      # ./test all


def on_body(do, **match):
    return {"match": dict({"kind": "body", "path": "model.bin"}, **match), "do": do}


def ours(server):
    return [r for r in server.log() if r["user_agent"].startswith("hf-pull")]


def most_at_once(rows):
    """The largest number of requests that were open at one moment."""
    steps = sorted([(r["t_ms"], 1) for r in rows] + [(r["end_ms"], -1) for r in rows])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


# ---- bad lines -----------------------------------------------------------------------------------------------------

def test_a_bad_line_ends_with_little_more_than_the_file(lab):
    """870 KB/s in all, every connection is reset after each megabyte: 12 MB, wire at most 1.06 x size."""
    lab.file(12 * MB).start([on_body({"reset_every": MB})], options={"rate": 870_000})
    run = lab.pull()
    lab.assert_done(run)
    assert len([r for r in lab.bodies() if r["end"] == "reset"]) >= 8
    assert lab.server.bytes_served("model.bin") <= 12 * MB * 1.06
    assert run.seconds < 40


if LONG:      # not skipped: a skip in CI is a failure, and this one is not of the usual suite
    @pytest.mark.timeout(1800)
    def test_the_bad_line_itself(lab):
        """87 KB/s with a reset every 5 MB, 60 MB: twelve minutes."""
        lab.file(60 * MB).start([on_body({"reset_every": 5 * MB})], options={"rate": 87_000})
        run = lab.pull(timeout=1700)
        lab.assert_done(run)
        assert lab.server.bytes_served("model.bin") <= 60 * MB * 1.06
        assert run.seconds < 60 * MB / 87_000 * 1.15


def test_a_reset_every_hundred_kilobytes(lab):
    """Progress is progress, however little at a time: one round allowed, and it never counts."""
    lab.file(5 * MB).start([on_body({"reset_every": 100_000})], options={"conn-rate": MB})
    run = lab.pull(REPO, "--max-attempts", "1")
    lab.assert_done(run)
    assert lab.server.bytes_served("model.bin") <= 5 * MB * 1.06


def test_a_slow_line_with_one_connection(lab):
    """--max-workers 1 is one stream at a time, on one connection, and no gap between the requests."""
    lab.file(6 * MB).start(options={"rate": MB})
    run = lab.pull(REPO, "--max-workers", "1")
    lab.assert_done(run)
    rows = lab.bodies()
    assert most_at_once(rows) == 1 and len({r["conn"] for r in rows}) == 1
    assert lab.server.bytes_served("model.bin") == 6 * MB
    assert run.seconds < 9


def test_throttled_above_four_streams(lab):
    """More than four streams and each creeps at 4 KB/s. The streams that brought this about are left, and it ends."""
    lab.file(60 * MB).start(options={"conn-rate": 2 * MB, "throttle-above": 4, "throttle-to": 4096})
    run = lab.pull()
    lab.assert_done(run)
    rows = lab.bodies()
    assert run.seconds < 40, "four streams of 2 MB/s need 8 s"
    crept = [r for r in rows if r["end"] == "client_gone" and r["bytes"] < 100_000]
    assert len(crept) >= 4, "what was above the threshold was given up"
    assert lab.server.bytes_served("model.bin") <= 60 * MB * 1.06 + 4 * MIB


# ---- the limit -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate,bytes_per_s", [("4MB", 4_000_000), ("4M", 4 << 20)])
def test_limit_rate_is_exact_within_three_percent(lab, rate, bytes_per_s):
    size = 8 * bytes_per_s
    lab.file(size).start()
    idle = lab.pull(REPO, "--dry-run").seconds
    run = lab.pull(REPO, "--limit-rate", rate)
    lab.assert_done(run)
    assert 0.97 * 8 <= run.seconds - idle <= 1.03 * 8, run
    assert lab.server.bytes_served("model.bin") == size


def test_limit_rate_over_many_small_files(lab):
    lab.content.repo(REPO, generated_many={"count": 400, "prefix": "f", "size_min": 20_000, "size_max": 20_000, "seed": 5})
    lab.start()
    run = lab.pull(REPO, "--limit-rate", "1600KB")
    lab.assert_done(run)
    assert 4.5 <= run.seconds <= 6.5


def test_a_status_tells_what_the_kernel_knows_of_the_connection(lab):
    lab.file(4_000_000).start()
    run = lab.pull(REPO, "--limit-rate", "2MB", "--progress", "json")
    lab.assert_done(run)
    fronts = [f for line in run.err.splitlines() for f in json.loads(line).get("status", {}).get("fronts", [])]
    assert any(f["family"] == "ipv4" and f["address"] == "127.0.0.1" and f["rtt_us"] > 0 and f["retransmits"] == 0 for f in fronts)


def zone_in_which_it_is(seconds_of_day):
    """A time zone by its offset alone (POSIX counts west of Greenwich as positive)."""
    west = (int(time.time()) - seconds_of_day) % 86400
    return f"TST{west // 3600}:{west // 60 % 60:02}:{west % 60:02}" if west < 12 * 3600 else \
        "TST-" + f"{(86400 - west) // 3600}:{(86400 - west) // 60 % 60:02}:{(86400 - west) % 60:02}"


def test_a_timetable_changes_the_limit_of_a_running_pull(lab):
    lab.file(12_000_000).start()
    run = lab.pull(REPO, "--limit-rate", "20:00,off 08:00,1MB",
                   TZ=zone_in_which_it_is(19 * 3600 + 59 * 60 + 56))
    lab.assert_done(run)
    assert 3 <= run.seconds <= 7, "4 s at 1 MB/s, the rest at once"
    assert "hf-pull: no limit until 08:00 (--limit-rate)" in run.err


# ---- many files ----------------------------------------------------------------------------------------------------

def test_two_thousand_small_files(lab):
    """20 ms each. In turn that is 40 s and more; connections are used side by side and again and again."""
    lab.content.repo(REPO, generated_many={"count": 2000, "prefix": "data/f", "suffix": ".txt", "size_min": 2000, "size_max": 20_000, "seed": 3})
    lab.start(options={"latency": 20})
    run = lab.pull()
    lab.assert_done(run)
    rows = [r for r in ours(lab.server) if r["kind"] == "body"]
    assert len(rows) == 2000, "one request a file, no HEAD"
    assert most_at_once(rows) > 8
    assert len({r["conn"] for r in rows}) <= 40
    assert run.seconds < 25


def test_no_head_and_one_listing(lab):
    lab.content.repo(REPO, generated_many={"count": 100, "prefix": "f", "size_min": 10, "size_max": 100, "seed": 3})
    lab.start()
    lab.assert_done(lab.pull())
    rows = ours(lab.server)
    assert {r["method"] for r in rows} == {"GET"}
    assert sorted(r["kind"] for r in rows if r["kind"] != "body") == ["info", "tree"]
    first = len(rows)
    lab.assert_done(lab.pull())
    assert [r["kind"] for r in ours(lab.server)[first:]] == ["info"], "a complete cache costs one request"
    commit = next((repo_folder(lab.home, REPO) / "snapshots").iterdir()).name
    assert lab.pull(f"{REPO}@{commit}").code == 0
    assert len(ours(lab.server)) == first + 1, "with the full commit it costs none"


# ---- learned concurrency -------------------------------------------------------------------------------------------

def test_more_connections_where_they_pay(lab):
    """2 MB/s for each: twelve and more in the end, without being told."""
    lab.file(240 * MB).start(options={"conn-rate": 2 * MB})
    run = lab.pull()
    lab.assert_done(run)
    rows = lab.bodies()
    assert 12 <= most_at_once(rows) <= 18
    assert run.seconds < 30, "one alone would need two minutes"
    connections = {r["conn"] for r in rows}
    assert len(connections) <= 20, "kept alive and used again"
    assert lab.server.bytes_served("model.bin") <= 240 * MB * 1.02


def test_few_connections_where_they_do_not_pay(lab):
    """One line of 20 MB/s, which four connections fill."""
    lab.file(160 * MB).start(options={"rate": 20 * MB})
    run = lab.pull()
    lab.assert_done(run)
    assert most_at_once(lab.bodies()) <= 10
    assert run.seconds < 12
    assert lab.server.bytes_served("model.bin") == 160 * MB


def test_few_connections_on_an_unshaped_line(lab):
    lab.file(400 * MB).start()
    run = lab.pull()
    lab.assert_done(run)
    assert most_at_once(lab.bodies()) <= 10
    assert len({r["conn"] for r in lab.bodies()}) <= 10


@pytest.mark.parametrize("workers", [2, 6])
def test_the_user_fixes_the_number(lab, workers):
    lab.file(60 * MB).start(options={"conn-rate": 4 * MB})
    lab.assert_done(lab.pull(REPO, "--max-workers", workers))
    rows = lab.bodies()
    assert most_at_once(rows) == workers
    assert len({r["conn"] for r in rows}) == workers


# ---- very large ----------------------------------------------------------------------------------------------------

def test_a_file_over_50_gb_goes_by_ranges(lab):
    """The Hub serves no such file whole to a client without Xet. Here: the plan, and the first ranges of a pull that is
    ended by SIGINT. Its hash is invented, for nobody waits for 51 GB."""
    size = 51_000_000_000
    lab.content.repo(REPO, {"config.json": b"{}"}, generated=[{"path": "model.bin", "size": size, "seed": 7, "lfs": True}])
    (lab.path / "hashes").write_text(f"{'ab' * 32} 1 gen {size} 7\n")
    lab.start(options={"hash-cache": lab.path / "hashes", "rate": 20 * MB})
    plan = lab.pull(REPO, "--dry-run", "--include", "model.bin")
    assert plan.code == 0 and "51.00 GB" in plan.err, plan
    if shutil.disk_usage(lab.path).free < size:
        run = lab.pull(REPO, "--include", "model.bin")
        lab.assert_not_done(run, 7, "51.00 GB")
        return
    process = lab.begin(REPO, "--include", "model.bin")
    time.sleep(3)
    process.send_signal(2)
    run = ends(process, timeout=10)
    assert run.code == 130, run
    rows = lab.bodies()
    assert rows and all(r["last"] is not None and r["last"] - r["first"] < 64 * MIB for r in rows)
    assert {r["status"] for r in rows} == {206}
    partial = [p for p in (repo_folder(lab.home, REPO) / "blobs").iterdir() if p.name.endswith(".incomplete")]
    assert len(partial) == 1
    front = 16 * MIB
    truth, empty = gen_fast(7, 0, front), bytes(MIB)
    with partial[0].open("rb") as file:
        blocks = [file.read(MIB) for _ in range(front // MIB)]
    recorded = [i for i, block in enumerate(blocks) if block != empty]
    assert len(recorded) >= 4
    assert all(blocks[i] == truth[i * MIB:(i + 1) * MIB] for i in recorded)
