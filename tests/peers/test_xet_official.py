"""hf-pull and the real client on the same files in Xet storage, served by the official local CAS server.

The files were uploaded by the real writer, the answers are the official server's own, and both programs read each other's
cache. Faults are tests/scenario's (test_xet.py); here nothing lies.

HFP_XET_BIG: the size of the large file (xet_sets.py), 1 GiB in ./test all.

Seen red on purpose:
    a 206 without Content-Range refused (as it was)     both_bring_the_same
"""
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
