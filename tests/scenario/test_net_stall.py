"""Connections that are there and bring nothing: each wait has an end, and what is healthy is left alone (P3).

Seen red on purpose, each with the engine broken so:
    silence never noticed                      test_every_connection_is_dead_for_ever, test_a_stall_is_said..
    nothing asked for elsewhere                test_one_dead_connection.., test_one_address_of_the_cdn.. (stalls)
    creeping not noticed                       test_a_connection_that_creeps_among_fast_ones
    ten seconds of silence are death           both about pauses of 16 seconds with a fixed number of connections
    bad addresses not remembered               test_a_bad_address_is_remembered
    nothing renewed after a stop               test_stopped_for_twelve_seconds_and_continued
    stalled still said when all is done        test_a_stall_is_said_with_its_reason_and_so_is_the_recovery
"""

import contextlib
import signal
import socket
import time

import pytest

from lab import MB, MIB, REPO, ends, together

SIZE = 12 * MB
SHORT = ("--stall-timeout", "2", "--timeout", "5")


def on_body(do, **match):
    return {"match": dict({"kind": "body", "path": "model.bin"}, **match), "do": do}


@contextlib.contextmanager
def dead_address(host, port):
    """An address where the connection never stands: its backlog is full, the kernel drops what knocks."""
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = stack.enter_context(socket.socket(family))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            knock = stack.enter_context(socket.socket(family))
            knock.setblocking(False)
            knock.connect_ex((host, port))
        yield


# ---- silence -------------------------------------------------------------------------------------------------------

def test_one_dead_connection_among_living_ones(lab):
    """Socket open, no bytes: its range goes elsewhere after 5 s at the head, and the rest is not asked for twice."""
    lab.file(SIZE).start([on_body({"stall_after": 300_000}, nth=[1])])
    run = lab.pull()
    lab.assert_done(run)
    assert run.seconds < 40
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06
    assert [r["end"] for r in lab.bodies()].count("stalled") == 1


def test_one_connection_that_is_never_answered(lab):
    lab.file(SIZE).start([on_body({"accept_only": True}, nth=[2])])
    run = lab.pull()
    lab.assert_done(run)
    assert run.seconds < 60
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06


def test_every_connection_dies_after_a_megabyte(lab):
    lab.file(SIZE).start([on_body({"stall_after": MB})])
    run = lab.pull(REPO, *SHORT)
    lab.assert_done(run)
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06 + MIB


def test_every_connection_is_dead_for_ever(lab, tmp_path):
    """Neither a byte nor an end: exit 3 by the policy, saying so."""
    lab.file(3 * MB, repo="org/silent").file(3 * MB, repo="org/mute")
    lab.start([on_body({"stall_after": 0}, repo="org/silent"), on_body({"accept_only": True}, repo="org/mute")])
    runs = together({r: lambda r=r: lab.pull(r, *SHORT, "--max-attempts", "1", "--progress", "log", home=tmp_path / r[4:], timeout=150)
                     for r in ("org/silent", "org/mute")})
    lab.assert_not_done(runs["org/silent"], 3, "sent nothing", repo="org/silent", home=tmp_path / "silent")
    lab.assert_not_done(runs["org/mute"], 3, "did not answer", repo="org/mute", home=tmp_path / "mute")
    assert "STALLED" in runs["org/mute"].err, "a stall is said within 30 s"


def test_a_stall_is_said_with_its_reason_and_so_is_the_recovery(lab):
    lab.file(SIZE).start([on_body({"stall_after": 0}, min_first=4 * MB, to=3)])
    run = lab.pull(REPO, *SHORT, "--max-workers", "1")
    lab.assert_done(run)
    lines = [line for line in run.err.splitlines() if line.startswith("  [org/x] ")]
    stalled = [i for i, line in enumerate(lines) if " STALLED " in line]
    assert stalled and lines[stalled[0]].split(": ", 1)[1], run
    assert " STALLED " not in lines[-1] and " 100.0% " in lines[-1], run


@pytest.mark.parametrize("workers", ["1", "4"])
def test_pauses_of_16_seconds_do_not_kill_a_healthy_transfer(lab, workers):
    """Every connection falls silent once. One alone is never cut and no byte comes twice; of four an idle one may take
    over half of what another left, and when that one wakes up the half may be on its way from it too."""
    lab.file(SIZE).start([on_body({"stall_after": MB, "stall_ms": 16_000}, to=int(workers))])
    run = lab.pull(REPO, "--max-workers", workers)
    lab.assert_done(run)
    rows = lab.bodies()
    if workers == "1":
        assert {r["end"] for r in rows} == {"done"}, [(r["first"], r["end"]) for r in rows]
        assert "lost" not in run.err, run
        assert lab.server.bytes_served("model.bin") == SIZE
    assert lab.server.bytes_served("model.bin") <= SIZE + SIZE // 2
    assert 15 < run.seconds < 60


def test_pauses_of_16_seconds_with_a_learned_number_of_connections(lab):
    """Here the range of a silent one is asked for elsewhere too. First bytes win, and the cost is bounded."""
    lab.file(SIZE).start([on_body({"stall_after": MB, "stall_ms": 16_000}, to=4)])
    run = lab.pull()
    lab.assert_done(run)
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06 + 4 * MIB
    assert run.seconds < 60


def test_a_connection_that_creeps_among_fast_ones(lab):
    """2 KB/s for 4 MiB would take half an hour; its peers run at 1 MB/s."""
    lab.file(40 * MB).start([on_body({"creep": 2000}, nth=[2])], options={"conn-rate": MB})
    run = lab.pull(REPO, "--max-workers", "4")
    lab.assert_done(run)
    assert run.seconds < 45
    assert lab.server.bytes_served("model.bin") <= 40 * MB * 1.06 + 4 * MIB


def test_a_slow_line_is_a_healthy_line(lab):
    """5 KB/s is nothing to cut: one request, to its end."""
    lab.content.repo(REPO, {"config.json": b"c" * 60_000})
    lab.start(options={"rate": 5000})
    run = lab.pull()
    lab.assert_done(run)
    rows = lab.bodies("config.json")
    assert [r["end"] for r in rows] == ["done"] and rows[0]["bytes"] == 60_000


# ---- addresses -----------------------------------------------------------------------------------------------------

def test_ipv6_that_black_holes(lab):
    """The name has a dead IPv6 address first. hub and CDN are reached over IPv4."""
    lab.file(SIZE).start(options={"hub-name": "hub.test:0", "cdn-name": "cdn.test:0"})
    h, c = lab.server.hub_port, lab.server.cdn_port
    with dead_address("::1", h), dead_address("::1", c):
        run = lab.pull(REPO, "--resolve", f"hub.test:{h}:[::1],127.0.0.1", "--resolve", f"cdn.test:{c}:[::1],127.0.0.1",
                       hub=f"http://hub.test:{h}", token=None)
    lab.assert_done(run)
    assert run.seconds < 30


def test_a_dead_address_before_a_living_one(lab):
    lab.file(SIZE).start(options={"hub-name": "hub.test:0", "cdn-name": "cdn.test:0"})
    h, c = lab.server.hub_port, lab.server.cdn_port
    with dead_address("127.0.0.9", h), dead_address("127.0.0.9", c):
        run = lab.pull(REPO, "--resolve", f"hub.test:{h}:127.0.0.9,127.0.0.1", "--resolve", f"cdn.test:{c}:127.0.0.9,127.0.0.1",
                       hub=f"http://hub.test:{h}", token=None)
    lab.assert_done(run)
    assert run.seconds < 60


@pytest.mark.parametrize("do", [{"stall_after": 500_000}, {"reset_after": 500_000}, {"accept_only": True}, {"status": 502}, {"html": True},
                                {"body_shift": 16}],
                         ids=["stalls", "resets", "is mute", "answers 502", "is a login page", "sends other bytes"])
def test_one_address_of_the_cdn_is_bad_and_another_works(lab, do):
    lab.file(SIZE).start([on_body(do, addr="127.0.0.2", on="cdn")], cdn=("127.0.0.2:0", "127.0.0.3:same"),
                         options={"cdn-name": "cdn.test:0", "conn-rate": 4 * MB})
    run = lab.pull(REPO, "--resolve", f"cdn.test:{lab.server.cdn_port}:127.0.0.2,127.0.0.3")
    lab.assert_done(run)
    good = [r for r in lab.bodies() if r["addr"] == "127.0.0.3"]
    assert sum(r["bytes"] for r in good) > SIZE / 2
    assert run.seconds < 60


def test_a_bad_address_is_remembered(lab):
    """Some requests find out, the others do not try it again."""
    lab.file(100 * MB).start([on_body({"html": True}, addr="127.0.0.2", on="cdn")], cdn=("127.0.0.2:0", "127.0.0.3:same"),
                             options={"cdn-name": "cdn.test:0", "conn-rate": 4 * MB})
    lab.assert_done(lab.pull(REPO, "--resolve", f"cdn.test:{lab.server.cdn_port}:127.0.0.2,127.0.0.3"))
    rows = lab.bodies()
    assert len(rows) > 20 and len([r for r in rows if r["addr"] == "127.0.0.2"]) <= 8


# ---- the clock jumps -----------------------------------------------------------------------------------------------

def test_stopped_for_twelve_seconds_and_continued(lab):
    """After SIGSTOP all connections are renewed; nothing received is lost, nothing is taken for a stall."""
    lab.file(24 * MB).start(options={"conn-rate": MB})
    process = lab.begin(REPO, "--max-workers", "4")
    time.sleep(2)
    process.send_signal(signal.SIGSTOP)
    time.sleep(12)
    stopped_conns = {r["conn"] for r in lab.server.requests("body")}
    process.send_signal(signal.SIGCONT)
    run = ends(process)
    lab.assert_done(run)
    later = [r["conn"] for r in lab.bodies() if r["conn"] not in stopped_conns]
    assert later, "new connections were opened"
    last_old = max(r["end_ms"] for r in lab.bodies() if r["conn"] in stopped_conns)
    first_new = min(r["t_ms"] for r in lab.bodies() if r["conn"] not in stopped_conns)
    assert last_old < first_new + 3000, "the old ones were left"
    # What the kernels held for a stopped reader is gone with the connection: at most their buffers.
    assert lab.server.bytes_served("model.bin") <= 24 * MB + 4 * 8 * MB
