"""The ground on which Xet is tested, measured with the official local CAS server and the real client.

What the fakehub answers is what the official server answers for the same uploads; the real client pulls the same files
through both; what it cannot see (a flipped bit) is really there.

Seen red on purpose:
    offset_into_first_range one too many, a range one byte short,
    touching ranges not joined, a slice past the end accepted      test_reconstructions_agree
    files of one upload sent at once (their order is chance then)  test_reconstructions_agree
    the official server without the last upload                    test_reconstructions_agree, test_xorbs_agree
    a footer of other lengths                                      test_xorbs_agree
    Xet left off in the client                                     test_client_pulls_from_ours, ..._falls_back_to_v1
    flips ignored                                                  test_client_reports_success_over_a_flipped_bit
"""
import json
import random
import urllib.error
import urllib.request

import pytest

from hub import cache_truth, snapshot
from peers import Client
from xet_sets import PACKED, REPOS, revisions


def download(hub, home, repo, *more, **env):
    return Client("2.4.0", hub, home).run("download", repo, *more, HF_HUB_DISABLE_XET=0, HF_TOKEN="hf_test", **env)


def ask(url, token, **headers):
    """(status, body) of one request to the fakehub."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} | headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def read_token(hub, repo, rev):
    return json.loads(ask(f"{hub.hub}/api/models/{repo}/xet-read-token/{rev}", "hf_test")[1])["accessToken"]


def without_urls(answer):
    for entries in [*answer.get("xorbs", {}).values(), *answer.get("fetch_info", {}).values()]:
        for entry in entries:
            del entry["url"]
    return answer


def slices(size, seed):
    rng = random.Random(seed)
    yield {}
    for first, last in ((0, 0), (0, size - 1), (size // 3, size // 2), (size - 1, size + 100), (size, size + 9),
                        *(sorted(rng.choices(range(size), k=2)) for _ in range(4))):
        yield {"Range": f"bytes={first}-{last}"}


# ---- our answers are the official ones -----------------------------------------------------------------------------

@pytest.mark.parametrize("repo", REPOS)
def test_reconstructions_agree(xet_hub, official_cas, repo):
    compared = 0
    for rev in revisions(repo):
        token = read_token(xet_hub, repo, rev)
        files = [(path, entry) for path, entry in sorted(xet_hub.tree(repo, rev).items()) if "xetHash" in entry]
        for path, entry in random.Random(1).sample(files, min(len(files), 12)):
            for headers in slices(entry["size"], compared):
                for version in (1, 2):
                    target = f"/v{version}/reconstructions/{entry['xetHash']}"
                    status, body = ask(xet_hub.cas + target, token, **headers)
                    their_status, _, theirs = official_cas.ask(target, headers)
                    assert status == their_status, (path, headers, version, theirs)
                    if status == 200:
                        assert without_urls(json.loads(body)) == without_urls(json.loads(theirs)), (path, headers, version)
                        compared += 1
    assert compared > 15


def test_xorbs_agree(official_cas, xet_sets):
    """Every stored object, footer included, byte for byte."""
    stored = official_cas.stored()
    assert sorted(stored) == xet_sets.store.xorbs()
    for name, theirs in stored.items():
        assert theirs == (xet_sets.store.path / "xorbs" / name).read_bytes()


def test_sets_are_what_they_say(xet_sets):
    for name, (_, scheme) in PACKED.items():
        assert xet_sets.store.schemes(xet_sets.content.path / "models/org/packed" / name) == {scheme}
    held = {(xorb, i) for xorb, first, end in xet_sets.store.terms(xet_sets.revs / "old/model.bin") for i in range(first, end)}
    new = {(xorb, i) for xorb, first, end in xet_sets.store.terms(xet_sets.revs / "new/model.bin") for i in range(first, end)}
    assert 0 < len(new - held) < 0.06 * len(new)  # 2 % of the bytes, at the borders whole chunks
    many = xet_sets.store.terms(xet_sets.content.path / "models/org/many/d0/f0000.bin")
    assert sum(many[0][0] == t[0] for f in (xet_sets.content.path / "models/org/many").rglob("*.bin") for t in xet_sets.store.terms(f)) > 60


# ---- the real client on this ground --------------------------------------------------------------------------------

@pytest.mark.parametrize("repo", REPOS)
def test_client_pulls_from_ours(xet_hub, home, repo):
    for rev in revisions(repo):
        done = download(xet_hub, home, repo, "--revision", rev)
        assert done.returncode == 0, done
        assert cache_truth(home, repo, xet_hub, rev=rev) == {}
    rows = xet_hub.settled()
    kinds = {r["kind"] for r in rows}
    assert {"token", "recon", "xorb"} <= kinds
    plain = {r["file"] for r in rows if r["kind"] == "body"}
    assert plain <= {"README.md", "config.json"}  # everything else came over Xet
    for row in rows:
        if row["kind"] == "xorb":
            assert (row["status"], row["authorization"]) == (206, None) and row["range"].startswith("bytes=")
        if row["kind"] == "recon":
            assert row["authorization"].startswith("Bearer cas-") and row["path"].startswith("/v2/")


@pytest.mark.parametrize("repo", REPOS)
def test_client_pulls_from_the_official_one(official_hub, home, repo):
    for rev in revisions(repo):
        done = download(official_hub, home, repo, "--revision", rev)
        assert done.returncode == 0, done
        assert cache_truth(home, repo, official_hub, rev=rev) == {}
    assert not [r for r in official_hub.settled() if r["kind"] == "body" and r["file"] not in ("README.md", "config.json")]


def test_client_falls_back_to_v1(xet_hub, home):
    xet_hub.rules([{"match": {"kind": "recon", "path": "/v2/*"}, "do": {"status": 501}}])
    done = download(xet_hub, home, "org/packed")
    assert done.returncode == 0 and cache_truth(home, "org/packed", xet_hub) == {}
    assert {(r["path"][:3], r["status"]) for r in xet_hub.requests("recon")} == {("/v2", 501), ("/v1", 200)}


def test_client_asks_anew_for_a_token_that_ends_soon(xet_hub, home):
    """It looks at exp before each file; one that is far off is asked for once for all of them."""
    assert download(xet_hub, home, "org/tiny").returncode == 0
    assert len(xet_hub.requests("token")) == 1
    xet_hub.rules([{"match": {"kind": "token"}, "do": {"expire_after_ms": 50_000}}])
    assert download(xet_hub, home, "org/packed").returncode == 0
    assert len(xet_hub.requests("token")) == 1 + len(PACKED)


def test_client_gives_up_where_its_token_is_refused(xet_hub, home):
    """A token taken back before its time: 401, and no second one is asked for. hf-pull must ask."""
    xet_hub.rules([{"match": {"kind": "recon", "nth": 1}, "do": {"expire": True}}])
    done = download(xet_hub, home, "org/packed", "none.bin")
    assert done.returncode == 1 and "401" in done.stderr
    assert [r["status"] for r in xet_hub.requests("recon")] == [401] and len(xet_hub.requests("token")) == 1


def test_client_reports_success_over_a_flipped_bit(xet_hub, xet_sets, home):
    """The weakness that hf-pull must not have, and the proof that a flip reaches the disk."""
    path = xet_sets.content.path / "models/org/packed/none.bin"
    xorb, record = xet_sets.store.chunk_at(path, 0)
    xet_hub.rules([{"match": {"kind": "xorb", "path": xorb}, "do": {"flip": {"at": record.payload + 5000, "bit": 2}}}])
    done = download(xet_hub, home, "org/packed", "none.bin")
    assert done.returncode == 0
    got = (snapshot(home, "org/packed") / "none.bin").read_bytes()
    want = path.read_bytes()
    assert len(got) == len(want) and [(i, got[i] ^ want[i]) for i in range(len(want)) if got[i] != want[i]] == [(5000, 4)]
    assert cache_truth(home, "org/packed", xet_hub, only=lambda p: p == "none.bin") == {"none.bin": "wrong bytes"}
