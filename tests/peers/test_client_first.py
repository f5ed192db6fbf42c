"""The client first, complete or not, then hf-pull: what is there is hashed once, believed by its receipt afterwards, and
never fetched again; what is wrong is found. The first run's reading is measured in bytes read by system calls.

Seen red on purpose: files in place believed without reading them; receipts that never hold; no trees/<commit>.json; that of
the client not read; CACHEDIR.TAG written anew; the cache not opened for writing when only its ref, listing or receipts
are new (as it was: exit 7, and a listing asked for again by every run).
"""
import json

import pytest

from conftest import BIG_SIZE
from hub import cache_truth, pull, repo_folder, snapshot, wrong_blobs
from peers import asked, bodies, layout, pull_reading

LITTLE = 2_000_000  # a run that hashes nothing reads its libraries, the listing and its receipts


def test_hashed_once_then_believed(client, hub, home):
    theirs = client.value("snapshot_download", repo_id="org/big")
    hub.settled()
    hub.reset()
    code, out, err, read = pull_reading("org/big", hub=hub, home=home)
    assert (code, out.strip()) == (0, theirs), err
    assert read >= BIG_SIZE  # believed only after all of it was read
    assert bodies(hub) == []
    # The listing of 2.4.0 is used; the older ones leave none.
    assert asked(hub) == (["info"] if client.version == "2.4.0" else ["info", "tree"])
    assert cache_truth(home, "org/big", hub) == {}

    hub.reset()
    code, out, err, read = pull_reading("org/big", hub=hub, home=home)
    assert (code, out.strip()) == (0, theirs), err
    assert "already here" in err
    assert read < LITTLE
    assert asked(hub) == ["info"]
    # Nothing of theirs was moved, and they still see it.
    assert client.value("snapshot_download", repo_id="org/big", local_files_only=True) == theirs


def test_proved_offline_too_once_the_listing_is_known(newest, hub, home):
    theirs = newest.value("snapshot_download", repo_id="org/big")
    hub.settled()
    hub.reset()
    code, out, err, read = pull_reading("org/big", "--offline", hub=hub, home=home)
    assert (code, out.strip()) == (0, theirs), err
    assert read >= BIG_SIZE
    assert hub.settled() == []


def test_single_files_of_the_client_are_kept(client, hub, home):
    client.value("hf_hub_download", repo_id="org/x", filename="model-00001-of-00002.safetensors")
    client.value("hf_hub_download", repo_id="org/x", filename="config.json")
    hub.settled()
    hub.reset()
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert {"config.json", "model-00001-of-00002.safetensors"}.isdisjoint(bodies(hub))
    assert cache_truth(home, "org/x", hub) == {}


def test_wrong_bytes_the_client_accepted_are_found_and_mended(client, hub, home):
    """facts: the client compares the length only, so a wrong file of the right length is in place after exit 0."""
    hub.rules([{"match": {"kind": "body", "path": "model.bin"}, "do": {"garbage": {"from": 20_000_000, "to": 20_000_900}}}])
    client.ok("download", "org/big")
    assert wrong_blobs(home, "org/big") != []
    hub.settled()
    hub.reset()
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/big", hub) == {} and wrong_blobs(home, "org/big") == []
    assert set(bodies(hub)) == {"model.bin"}


def test_a_file_cut_short_after_the_clients_success(client, hub, home):
    """The client says exit 0 for a truncated file; hf-pull mends it online, and never calls it complete offline."""
    client.ok("download", "org/big")
    blob = (snapshot(home, "org/big") / "model.bin").resolve()
    with blob.open("r+b") as file:
        file.truncate(100)
    client.ok("download", "org/big")
    assert blob.stat().st_size == 100
    offline = pull("org/big", "--offline", hub=hub, home=home)
    assert (offline.code, offline.out) == (9, ""), offline
    hub.settled()
    hub.reset()
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/big", hub) == {}


def test_the_layout_is_the_clients_own(newest, hub, tmp_path):
    """The same repositories by both into two caches: every entry, mode, link target and small file is equal, but for our
    receipts, our lock, and the mode of the listing, which the client makes unreadable for everybody else."""
    for repo, *revision in (["org/x"], ["org/revs"], ["org/revs", "refs/pr/1"], ["org/revs", "v1"]):
        newest.value("snapshot_download", repo_id=repo, **({"revision": revision[0]} if revision else {}))
        run = pull(repo, *(["--revision", *revision] if revision else []), hub=hub, home=tmp_path / "ours")
        assert run.code == 0, run
    ours, theirs = layout(tmp_path / "ours" / "hub", skip=[".hf-pull"]), layout(newest.home / "hub")
    assert [ours.pop(f".locks/models--org--{repo}/hf-pull.lock") for repo in ("x", "revs")] == 2 * [("file 664", 0, b"")]
    listings = {path for path in theirs if "/trees/" in path}
    assert len(listings) == 3
    for path in listings:
        assert json.loads(ours[path][2]) == json.loads(theirs[path][2])
        assert (ours[path][0], theirs[path][0]) == ("file 644", "file 600")
    assert {p: e for p, e in ours.items() if p not in listings} == {p: e for p, e in theirs.items() if p not in listings}


def test_our_listing_spares_the_client_its_own(newest, hub, home):
    assert pull("org/x", "--include", "*.json", hub=hub, home=home).code == 0
    hub.settled()
    hub.reset()
    newest.value("snapshot_download", repo_id="org/x")
    assert "tree" not in asked(hub)
    assert "config.json" not in bodies(hub)
    assert cache_truth(home, "org/x", hub) == {}


def test_our_listing_gives_the_client_its_check_of_completeness(newest, hub, home):
    """A part of a repository is no whole one: 2.4.0 says so by the listing hf-pull wrote, and hf-pull says it itself."""
    assert pull("org/x", "--include", "*.json", hub=hub, home=home).code == 0
    answer = newest.call("snapshot_download", repo_id="org/x", local_files_only=True)
    assert "IncompleteSnapshotError" in answer.error
    assert newest.value("snapshot_download", repo_id="org/x", allow_patterns="*.json", local_files_only=True)
    assert pull("org/x", "--offline", hub=hub, home=home).code == 9
    assert pull("org/x", "--offline", "--include", "*.json", hub=hub, home=home).code == 0


def test_no_exist_is_kept_and_not_made(client, hub, home):
    assert client.call("hf_hub_download", repo_id="org/x", filename="adapter_config.json").error
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0, run
    commit = run.out.strip().rsplit("/", 1)[1]
    marks = repo_folder(home, "org/x") / ".no_exist"
    assert [str(p.relative_to(marks)) for p in marks.rglob("*") if p.is_file()] == [f"{commit}/adapter_config.json"]
    assert client.value("try_to_load_from_cache", repo_id="org/x", filename="adapter_config.json") == "known missing"
    assert pull("org/x:other.txt", hub=hub, home=home).code == 6
    assert client.value("try_to_load_from_cache", repo_id="org/x", filename="other.txt") is None


@pytest.mark.parametrize("text", [None, b"Signature: 8a477f597d28d172789f06886806bc55\nmine\n"])
def test_cachedir_tag_that_is_there_is_not_touched(newest, hub, home, text):
    newest.value("snapshot_download", repo_id="org/revs")
    tag = home / "hub" / "CACHEDIR.TAG"
    if text:
        tag.write_bytes(text)
    before = (tag.read_bytes(), tag.stat().st_mtime_ns)
    assert pull("org/x", hub=hub, home=home).code == 0
    assert (tag.read_bytes(), tag.stat().st_mtime_ns) == before


def test_only_the_ref_is_new(client, hub, home):
    """The branch moved to a commit the client brought under another name: nothing to fetch, and yet something to write."""
    theirs = client.value("snapshot_download", repo_id="org/revs", revision="refs/pr/1")
    hub.change("org/revs", refs={"main": "b"})
    hub.settled()
    hub.reset()
    run = pull("org/revs", hub=hub, home=home)
    assert (run.code, run.out.strip()) == (0, theirs), run
    assert bodies(hub) == []
    assert (repo_folder(home, "org/revs") / "refs" / "main").read_text() == theirs.rsplit("/", 1)[1]
    assert client.value("snapshot_download", repo_id="org/revs", local_files_only=True) == theirs
