"""What the CAS and signed URLs may answer, case by case: how often is asked again, over which road it goes on, what is said, and
where tokens go. test_xet.py has the storms; here each row is one rule of the protocol.

docs/reliability.md lists which row stands for what.

Seen red on purpose:
    a token on signed URLs at the Hub's origin       test_a_signed_url_at_an_origin_with_a_token_gets_none
    no new token after 401                           test_what_the_cas_answers[401-once]
    a new token after each 401                       test_what_the_cas_answers[401-for-ever]
    the store's token sent wherever it sends us      test_no_token_goes_along_when_the_cas_sends_us_elsewhere (two guards, both broken)
    the Xet store believed to the end, as it was     test_a_bit_that_always_flips_is_gone_round[none.bin-payload-last]
"""
import contextlib
import os
import re

import pytest

import casdata
from casdata import BG4, LZ4, NONE, CasData
from hub import Content, FakeHub, cache_truth, pull, wrong_blobs
from lab import MIB, together
from test_net_stall import dead_address

TOKEN = "hf_ThisIsTheSecretOfThisTest123456"
FILES = {
    "none.bin": casdata.noise(1, 2_500_000), "lz4.bin": casdata.lines(1, 2_500_000), "bg4.bin": casdata.floats(1, 2_500_000),
    "model.bin": casdata.weights(5, 12_000_000),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xet-faults")
    content, data = Content(folder / "root"), CasData(folder / "cas")
    data.home = content.repo("org/x", FILES, xet=True, lfs_over=0)
    data.add([data.home / name for name in FILES])
    data.root = content.path
    return data


@pytest.fixture(scope="module")
def running(store):
    with FakeHub(store.root, token=TOKEN, options={"cas-data": store.path}) as server:
        yield server


@pytest.fixture
def server(running):
    running.settled()
    running.reset()
    running.set(rate=0, conn_rate=0)
    return running


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def get(server, home, *args, what="org/x", **more):
    return pull(what, "--xet", "on", *args, hub=server, home=home, token=TOKEN, **more)


def assert_right(server, home, run, only=None):
    assert run.code == 0, run
    assert wrong_blobs(home, "org/x") == []
    assert cache_truth(home, "org/x", server, only=only) == {}


def first_chunk(store, name):
    """(xorb, record) of a file's first chunk."""
    return store.chunk_at(store.home / name, 0)


# ---- one flipped bit in each field of a record ---------------------------------------------------------------------

FIELDS = {  # byte of the record, bit
    "version": (0, 3), "stored length, low": (1, 0), "stored length, high": (3, 1), "scheme": (4, 0), "scheme, unknown": (4, 5),
    "plain length, low": (5, 0), "plain length, high": (7, 0), "payload, first": (8, 1), "payload, frame flags": (12, 4),
    "payload, middle": (5000, 2), "payload, last": (-1, 7),
}
PACKED = {"none.bin": NONE, "lz4.bin": LZ4, "bg4.bin": BG4}


def flip(store, name, field):
    xorb, record = first_chunk(store, name)
    at, bit = FIELDS[field]
    assert record.scheme == PACKED[name] and record.stored > 5000
    return {"match": {"kind": "xorb", "path": xorb}, "do": {"flip": {"at": record.end - 1 if at < 0 else record.at + at, "bit": bit}}}


FIRST = {"nth": 1}
CONTENT = [("none.bin", f) for f in FIELDS if f.startswith("payload")] + [("lz4.bin", "payload, middle"), ("bg4.bin", "payload, middle")]
named = pytest.mark.parametrize("field", FIELDS, ids=lambda f: f.replace(", ", "-").replace(" ", "-"))


@named
@pytest.mark.parametrize("name", PACKED)
def test_a_bit_that_flips_once_costs_its_range(server, store, home, name, field):
    """What does not unpack is asked for again, from the Xet store. What unpacks to other bytes is found by the file's hash; second
    opinions come over the other road, or, where its chunks show the place, from the Xet store once more."""
    rule = flip(store, name, field)
    at = rule["do"]["flip"]["at"]
    server.rules([rule | {"match": rule["match"] | FIRST | {"max_first": at}}])
    run = get(server, home, what=f"org/x:{name}")
    assert_right(server, home, run, only=lambda p: p == name)
    stored = sum(r.end - r.at for xorb, a, b in store.terms(store.home / name) for r in store.records(xorb)[a:b])
    again = server.xorb_bytes() - stored, sum(r["bytes"] for r in server.requests("body"))
    if (name, field) in CONTENT:
        assert again[0] <= stored and again[1] <= len(FILES[name]) and sum(again) > 0
    else:
        assert 0 < again[0] <= stored and again[1] == 0


@named
@pytest.mark.parametrize("name", PACKED)
def test_a_bit_that_always_flips_is_gone_round(server, store, home, name, field):
    """The xorb is rotten where it lies: the bytes come over HTTP."""
    server.rules([flip(store, name, field)])
    run = get(server, home, what=f"org/x:{name}")
    assert_right(server, home, run, only=lambda p: p == name)
    assert server.requests("body") and run.seconds < 20
    assert len(server.requests("xorb")) < 40


# ---- what the CAS answers ------------------------------------------------------------------------------------------

def on(kind, do, **match):
    return {"match": {"kind": kind} | match, "do": do}


def edit(*edits):
    return on("recon", {"edit": list(edits)})


def elsewhere(status, target):
    return on("recon", {"status": status, "headers": {"Location": f"{target}/v2/reconstructions/elsewhere"}})


XET, HTTP = "xet", "http"  # the road on which the file came at last
ONE = "org/x:model.bin"

# rules, the road, {kind: most requests}, least seconds
CAS = {
    "400": ([on("recon", {"status": 400})], HTTP, {"recon": 1, "token": 1}, 0),
    "401 once": ([on("recon", {"status": 401}, nth=1)], XET, {"recon": 2, "token": 2}, 0),
    "401 for ever": ([on("recon", {"status": 401})], HTTP, {"recon": 2, "token": 2}, 0),
    "403": ([on("recon", {"status": 403})], HTTP, {"recon": 1, "token": 1}, 0),
    "404 from v2 and v1": ([on("recon", {"status": 404})], HTTP, {"recon": 2, "token": 1}, 0),
    "404 from v2": ([on("recon", {"status": 404}, path="/v2/*")], XET, {"recon": 2, "token": 1}, 0),
    "501 from v2": ([on("recon", {"status": 501}, path="/v2/*")], XET, {"recon": 2, "token": 1}, 0),
    "416 inside the file": ([on("recon", {"status": 416})], HTTP, {"recon": 4}, 0),
    "408 once": ([on("recon", {"status": 408}, nth=1)], XET, {"recon": 2}, 0.5),
    "500 once": ([on("recon", {"status": 500}, nth=1)], XET, {"recon": 2}, 0.5),
    "502 twice": ([on("recon", {"status": 502}, nth=[1, 2])], XET, {"recon": 3}, 1.5),
    "503 with Retry-After": ([on("recon", {"status": 503, "headers": {"Retry-After": "3"}}, nth=1)], XET, {"recon": 2}, 3),
    "429 with Retry-After": ([on("recon", {"http429": {"retry_after": 3}}, nth=1)], XET, {"recon": 2}, 3),
    "a reset": ([on("recon", {"reset_after": 0}, nth=1)], XET, {"recon": 2}, 0),
    "headers cut off": ([on("recon", {"cut_head": 30}, nth=1)], XET, {"recon": 2}, 0),
    "JSON cut off": ([on("recon", {"close_after": 100}, nth=1)], XET, {"recon": 2}, 0),
    "a web page": ([on("recon", {"html": True})], HTTP, {"recon": 4}, 0),
    "no terms": ([edit({"at": "/terms", "set": []})], HTTP, {"recon": 4}, 0),
    "a term too few": ([edit({"at": "/terms/0", "remove": True})], HTTP, {"recon": 4}, 0),
    "a term too many": ([edit({"at": "/terms/0", "repeat": True})], HTTP, {"recon": 4}, 0),
    "an offset into the first range": ([edit({"at": "/offset_into_first_range", "set": 5})], HTTP, {"recon": 4}, 0),
    "a file at the place of a list": ([edit({"at": "/xorbs", "set": []})], HTTP, {"recon": 4}, 0),
    "a range that ends before it begins": ([edit({"at": "/xorbs/#0/0/ranges/0/bytes/end", "set": 0})], HTTP, {"recon": 4}, 0),
    "a range one byte short": ([edit({"at": "/xorbs/#0/0/ranges/0/bytes/end", "add": -1})], HTTP, {"recon": 20}, 0),
    "a location that is none": ([edit({"at": "/xorbs/#0/0/url", "set": "file:///etc/passwd"})], HTTP, {"recon": 20}, 0),
    "token: 403": ([on("token", {"status": 403})], HTTP, {"token": 1, "recon": 0}, 0),
    "token: 404": ([on("token", {"status": 404})], HTTP, {"token": 1, "recon": 0}, 0),
    "token: 503 once": ([on("token", {"status": 503}, nth=1)], XET, {"token": 2}, 0.5),
    "token: no CAS in it": ([on("token", {"edit": [{"at": "/casUrl", "remove": True}]})], HTTP, {"recon": 0}, 0),
    "token: a CAS that is no host": ([on("token", {"edit": [{"at": "/casUrl", "set": "file:///etc"}]})], HTTP, {"recon": 0}, 0),
    **{f"{status} to {where}": ([lambda server, status=status, where=where: elsewhere(status, getattr(server, where))], HTTP, {"recon": 8}, 0)
       for status in (301, 302, 307, 308) for where in ("cdn", "hub")},
    "token: line break in it": ([on("token", {"edit": [{"at": "/accessToken", "set": "a\r\nX: y"}]})], HTTP, {"recon": 0}, 0),
}


# ---- what signed URLs answer ---------------------------------------------------------------------------------------

SIGNED = {
    "403 once": ([on("xorb", {"status": 403}, nth=1)], XET, {"recon": 2}),
    "403 for ever": ([on("xorb", {"forbid_forever": True})], HTTP, {"recon": 6, "xorb": 20}),
    "403 in the middle of a range": ([on("xorb", {"expire": True, "close_after": 200_000}, nth=2)], XET, {"recon": 4}),
    "expired, and the fresh answer names ranges in another order": (
        [on("xorb", {"expire": True, "close_after": 200_000}, nth=2),
         on("recon", {"edit": [{"at": "/xorbs", "reverse": True}], "separate": True, "per_url": 1}, **{"from": 2})], XET, {"recon": 6}),
    "parts of a signed range refused": ([on("xorb", {"exact_range": True})], XET, {"recon": 6, "xorb": 20}),
    "404": ([on("xorb", {"status": 404})], HTTP, {"xorb": 20}),
    "416": ([on("xorb", {"status": 416})], HTTP, {"xorb": 30}),
    "500 once": ([on("xorb", {"status": 500}, nth=1)], XET, {"recon": 1}),
    "503 with Retry-After": ([on("xorb", {"status": 503, "headers": {"Retry-After": "2"}}, nth=1)], XET, {"recon": 1}),
    "206 without Content-Range": ([on("xorb", {"headers": {"Content-Range": None}})], XET, {"recon": 1}),
    "206 of another place": ([on("xorb", {"content_range_shift": 9}, nth=1)], XET, {"recon": 2}),
    "true headers, other bytes": ([on("xorb", {"body_shift": 9}, nth=1)], XET, {"recon": 3}),
    "gzip although identity was asked for": ([on("xorb", {"gzip": True}, nth=1)], XET, {"recon": 2}),
    "said to be gzip": ([on("xorb", {"gzip": "label"}, nth=1)], XET, {"recon": 2}),
    "200 with exactly the range": ([on("xorb", {"status": 200, "headers": {"Content-Range": None}})], XET, {"recon": 1}),
    "200 with the whole xorb": ([on("xorb", {"ignore_range": True})], None, {"recon": 6}),
    "without a length": ([on("xorb", {"no_length": True})], XET, {"recon": 1}),
    "in chunks": ([on("xorb", {"chunked": True})], XET, {"recon": 1}),
    "a reset every 70 KB": ([on("xorb", {"reset_every": 70_000})], XET, {"recon": 1}),
    "a stream that creeps": ([on("xorb", {"creep": 2_000}, nth=1)], XET, {"recon": 1}),
    "a web page": ([on("xorb", {"html": True}, nth=1)], XET, {"recon": 2}),
}


def roads(server, repo="org/x"):
    """Over which one bytes came."""
    kinds = {r["kind"] for r in server.settled() if r["repo"] == repo and r["bytes"] > 0}
    return ({XET} if "xorb" in kinds else set()) | ({HTTP} if "body" in kinds else set())


def repo_of(table, case):
    return "org/" + re.sub("[^a-zA-Z0-9]+", "-", f"{table} {case}")


@pytest.fixture(scope="module")
def answers(tmp_path_factory, store):
    """All cases side by side, each in a repository and a home of its own: they mostly wait. {repository: (server, home, run)}
    Half of them say what they do on the terminal, half as events, all of them in every detail."""
    folder = tmp_path_factory.mktemp("answers")
    content, homes, orders = Content(folder / "root"), {}, {}
    for table, cases in (("cas", CAS), ("signed", SIGNED)):
        for case, (rules, *_) in cases.items():
            repo = repo_of(table, case)
            homes[repo], orders[repo] = folder / "homes" / repo[4:], rules
            os.link(store.home / "model.bin", content.repo(repo, xet=True, lfs_over=0) / "model.bin")

    def one(number, repo):
        homes[repo].mkdir(parents=True)
        how = [["-vvv"], ["-vvv", "--progress", "json"]][number % 2]
        return pull(repo, "--xet", "on", *how, "--report", homes[repo] / "report", "--progress-file", homes[repo] / "progress",
                    hub=server, home=homes[repo], token=TOKEN)

    with FakeHub(content.path, token=TOKEN, options={"cas-data": store.path}) as server:
        given = [(repo, rule(server) if callable(rule) else rule) for repo, rules in orders.items() for rule in rules]
        server.rules([rule | {"match": rule["match"] | {"repo": repo}} for repo, rule in given])
        runs = together({repo: lambda i=i, repo=repo: one(i, repo) for i, repo in enumerate(homes)})
        yield {repo: (server, homes[repo], runs[repo]) for repo in homes}


def judge(answers, repo, road, most):
    server, home, run = answers[repo]
    assert run.code == 0, run
    assert wrong_blobs(home, repo) == [] and cache_truth(home, repo, server) == {}
    counts = {kind: len([r for r in server.settled() if r["repo"] == repo and r["kind"] == kind]) for kind in most}
    assert all(counts[kind] <= most[kind] for kind in most), (counts, run)
    assert road is None or (road in roads(server, repo) and (road == HTTP or roads(server, repo) == {XET})), run
    secrets = nothing_leaked(server, run, repo)
    for path in home.rglob("*"):
        text = path.read_bytes().decode(errors="replace") if path.is_file() and path.stat().st_size < MIB else ""
        assert not [secret for secret in secrets if secret in text], path
    return run


@pytest.mark.parametrize("case", CAS, ids=lambda c: c.replace(" ", "-"))
def test_what_the_cas_answers(answers, case):
    _, road, most, least_s = CAS[case]
    assert judge(answers, repo_of("cas", case), road, most).seconds >= least_s


@pytest.mark.parametrize("case", SIGNED, ids=lambda c: c.replace(" ", "-"))
def test_what_signed_urls_answer(answers, case):
    _, road, most = SIGNED[case]
    judge(answers, repo_of("signed", case), road, most)


def test_both_roads_closed_ends_with_the_servers_words(server, home):
    """A fresh URL that is refused is no expiry: it is not asked for again and again, and the reason is said."""
    server.rules([on("xorb", {"forbid_forever": True}), on("body", {"forbid_forever": True})])
    run = get(server, home, "--max-attempts", "1", what=ONE)
    assert run.code in (3, 5) and "403" in run.err and run.out == "", run
    assert len(server.requests("xorb")) < 20 and len(server.requests("recon")) < 10


def test_refused_ports_and_dead_names(server, home):
    """A CAS nobody listens on any more: HTTP goes on, and says why."""
    server.listen(False, on="cas")
    run = get(server, home, what=ONE)
    server.listen(True, on="cas")
    assert_right(server, home, run, only=lambda p: p == "model.bin")
    assert roads(server) == {HTTP} and "HTTP" in run.err


# ---- addresses -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dead", [["cas"], ["cdn"], ["cas", "cdn"]], ids="-".join)
def test_an_ipv6_black_hole(store, home, dead):
    """Names with a dead IPv6 address first, of the CAS and of the signed URLs: no packet comes back from there."""
    options = {"cas-data": store.path, "cas-name": "cas.test:0", "cdn-name": "cdn.test:0"}
    with FakeHub(store.root, token=TOKEN, options=options) as server, contextlib.ExitStack() as holes:
        ports = {"cas": server.cas_port, "cdn": server.cdn_port}
        for name in dead:
            holes.enter_context(dead_address("::1", ports[name]))
        routes = [word for name, port in ports.items() for word in ("--resolve", f"{name}.test:{port}:[::1],127.0.0.1")]
        run = get(server, home, *routes, what=ONE)
        assert_right(server, home, run, only=lambda p: p == "model.bin")
        assert roads(server) == {XET} and run.seconds < 30
        hosts = {(r["on"], r["host"].split(":")[0]) for r in server.settled() if r["kind"] in ("recon", "xorb")}
        assert hosts == {("cas", "cas.test"), ("cdn", "cdn.test")}


# ---- secrets -------------------------------------------------------------------------------------------------------

def nothing_leaked(server, run, repo="org/x"):
    """The Hub's token at the Hub alone, the store's at the CAS alone, neither at a signed URL; none of them in what is said."""
    rows = [r for r in server.settled() if r["user_agent"].startswith("hf-pull") and r["repo"] == repo]
    assert {"hub"} <= {r["on"] for r in rows}
    for row in rows:
        allowed = {"hub": f"Bearer {TOKEN}", "cas": "Bearer cas-", "cdn": None}[row["on"]]
        if allowed is None:
            assert row["authorization"] is None, row
        else:
            assert row["authorization"] and row["authorization"].startswith(allowed), row
        if row["kind"] == "xorb":
            assert row["range"].startswith("bytes=") and "," not in row["range"] and row["accept_encoding"] in (None, "identity"), row
    secrets = {TOKEN, "X-Xet-Signed-Range", "Signature="} | {r["authorization"].split()[1] for r in rows if r["authorization"]}
    assert not [secret for secret in secrets if secret in run.err + run.out]
    return secrets


@pytest.mark.parametrize("base", ["hub", "cas"])
def test_a_signed_url_at_an_origin_with_a_token_gets_none(server, home, base):
    server.rules([on("recon", {"location_base": getattr(server, base)})])
    get(server, home, what=ONE)
    rows = [r for r in server.settled() if r["kind"] == "xorb" or "xorb" in r["path"]]
    assert rows and not [r for r in rows if r["authorization"]], rows


def test_no_token_goes_along_when_the_cas_sends_us_elsewhere(answers):
    """Whoever says so, and be it to the Hub."""
    server = next(iter(answers.values()))[0]
    rows = server.settled()
    assert {r["status"] for r in rows if r["kind"] == "recon"} >= {301, 302, 307, 308}
    assert not [r for r in rows if r["path"].endswith("/elsewhere") and r["authorization"]]
