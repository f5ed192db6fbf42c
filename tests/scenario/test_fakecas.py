"""The fakehub's Xet side: honest answers, what production refuses, and every lie on order.

The data is the real writer's, and the real client (hf_xet) reads it back. tests/peers/test_cas_ground.py compares the
answers with the official server's.

Seen red on purpose, each with the server broken so:
    a read token for any file, no token asked for                  test_tokens_open_only_their_own
    expire and expire-tokens mixed up, or one of them dead         test_tokens_open_only_their_own
    one byte past the signed range, a whole object without Range,
    Authorization welcome on a location, exact_range ignored       test_locations_open_only_what_is_signed
    offset_into_first_range always 0, a chunk too few              test_reconstruction
    ranges never joined                                            test_repeats_are_asked_for_once
    separate joining, per_url ignored                              test_urls_split_otherwise
    the life of a token not as ordered                             test_expiry
    an edit that fits nothing accepted                             test_edit_of_other_answers_and_one_that_fits_nothing
    reverse doing nothing                                          test_edit
    gzip where it is not accepted                                  test_gzip_is_used_where_accepted
    a wrong sum behind the blanks                                  test_gzip_bomb
    the CAS seen by rules as the Hub                               test_addresses_and_names
    flip one byte earlier                                          test_flip_in_each_field_of_a_record
"""
import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys
import time

import pytest

import casdata
from casdata import BG4, LZ4, NONE, CasData
from hub import Content, FakeHub
from test_fakehub import ask, rng

DOWNLOAD = """
import hf_xet, json, sys, time
order = json.load(sys.stdin)
with hf_xet.XetSession().new_file_download_group(endpoint=order["cas"], token=order["token"],
                                                 token_expiry_unix_secs=int(time.time()) + 86400) as group:
    for file_id, size, path in order["files"]:
        group.start_download_file(hf_xet.XetFileInfo(file_id, size), path)
"""
A = casdata.weights(5, 4_000_000)
FILES = {
    "none.bin": casdata.noise(1, 400_000), "lz4.bin": casdata.lines(1, 400_000), "bg4.bin": casdata.floats(1, 400_000),
    "one.bin": b"x", "repeat.bin": casdata.noise(2, 300_000) * 4, "model.bin": A,
}
B = casdata.changed(A, 0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fakecas")
    content, store = Content(folder / "root"), CasData(folder / "cas")
    home = content.repo("org/x", {f"old/{name}": data for name, data in FILES.items()} | {"new/model.bin": B},
                        xet=True, lfs_over=0, commits={"old": {"dir": "old"}, "new": {"dir": "new"}}, refs={"main": "old", "next": "new"})
    content.repo("org/other", {"other.bin": b"not in the store"}, xet=True, lfs_over=0)
    content.repo("org/gated", {"one.bin": b"x"}, xet=True, lfs_over=0, gated=True)
    store.add(sorted((home / "old").iterdir()), [home / "new/model.bin"])
    store.ids = {name: store.id(home / "old" / name) for name in FILES} | {"new": store.id(home / "new/model.bin")}
    store.home = home
    return folder, store


@pytest.fixture(scope="module")
def store(place):
    return place[1]


@pytest.fixture(scope="module")
def server(place):
    with FakeHub(place[0] / "root", token="hf_test", options={"cas-data": place[1].path}) as hub:
        yield hub


@pytest.fixture
def hub(server):
    server.settled()
    server.reset()
    return server


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def read_token(hub, rev="main", repo="org/x", **headers):
    return ask(hub.hub, f"/api/models/{repo}/xet-read-token/{rev}", headers=headers or bearer("hf_test"))


def token(hub, rev="main"):
    return read_token(hub, rev).json()["accessToken"]


def recon(hub, file_id, version=2, rev="main", **headers):
    return ask(hub.cas, f"/v{version}/reconstructions/{file_id}", headers=bearer(token(hub, rev)) | headers)


def plan(hub, file_id, version=2, **more):
    answer = recon(hub, file_id, version, **more)
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json()


def first_url(hub, file_id, **more):
    """(target, xorb, from, last) of the first range of a reconstruction."""
    answer = plan(hub, file_id, **more)
    xorb, entries = next(iter(answer["xorbs"].items()))
    span = entries[0]["ranges"][0]["bytes"]
    return entries[0]["url"][len(hub.cdn):], xorb, span["start"], span["end"]


def fetch(hub, file_id, **headers):
    """The first range of a file by its location."""
    target, _, first, last = first_url(hub, file_id)
    return ask(hub.cdn, target, headers=headers or rng(first, last))


def decode(answer, data, hub):
    """The file of a reconstruction whose chunks are all stored as they are."""
    chunks = {}
    for xorb, entries in answer["xorbs"].items():
        for entry in entries:
            for span in entry["ranges"]:
                got = ask(hub.cdn, entry["url"][len(hub.cdn):], headers=rng(span["bytes"]["start"], span["bytes"]["end"]))
                assert got.status == 206
                records = casdata.read_records(got.body)
                assert len(records) == span["chunks"]["end"] - span["chunks"]["start"]
                for i, record in enumerate(records, span["chunks"]["start"]):
                    assert record.scheme == NONE
                    chunks[xorb, i] = got.body[record.payload:record.end]
    out = b""
    for term in answer["terms"]:
        piece = b"".join(chunks[term["hash"], i] for i in range(term["range"]["start"], term["range"]["end"]))
        assert len(piece) == term["unpacked_length"]
        out += piece
    return out[answer["offset_into_first_range"]:]


def hf_xet(hub, token_, folder, *files):
    """Downloads [(id, size)] with the real client; the paths."""
    folder.mkdir()
    wanted = [(file_id, size, str(folder / str(i))) for i, (file_id, size) in enumerate(files)]
    env = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper()}
    env.update(HOME=str(folder), HF_HOME=str(folder / "hf"), HF_XET_TELEMETRY_ENABLED="0")
    done = subprocess.run([sys.executable, "-c", DOWNLOAD], text=True, capture_output=True, timeout=60, env=env,
                          input=json.dumps({"cas": hub.cas, "token": token_, "files": wanted}))
    return done, [path for _, _, path in wanted]


def rule(hub, do, **match):
    hub.rules([{"match": match, "do": do}])


# ---- honest --------------------------------------------------------------------------------------------------------

def test_writer_packs_in_all_ways(store):
    ways = {name: store.schemes(store.home / "old" / name) for name in FILES}
    assert (ways["none.bin"], ways["lz4.bin"], ways["bg4.bin"], ways["model.bin"]) == ({NONE}, {LZ4}, {BG4}, {NONE, BG4})
    old, new = (store.terms(store.home / rev / "model.bin") for rev in ("old", "new"))
    assert len(new) > 4 and {t[0] for t in old} < {t[0] for t in new}  # the new revision is made of the old one's chunks


def test_announced(hub, store):
    tree = json.loads(ask(hub.hub, "/api/models/org/x/tree/main", headers=bearer("hf_test")).body)
    assert {e["path"]: e["xetHash"] for e in tree} == {name: store.ids[name] for name in FILES}
    answer = ask(hub.hub, "/org/x/resolve/main/model.bin", "HEAD")
    commit = answer["X-Repo-Commit"]
    assert answer.status == 302 and answer["X-Xet-Hash"] == store.ids["model.bin"]
    assert answer["Link"] == (f'<{hub.hub}/api/models/org/x/xet-read-token/{commit}>; rel="xet-auth", '
                              f'<{hub.cas}/v1/reconstructions/{store.ids["model.bin"]}>; rel="xet-reconstruction-info"')
    other = json.loads(ask(hub.hub, "/api/models/org/other/tree/main").body)
    assert "xetHash" not in other[0] and ask(hub.hub, "/org/other/resolve/main/other.bin", "HEAD")["X-Xet-Hash"] is None


def test_token(hub):
    answer = read_token(hub)
    about = answer.json()
    assert answer.status == 200 and about["casUrl"] == hub.cas and 890 < about["exp"] - time.time() <= 900
    assert (answer["X-Xet-Access-Token"], answer["X-Xet-Cas-Url"]) == (about["accessToken"], hub.cas)
    assert answer["X-Xet-Token-Expiration"] == str(about["exp"])
    assert [read_token(hub, rev).status for rev in ("next", "nowhere")] == [200, 404]
    assert [read_token(hub, repo="org/none").status, read_token(hub, repo="org/gated", **{"X-A": "1"}).status] == [404, 401]
    assert [r["status"] for r in hub.settled() if r["kind"] == "token"] == [200, 200, 404, 404, 401]


@pytest.mark.parametrize("version", [1, 2])
def test_reconstruction(hub, store, version):
    """Both forms, of the whole file and of slices; the bytes are read by the plan alone."""
    for name in ("none.bin", "repeat.bin"):
        data = FILES[name]
        for first, last in ((None, None), (0, 0), (0, 99_999), (150_000, 250_000), (len(data) - 1, len(data) + 5)):
            headers = {} if first is None else rng(first, last)
            answer = plan(hub, store.ids[name], version, **headers)
            if version == 1:
                assert set(answer) == {"offset_into_first_range", "terms", "fetch_info"}
                answer["xorbs"] = {xorb: [{"url": f["url"], "ranges": [{"chunks": f["range"], "bytes": f["url_range"]}]} for f in list_]
                                   for xorb, list_ in answer["fetch_info"].items()}
            got = decode(answer, data, hub)
            want = data if first is None else data[first:last + 1]
            assert got[:len(want)] == want
            assert first is None or len(got) < len(want) + 131_072
    for headers, status in ((rng(300_000 * 4, 300_000 * 4 + 9), 416), (rng(0, 10**15), 200)):
        assert recon(hub, store.ids["repeat.bin"], version, **headers).status == status


def test_repeats_are_asked_for_once(hub, store):
    answer = plan(hub, store.ids["repeat.bin"])
    assert sum(t["unpacked_length"] for t in answer["terms"]) == 1_200_000
    (entry,), = answer["xorbs"].values()
    assert sum(r["bytes"]["end"] - r["bytes"]["start"] + 1 for r in entry["ranges"]) < 1_000_000


def test_gzip_is_used_where_accepted(hub, store):
    answer = recon(hub, store.ids["new"], rev="next", **{"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip" and len(json.loads(gzip.decompress(answer.body))["terms"]) > 4
    assert recon(hub, store.ids["new"], rev="next")["Content-Encoding"] is None
    rule(hub, {"gzip": False}, kind="recon")
    assert recon(hub, store.ids["new"], rev="next", **{"Accept-Encoding": "gzip"})["Content-Encoding"] is None


def test_real_client_reads_it_back(hub, store, tmp_path):
    done, paths = hf_xet(hub, token(hub), tmp_path / "out", *((store.ids[name], len(data)) for name, data in FILES.items()))
    assert done.returncode == 0, done
    for path, data in zip(paths, FILES.values()):
        assert open(path, "rb").read() == data
    done, (path,) = hf_xet(hub, token(hub, "next"), tmp_path / "new", (store.ids["new"], len(B)))
    assert done.returncode == 0 and open(path, "rb").read() == B


def test_log_tells_it_all(hub, store):
    target, xorb, first, last = first_url(hub, store.ids["model.bin"])
    ask(hub.cdn, target, headers=rng(first, first + 9))
    rows = [(r["kind"], r["on"], r["file"], r["repo"], r["bytes"]) for r in hub.settled() if r["kind"] in ("token", "recon", "xorb")]
    assert [r[:4] for r in rows] == [("token", "hub", None, "org/x"), ("recon", "cas", "model.bin", "org/x"), ("xorb", "cdn", xorb, "org/x")]
    assert hub.xorb_ranges() == [(xorb, first, first + 9)] and hub.xorb_bytes() == rows[2][4] == 10
    assert hub.settled()[1]["authorization"].startswith("Bearer cas-test.")


# ---- as strict as production ---------------------------------------------------------------------------------------

def test_tokens_open_only_their_own(hub, store):
    ours, path = token(hub), f"/v2/reconstructions/{store.ids['new']}"
    assert ask(hub.cas, path).status == 401
    assert ask(hub.cas, path, headers=bearer("hf_test")).status == 401          # the Hub's own token
    assert ask(hub.cas, path, headers=bearer(ours + "0")).status == 401
    assert ask(hub.cas, path, headers=bearer(ours)).status == 403               # a file of another revision
    assert ask(hub.cas, f"/v2/reconstructions/{'0' * 64}", headers=bearer(ours)).status == 404
    assert ask(hub.cas, "/v2/reconstructions/zz", headers=bearer(ours)).status == 400
    assert ask(hub.hub, "/api/models/org/x/tree/main", headers=bearer(ours)).status == 401  # and the other way round
    hub.expire_tokens()
    assert ask(hub.cas, f"/v2/reconstructions/{store.ids['one.bin']}", headers=bearer(ours)).status == 401
    assert recon(hub, store.ids["one.bin"]).status == 200


def test_locations_open_only_what_is_signed(hub, store):
    target, xorb, first, last = first_url(hub, store.ids["lz4.bin"])
    size = (store.path / "xorbs" / xorb).stat().st_size
    assert ask(hub.cdn, target).status == 403                                   # no Range at all
    assert ask(hub.cdn, target, headers=rng(first, last + 1)).status == 403
    assert ask(hub.cdn, target, headers=rng(first)).status == 403
    assert ask(hub.cdn, target, headers=rng(size - 10, size - 1)).status == 403
    assert ask(hub.cdn, target + "x", headers=rng(first, last)).status == 403
    assert ask(hub.cdn, target, headers=rng(first, last) | bearer(token(hub))).status == 400
    whole = ask(hub.cdn, target, headers=rng(first, last))
    assert whole.status == 206 and whole["Content-Range"] == f"bytes {first}-{last}/{size}" and len(whole.body) == last - first + 1
    part = ask(hub.cdn, target, headers=rng(first + 5, last - 5))
    assert part.status == 206 and part.body == whole.body[5:-5]
    rule(hub, {"exact_range": True}, kind="xorb")
    assert ask(hub.cdn, target, headers=rng(first + 5, last)).status == 403
    assert ask(hub.cdn, target, headers=rng(first, last)).status == 206
    hub.rules([])
    hub.expire()
    assert ask(hub.cdn, target, headers=rng(first, last)).status == 403
    assert fetch(hub, store.ids["lz4.bin"]).status == 206


def test_object_size_shows_the_footer(hub, store):
    target, xorb, first, last = first_url(hub, store.ids["new"], rev="next")
    total = int(ask(hub.cdn, target, headers=rng(first, last))["Content-Range"].rsplit("/", 1)[1])
    records = store.records(xorb)
    assert total == records[-1].end + 96 + 40 * len(records)


# ---- lies on order -------------------------------------------------------------------------------------------------

def test_flip_in_each_field_of_a_record(hub, store):
    target, xorb, first, last = first_url(hub, store.ids["lz4.bin"])
    honest = ask(hub.cdn, target, headers=rng(first, last)).body
    second = casdata.read_records(honest)[1]
    for field in (0, 1, 4, 5, 8):
        rule(hub, {"flip": {"at": first + second.at + field, "bit": 3}}, kind="xorb", path=xorb)
        spoiled = ask(hub.cdn, target, headers=rng(first, last)).body
        wrong = [i for i, (a, b) in enumerate(zip(honest, spoiled)) if a != b]
        assert wrong == [second.at + field] and honest[wrong[0]] ^ spoiled[wrong[0]] == 8


def test_real_client_succeeds_over_a_flipped_bit(hub, store, tmp_path):
    """The weakness that facts record; and the proof that this ground really flips."""
    xorb, first, _ = store.terms(store.home / "old/none.bin")[0]
    rule(hub, {"flip": {"at": store.records(xorb)[first].payload + 1000, "bit": 0}}, kind="xorb", path=xorb)
    done, (path,) = hf_xet(hub, token(hub), tmp_path / "out", (store.ids["none.bin"], 400_000))
    got = open(path, "rb").read()
    assert done.returncode == 0 and len(got) == 400_000
    assert [i for i in range(400_000) if got[i] != FILES["none.bin"][i]] == [1000]


def test_expiry(hub, store):
    rule(hub, {"expire_after_ms": 0}, kind="recon")
    assert fetch(hub, store.ids["one.bin"]).status == 403
    rule(hub, {"expire_after_ms": 1500}, kind="token")
    about = read_token(hub).json()
    assert about["exp"] - time.time() < 1.6
    rule(hub, {"expire": True}, kind="xorb", nth=1)
    target, _, first, last = first_url(hub, store.ids["one.bin"])
    assert [ask(hub.cdn, target, headers=rng(first, last)).status for _ in range(2)] == [403, 403]
    assert fetch(hub, store.ids["one.bin"]).status == 206
    rule(hub, {"expire": True}, kind="recon", nth=1)
    ours = token(hub)
    path = f"/v2/reconstructions/{store.ids['one.bin']}"
    assert [ask(hub.cas, path, headers=bearer(ours)).status for _ in range(2)] == [401, 401]
    assert ask(hub.cas, path, headers=bearer(token(hub))).status == 200
    rule(hub, {"forbid_forever": True}, kind="xorb")
    assert [fetch(hub, store.ids["one.bin"]).status for _ in range(2)] == [403, 403]


def test_versions_and_statuses(hub, store):
    rule(hub, {"status": 501}, kind="recon", path="/v2/*")
    assert [recon(hub, store.ids["one.bin"], v).status for v in (2, 1)] == [501, 200]
    rule(hub, {"status": 503, "headers": {"Retry-After": "1"}}, kind=["recon", "xorb"], nth=1)
    answer = recon(hub, store.ids["one.bin"])
    assert (answer.status, answer["Retry-After"]) == (503, "1") and fetch(hub, store.ids["one.bin"]).status == 206
    rule(hub, {"http429": {"retry_after": 2}}, kind="xorb")
    assert (fetch(hub, store.ids["one.bin"]).status, fetch(hub, store.ids["one.bin"])["Retry-After"]) == (429, "2")
    rule(hub, {"status": 416}, kind="recon", path="model.bin")
    assert [recon(hub, store.ids[name]).status for name in ("model.bin", "one.bin")] == [416, 200]


def test_cut_and_short(hub, store):
    rule(hub, {"short": 20}, kind="recon")
    with pytest.raises(json.JSONDecodeError):
        recon(hub, store.ids["one.bin"]).json()
    rule(hub, {"close_after": 30}, kind="recon")
    assert recon(hub, store.ids["one.bin"]).cut == "closed"
    rule(hub, {"reset_every": 100_000}, kind="xorb")
    answer = fetch(hub, store.ids["none.bin"])
    assert answer.cut == "reset" and len(answer.body) <= 100_000
    rule(hub, {"short": 1}, kind="xorb")
    target, _, first, last = first_url(hub, store.ids["none.bin"])
    assert len(ask(hub.cdn, target, headers=rng(first, last)).body) == last - first


def test_whole_object_and_200(hub, store):
    target, xorb, first, last = first_url(hub, store.ids["lz4.bin"])
    stored = (store.path / "xorbs" / xorb).read_bytes()
    rule(hub, {"ignore_range": True}, kind="xorb")
    answer = ask(hub.cdn, target, headers=rng(first, last))
    assert answer.status == 200 and answer.body == stored
    rule(hub, {"status": 200, "headers": {"Content-Range": None}}, kind="xorb")  # as the local server answers v1 locations
    answer = ask(hub.cdn, target, headers=rng(first, last))
    assert answer.status == 200 and answer["Content-Range"] is None and answer.body == stored[first:last + 1]


def test_urls_split_otherwise(hub, store):
    def spans(answer):
        return [[(r["chunks"]["start"], r["chunks"]["end"]) for e in entries for r in e["ranges"]] for entries in answer["xorbs"].values()]

    usual = plan(hub, store.ids["new"], rev="next")
    rule(hub, {"per_url": 1}, kind="recon")
    single = plan(hub, store.ids["new"], rev="next")
    assert all(len(e["ranges"]) == 1 for entries in single["xorbs"].values() for e in entries) and spans(single) == spans(usual)
    assert max(len(entries) for entries in single["xorbs"].values()) > 1
    rule(hub, {"separate": True}, kind="recon")
    split = plan(hub, store.ids["new"], rev="next")
    assert spans(split) != spans(usual) and split["terms"] == usual["terms"]
    for term in split["terms"]:
        assert any(r["chunks"] == term["range"] for e in split["xorbs"][term["hash"]] for r in e["ranges"])
    rule(hub, {"separate": True}, kind="recon")
    assert decode(plan(hub, store.ids["repeat.bin"]), None, hub) == FILES["repeat.bin"]


EDITS = {
    "wrong length": ({"at": "/terms/0/unpacked_length", "add": 1}, lambda a, b: b["terms"][0]["unpacked_length"] == a["terms"][0]["unpacked_length"] + 1),
    "too large for 64 bits": ({"at": "/offset_into_first_range", "raw": "18446744073709551616"}, lambda a, b: b["offset_into_first_range"] == 1 << 64),
    "no hash": ({"at": "/terms/0/hash", "set": "zz"}, lambda a, b: b["terms"][0]["hash"] == "zz"),
    "xorb of another name": ({"at": "/xorbs/#0", "rename": "zz"}, lambda a, b: list(b["xorbs"].values())[-1] == list(a["xorbs"].values())[0]),
    "xorbs reordered": ({"at": "/xorbs", "reverse": True}, lambda a, b: list(b["xorbs"]) == list(a["xorbs"])[::-1]),
    "terms reordered": ({"at": "/terms", "reverse": True}, lambda a, b: b["terms"] == a["terms"][::-1]),
    "a term missing": ({"at": "/terms/1", "remove": True}, lambda a, b: b["terms"] == a["terms"][:1] + a["terms"][2:]),
    "a term twice": ({"at": "/terms/0", "repeat": True}, lambda a, b: b["terms"] == a["terms"] + a["terms"][:1]),
    "ranges overlap": ({"at": "/xorbs/#0/0/ranges/0/chunks/end", "add": 1}, lambda a, b: True),
    "null": ({"at": "/xorbs", "set": None}, lambda a, b: b["xorbs"] is None),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit(hub, store, name):
    order, holds = EDITS[name]

    def bare(answer):
        for entries in (answer["xorbs"] or {}).values():
            for entry in entries:
                del entry["url"]
        return answer

    honest = bare(plan(hub, store.ids["new"], rev="next"))
    rule(hub, {"edit": [order]}, kind="recon")
    edited = bare(plan(hub, store.ids["new"], rev="next"))
    assert edited != honest or name == "xorbs reordered"
    assert holds(honest, edited)


def test_edit_of_other_answers_and_one_that_fits_nothing(hub, store):
    rule(hub, {"edit": [{"at": "/exp", "set": 1}]}, kind="token")
    assert read_token(hub).json()["exp"] == 1
    rule(hub, {"edit": [{"at": "/0/xetHash", "set": "zz"}]}, kind="tree")
    assert json.loads(ask(hub.hub, "/api/models/org/x/tree/main").body)[0]["xetHash"] == "zz"
    rule(hub, {"edit": [{"at": "/nowhere", "set": 1}]}, kind="recon")
    assert recon(hub, store.ids["one.bin"]).status == 500


def test_gzip_bomb(hub, store):
    rule(hub, {"blanks": 50_000_000}, kind="recon")
    answer = recon(hub, store.ids["one.bin"], **{"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip" and len(answer.body) < 400_000
    opened = gzip.decompress(answer.body)
    assert len(opened) > 50_000_000 and len(json.loads(opened)["terms"]) == 1


def test_addresses_and_names(place, store):
    """The CAS has its own listeners: one may be dead while the other serves, and a name may stand for both."""
    with FakeHub(place[0] / "root", cas=("127.0.0.1:0", "[::1]:same"), options={"cas-data": store.path, "cas-name": "cas.test:0"},
                 rules=[{"match": {"on": "cas", "kind": "connect", "addr": "::1"}, "do": {"accept_only": True}}]) as hub:
        assert read_token(hub).json()["casUrl"] == hub.cas == f"http://cas.test:{hub.cas_port}"
        target = f"/v2/reconstructions/{store.ids['one.bin']}"
        assert ask(f"http://127.0.0.1:{hub.cas_port}", target, headers=bearer(token(hub))).status == 200
        with pytest.raises(TimeoutError):
            ask(f"http://[::1]:{hub.cas_port}", target, headers=bearer(token(hub)), timeout=0.5)
    with FakeHub(place[0] / "root", options={"cas-data": store.path, "cas-url": "http://cas.test:1"}) as hub:
        assert read_token(hub).json()["casUrl"] == "http://cas.test:1"


def test_damaged_store_is_refused(place, store, tmp_path):
    broken = tmp_path / "cas"
    (broken / "xorbs").mkdir(parents=True)
    name = store.xorbs()[0]
    (broken / "xorbs" / name).write_bytes((store.path / "xorbs" / name).read_bytes()[:100] + struct.pack("<Q", 0)[:3])
    (broken / "cas.json").write_text(json.dumps({"xorbs": [name], "files": [{"id": "0" * 64, "sha256": "0" * 64, "terms": [[name, 0, 999]]}]}))
    with pytest.raises(RuntimeError, match="xorb"):
        FakeHub(place[0] / "root", options={"cas-data": broken}).start()


def test_sha256_is_the_link(store):
    for file in store.files.values():
        assert len(file["sha256"]) == 64
    assert store.files[store.ids["one.bin"]]["sha256"] == hashlib.sha256(b"x").hexdigest()


def test_lab_has_xet(lab):
    """What a scenario starts with: a repository in Xet storage, a second upload built on the first, a chunk to spoil."""
    ids = lab.xet({"a/model.bin": A, "b/model.bin": B}, ["a/model.bin"], ["b/model.bin"],
                  commits={"a": {"dir": "a"}, "b": {"dir": "b"}}, refs={"main": "a", "next": "b"})
    lab.start(token="hf_test")
    assert {p: e["xetHash"] for p, e in lab.server.tree("org/x", "next").items()} == {"model.bin": ids["b/model.bin"]}
    xorb, record = lab.store.chunk_at(lab.uploaded("a/model.bin"), 1_000_000)
    assert record in lab.store.records(xorb) and recon(lab.server, ids["a/model.bin"]).status == 200
