"""The store that 2.4.0 shares between repositories, made by the client itself over Xet: what hf-pull takes from it, and what the
client then thinks of it. Stores that are laid out by hand are in test_other_layouts.py and tests/scenario/test_xet_shared.py.

Seen red on purpose: the user not noted (the client deletes what hf-pull links to).
"""
import os

from hub import cache_truth, pull, repo_folder
from peers import Client
from test_cas_ground import download
from xet_sets import PACKED


def payloads(home):
    return sorted(p for p in (home / "hub" / "blobs").glob("??/*") if len(p.name) == 64)


def test_the_clients_payloads_serve_another_repository(xet_hub, home):
    client = Client("2.4.0", xet_hub, home)
    # One file at a time: the first ones into a new store race for its marker, and who loses publishes nothing.
    done = download(xet_hub, home, "org/packed", "--max-workers", "1")
    assert done.returncode == 0, done.stderr
    theirs = payloads(home)
    assert len(theirs) == len(PACKED)
    before = {p: (p.stat().st_ino, p.stat().st_mode, p.stat().st_mtime_ns, p.read_bytes()) for p in theirs}
    xet_hub.settled()
    xet_hub.reset()
    run = pull("org/copy", hub=xet_hub, home=home, token="hf_test")
    assert run.code == 0, run
    assert {r["file"] for r in xet_hub.requests("body")} <= {"README.md"} and not xet_hub.requests("xorb")
    assert cache_truth(home, "org/copy", xet_hub) == {}
    ours = {os.path.realpath(p) for p in (repo_folder(home, "org/copy") / "blobs").iterdir() if p.is_symlink()}
    assert ours == {str(p) for p in theirs}
    # The client reads it, counts it and cleans up around it.
    assert client.value("scan_cache_dir")["warnings"] == []
    assert client.value("snapshot_download", repo_id="org/copy", local_files_only=True) == run.out.strip()
    client.ok("cache", "rm", "model/org/packed", "-y")
    client.ok("cache", "prune", "-y")
    assert {p: (p.stat().st_ino, p.stat().st_mode, p.stat().st_mtime_ns, p.read_bytes()) for p in payloads(home)} == before
    assert pull("verify", "org/copy", hub=xet_hub, home=home, token="hf_test").code == 0
    client.ok("cache", "rm", "model/org/copy", "-y")
    assert payloads(home) == []
