"""--local-dir, both ways: the notes that one of the two leaves in .cache/huggingface spare the other every byte.

Seen red on purpose: no metadata note written; leftovers not taken over.
"""
import pytest

from conftest import BIG_SIZE
from hub import folder_truth, pull, start_pull
from peers import (BLOCK, CLIENT_CHUNK, SLOW, asked, bodies, hold_at, kill9, met, pull_reading, quiet, sizes, wait_until)

NOTES = (".cache/huggingface/",)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "folder"


def truth(folder, repo, hub, rev="main"):
    return folder_truth(folder, hub.tree(repo, rev), extra_ok=NOTES)


def unfinished(folder):
    notes = folder / ".cache/huggingface/download"
    return sizes(p for p in notes.rglob("*") if p.suffix in (".incomplete", ".digests"))


@pytest.mark.parametrize("repo", ["org/x", "org/big"])
def test_hf_pull_first(client, hub, home, folder, repo):
    run = pull(repo, "--local-dir", folder, hub=hub, home=home)
    assert run.code == 0, run
    assert truth(folder, repo, hub) == {}
    quiet(hub)
    assert client.value("snapshot_download", repo_id=repo, local_dir=str(folder)) == run.out.strip() == str(folder)
    assert bodies(hub) == []
    assert client.value("snapshot_download", repo_id=repo, local_dir=str(folder), local_files_only=True) == str(folder)
    assert client.value("hf_hub_download", repo_id=repo, filename="config.json", local_dir=str(folder)) == f"{folder}/config.json"
    assert bodies(hub) == []
    assert truth(folder, repo, hub) == {}


def test_by_full_commit_the_client_asks_nothing_about_files(client, hub, home, folder):
    commit = pull("org/big", hub=hub, home=home).out.strip().rsplit("/", 1)[1]
    assert pull("org/big", "--revision", commit, "--local-dir", folder, hub=hub, home=home).code == 0
    quiet(hub)
    client.value("snapshot_download", repo_id="org/big", revision=commit, local_dir=str(folder))
    assert asked(hub) == ([] if client.version == "2.4.0" else ["info"])  # our listing is beside the files, too


def test_client_first(client, hub, home, folder):
    client.value("snapshot_download", repo_id="org/big", local_dir=str(folder))
    quiet(hub)
    code, out, err, read = pull_reading("org/big", "--local-dir", folder, hub=hub, home=home)
    assert (code, out.strip()) == (0, str(folder)), err
    assert bodies(hub) == [] and read >= BIG_SIZE
    code, out, err, read = pull_reading("org/big", "--local-dir", folder, hub=hub, home=home)
    assert code == 0 and read < 2_000_000, err
    assert truth(folder, "org/big", hub) == {}
    # Their notes still hold.
    client.value("snapshot_download", repo_id="org/big", local_dir=str(folder))
    assert bodies(hub) == []


def test_a_file_cut_short_is_mended(client, hub, home, folder):
    """facts: with notes older than the file's times, or newer, the client never looks at the size."""
    client.value("snapshot_download", repo_id="org/big", local_dir=str(folder))
    with (folder / "model.bin").open("r+b") as file:
        file.truncate(10)
    run = pull("org/big", "--local-dir", folder, hub=hub, home=home)
    assert run.code == 0, run
    assert truth(folder, "org/big", hub) == {}


def test_verify_command_on_a_folder_of_ours(newest, hub, home, folder):
    assert pull("org/x", "--local-dir", folder, hub=hub, home=home).code == 0
    done = newest.ok("cache", "verify", "org/x", "--local-dir", folder, "--fail-on-missing-files", "--fail-on-extra-files")
    assert "All checksums match" in done.stdout


def test_client_killed_then_hf_pull(client, hub, home, folder):
    hold_at(hub, 2 * CLIENT_CHUNK)
    process = client.start("download", "org/big", "--local-dir", folder)
    wait_until(lambda: max(unfinished(folder).values(), default=0) >= 2 * CLIENT_CHUNK, "a partial", process=process)
    kill9(process)
    quiet(hub)
    left = max(unfinished(folder).values())
    run = pull("org/big", "--local-dir", folder, hub=hub, home=home)
    assert run.code == 0, run
    assert truth(folder, "org/big", hub) == {} and unfinished(folder) == {}
    assert hub.bytes_served("model.bin") == BIG_SIZE - left // BLOCK * BLOCK


def test_hf_pull_killed_then_client(client, hub, home, folder):
    hub.set(rate=SLOW)
    process = start_pull("org/big", "--local-dir", folder, hub=hub, home=home)
    met(hub, process, 10_000_000)
    kill9(process)
    quiet(hub)
    assert unfinished(folder)
    client.value("snapshot_download", repo_id="org/big", local_dir=str(folder))
    assert truth(folder, "org/big", hub) == {}
    quiet(hub)
    assert pull("org/big", "--local-dir", folder, hub=hub, home=home).code == 0
    assert bodies(hub) == [] and truth(folder, "org/big", hub) == {}
    assert unfinished(folder) == {}


def test_both_at_once(client, hub, home, folder):
    hub.set(rate=SLOW)
    ours = start_pull("org/big", "--local-dir", folder, hub=hub, home=home)
    theirs = client.start("download", "org/big", "--local-dir", folder)
    for process in (ours, theirs):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (process.args, out, err)
    assert truth(folder, "org/big", hub) == {} and unfinished(folder) == {}
    assert hub.bytes_served("model.bin") <= 1.05 * BIG_SIZE


def test_notes_of_a_new_revision(client, hub, home, folder):
    """One brings revision a, the other b, the first b again: each sees that the notes are of another revision."""
    assert pull("org/revs", "--local-dir", folder, hub=hub, home=home).code == 0
    client.value("snapshot_download", repo_id="org/revs", revision="refs/pr/1", local_dir=str(folder))
    assert truth(folder, "org/revs", hub, rev="refs/pr/1") == {}
    quiet(hub)
    assert pull("org/revs", "--revision", "refs/pr/1", "--local-dir", folder, hub=hub, home=home).code == 0
    assert bodies(hub) == []
    assert pull("org/revs", "--local-dir", folder, hub=hub, home=home).code == 0
    assert truth(folder, "org/revs", hub) == {}
    quiet(hub)
    client.value("snapshot_download", repo_id="org/revs", local_dir=str(folder))
    assert bodies(hub) == []
