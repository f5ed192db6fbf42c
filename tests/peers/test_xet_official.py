"""hf-pull and the real client on the same files in Xet storage, served by the official local CAS server.

The files were uploaded by the real writer, the answers are the official server's own, and both programs read each other's
cache. Faults are tests/scenario's (test_xet.py); here nothing lies.

HFP_XET_BIG: the size of the large file (xet_sets.py), 1 GiB in the suite peers-large of ./test all.

Seen red on purpose:
    a 206 without Content-Range refused (as it was)     both_bring_the_same
    BG4 left grouped                                    both_bring_the_same (many, weights, repeat, revs, packed)
    chunks in other files not looked for                a_revision_with_2_percent, the_same_on_a_cache
    no v1 after v2                                      the_official_server_in_other_moods
"""
import json

import pytest

from hub import cache_truth, file_hash, pull, snapshot, wrong_blobs
from peers import Client
from xet_sets import REPOS, revisions

PLAIN = {"README.md", "config.json"}  # too plain to be in Xet


def ours(hub, home, repo, *more, **env):
    run = pull(repo, "--xet", "on", *more, hub=hub, home=home, token="hf_test", **env)
    assert run.code == 0, run
    return run


def theirs(hub, home, repo, *more, **env):
    done = Client("2.4.0", hub, home).run("download", repo, *more, HF_HUB_DISABLE_XET=0, HF_TOKEN="hf_test", timeout=200, **env)
    assert done.returncode == 0, done


def hashes(folder):
    return {str(p.relative_to(folder)): file_hash(p, True) for p in sorted(folder.rglob("*")) if p.is_file()}


def asked_over_http(hub):
    return {r["file"] for r in hub.settled() if r["kind"] == "body"} - PLAIN


@pytest.mark.parametrize("repo", REPOS)
def test_both_bring_the_same(official_hub, official_cas, tmp_path, repo):
    for rev in revisions(repo):
        official_hub.reset()
        ours(official_hub, tmp_path / "ours", repo, "--revision", rev)
        assert not asked_over_http(official_hub), "every byte of it out of the Xet store"
        theirs(official_hub, tmp_path / "theirs", repo, "--revision", rev)
        assert not asked_over_http(official_hub)
        assert cache_truth(tmp_path / "ours", repo, official_hub, rev=rev) == {}
        mine = hashes(snapshot(tmp_path / "ours", repo, rev=rev))
        assert mine == hashes(snapshot(tmp_path / "theirs", repo, rev=rev)) and mine
    assert wrong_blobs(tmp_path / "ours", repo) == []


def test_the_client_finds_our_cache_complete(official_hub, home):
    """The chunk maps beside it are nothing to it."""
    for rev in revisions("org/revs"):
        ours(official_hub, home, "org/revs", "--revision", rev)
    official_hub.reset()
    for rev in revisions("org/revs"):
        theirs(official_hub, home, "org/revs", "--revision", rev)
        theirs(official_hub, home, "org/revs", "--revision", rev, HF_HUB_OFFLINE=1)
    assert not {r["kind"] for r in official_hub.settled()} & {"token", "body"}
    assert cache_truth(home, "org/revs", official_hub, rev="new") == {}


@pytest.mark.parametrize("repo", ["org/many", "org/repeat"])
def test_we_find_the_clients_cache_complete(official_hub, home, repo):
    theirs(official_hub, home, repo)
    official_hub.reset()
    ours(official_hub, home, repo)
    assert not {r["kind"] for r in official_hub.settled()} & {"token", "body"}
    assert cache_truth(home, repo, official_hub) == {} and wrong_blobs(home, repo) == []


def new_bytes(xet_sets):
    """Stored bytes of the chunks of the new revision that the old one has not, each once."""
    chunks = [{(xorb, i) for xorb, first, end in xet_sets.store.terms(xet_sets.revs / f"{rev}/model.bin") for i in range(first, end)}
              for rev in ("old", "new")]
    records = {xorb: xet_sets.store.records(xorb) for xorb, _ in chunks[1]}
    return sum(records[xorb][i].end - records[xorb][i].at for xorb, i in chunks[1] - chunks[0])


def test_a_revision_with_2_percent_changed_costs_what_is_new(official_hub, xet_sets, home, tmp_path):
    """G9, by what hf-pull counts itself: the official server keeps no log of bytes. The next test has the fakehub's."""
    ours(official_hub, home, "org/revs")
    report = tmp_path / "report"
    ours(official_hub, home, "org/revs", "--revision", "new", "--report", report)
    wire = json.loads(report.read_text())["jobs"][0]["status"]["wire_bytes"]
    need = new_bytes(xet_sets)
    print(f"{wire} bytes on the wire, {need} are new: {wire / need:.3f}")
    assert wire <= 1.05 * need
    assert cache_truth(home, "org/revs", official_hub, rev="new") == {}


def test_the_same_on_a_cache_of_the_client(xet_hub, xet_sets, home):
    """What hf_xet brought has no map: `index` makes it, and the new revision costs no more than on a cache of our own."""
    theirs(xet_hub, home, "org/revs")
    assert pull("index", "org/revs", hub=xet_hub, home=home, token="hf_test").code == 0
    xet_hub.reset()
    ours(xet_hub, home, "org/revs", "--revision", "new")
    wire, need = xet_hub.xorb_bytes(), new_bytes(xet_sets)
    print(f"{wire} bytes of xorbs, {need} are new: {wire / need:.3f}")
    assert wire <= 1.05 * need
    assert cache_truth(home, "org/revs", xet_hub, rev="new") == {}


MOODS = [("disable_v2_endpoints", 404), ("disable_v2_endpoints", 501), ("max_ranges_per_fetch", 1)]  # its own switches
CALM = {"disable_v2_endpoints": 0, "max_ranges_per_fetch": 1000}


@pytest.mark.parametrize("name, value", MOODS)
def test_the_official_server_in_other_moods(official_hub, official_cas, xet_sets, home, name, value):
    about = f"/v2/reconstructions/{xet_sets.ids[str(xet_sets.revs / 'new/model.bin')]}"
    official_hub.reset()
    official_cas.config(name, value)
    try:
        status, _, body = official_cas.ask(about)
        entries = [] if status == value else list(json.loads(body)["xorbs"].values())
        assert status == value or (all(len(e["ranges"]) == 1 for found in entries for e in found) and max(map(len, entries)) > 1)
        ours(official_hub, home, "org/revs", "--revision", "new")
    finally:
        official_cas.config(name, CALM[name])
    assert official_cas.ask(about)[0] == 200
    assert cache_truth(home, "org/revs", official_hub, rev="new") == {}
    assert not asked_over_http(official_hub)
