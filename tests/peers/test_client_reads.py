"""hf-pull first, then the real clients: everything is found, whole, where they look for it, and none fetches again.

Seen red on purpose: a newline at the end of the ref; a link that is believed without a look whether it is there (after rm of
a revision); no trees/<commit>.json; that of the client not read.
"""
import random
import shutil
import time

import pytest

from conftest import SMALL
from hub import cache_truth, pull, repo_folder, snapshot, start_pull
from peers import VERSIONS, Client, asked, bodies, kill9, partials

FILES = [*SMALL, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "copy/same.bin"]
DISTINCT_BYTES = 11_000_001 + sum(map(len, SMALL.values()))
WITH_VERIFY = ("2.4.0", "1.17.0")


@pytest.fixture
def pulled(hub, home):
    """The folder hf-pull printed for org/x; the log begins after it."""
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/x", hub) == {}
    hub.settled()
    hub.reset()
    return run.out.strip()


def test_offline_snapshot_is_the_folder_hf_pull_printed(pulled, client, hub):
    assert client.value("snapshot_download", repo_id="org/x", local_files_only=True) == pulled
    assert client.value("snapshot_download", repo_id="org/x", env={"HF_HUB_OFFLINE": 1}) == pulled
    assert hub.settled() == []
    assert cache_truth(client.home, "org/x", hub) == {}


def test_what_many_kills_left_and_one_run_finished(client, hub):
    chance = random.Random(3)
    hub.set(rate=20_000_000)
    for _ in range(12):
        process = start_pull("org/x", hub=hub, home=client.home)
        time.sleep(chance.uniform(0.01, 0.2))
        kill9(process)
    hub.set(rate=0)
    run = pull("org/x", hub=hub, home=client.home)
    assert run.code == 0, run
    assert client.value("snapshot_download", repo_id="org/x", local_files_only=True) == run.out.strip()
    assert cache_truth(client.home, "org/x", hub) == {}


def test_online_snapshot_asks_for_the_commit_and_nothing_else(pulled, client, hub):
    assert client.value("snapshot_download", repo_id="org/x") == pulled
    assert asked(hub) == ["info"]


def test_every_single_file_is_found_offline(pulled, client, hub):
    for name in FILES:
        assert client.value("hf_hub_download", repo_id="org/x", filename=name, local_files_only=True) == f"{pulled}/{name}"
    assert hub.settled() == []


def test_single_file_online_makes_no_body_request(pulled, client, hub):
    for name in ("config.json", "sub dir/\u00fc #1.txt", "model-00001-of-00002.safetensors"):
        assert client.value("hf_hub_download", repo_id="org/x", filename=name) == f"{pulled}/{name}"
    assert bodies(hub) == []


def test_try_to_load_from_cache(pulled, client):
    def loaded(name):
        return client.value("try_to_load_from_cache", repo_id="org/x", filename=name)
    assert loaded("config.json") == f"{pulled}/config.json"
    assert loaded("copy/same.bin") == f"{pulled}/copy/same.bin"
    assert loaded("nothing.txt") is None  # unknown, not "known missing": hf-pull makes no such claim


def test_branch_tag_pull_request_and_commit(client, hub, home):
    for revision in ("main", "v1", "dev/new", "refs/pr/1"):
        run = pull("org/revs", "--revision", revision, hub=hub, home=home)
        assert run.code == 0, run
        assert cache_truth(home, "org/revs", hub, rev=revision) == {}
        commit = run.out.strip().rsplit("/", 1)[1]
        for asked_for in (revision, commit):
            found = client.value("snapshot_download", repo_id="org/revs", revision=asked_for, local_files_only=True)
            assert found == run.out.strip()


@pytest.mark.parametrize("type, folder, repo", [("dataset", "datasets", "org/data"), ("space", "spaces", "org/room")])
def test_datasets_and_spaces(client, hub, home, type, folder, repo):
    run = pull(repo, "--repo-type", type, hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, repo, hub, type=folder) == {}
    hub.reset()
    assert client.value("snapshot_download", repo_id=repo, repo_type=type, local_files_only=True) == run.out.strip()
    assert client.value("snapshot_download", repo_id=repo, repo_type=type) == run.out.strip()
    assert bodies(hub) == []


def test_scan_finds_the_right_sizes_and_no_corruption(pulled, client):
    found = client.value("scan_cache_dir")
    # 0.x and 1.x before 1.9 do not know CACHEDIR.TAG and name it; the newer client's own caches have it too.
    assert [w for w in found["warnings"] if "CACHEDIR.TAG" not in w] == []
    assert (found["warnings"] == []) == (client.version != "0.36.0")
    assert found["size"] == DISTINCT_BYTES
    commit = pulled.rsplit("/", 1)[1]
    # Seven contents behind eight names: the clients count contents.
    assert found["repos"] == {"model/org/x": {"size": DISTINCT_BYTES, "files": len(FILES) - 1, "refs": ["main"],
                                              "commits": [commit]}}


def test_scan_command_of_0_36(pulled, hub, home):
    old = Client("0.36.0", hub, home)
    for program, args in (("huggingface-cli", ["scan-cache", "-vvv"]), ("hf", ["cache", "scan", "-vvv"])):
        said = old.ok(*args, program=program).stdout
        assert "org/x" in said and "11.0M" in said
        assert "Got 1 warning(s)" in said and "CACHEDIR.TAG" in said  # it knows no such file; 2.4.0's own caches have one


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_cache_ls(pulled, hub, home, version):
    done = Client(version, hub, home).ok("cache", "ls")
    assert "model/org/x" in done.stdout and "11.0M" in done.stdout and "1 revision(s)" in done.stdout
    assert "ncomplete" not in done.stdout + done.stderr and "arning" not in done.stdout + done.stderr


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_cache_verify_agrees_with_hf_pull(pulled, hub, home, version):
    client = Client(version, hub, home)
    done = client.ok("cache", "verify", "org/x", "--fail-on-missing-files", "--fail-on-extra-files")
    assert f"Verified {len(FILES)} file(s)" in done.stdout
    # Both see the same single damaged bit.
    blob = (snapshot(home, "org/x") / "model-00001-of-00002.safetensors").resolve()
    with blob.open("r+b") as file:
        file.seek(3_000_000)
        byte = file.read(1)[0]
        file.seek(3_000_000)
        file.write(bytes([byte ^ 1]))
    assert client.run("cache", "verify", "org/x").returncode == 1
    assert pull("verify", "org/x", hub=hub, home=home).code == 4
    hub.reset()
    assert pull("repair", "org/x", hub=hub, home=home).code == 0
    assert hub.bytes_served() <= 1 << 20
    client.ok("cache", "verify", "org/x")


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_cache_rm_takes_all_of_it(pulled, hub, home, version):
    Client(version, hub, home).ok("cache", "rm", "model/org/x", "-y")
    assert not repo_folder(home, "org/x").exists()
    again = pull("org/x", hub=hub, home=home)
    assert again.code == 0 and cache_truth(home, "org/x", hub) == {}


def test_delete_revisions_of_0_36(pulled, hub, home):
    """hf cache delete of 0.36 asks on a terminal; this is the call behind it."""
    old = Client("0.36.0", hub, home)
    assert old.value("delete_revisions", commits=[pulled.rsplit("/", 1)[1]]) == "done"
    assert not repo_folder(home, "org/x").exists()


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_rm_of_one_revision_leaves_the_other_proved(hub, home, version):
    client = Client(version, hub, home)
    first = pull("org/revs", hub=hub, home=home).out.strip()
    other = pull("org/revs", "--revision", "refs/pr/1", hub=hub, home=home).out.strip()
    client.ok("cache", "rm", first.rsplit("/", 1)[1], "-y")
    hub.reset()
    assert pull("org/revs", "--revision", "refs/pr/1", "--offline", hub=hub, home=home).out.strip() == other
    assert cache_truth(home, "org/revs", hub, rev="refs/pr/1") == {}
    # What was removed is missing, not "already here": receipts of absent files prove nothing.
    assert pull("org/revs", "--revision", "main", "--offline", hub=hub, home=home).code == 9
    assert pull("org/revs", hub=hub, home=home).out.strip() == first
    assert cache_truth(home, "org/revs", hub) == {}


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_prune_leaves_what_is_finished(pulled, hub, home, version):
    client = Client(version, hub, home)
    client.ok("cache", "prune", "-y")
    hub.reset()
    assert pull("org/x", "--offline", hub=hub, home=home).out.strip() == pulled
    assert cache_truth(home, "org/x", hub) == {}
    assert client.value("snapshot_download", repo_id="org/x", local_files_only=True) == pulled


@pytest.mark.parametrize("version", WITH_VERIFY)
def test_prune_takes_only_the_revision_no_ref_names(hub, home, version):
    client = Client(version, hub, home)
    old = pull("org/revs", hub=hub, home=home).out.strip()
    hub.change("org/revs", refs={"main": "b"})
    new = pull("org/revs", hub=hub, home=home).out.strip()
    assert old != new
    client.ok("cache", "prune", "-y")
    assert client.value("snapshot_download", repo_id="org/revs", local_files_only=True) == new
    assert client.call("snapshot_download", repo_id="org/revs", revision=old.rsplit("/", 1)[1], local_files_only=True).error
    assert cache_truth(home, "org/revs", hub) == {}
    assert pull("org/revs", "--offline", hub=hub, home=home).code == 0


def test_files_the_user_deleted_are_the_only_ones_fetched_by_either(pulled, newest, hub, home):
    """The client finds one missing file, hf-pull the next, on one cache."""
    for who, name in ((newest, "config.json"), (None, "model-00001-of-00002.safetensors")):
        link = snapshot(home, "org/x") / name
        link.resolve().unlink()
        link.unlink()
        hub.reset()
        if who:
            assert who.value("snapshot_download", repo_id="org/x") == pulled
        else:
            assert pull("org/x", hub=hub, home=home).code == 0
        assert bodies(hub) and set(bodies(hub)) == {name}
        assert "tree" not in asked(hub)  # the listing of this commit is in the cache
        assert cache_truth(home, "org/x", hub) == {}


def test_a_moved_cache_is_read_by_all(pulled, hub, home, tmp_path):
    moved = tmp_path / "moved"
    shutil.move(home, moved)
    for version in VERSIONS:
        found = Client(version, hub, moved).value("snapshot_download", repo_id="org/x", local_files_only=True)
        assert found == str(snapshot(moved, "org/x"))
    assert pull("org/x", "--offline", hub=hub, home=moved).code == 0
    assert partials(moved, "org/x") == {}
