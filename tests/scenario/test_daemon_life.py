"""What the daemon shows of a job over its whole life: every file from the plan on, its curve, and a stall while it lasts.

Seen red on purpose, each with the program broken so:
    files told of when they end, not before             test_every_file_has_a_row..
    files left as being fetched when the job is over    test_every_file_has_a_row..
    a stall in the curve only when it is over           test_a_stall_is_in_the_curve..
    a new curve at each start of the daemon             test_a_stall_is_in_the_curve..
"""

import time

from daemon import Daemon
from lab import MB, REPO
from test_net_stall import on_body


def test_every_file_has_a_row_from_the_plan_on_and_says_who_sent_it(lab):
    names = [f"part-{i}.bin" for i in range(14)]
    lab.content.repo(REPO, {"config.json": b"{}", "empty": b""},
                     generated=[{"path": n, "size": 3 * MB // 2, "seed": i} for i, n in enumerate(names)])
    lab.start(options={"rate": 12 * MB})
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
        daemon.wait(job, until=lambda j: j["elapsed_s"] >= 5)  # the curve was kept at the fourth
        daemon.kill()
        daemon.start()
        daemon.wait(job, until=lambda j: j["state"] == "downloading")
        after = daemon.get(f"/jobs/{job}/samples").json
        assert after["samples"][0] == before["samples"][0], (before, after)
        assert after["samples"][-1][0] >= before["samples"][0][0] + 2, "what came after the stall began was kept too"
        assert after["stalls"][0][0] == before["stalls"][0][0] and after["stalls"][0][2]
        assert daemon.post(f"/jobs/{job}/pause").status == 200
        assert daemon.get(f"/jobs/{job}/samples").json["samples"][0] == before["samples"][0]
