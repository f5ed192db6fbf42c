"""Caches of another shape: without links, and with the shared store of 2.x (payloads that many repositories link to).

hf_xet makes shared payloads only from Xet transfers, so such a cache is built here by the client's own module
(utils/_shared_blobs.py names the shape) and judged by the client's own scanner before anything else.

Seen red on purpose: a damaged file moved aside although it is a link (the payload went with it); HF_HUB_DISABLE_SYMLINKS not
read.
"""
import os

import pytest

from conftest import BIG_SIZE, SMALL
from hub import cache_truth, file_hash, pull, repo_folder, snapshot
from peers import CLIENT_CHUNK, bodies, hold_at, kill9, largest_partial, quiet, wait_until

NO_LINKS = {"HF_HUB_DISABLE_SYMLINKS": "1"}


def links(folder):
    return [p for p in folder.rglob("*") if p.is_symlink()]


@pytest.mark.parametrize("reading", [NO_LINKS, {}], ids=["told", "not told"])
def test_client_without_links_then_hf_pull(client, hub, home, reading):
    theirs = client.value("snapshot_download", repo_id="org/big", env=NO_LINKS)
    assert links(snapshot(home, "org/big")) == []
    quiet(hub)
    run = pull("org/big", hub=hub, home=home, **reading)
    assert (run.code, run.out.strip()) == (0, theirs), run
    assert bodies(hub) == []
    assert cache_truth(home, "org/big", hub) == {}
    assert pull("verify", "org/big", hub=hub, home=home, **reading).code == 0
    assert client.value("snapshot_download", repo_id="org/big", local_files_only=True, env=NO_LINKS) == theirs


@pytest.mark.parametrize("reading", [NO_LINKS, {}], ids=["told", "not told"])
def test_hf_pull_without_links_then_client(client, hub, home, reading):
    run = pull("org/x", hub=hub, home=home, **NO_LINKS)
    assert run.code == 0, run
    assert links(home / "hub") == []
    assert cache_truth(home, "org/x", hub) == {}
    quiet(hub)
    assert client.value("snapshot_download", repo_id="org/x", env=reading) == run.out.strip()
    assert client.value("hf_hub_download", repo_id="org/x", filename="copy/same.bin", env=reading)
    assert client.value("snapshot_download", repo_id="org/x", local_files_only=True, env=reading) == run.out.strip()
    assert bodies(hub) == []
    found = client.value("scan_cache_dir")
    assert [w for w in found["warnings"] if "CACHEDIR.TAG" not in w] == []
    assert found["repos"]["model/org/x"]["files"] == len(SMALL) + 3


def test_client_killed_without_links_then_hf_pull(client, hub, home):
    hold_at(hub, CLIENT_CHUNK)
    process = client.start_call("snapshot_download", NO_LINKS, repo_id="org/big")
    wait_until(lambda: largest_partial(home, "org/big") >= CLIENT_CHUNK, "a partial", process=process)
    kill9(process)
    quiet(hub)
    run = pull("org/big", hub=hub, home=home, **NO_LINKS)
    assert run.code == 0, run
    assert cache_truth(home, "org/big", hub) == {} and links(home / "hub") == []
    assert hub.bytes_served("model.bin") == BIG_SIZE - CLIENT_CHUNK


# ---- the shared store of 2.x ----

@pytest.fixture
def shared(newest, hub, home):
    """org/big by 2.4.0, its model.bin then moved into the shared store. Gives (payload, the repository's link to it)."""
    newest.value("snapshot_download", repo_id="org/big")
    link = (snapshot(home, "org/big") / "model.bin").resolve()
    store, xet_hash = home / "hub" / "blobs", "ab" + "0123456789abcdef" * 3 + "0123456789abcd"
    payload = store / "ab" / xet_hash
    payload.parent.mkdir(parents=True)
    (store / ".huggingface-shared-blobs").write_text("1\n")
    link.rename(payload)
    payload.chmod(0o400)
    (payload.parent / f"{xet_hash}.refs").write_text(f"models--org--big/blobs/{link.name}\n")
    (payload.parent / f"{xet_hash}.lock").touch()
    link.symlink_to(os.path.relpath(payload, link.parent))
    found = newest.value("scan_cache_dir")
    assert found["warnings"] == [] and found["repos"]["model/org/big"]["size"] > BIG_SIZE
    quiet(hub)
    return payload, link


def fingerprint(path):
    info = path.stat()
    return info.st_ino, info.st_size, info.st_mode, info.st_mtime_ns, file_hash(path, lfs=True)


def test_shared_payload_is_read_and_left_alone(shared, newest, hub, home):
    payload, link = shared
    before = fingerprint(payload)
    for _ in range(2):
        run = pull("org/big", hub=hub, home=home)
        assert run.code == 0, run
    assert "already here" in run.err
    assert pull("verify", "org/big", hub=hub, home=home).code == 0
    assert bodies(hub) == []
    assert link.is_symlink() and fingerprint(payload) == before
    newest.ok("cache", "prune", "-y")
    assert payload.exists()  # still one user
    assert newest.value("snapshot_download", repo_id="org/big", local_files_only=True) == run.out.strip()
    assert newest.value("scan_cache_dir")["warnings"] == []


@pytest.mark.parametrize("how", ["pull", "repair", "force"])
def test_damaged_shared_payload_is_replaced_by_our_own_file(shared, newest, hub, home, how):
    """Never written through the link: others share it, and it is the client's. Our repository gets a file of its own."""
    payload, link = shared
    if how == "repair":
        assert pull("org/big", hub=hub, home=home).code == 0  # with a receipt
    payload.chmod(0o600)
    with payload.open("r+b") as file:
        file.seek(30_000_000)
        file.write(b"damage")
    payload.chmod(0o400)
    before = fingerprint(payload)
    args = {"pull": ["org/big"], "repair": ["repair", "org/big"], "force": ["org/big", "--force-download"]}[how]
    run = pull(*args, hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/big", hub) == {}
    assert fingerprint(payload) == before
    assert not link.is_symlink() and file_hash(link, lfs=True) == link.name
    assert newest.value("snapshot_download", repo_id="org/big", local_files_only=True)


def test_dangling_shared_link_is_replaced(shared, newest, hub, home):
    payload, link = shared
    payload.unlink()
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    assert not link.is_symlink() and not payload.exists()
    assert cache_truth(home, "org/big", hub) == {}
    assert newest.value("scan_cache_dir")["warnings"] == []


def test_old_clients_read_what_hf_pull_left_of_a_shared_cache(shared, client, hub, home):
    assert pull("org/big", hub=hub, home=home).code == 0
    quiet(hub)
    assert client.value("snapshot_download", repo_id="org/big", local_files_only=True) == str(snapshot(home, "org/big"))
    assert client.value("snapshot_download", repo_id="org/big") == str(snapshot(home, "org/big"))
    assert bodies(hub) == []
    assert repo_folder(home, "org/big").is_dir()
