"""The cache as a whole, beside the client's own scan: the same repositories, revisions, refs and sizes; after one of our
deletions the client finds a sound cache, and what it deletes we no longer see.

Seen red on purpose: refs left by a deletion (the client calls the cache corrupt).
"""
import subprocess
import types

from daemon import Daemon
from hub import pull
from peers import build_dir


def ours(home, *words, ok=True):
    run = subprocess.run([build_dir() / "tests/api/api-cache", home / "hub", *words], capture_output=True, text=True)
    assert (run.returncode == 0) == ok, run
    return run.stdout


def listed(home):
    """{repo: {"size", "refs", "commits"}}, {commit: what its deletion frees}, the total."""
    repos, frees, total = {}, {}, None
    for line in ours(home).splitlines():
        words = line.split()
        if words[0] == "total":
            total = int(words[1])
            continue
        figures = dict(word.split("=") for word in words[2:6])
        repo = repos.setdefault(words[0], {"size": int(figures["repo"]), "refs": [], "commits": []})
        repo["refs"] = sorted(repo["refs"] + words[7:])
        repo["commits"] = sorted(repo["commits"] + [words[1]])
        frees[words[1]] = int(figures["frees"])
    return repos, frees, total


def scanned(client):
    found = client.value("scan_cache_dir")
    assert [w for w in found["warnings"] if "CACHEDIR.TAG" not in w] == [], "0.x does not know that file of 1.x's own"
    return {name: {key: repo[key] for key in ("size", "refs", "commits")} for name, repo in found["repos"].items()}


def served(hub, home, folder):
    """As listed(), by the daemon."""
    with Daemon(types.SimpleNamespace(path=folder, home=home, server=hub)) as daemon:
        whole = daemon.get("/cache").json
    return {f"{repo['type']}/{repo['repo']}": {
        "size": repo["size_bytes"], "refs": sorted(ref for one in repo["revisions"] for ref in one["refs"]),
        "commits": sorted(one["commit"] for one in repo["revisions"])} for repo in whole["repos"]}, whole["total_bytes"]


def fill(client, hub, home):
    for words in (["org/x"], ["org/revs@v1"], ["org/revs@dev/new"], ["datasets/org/data"]):
        assert pull(*words, hub=hub, home=home).code == 0
    assert client.value("snapshot_download", repo_id="org/grows")


def test_the_same_as_the_clients_scan(client, hub, home, tmp_path):
    fill(client, hub, home)
    repos, _, total = listed(home)
    assert repos == scanned(client) and served(hub, home, tmp_path) == (repos, total)
    assert total == sum(repo["size"] for repo in repos.values())


def test_our_deletion_leaves_a_sound_cache(client, hub, home):
    fill(client, hub, home)
    repos, frees, total = listed(home)
    commit = next(c for c in repos["model/org/revs"]["commits"] if frees[c])
    freed = int(ours(home, "delete", "model", "org/revs", commit).split()[1])
    assert freed == frees[commit] > 0
    after, _, left = listed(home)
    assert left == total - freed and after == scanned(client)
    assert commit not in after["model/org/revs"]["commits"]
    for name in ("model/org/revs", "model/org/x", "dataset/org/data", "model/org/grows"):
        kind, repo = name.split("/", 1)
        for commit in after[name]["commits"]:
            ours(home, "delete", kind, repo, commit)
    assert listed(home) == ({}, {}, 0) and scanned(client) == {}
    assert pull("org/x", hub=hub, home=home).code == 0


def test_the_clients_deletion_is_seen(client, hub, home):
    fill(client, hub, home)
    repos, _, _ = listed(home)
    gone = repos["model/org/revs"]["commits"][0]
    assert client.value("delete_revisions", commits=[gone]) == "done"
    assert listed(home)[0] == scanned(client)
    assert gone not in listed(home)[0]["model/org/revs"]["commits"]
