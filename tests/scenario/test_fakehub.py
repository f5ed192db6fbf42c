"""The fakehub itself: a liar on order must tell the truth about its lies.

Seen red on purpose, each with the server broken so:
    Link without scheme and host               test_tree_pages
    rename to a wrong Location                 test_renamed
    unknown paths not left out                 test_paths_info
    agent-harnesses answered []                test_unknown_is_404
    gated open to anybody                      test_gated
    location not compared byte for byte        test_location_opens_only_as_given
    authorization not logged                   test_log_tells_where_tokens_go
    expire revoking nothing                    test_expire_needs_a_fresh_location
    reset made an orderly close                test_reset_after
    flip one byte earlier                      test_flip_and_garbage
    ignore_range ignored                       test_length_lies
    wrong CRC                                  test_gzip
    one limiter for all                        test_server_rates
    threshold nine higher                      test_throttle_above
    one counter for all rules                  test_rule_counting
    unknown words allowed                      test_rules_combine_and_misspelt_ones_are_refused
    listener left open                         test_refuse_and_listen
    32-bit offsets                             test_beyond_4_gb
    no death signal                            test_ends_with_its_parent
"""

import gzip
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from hub import Content, FakeHub, gen_bytes, gen_fast, git_oid

SIZE = 3_000_000
BIG = gen_fast(1, 0, SIZE)
SHA = hashlib.sha256(BIG).hexdigest()
FILES = {"config.json": b'{"a": 1}\n', "sub dir/\u00fc #1.txt": b"umlaut", "empty": b""}


class Answer:
    def __init__(self, status, headers, body, cut=None):
        self.status, self.headers, self.body, self.cut = status, headers, body, cut

    def __getitem__(self, name):
        return self.headers.get(name)

    def json(self):
        return json.loads(self.body)


def ask(base, target, method="GET", headers=None, body=None, conn=None, timeout=20):
    """One request, never following; cut holds the error that ended the body early."""
    url = urllib.parse.urlsplit(base)
    own = conn is None
    conn = conn or http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        conn.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            conn.putheader(name, value)
        if body is not None:
            conn.putheader("Content-Length", str(len(body)))
        conn.endheaders(body)
        answer = conn.getresponse()
        got, cut = b"", None
        try:
            while piece := answer.read1(1 << 16):
                got += piece
            if answer.length:
                cut = "closed"
        except http.client.IncompleteRead:
            cut = "closed"
        except ConnectionResetError:
            cut = "reset"
        except TimeoutError:
            cut = "timeout"
        answer.close()
        return Answer(answer.status, answer.headers, got, cut)
    finally:
        if own:
            conn.close()


def rng(a, b=""):
    return {"Range": f"bytes={a}-{b}"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    content = Content(tmp_path_factory.mktemp("fakehub") / "root")
    big = [{"path": "model.bin", "size": SIZE, "seed": 1}]
    content.repo("org/x", FILES, generated=big, refs={"main": "one"}, commits={"one": {}})
    content.repo("org/gated", {"a.txt": b"a"}, gated=True)
    content.repo("org/closed", {"a.txt": b"a"}, gated=True, granted=False)
    content.repo("org/private", {"a.txt": b"a"}, private=True)
    content.repo("org/disabled", {"a.txt": b"a"}, disabled=True)
    content.repo("org/old", renamed_to="org/x")
    content.repo("bare", {"a.txt": b"bare"})
    content.repo("org/data", {"d/e/f.csv": b"1,2"}, type="datasets")
    content.repo("org/two", {"c1/a": b"1", "c2/a": b"2", "c2/b": b"3"}, commits={"c1": {"dir": "c1"}, "c2": {"dir": "c2"}},
                 refs={"main": "c1", "v1.0": "c1", "refs/pr/1": "c2", "dev/next": "c2"})
    content.repo("org/many", generated_many={"count": 2500, "prefix": "data/f", "size_min": 1, "size_max": 50, "seed": 3})
    disk = content.repo("org/disk", {"real.bin": BIG})
    assert disk.is_dir()
    return content.path


@pytest.fixture(scope="module")
def server(root):
    with FakeHub(root, cdn=("127.0.0.1:0", "127.0.0.2:same"), token="good") as hub:
        yield hub


@pytest.fixture
def hub(server):
    server.reset()
    return server


def locate(hub, repo="org/x", path="model.bin"):
    """Target of a fresh signed location."""
    answer = ask(hub.hub, f"/{repo}/resolve/main/{path}", "HEAD")
    assert answer.status == 302
    return answer["Location"][len(hub.cdn):]


def body(hub, headers=None, path="model.bin", timeout=20, repo="org/x"):
    return ask(hub.cdn, locate(hub, repo, path), headers=headers, timeout=timeout)


def rule(hub, do, **match):
    match = {k.rstrip("_"): v for k, v in match.items()} or {"kind": "body"}
    hub.rules([{"match": match, "do": do}])


# ---- the honest Hub ------------------------------------------------------------------------------------------------

def test_generated_content_is_the_same_in_both_languages():
    assert gen_bytes(1, 0, 4096) == BIG[:4096]
    for first, length in ((0, 1), (7, 1), (3, 14), (8, 8), (2_999_990, 10)):
        assert gen_fast(1, first, length) == gen_bytes(1, first, length) == BIG[first:first + length]


def test_info(hub):
    answer = ask(hub.hub, "/api/models/org/x/revision/main")
    info = answer.json()
    assert answer.status == 200 and info["id"] == "org/x" and len(info["sha"]) == 40
    assert [s["rfilename"] for s in info["siblings"]] == sorted(list(FILES) + ["model.bin"])
    assert info["private"] is False and info["gated"] is False and info["disabled"] is False and "tags" in info
    assert ask(hub.hub, "/api/models/org/x").json()["sha"] == info["sha"]
    assert ask(hub.hub, f"/api/models/org/x/revision/{info['sha']}").json()["sha"] == info["sha"]
    for how in ("expand=sha", "expand%5B%5D=sha"):
        short = ask(hub.hub, f"/api/models/org/x/revision/main?{how}").json()
        assert short["sha"] == info["sha"] and "siblings" not in short
    blobs = {s["rfilename"]: s for s in ask(hub.hub, "/api/models/org/x?blobs=true").json()["siblings"]}
    assert blobs["model.bin"]["lfs"]["sha256"] == SHA and blobs["model.bin"]["size"] == SIZE
    assert blobs["config.json"]["blobId"] == git_oid(FILES["config.json"]) and "lfs" not in blobs["config.json"]


def test_tree_entries(hub):
    rows = {e["path"]: e for e in ask(hub.hub, "/api/models/org/x/tree/main?recursive=true&expand=false").json()}
    assert rows["model.bin"]["lfs"] == {"oid": SHA, "size": SIZE, "pointerSize": 132}
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (SHA.encode(), SIZE)
    assert rows["model.bin"]["oid"] == git_oid(pointer) and len(pointer) == 132
    assert rows["config.json"] == {"type": "file", "oid": git_oid(FILES["config.json"]), "size": 9, "path": "config.json"}
    assert rows["sub dir"]["type"] == "directory" and "xetHash" not in rows["model.bin"]
    top = [e["path"] for e in ask(hub.hub, "/api/models/org/x/tree/main").json()]
    assert top == ["config.json", "empty", "model.bin", "sub dir"]
    assert [e["path"] for e in ask(hub.hub, "/api/models/org/x/tree/main/sub%20dir").json()] == ["sub dir/\u00fc #1.txt"]
    assert [e["path"] for e in ask(hub.hub, "/api/datasets/org/data/tree/main/d%2Fe").json()] == ["d/e/f.csv"]
    assert ask(hub.hub, "/api/models/org/x/tree/main/none").status == 404


def test_tree_pages(hub):
    seen, target, pages = [], "/api/models/org/many/tree/main?recursive=true&expand=false", 0
    while target:
        answer = ask(hub.hub, target)
        seen += [e["path"] for e in answer.json()]
        pages += 1
        link, target = answer["Link"], None
        if link:
            assert link.startswith(f"<{hub.hub}/") and link.endswith('>; rel="next"')
            target = link[len(hub.hub) + 1:link.index(">")]
    assert pages == 3 and len(seen) == 2501 and seen == sorted(set(seen))
    assert len(ask(hub.hub, "/api/models/org/many/tree/main?recursive=true&expand=true").json()) == 50
    assert ask(hub.hub, "/api/models/org/many/tree/main?cursor=abc").status == 400
    rule(hub, {"page": 7}, kind="tree")
    assert len(ask(hub.hub, "/api/models/org/many/tree/main?recursive=true").json()) == 7


def test_paths_info(hub):
    form = urllib.parse.urlencode([("paths", "model.bin"), ("paths", "sub dir/\u00fc #1.txt"), ("paths", "none"), ("expand", "False")])
    rows = ask(hub.hub, "/api/models/org/x/paths-info/main", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode()).json()
    assert [r["path"] for r in rows] == ["model.bin", "sub dir/\u00fc #1.txt"] and rows[0]["lfs"]["oid"] == SHA
    rows = ask(hub.hub, "/api/models/org/x/paths-info/main", "POST", {}, b'{"paths": ["config.json"], "expand": true}').json()
    assert rows[0]["path"] == "config.json" and "lastCommit" in rows[0]


def test_refs_and_revisions(hub):
    refs = ask(hub.hub, "/api/models/org/two/refs?include_prs=1").json()
    assert {b["name"] for b in refs["branches"]} == {"main", "dev/next"} and refs["tags"][0]["ref"] == "refs/tags/v1.0"
    assert refs["pullRequests"][0]["ref"] == "refs/pr/1" and "pullRequests" not in ask(hub.hub, "/api/models/org/two/refs").json()
    for rev, text in (("main", b"1"), ("v1.0", b"1"), ("refs%2Fpr%2F1", b"2"), ("refs/pr/1", b"2"), ("dev%2Fnext", b"2")):
        answer = ask(hub.hub, f"/org/two/resolve/{rev}/a")
        assert answer.body == text, rev
    assert ask(hub.hub, "/org/two/resolve/main/b").status == 404
    hub.change("org/two", refs={"main": "c2"})
    assert ask(hub.hub, "/org/two/resolve/main/b").body == b"3"
    hub.change("org/two", refs={"main": "c1"})


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_resolve_lfs(hub, method):
    answer = ask(hub.hub, "/org/x/resolve/main/model.bin", method)
    assert answer.status == 302 and answer["X-Linked-Etag"] == f'"{SHA}"' and answer["X-Linked-Size"] == str(SIZE)
    assert len(answer["X-Repo-Commit"]) == 40 and answer["ETag"] and SHA not in answer["ETag"]
    location = urllib.parse.urlsplit(answer["Location"])
    query = urllib.parse.parse_qs(location.query)
    assert f"{location.scheme}://{location.netloc}" == hub.cdn and {"Expires", "Signature", "Key-Pair-Id"} <= set(query)
    assert (answer.body == b"") == (method == "HEAD") and int(answer["Content-Length"]) > 100
    assert answer["X-Xet-Hash"] is None


def test_resolve_regular(hub):
    head = ask(hub.hub, "/org/x/resolve/main/config.json", "HEAD")
    assert head.status == 200 and head["Content-Length"] == "9" and head["ETag"] == '"%s"' % git_oid(FILES["config.json"])
    assert head["X-Repo-Commit"] and head["X-Linked-Etag"] is None and head.body == b""
    assert ask(hub.hub, "/org/x/resolve/main/sub%20dir/%C3%BC%20%231.txt").body == b"umlaut"
    assert ask(hub.hub, "/org/x/resolve/main/empty").body == b""
    assert ask(hub.hub, "/bare/resolve/main/a.txt").body == b"bare"
    assert ask(hub.hub, "/datasets/org/data/resolve/main/d/e/f.csv").body == b"1,2"
    part = ask(hub.hub, "/org/x/resolve/main/config.json", headers=rng(2, 3))
    assert part.status == 206 and part.body == FILES["config.json"][2:4] and part["Content-Range"] == "bytes 2-3/9"


def test_resolve_cache(root):
    with FakeHub(root, options={"resolve-cache": True}) as hub:
        answer = ask(hub.hub, "/org/x/resolve/main/sub%20dir/%C3%BC%20%231.txt", "HEAD")
        assert answer.status == 307 and answer["Location"].startswith("/api/resolve-cache/models/org/x/")
        target = ask(hub.hub, answer["Location"])
        assert target.status == 200 and target.body == b"umlaut" and target["X-Repo-Commit"] == answer["X-Repo-Commit"]
        assert ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD").status == 302


def test_cdn_bytes_and_ranges(hub):
    whole = body(hub)
    assert whole.status == 200 and whole.body == BIG and whole["Accept-Ranges"] == "bytes" and SHA not in whole["ETag"]
    for asked, first, last in (("0-0", 0, 0), ("100-199", 100, 199), ("2999999-", 2999999, 2999999), ("-5", SIZE - 5, SIZE - 1), ("0-9999999", 0, SIZE - 1)):
        part = body(hub, {"Range": "bytes=" + asked})
        assert part.status == 206 and part["Content-Range"] == f"bytes {first}-{last}/{SIZE}", asked
        assert part.body == BIG[first:last + 1]
    beyond = body(hub, rng(SIZE))
    assert beyond.status == 416 and beyond["Content-Range"] == f"bytes */{SIZE}"
    assert body(hub, {"Range": "lines=1-2"}).status == 200
    head = ask(hub.cdn, locate(hub), "HEAD")
    assert head.status == 200 and head["Content-Length"] == str(SIZE) and head.body == b""
    assert body(hub, path="real.bin", repo="org/disk").body == BIG
    assert body(hub, rng(7, 1_000_006), path="real.bin", repo="org/disk").body == BIG[7:1_000_007]


def test_location_opens_only_as_given(hub):
    target = locate(hub)
    assert ask(hub.cdn, target, headers=rng(0, 0)).status == 206
    assert ask(hub.cdn, target.replace("%3B&", ";&")).status == 403
    assert ask(hub.cdn, target[:-1] + "x").status == 403
    assert ask(hub.cdn, target.split("?")[0]).status == 404
    assert ask(hub.cdn, "/").status == 404


def test_renamed(hub):
    for target in ("/api/models/org/old", "/api/models/org/old/tree/main?recursive=true", "/org/old/resolve/main/sub%20dir/%C3%BC%20%231.txt"):
        answer = ask(hub.hub, target)
        assert answer.status == 307 and answer["Location"] == target.replace("org/old", "org/x")
    assert ask(hub.hub, "/org/old/resolve/main/model.bin", "HEAD").status == 307


def code(answer):
    return answer.status, answer["X-Error-Code"]


def test_errors(hub):
    good = {"Authorization": "Bearer good"}
    assert code(ask(hub.hub, "/api/models/org/none")) == (401, "RepoNotFound")
    assert code(ask(hub.hub, "/api/models/org/none", headers=good)) == (404, "RepoNotFound")
    assert code(ask(hub.hub, "/none/resolve/main/a")) == (401, "RepoNotFound")
    assert code(ask(hub.hub, "/api/models/org/x/revision/none")) == (404, "RevisionNotFound")
    missing = ask(hub.hub, "/org/x/resolve/main/none", "HEAD")
    assert code(missing) == (404, "EntryNotFound") and len(missing["X-Repo-Commit"]) == 40
    assert code(ask(hub.hub, "/api/models/org/private")) == (401, "RepoNotFound")
    assert ask(hub.hub, "/api/models/org/private", headers=good).json()["private"] is True
    disabled = ask(hub.hub, "/org/disabled/resolve/main/a.txt")
    assert disabled.status == 403 and disabled["X-Error-Message"] == "Access to this resource is disabled."
    bad = ask(hub.hub, "/api/models/org/x", headers={"Authorization": "Bearer bad"})
    assert bad.status == 401 and bad["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_gated(hub):
    good = {"Authorization": "Bearer good"}
    assert ask(hub.hub, "/api/models/org/gated").json()["gated"] and ask(hub.hub, "/api/models/org/gated/tree/main").status == 200
    assert code(ask(hub.hub, "/org/gated/resolve/main/a.txt", "HEAD")) == (401, "GatedRepo")
    assert ask(hub.hub, "/org/gated/resolve/main/a.txt", headers=good).body == b"a"
    assert code(ask(hub.hub, "/org/closed/resolve/main/a.txt", "HEAD", good)) == (403, "GatedRepo")


def test_unknown_is_404(hub):
    assert ask(hub.hub, "/api/agent-harnesses").status == 404
    assert ask(hub.hub, "/").status == 404 and ask(hub.hub, "/api/models/org/x/nonsense").status == 404
    assert ask(hub.hub, "/api/models/org/x/xet-read-token/main").status == 404
    assert ask(hub.hub, "/api/whoami-v2").status == 401
    assert ask(hub.hub, "/api/whoami-v2", headers={"Authorization": "Bearer good"}).json()["name"] == "tester"


def test_quota_headers_and_429(root):
    with FakeHub(root, options={"quota-api": 2, "quota-resolve": 100}) as hub:
        first, second, third = (ask(hub.hub, "/api/models/org/x") for _ in range(3))
        assert first["RateLimit"].startswith('"api";r=1;t=') and first["RateLimit-Policy"] == '"fixed window";"api";q=2;w=300'
        assert second.status == 200 and third.status == 429 and ";r=0;" in third["RateLimit"]
        assert ask(hub.hub, "/org/x/resolve/main/empty")["RateLimit"].startswith('"resolvers";r=99;')


def test_keep_alive_and_pipeline(hub):
    url = urllib.parse.urlsplit(hub.hub)
    conn = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    for target in ("/api/models/org/x", "/org/x/resolve/main/none", "/org/x/resolve/main/config.json"):
        assert ask(hub.hub, target, conn=conn)["Connection"] == "keep-alive"
    conn.close()
    rows = hub.settled()
    assert [r["nth"] for r in rows] == [1, 2, 3] and len({r["conn"] for r in rows}) == 1
    with socket.create_connection((url.hostname, url.port)) as s:
        one = b"HEAD /org/x/resolve/main/empty HTTP/1.1\r\nHost: x\r\n"
        s.sendall(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
        got = b""
        while piece := s.recv(65536):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 2


def test_bad_requests(hub):
    url = urllib.parse.urlsplit(hub.hub)
    for raw, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", b"431"),
                        (b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", b"400")):
        with socket.create_connection((url.hostname, url.port)) as s:
            s.settimeout(10)
            s.sendall(raw)
            assert s.recv(100).startswith(b"HTTP/1.1 " + status)


def test_log_tells_where_tokens_go(hub):
    ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD", {"Authorization": "Bearer good", "User-Agent": "t/1"})
    body(hub, rng(10, 19))
    rows = hub.settled()
    assert rows[0]["authorization"] == "Bearer good" and rows[0]["user_agent"] == "t/1" and rows[0]["kind"] == "resolve"
    last = rows[-1]
    assert last["on"] == "cdn" and last["authorization"] is None and last["file"] == "model.bin" and last["repo"] == "org/x"
    assert (last["first"], last["last"], last["bytes"], last["status"], last["end"]) == (10, 19, 10, 206, "done")
    assert "?" not in last["path"]
    assert hub.bytes_served("model.bin") == 10 and hub.ranges("model.bin") == [(10, 19)]
    stats = hub.stats()
    assert [l["bytes"] for l in stats["listeners"] if l["addr"] == "127.0.0.1" and l["on"] == "cdn"] == [10]
    assert stats["requests"]["body"] == 1 and stats["requests"]["resolve"] == 2


# ---- the liar ------------------------------------------------------------------------------------------------------

def test_reset_after(hub):
    rule(hub, {"reset_after": 1_200_000})
    answer = body(hub)
    assert answer.cut == "reset" and answer.body == BIG[:1_200_000] and answer["Content-Length"] == str(SIZE)
    assert hub.settled()[-1]["end"] == "reset" and hub.settled()[-1]["bytes"] == 1_200_000


def test_close_after(hub):
    rule(hub, {"close_after": 1_200_000})
    answer = body(hub, path="real.bin", repo="org/disk")
    assert answer.cut == "closed" and answer.body == BIG[:1_200_000] and hub.settled()[-1]["end"] == "closed"


def test_reset_every(hub):
    rule(hub, {"reset_every": 1_000_000})
    url = urllib.parse.urlsplit(hub.cdn)
    target = locate(hub)
    conn = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    assert ask(hub.cdn, target, headers=rng(0, 599_999), conn=conn).cut is None
    second = ask(hub.cdn, target, headers=rng(0, 599_999), conn=conn)
    assert second.cut == "reset" and len(second.body) == 400_000


def test_cut_head(hub):
    rule(hub, {"cut_head": 20})
    with pytest.raises((ConnectionResetError, http.client.HTTPException)):
        body(hub)


def test_stall(hub):
    rule(hub, {"stall_after": 1000, "stall_ms": 400})
    begun = time.monotonic()
    assert body(hub).body == BIG and 0.4 <= time.monotonic() - begun < 3
    rule(hub, {"stall_after": 1000})
    answer = body(hub, timeout=0.4)
    assert answer.cut == "timeout" and answer.body == BIG[:1000]
    assert hub.settled()[-1]["end"] == "stalled"


def test_pause(hub):
    rule(hub, {"pause": {"every_bytes": 1_000_000, "ms": 150}})
    begun = time.monotonic()
    assert body(hub).body == BIG and 0.3 <= time.monotonic() - begun < 2


def test_delay_and_accept_only(hub):
    rule(hub, {"delay_ms": 300}, kind="info")
    begun = time.monotonic()
    assert ask(hub.hub, "/api/models/org/x").status == 200 and time.monotonic() - begun >= 0.3
    rule(hub, {"accept_only": True}, kind="info")
    with pytest.raises(TimeoutError):
        ask(hub.hub, "/api/models/org/x", timeout=0.3)
    assert hub.settled()[-1]["end"] == "stalled"


@pytest.mark.parametrize("do", [{"creep": 100_000}, {"rate": 100_000}])
def test_slow(hub, do):
    rule(hub, do)
    begun = time.monotonic()
    assert body(hub, rng(0, 49_999)).body == BIG[:50_000]
    assert 0.4 <= time.monotonic() - begun < 2


def test_server_rates(hub):
    def in_parallel(n):
        begun = time.monotonic()
        threads = [threading.Thread(target=body, args=(hub, rng(0, 99_999))) for _ in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return time.monotonic() - begun
    hub.set(rate=400_000)
    assert 0.9 <= in_parallel(4) < 3
    hub.set(rate=0, conn_rate=400_000)
    assert 0.2 <= in_parallel(4) < 0.9
    hub.set(conn_rate=0, latency_ms=200)
    assert in_parallel(4) >= 0.4
    hub.set(latency_ms=0)


def test_throttle_above(hub):
    hub.set(throttle_above=2, throttle_to=100_000)
    rule(hub, {"rate": 1_000_000})
    threads = [threading.Thread(target=body, args=(hub, rng(0, 99_999))) for _ in range(4)]
    begun = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    taken = time.monotonic() - begun
    alone = time.monotonic()
    body(hub, rng(0, 99_999))
    hub.set(throttle_above=0)
    assert taken > 0.6 and time.monotonic() - alone < 0.5 and hub.stats()["peak_streams"] == 4


def test_flip_and_garbage(hub):
    rule(hub, {"flip": {"at": 1_000_000, "bit": 3}})
    want = bytearray(BIG)
    want[1_000_000] ^= 8
    assert body(hub).body == want and body(hub, rng(999_999, 1_000_001)).body == want[999_999:1_000_002]
    assert body(hub, rng(1_000_001)).body == BIG[1_000_001:]
    rule(hub, {"garbage": [{"from": 10, "to": 20}]})
    got = body(hub, path="real.bin", repo="org/disk").body
    assert [i for i in range(SIZE) if got[i] != BIG[i]] == list(range(10, 20))


def test_length_lies(hub):
    rule(hub, {"short": 1000})
    answer = body(hub)
    assert answer.cut is None and answer.body == BIG[:-1000] and answer["Content-Length"] == str(SIZE - 1000)
    answer = body(hub, rng(0, 1999))
    assert answer.body == BIG[:1000] and answer["Content-Range"] == f"bytes 0-999/{SIZE}"
    rule(hub, {"ignore_range": True})
    answer = body(hub, rng(1000, 1999))
    assert answer.status == 200 and answer.body == BIG and answer["Content-Range"] is None
    rule(hub, {"no_length": True})
    answer = body(hub)
    assert answer["Content-Length"] is None and answer["Connection"] == "close" and answer.body == BIG
    rule(hub, {"chunked": True})
    answer = body(hub)
    assert answer["Transfer-Encoding"] == "chunked" and answer["Content-Length"] is None and answer.body == BIG


def test_range_lies(hub):
    rule(hub, {"content_range": "bytes 5-6/7"})
    assert body(hub, rng(0, 9))["Content-Range"] == "bytes 5-6/7"
    rule(hub, {"content_range_shift": 100})
    answer = body(hub, rng(50, 59))
    assert answer["Content-Range"] == f"bytes 150-159/{SIZE}" and answer.body == BIG[50:60]
    rule(hub, {"body_shift": 100})
    answer = body(hub, rng(50, 59))
    assert answer["Content-Range"] == f"bytes 50-59/{SIZE}" and answer.body == BIG[150:160]
    assert body(hub).body == BIG[100:] + BIG[:100]


def test_gzip(hub):
    rule(hub, {"gzip": True})
    answer = body(hub)
    assert answer["Content-Encoding"] == "gzip" and gzip.decompress(answer.body) == BIG
    rule(hub, {"gzip": "label"})
    answer = body(hub)
    assert answer["Content-Encoding"] == "gzip" and answer.body == BIG


def test_html(hub):
    rule(hub, {"html": True}, kind="any")
    answer = ask(hub.hub, "/api/models/org/x")
    assert answer.status == 200 and answer["Content-Type"].startswith("text/html") and b"log in" in answer.body
    head = ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD")
    assert head.status == 200 and head["X-Repo-Commit"] is None and head["Location"] is None
    rule(hub, {"html": "<html>me</html>", "html_length": "right", "html_type": "application/octet-stream"})
    answer = body(hub, rng(100, 1099))
    assert answer.status == 206 and len(answer.body) == 1000 and answer["Content-Type"] == "application/octet-stream"
    assert len(body(hub).body) == SIZE


def test_status_headers_and_overrides(hub):
    rule(hub, {"status": 503, "body": "busy", "headers": {"Retry-After": "7", "X-List": ["a", "b"]}}, kind="tree")
    answer = ask(hub.hub, "/api/models/org/x/tree/main")
    assert (answer.status, answer.body, answer["Retry-After"]) == (503, b"busy", "7") and answer.headers.get_all("X-List") == ["a", "b"]
    rule(hub, {"status": 500}, kind="resolve")
    answer = ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD")
    assert answer.status == 500 and not {"Location", "ETag", "X-Linked-Etag", "X-Repo-Commit", "X-Error-Code"} & set(answer.headers)
    rule(hub, {"headers": {"X-Repo-Commit": None, "Content-Length": None}}, kind="resolve")
    answer = ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD")
    assert answer["X-Repo-Commit"] is None and answer["Content-Length"] is None
    rule(hub, {"etag": 'W/"e"', "linked_etag": None, "linked_size": 5, "commit": "x", "location": "/here"}, kind="resolve")
    answer = ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD")
    assert [answer[n] for n in ("ETag", "X-Linked-Etag", "X-Linked-Size", "X-Repo-Commit", "Location")] == ['W/"e"', None, "5", "x", "/here"]
    rule(hub, {"location_base": "http://127.0.0.2:1"}, kind="resolve")
    assert ask(hub.hub, "/org/x/resolve/main/model.bin")["Location"].startswith("http://127.0.0.2:1/repos/")
    rule(hub, {"http429": {"retry_after": 2, "r": 0, "t": 3}}, kind="info")
    answer = ask(hub.hub, "/api/models/org/x")
    assert (answer.status, answer["Retry-After"], answer["RateLimit"]) == (429, "2", '"api";r=0;t=3')


def test_expire_needs_a_fresh_location(hub):
    old = locate(hub)
    rule(hub, {"expire": True}, kind="body", nth=2)
    assert [ask(hub.cdn, old, headers=rng(0, 9)).status for _ in range(3)] == [206, 403, 403]
    assert body(hub, rng(0, 9)).status == 206
    rule(hub, {"expire_after_ms": 200}, kind="resolve", nth=1)
    old, fresh = locate(hub), locate(hub)
    assert ask(hub.cdn, old, headers=rng(0, 9)).status == 206
    time.sleep(0.25)
    assert ask(hub.cdn, old, headers=rng(0, 9)).status == 403 and ask(hub.cdn, fresh, headers=rng(0, 9)).status == 206
    hub.expire()
    assert ask(hub.cdn, fresh, headers=rng(0, 9)).status == 403
    rule(hub, {"forbid_forever": True})
    assert body(hub).status == 403


def test_rule_counting(hub):
    hub.rules([{"match": {"kind": "body", "nth": [2]}, "do": {"status": 500}},
               {"match": {"kind": "body", "from": 4, "to": 5}, "do": {"status": 502}},
               {"match": {"kind": "body", "every": 6}, "do": {"status": 504}}])
    assert [body(hub, rng(0, 0)).status for _ in range(7)] == [206, 500, 206, 502, 502, 504, 206]
    hub.rules([{"match": {"kind": "body", "p": 0.5, "seed": 9}, "do": {"status": 500}}])
    once = [body(hub, rng(0, 0)).status for _ in range(20)]
    hub.rules([{"match": {"kind": "body", "p": 0.5, "seed": 9}, "do": {"status": 500}}])
    assert once == [body(hub, rng(0, 0)).status for _ in range(20)] and {206, 500} == set(once)


def test_rule_matching(hub):
    def status(match, **more):
        hub.rules([{"match": match, "do": {"status": 599}}])
        return body(hub, **more).status == 599
    assert status({"path": "*.bin", "kind": "body"}) and not status({"path": "*.txt"})
    assert status({"kind": "body", "ranged": True}, headers=rng(0, 1)) and not status({"kind": "body", "ranged": True})
    assert status({"kind": "body", "min_first": 10, "max_first": 20}, headers=rng(15, 16))
    assert not status({"kind": "body", "min_first": 10, "max_first": 20}, headers=rng(25, 26))
    assert not status({"kind": "body", "on": "hub"}) and not status({"kind": "body", "method": "HEAD"})
    assert status({"repo": "org/x", "kind": ["body", "tree"]}) and not status({"repo": "org/y"})
    assert not status({"addr": "127.0.0.2"})
    target = locate(hub)
    hub.rules([{"match": {"addr": "127.0.0.2"}, "do": {"status": 599}}])
    assert ask(f"http://127.0.0.2:{hub.cdn_port}", target).status == 599
    hub.rules([{"match": {"conn_nth": 2}, "do": {"status": 599}}])
    url = urllib.parse.urlsplit(hub.hub)
    conn = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    assert [ask(hub.hub, "/api/models/org/x", conn=conn).status for _ in range(3)] == [200, 599, 200]
    conn.close()


def test_rules_combine_and_misspelt_ones_are_refused(hub):
    hub.rules([{"match": {"kind": "body"}, "do": {"status": 500, "delay_ms": 100}}, {"match": {"kind": "body"}, "do": {"status": 503}}])
    begun = time.monotonic()
    assert body(hub).status == 503 and time.monotonic() - begun >= 0.1
    assert hub.settled()[-1]["rules"] == [0, 1]
    hub.rules([{"match": {"nth": -1}, "do": {"short": -5}}, {"match": {"kind": "body"}, "do": {"short": -5, "delay_ms": -1, "flip": True,
               "garbage": 7, "headers": "x", "pause": 3, "reset_after": 1e300, "stall_ms": -1e300, "content_range_shift": 1e300}}])
    assert body(hub, rng(0, 9)).status == 206           # odd values are no reason to fall over
    for bad in ([{"match": {"knid": "body"}, "do": {}}], [{"do": {"rest_after": 1}}], [{"match": {}}], {"a": 1}):
        with pytest.raises(RuntimeError):
            hub.rules(bad)


def test_refuse_and_listen(hub):
    target = locate(hub)
    rule(hub, {"refuse": {"ms": 400}})
    with pytest.raises((ConnectionResetError, http.client.HTTPException)):
        ask(hub.cdn, target)
    with pytest.raises(ConnectionRefusedError):
        ask(hub.cdn, target)
    assert ask(f"http://127.0.0.2:{hub.cdn_port}", "/_fake/stats").status == 200
    hub.rules([])
    time.sleep(0.6)
    assert ask(hub.cdn, target).body == BIG
    hub.listen(False, on="hub")
    with pytest.raises(ConnectionRefusedError):
        ask(hub.hub, "/api/models/org/x")
    hub.listen(True, on="hub")
    time.sleep(0.15)
    assert ask(hub.hub, "/api/models/org/x").status == 200


def test_connect_rules(hub):
    hub.rules([{"match": {"kind": "connect", "on": "cdn"}, "do": {"reset_after": 0}}])
    with pytest.raises(ConnectionResetError):
        ask(hub.cdn, "/x")
    assert ask(hub.hub, "/api/models/org/x").status == 200
    hub.rules([{"match": {"kind": "connect", "on": "cdn"}, "do": {"accept_only": True}}])
    with pytest.raises(TimeoutError):
        ask(hub.cdn, "/x", timeout=0.3)


# ---- names, TLS, size ----------------------------------------------------------------------------------------------

def test_names_and_ipv6(root):
    options = {"cdn-name": "cdn.test:0", "hub-name": "hub.test:0", "page": 2}
    with FakeHub(root, cdn=("[::1]:0", "127.0.0.1:same"), options=options) as hub:
        answer = ask(f"http://127.0.0.1:{hub.hub_port}", "/org/x/resolve/main/model.bin", "HEAD")
        assert answer["Location"].startswith(f"http://cdn.test:{hub.cdn_port}/")
        target = answer["Location"].split(f":{hub.cdn_port}", 1)[1]
        assert ask(f"http://[::1]:{hub.cdn_port}", target).body == BIG
        assert ask(f"http://127.0.0.1:{hub.cdn_port}", target, headers=rng(1, 1)).body == BIG[1:2]
        link = ask(f"http://127.0.0.1:{hub.hub_port}", "/api/models/org/x/tree/main")["Link"]
        assert link.startswith(f"<http://hub.test:{hub.hub_port}/api/")


def test_tls(root, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl program")
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    with FakeHub(root, tls=(cert, key)) as hub:
        context = ssl.create_default_context(cafile=str(cert))
        def conn(port):
            return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
        answer = ask(hub.hub, "/org/disk/resolve/main/real.bin", "HEAD", conn=conn(hub.hub_port))
        assert answer["Location"].startswith(hub.cdn) and hub.cdn.startswith("https://")
        target = answer["Location"][len(hub.cdn):]
        assert ask(hub.cdn, target, conn=conn(hub.cdn_port)).body == BIG
        hub.rules([{"match": {"kind": "body"}, "do": {"reset_after": 100_000}}])
        assert ask(hub.cdn, target, conn=conn(hub.cdn_port)).cut in ("reset", "closed")
        assert hub.settled()[-1]["end"] == "reset"


def test_beyond_4_gb(tmp_path):
    content, size = Content(tmp_path / "root"), (1 << 32) + 1000
    content.repo("org/huge", generated=[{"path": "huge.bin", "size": size, "seed": 5}])
    with FakeHub(content.path, options={"hash-cache": tmp_path / "hashes"}) as hub:
        part = body(hub, rng(size - 10), path="huge.bin", repo="org/huge")
        assert part.body == gen_bytes(5, size - 10, 10) and part["Content-Range"] == f"bytes {size - 10}-{size - 1}/{size}"
    begun = time.monotonic()
    with FakeHub(content.path, options={"hash-cache": tmp_path / "hashes"}) as hub:
        assert time.monotonic() - begun < 2 and hub.tree("org/huge")["huge.bin"]["size"] == size


def test_commit_id_is_deterministic(root, tmp_path):
    with FakeHub(root) as one, FakeHub(root) as two:
        assert ask(one.hub, "/api/models/bare").json()["sha"] == ask(two.hub, "/api/models/bare").json()["sha"]


def test_ends_with_its_parent(root, tmp_path):
    from hub import fakehub_binary
    ready = tmp_path / "ready"
    script = f"{fakehub_binary()} --root {root} --ready {ready} 2>/dev/null & while [ ! -e {ready} ]; do sleep 0.01; done"
    subprocess.run(["sh", "-c", script], check=True, timeout=60)
    pid = json.loads(ready.read_text())["pid"]
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.kill(pid, 9)
    pytest.fail("still there")


def test_clean_end(root):
    hub = FakeHub(root).start()
    ask(hub.hub, "/api/models/org/x")
    assert hub.stop() == 0 and "ERROR" not in hub.error_text
