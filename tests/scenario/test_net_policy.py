"""One retry policy: what fails is asked again after a while, progress starts the count anew, and the end has a reason.

Seen red on purpose, each with the engine broken so:
    5xx final                                  test_server_errors_are_asked_again
    resets final                               test_resets_at_once_are_asked_again
    a lost range begun at its block again      test_lost_in_the_middle_goes_on_at_the_next_byte
    Retry-After not read                       test_429.. (seconds, date)
    RateLimit not read                         test_429.. (RateLimit reset), both quota tests
    nothing spread below a tenth               test_a_quota_is_spread_before_it_is_used_up
    refused connections final                  test_a_refused_connection.., test_a_hub_that_goes_away..
    rounds not counted                         test_ends_that_have_no_road, test_max_attempts..
    failures counted across progress           test_progress_starts_the_count_anew
    an expired location final                  the three about locations that expire
    API calls without a deadline               test_api_calls_have_a_deadline, test_a_hub_that_is_never_in_time
    no deadline for the first byte             test_a_location_that_is_not_answered..
    no fall back, or one in silence            test_without_the_hub..
"""

import email.utils
import threading
import time

import pytest

from hub import cache_truth
from lab import MB, MIB, REPO, ends, free_port, together

SIZE = 12 * MB


def on(kind, do, **match):
    return {"match": dict({"kind": kind}, **match), "do": do}


def gaps(rows):
    """Seconds between the end of one request and the beginning of the next."""
    return [(b["t_ms"] - a["end_ms"]) / 1000 for a, b in zip(rows, rows[1:])]


# ---- server errors -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_server_errors_are_asked_again(lab, status):
    lab.file(SIZE).start([on(kind, {"status": status}, nth=[1]) for kind in ("info", "tree", "resolve", "body")])
    lab.assert_done(lab.pull())
    failed = [r["kind"] for r in lab.server.log() if r["status"] == status]
    assert sorted(failed) == ["body", "info", "resolve", "tree"]
    info = [r for r in lab.server.requests("info")]
    assert len(info) == 2 and gaps(info)[0] >= 0.7          # 1 s, a quarter less by jitter
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06


@pytest.mark.parametrize("do", [{"cut_head": 0}, {"cut_head": 40}, {"reset_after": 0}, {"close_after": 0}],
                         ids=["before the headers", "in the headers", "after the headers", "closed after the headers"])
def test_resets_at_once_are_asked_again(lab, do):
    lab.file(SIZE).start([on(kind, do, nth=[1]) for kind in ("info", "tree", "resolve", "body")])
    lab.assert_done(lab.pull())
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06


@pytest.mark.parametrize("how", ["reset_after", "close_after"])
def test_lost_in_the_middle_goes_on_at_the_next_byte(lab, how):
    """P2: a lost connection costs nothing. The same bytes are never asked for again."""
    lab.file(SIZE).start([on("body", {how: 1_500_000}, to=5)], options={"conn-rate": 8 * MB})
    lab.assert_done(lab.pull())
    rows = lab.bodies()
    lost = [r for r in rows if r["end"] in ("reset", "closed")]
    assert len(lost) == 5
    for row in lost:
        mine = [r["first"] for r in rows if r["t_ms"] >= row["end_ms"] and row["first"] < r["first"] <= row["first"] + 1_500_000]
        assert mine, f"nothing went on inside {row['first']}+1500000"
    # A reset throws away what the kernels still hold, an orderly close nothing.
    assert lab.server.bytes_served("model.bin") <= SIZE * (1.06 if how == "reset_after" else 1.001)


# ---- 429 and quotas ------------------------------------------------------------------------------------------------

LATER = {
    "seconds": lambda: {"http429": {"retry_after": 3}},
    "date": lambda: {"status": 429, "headers": {"Retry-After": email.utils.formatdate(time.time() + 5, usegmt=True)}},
    "RateLimit reset": lambda: {"http429": {"r": 0, "t": 3}},
}


@pytest.mark.parametrize("kind", ["info", "tree", "resolve", "body"])
@pytest.mark.parametrize("how", LATER)
def test_429_is_left_alone_for_as_long_as_it_asks(lab, how, kind):
    lab.file(3 * MB).start()
    lab.server.rules([on(kind, LATER[how](), nth=[1])])
    lab.assert_done(lab.pull())
    rows = lab.server.requests(kind)
    first = next(i for i, r in enumerate(rows) if r["status"] == 429)
    assert len([r for r in rows if r["status"] == 429]) == 1
    assert gaps(rows[first:])[0] >= 2.7, rows


def test_a_429_names_the_hub_as_the_reason(lab):
    lab.file(3 * MB).start([on("resolve", {"http429": {"retry_after": 3}}, nth=[1])])
    run = lab.pull(REPO, "--progress", "log", "--log-interval", "1")
    lab.assert_done(run)
    assert "slow down" in run.err, run


def test_a_quota_is_spread_before_it_is_used_up(lab):
    """Below a tenth of the quota the rest is spread over the window; no request is ever refused."""
    quota, window = 300, 8
    lab.content.repo(REPO, generated_many={"count": 330, "prefix": "f", "size_min": 10, "size_max": 100, "seed": 1})
    lab.start(options={"quota-resolve": quota, "quota-window": window})
    run = lab.pull()
    lab.assert_done(run)
    rows = [r for r in lab.server.log() if r["kind"] in ("resolve", "body")]
    assert [r for r in rows if r["status"] == 429] == []
    begun = sorted(r["t_ms"] for r in rows)
    # Sixteen were under way when the headers began to warn; what followed was spread.
    assert begun[quota - 3] - begun[quota - 14] >= 1000, "the last ones of the quota came in one go"


def test_a_quota_on_the_api_is_spread_too(lab):
    lab.content.repo(REPO, generated_many={"count": 40, "prefix": "f", "size_min": 10, "size_max": 100, "seed": 1})
    lab.start(options={"quota-api": 30, "quota-window": 4, "page": 1})
    run = lab.pull()
    assert [r for r in lab.server.log() if r["status"] == 429] == []
    assert len(lab.server.requests("tree")) == 40
    lab.server.set(quota_api=0)
    lab.assert_done(run)


# ---- no road at all ------------------------------------------------------------------------------------------------

def test_a_refused_connection_is_waited_for(lab):
    """The hub comes up three seconds after hf-pull."""
    port = free_port()
    lab.file(SIZE)
    process = lab.begin(hub=f"http://127.0.0.1:{port}", token=None)
    time.sleep(3)
    lab.start(hub=(f"127.0.0.1:{port}",))
    lab.assert_done(ends(process))


def test_a_hub_that_goes_away_for_a_while(lab):
    lab.file(SIZE).start([on("resolve", {"refuse": {"ms": 2500}}, nth=[1]), on("body", {"refuse": {"ms": 2500}}, nth=[3])],
                         options={"conn-rate": 2 * MB})
    lab.assert_done(lab.pull())
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.25      # four segments may have lost their kernels' buffers


def test_ends_that_have_no_road(lab, tmp_path):
    """Four tries and out with --max-attempts 1: exit 3, and what it was."""
    lab.file(SIZE).start(options={"cdn-name": "cdn.invalid:80"})
    closed = f"http://127.0.0.1:{free_port()}"
    runs = together({
        "name": lambda: lab.pull(REPO, "--max-attempts", "1", hub="http://hub.invalid", home=tmp_path / "a"),
        "cdn name": lambda: lab.pull(REPO, "--max-attempts", "1", home=tmp_path / "b"),
        "refused": lambda: lab.pull(REPO, "--max-attempts", "1", hub=closed, home=tmp_path / "c"),
    })
    lab.assert_not_done(runs["name"], 3, "hub.invalid", "gave up")
    lab.assert_not_done(runs["cdn name"], 3, "cdn.invalid", "gave up")
    lab.assert_not_done(runs["refused"], 3, "127.0.0.1", "gave up")


# ---- the count of attempts -----------------------------------------------------------------------------------------

def test_max_attempts_counts_rounds_of_four_requests(lab, tmp_path):
    repos = {"info": {"kind": "info"}, "tree": {"kind": "tree"}, "resolve": {"kind": "resolve"}, "body": {"kind": "body"}}
    for name in repos:
        lab.file(MB + 1, repo=f"org/{name}")
    lab.start([{"match": dict(match, repo=f"org/{name}"), "do": {"status": 503}} for name, match in repos.items()])
    calls = {(name, n): lambda name=name, n=n: lab.pull(f"org/{name}", "--max-attempts", n, home=tmp_path / f"{name}{n}")
             for name in repos for n in (1, 2)}
    runs = together(calls)
    for name in repos:
        for n in (1, 2):
            lab.assert_not_done(runs[name, n], 3, "503", f"{n} round", repo=f"org/{name}", home=tmp_path / f"{name}{n}")
        assert len(lab.server.requests(name, repo=f"org/{name}")) == 4 + 8
        assert runs[name, 2].seconds - runs[name, 1].seconds > 7.5      # the wait between two rounds


def test_progress_starts_the_count_anew(lab):
    """One range, three failures, a megabyte, three failures: one round is allowed, and it is never used up."""
    lab.file(4 * MB).start([on("body", {"status": 500}, **{"from": 1, "to": 3}), on("body", {"reset_after": MB}, nth=[4]),
                            on("body", {"status": 500}, **{"from": 5, "to": 7})])
    run = lab.pull(REPO, "--max-attempts", "1", "--max-workers", "1")
    lab.assert_done(run)
    assert len([r for r in lab.bodies() if r["status"] == 500]) == 6


def test_what_was_recorded_stays_when_the_network_gives_up(lab):
    lab.file(SIZE).start([on("body", {"status": 500}, min_first=5 * MB)])
    run = lab.pull(REPO, "--max-attempts", "1")
    lab.assert_not_done(run, 3, "kept")
    before = lab.server.bytes_served("model.bin")
    assert before > 4 * MB
    lab.server.reset()
    lab.assert_done(lab.pull())
    assert before + lab.server.bytes_served("model.bin") <= SIZE + 2 * MIB


# ---- signed locations ----------------------------------------------------------------------------------------------

def test_an_expired_location_is_resolved_anew_in_mid_file(lab):
    lab.file(30 * MB).start([on("body", {"expire": True}, nth=[3, 9])], options={"conn-rate": 6 * MB})
    lab.assert_done(lab.pull())
    assert len([r for r in lab.bodies() if r["status"] == 403]) >= 2
    assert 3 <= len(lab.server.requests("resolve")) <= 8
    assert lab.server.bytes_served("model.bin") <= 30 * MB * 1.01


def test_locations_of_one_second(lab):
    lab.file(24 * MB).start(options={"url-life": 1, "rate": 6 * MB})
    lab.assert_done(lab.pull())
    assert lab.server.bytes_served("model.bin") <= 24 * MB * 1.06
    assert 2 <= len(lab.server.requests("resolve")) <= 20


def test_locations_taken_back_while_the_program_waits(lab):
    """All are taken back at once; a location that had served is not held against anyone."""
    lab.file(24 * MB).start(options={"rate": 6 * MB})
    process = lab.begin()
    for _ in range(3):
        time.sleep(0.8)
        lab.server.expire()
    lab.assert_done(ends(process))


@pytest.mark.parametrize("status", [403, 401, 404, 410])
def test_a_fresh_location_refused_for_ever_ends_by_policy(lab, status):
    do = {"forbid_forever": True} if status == 403 else {"status": status}
    lab.file(SIZE).start([on("body", do)])
    lab.assert_not_done(lab.pull(REPO, "--max-attempts", "1"), 3, str(status))
    assert len(lab.server.requests("resolve")) <= 4 * 4      # four tries for each of three or four segments
    assert len(lab.bodies()) <= 4 * 4


# ---- deadlines of the API ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["info", "tree"])
@pytest.mark.parametrize("do", [{"accept_only": True}, {"creep": 5}], ids=["silent", "drip"])
def test_api_calls_have_a_deadline(lab, kind, do):
    """No byte at all, or one every now and then for ever: the whole call has HF_HUB_ETAG_TIMEOUT."""
    lab.file(MB + 1).start([on(kind, do, nth=[1])])
    lab.assert_done(lab.pull(HF_HUB_ETAG_TIMEOUT=2))
    assert len(lab.server.requests(kind)) >= 2
    assert lab.server.requests(kind)[0]["ms"] < 6000


def test_a_location_that_is_not_answered_is_asked_for_again(lab):
    """The first byte of an answer has 15 s."""
    lab.file(SIZE).start([on("resolve", {"accept_only": True}, nth=[1])])
    lab.assert_done(lab.pull())
    assert 14_000 < lab.server.requests("resolve")[0]["ms"] < 20_000


def test_a_hub_that_is_never_in_time(lab, tmp_path):
    lab.file(SIZE).start([on("info", {"accept_only": True}, repo="org/x"), on("tree", {"creep": 5}, repo="org/y")])
    lab.stop()
    lab.file(SIZE, repo="org/y").start([on("info", {"accept_only": True}, repo="org/x"), on("tree", {"creep": 5}, repo="org/y")])
    runs = together({r: lambda r=r: lab.pull(r, "--max-attempts", "1", home=tmp_path / r[-1], HF_HUB_ETAG_TIMEOUT=1)
                     for r in ("org/x", "org/y")})
    for repo in runs:
        lab.assert_not_done(runs[repo], 3, "within 1 s", repo=repo, home=tmp_path / repo[-1])
        assert runs[repo].seconds < 40
    assert len(lab.server.requests("info", repo="org/x")) == 4
    assert len(lab.server.requests("tree", repo="org/y")) == 4


# ---- the Hub is not there ------------------------------------------------------------------------------------------

def test_without_the_hub_a_complete_cache_is_used_and_an_incomplete_one_is_named(lab, tmp_path):
    """Half a minute without the Hub: what is here and complete will do, and it is said. 5xx is the Hub."""
    lab.file(3 * MB, files={"config.json": b"{}"}).start()
    complete, partly, portal, silent, server = (tmp_path / n for n in ("complete", "partly", "portal", "silent", "server"))
    for home in (complete, portal, silent, server):
        lab.assert_done(lab.pull(home=home), home=home)
    lab.assert_done(lab.pull(REPO, "--include", "config.json", home=partly), home=partly, only=lambda p: p == "config.json")
    gone = f"http://127.0.0.1:{free_port()}"
    lab.stop()
    lab.start([on("info", {"html": True}, path="*")])
    page = lab.server
    lab.server = None
    lab.start([on("info", {"accept_only": True})])
    mute = lab.server
    lab.server = None
    lab.start([on("info", {"status": 503})])
    try:
        runs = together({
            "complete": lambda: lab.pull(hub=gone, home=complete),
            "partly": lambda: lab.pull(hub=gone, home=partly),
            "partly, attempts given": lambda: lab.pull(REPO, "--max-attempts", "1", hub=gone, home=partly),
            "nothing": lambda: lab.pull(REPO, "--max-attempts", "1", hub=gone, home=tmp_path / "nothing"),
            "portal": lambda: lab.pull(hub=page, home=portal),
            "silent": lambda: lab.pull(hub=mute, home=silent),
            "server": lambda: lab.pull(REPO, "--max-attempts", "1", home=server),
        })
    finally:
        page.stop()
        mute.stop()
    for name, home in (("complete", complete), ("portal", portal), ("silent", silent)):
        run = runs[name]
        assert run.code == 0 and run.out.strip(), run
        assert "hub unreachable, using" in run.err.lower(), run
        assert 25 < run.seconds < 45, run
        assert cache_truth(home, REPO, lab.server) == {}
    lab.assert_not_done(runs["partly"], 9, "model.bin", home=partly)
    assert 25 < runs["partly"].seconds < 45
    lab.assert_not_done(runs["partly, attempts given"], 3, home=partly)
    lab.assert_not_done(runs["nothing"], 3, home=tmp_path / "nothing")
    lab.assert_not_done(runs["server"], 3, "503", home=server)


def test_the_hub_came_back_before_the_half_minute_was_over(lab):
    lab.file(3 * MB).start()
    lab.assert_done(lab.pull())
    lab.server.listen(False, on="hub")
    threading.Timer(4, lambda: lab.server.listen(True, on="hub")).start()
    run = lab.pull()
    lab.assert_done(run)
    assert "unreachable" not in run.err, run
