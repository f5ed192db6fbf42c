"""What is here already: how many requests it costs, what offline and the dry run do, and that copies are hashed once.

Seen red on purpose, each with hf-pull broken so:
    a copied file believed unread                  test_a_copied_cache_is_right_..., test_a_bad_copy_is_found
    a file without receipt believed                test_another_tools_files_..., test_another_tools_wrong_file_...
    offline, and a damaged file asked for          test_offline_proves_what_has_no_receipt
    offline not held against the plan              test_offline_and_incomplete_is_exit_9_at_once_and_names_it
    learned hosts saved after the dry run          test_the_dry_run_writes_nothing_and_fetches_no_body
    --exclude ignored                              test_patterns_mean_what_python_means
"""

import json
import os
import re
import shutil

import pytest

from disk import MIB, blob_path, order, sha256, tree_of
from hub import Content, FakeHub, cache_truth, gen_fast, pull, repo_folder, snapshot

SIZE = 8 * MIB + 5
FILES = {"config.json": b"{}", "a/b/c.json": b"[1]", "README.md": b"# x", "empty": b""}


@pytest.fixture
def hub(tmp_path):
    root = Content(tmp_path / "root")
    root.repo("org/x", FILES, generated=[{"path": "model.bin", "size": SIZE, "seed": 3}])
    with FakeHub(root.path) as server:
        yield server


def pulled(hub, home, *args, **how):
    run = pull("org/x", *args, hub=hub, home=home, **how)
    assert run.code == 0, run
    return run


# ---- requests of a second pull ---------------------------------------------------------------------------------------

def test_the_second_pull_of_a_branch_is_one_request(hub, tmp_path):
    first = pulled(hub, tmp_path / "home")
    hub.reset()
    second = pulled(hub, tmp_path / "home")
    assert [r["kind"] for r in hub.settled()] == ["info"]
    assert second.out == first.out and "already here" in second.err


def test_the_second_pull_of_a_commit_is_none(hub, tmp_path):
    first = pulled(hub, tmp_path / "home")
    commit = first.out.strip()[-40:]
    hub.reset()
    run = pulled(hub, tmp_path / "home", "--revision", commit)
    assert hub.settled() == [] and run.out == first.out


def test_the_link_is_made_anew_without_a_byte(hub, tmp_path):
    """A crash between blob and link, or a hand that removed it."""
    pulled(hub, tmp_path / "home")
    (snapshot(tmp_path / "home", "org/x") / "a/b/c.json").unlink()
    hub.reset()
    pulled(hub, tmp_path / "home")
    assert hub.requests("body") == [] and cache_truth(tmp_path / "home", "org/x", hub) == {}


# ---- receipts --------------------------------------------------------------------------------------------------------

def test_another_tools_files_are_hashed_once_and_get_receipts(hub, tmp_path):
    """A cache without receipts, as the Python client makes it: one reading, no byte fetched; after that, none."""
    home = tmp_path / "home"
    pulled(hub, home)
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    hub.reset()
    run = pulled(hub, home)
    assert hub.requests("body") == [] and "hash" in run.err, run
    assert len(list((repo_folder(home, "org/x") / ".hf-pull").glob("*.receipt"))) == 5
    again = pulled(hub, home)
    assert "already here" in again.err


def test_another_tools_wrong_file_is_not_believed(hub, tmp_path):
    """The same cache, but a file of it is garbage of the right length (facts, j: the Python client leaves such)."""
    home = tmp_path / "home"
    pulled(hub, home)
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    blob_path(home, sha256(gen_fast(3, 0, SIZE))).write_bytes(os.urandom(SIZE))
    (snapshot(home, "org/x") / "config.json").resolve().write_bytes(b"xx")
    run = pulled(hub, home)
    assert cache_truth(home, "org/x", hub) == {}, run


@pytest.mark.parametrize("how", ["cp -a", "cp -r"])
def test_a_copied_cache_is_right_and_is_hashed_once(hub, tmp_path, how):
    pulled(hub, tmp_path / "home")
    order(*how.split(), tmp_path / "home", tmp_path / "copy")
    hub.reset()
    run = pulled(hub, tmp_path / "copy")
    assert hub.requests("body") == [] and "hash" in run.err, run
    assert cache_truth(tmp_path / "copy", "org/x", hub) == {}
    again = pulled(hub, tmp_path / "copy")
    assert "already here" in again.err and hub.requests("body") == []


def test_a_bad_copy_is_found(hub, tmp_path):
    """cp -a keeps the times: what the copy got wrong is found by the one hash that a copy costs."""
    pulled(hub, tmp_path / "home")
    order("cp", "-a", tmp_path / "home", tmp_path / "copy")
    blob = blob_path(tmp_path / "copy", sha256(gen_fast(3, 0, SIZE)))
    st = blob.stat()
    data = bytearray(blob.read_bytes())
    data[5 * MIB] ^= 1
    blob.write_bytes(data)
    os.utime(blob, ns=(st.st_atime_ns, st.st_mtime_ns))
    hub.reset()
    pulled(hub, tmp_path / "copy")
    assert cache_truth(tmp_path / "copy", "org/x", hub) == {} and hub.bytes_served("model.bin") <= MIB


# ---- offline ---------------------------------------------------------------------------------------------------------

OFFLINE = [(["--offline"], {}), (["--local-files-only"], {}), ([], {"HF_HUB_OFFLINE": "1"}), ([], {"TRANSFORMERS_OFFLINE": "yes"})]


@pytest.mark.parametrize("args, env", OFFLINE)
def test_offline_and_complete_is_success_without_a_request(hub, tmp_path, args, env):
    first = pulled(hub, tmp_path / "home")
    hub.reset()
    before = tree_of(tmp_path / "home" / "hub")
    run = pulled(hub, tmp_path / "home", *args, **env)
    assert run.out == first.out and hub.settled() == [] and tree_of(tmp_path / "home" / "hub") == before


@pytest.mark.parametrize("args, env", OFFLINE)
def test_offline_and_incomplete_is_exit_9_at_once_and_names_it(hub, tmp_path, args, env):
    pulled(hub, tmp_path / "home")
    (snapshot(tmp_path / "home", "org/x") / "a/b/c.json").resolve().unlink()
    hub.reset()
    run = pull("org/x", *args, hub=hub, home=tmp_path / "home", **env)
    assert run.code == 9 and "a/b/c.json" in run.err and run.seconds < 2 and run.out == "", run
    assert hub.settled() == []


def test_offline_with_nothing_here_is_exit_9_at_once(hub, tmp_path):
    run = pull("org/x", "--offline", hub=hub, home=tmp_path / "home")
    assert run.code == 9 and run.seconds < 2 and hub.settled() == [], run
    assert not (tmp_path / "home" / "hub").exists()


def test_offline_is_satisfied_with_what_was_asked_for(hub, tmp_path):
    """Only a part was pulled; the same part is complete, the whole is not."""
    home = tmp_path / "home"
    pulled(hub, home, "--include", "*.json")
    assert pull("org/x", "--offline", "--include", "*.json", hub=hub, home=home).code == 0
    run = pull("org/x", "--offline", hub=hub, home=home)
    assert run.code == 9 and "model.bin" in run.err, run


def test_offline_proves_what_has_no_receipt(hub, tmp_path):
    """Offline is no excuse for believing a file that nobody proved."""
    home = tmp_path / "home"
    pulled(hub, home)
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    assert pull("org/x", "--offline", hub=hub, home=home).code == 0
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    blob_path(home, sha256(gen_fast(3, 0, SIZE))).write_bytes(os.urandom(SIZE))
    run = pull("org/x", "--offline", hub=hub, home=home)
    assert run.code in (4, 9) and "model.bin" in run.err and run.out == "", run


# ---- the dry run -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("state", ["nothing", "part", "all"])
@pytest.mark.parametrize("how", [["--dry-run"], ["plan"]])
def test_the_dry_run_writes_nothing_and_fetches_no_body(hub, tmp_path, state, how):
    home = tmp_path / "home"
    home.mkdir()
    if state == "part":
        pulled(hub, home, "--include", "*.json")
    if state == "all":
        pulled(hub, home)
    hub.reset()
    before = tree_of(home)
    run = pull(*(["plan", "org/x"] if how == ["plan"] else ["org/x", *how]), hub=hub, home=home)
    assert run.code == 0, run
    assert tree_of(home) == before and hub.requests("body") == [] and run.out == ""
    assert "to fetch" in run.err and ("8.39 MB" in run.err.split("to fetch")[1]) == (state != "all"), run.err


# ---- which files -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("args, want", [
    (["--include", "*.json"], {"config.json", "a/b/c.json"}),
    (["--include", "**/*.json"], {"a/b/c.json"}),
    (["--include", "*.JSON", "--include", "README.*"], {"README.md"}),
    (["--exclude", "*.bin"], {"config.json", "a/b/c.json", "README.md", "empty"}),
    (["--include", "*.json", "--exclude", "a/*"], {"config.json"}),
    (["--include", "a/"], {"a/b/c.json"}),
    (["--include", "[cR]*"], {"config.json", "README.md"}),
    (["--include", "[!cRm]*", "--exclude", "e?pty"], {"a/b/c.json"}),
])
def test_patterns_mean_what_python_means(hub, tmp_path, args, want):
    pulled(hub, tmp_path / "home", *args)
    folder = snapshot(tmp_path / "home", "org/x")
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}
    assert found == want and cache_truth(tmp_path / "home", "org/x", hub, only=lambda p: p in want) == {}


def test_the_tree_on_disk_is_whole_although_a_part_was_pulled(hub, tmp_path):
    """trees/<commit>.json is never filtered, or the Python client would take the part for the whole."""
    pulled(hub, tmp_path / "home", "--include", "*.md")
    tree = json.loads(next((repo_folder(tmp_path / "home", "org/x") / "trees").iterdir()).read_text())
    assert set(tree["files"]) == set(FILES) | {"model.bin"}


@pytest.mark.parametrize("args", [["org/x", "--include", "*.gguf"], ["org/x", "--exclude", "*"], ["org/x:nofile.txt"],
                                  ["org/x:a"], ["org/x:config.json", "org/x:nofile.txt"]])
def test_what_matches_nothing_is_exit_6(hub, tmp_path, args):
    run = pull(*args, hub=hub, home=tmp_path / "home")
    assert run.code == 6, run
    assert args[-1].partition(":")[2] in run.err


def test_exact_paths(hub, tmp_path):
    home = tmp_path / "home"
    run = pull("org/x:a/b/c.json", "org/x@main:README.md", hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/x", hub, only=lambda p: p in ("a/b/c.json", "README.md")) == {}
    assert hub.bytes_served("model.bin") == 0
    assert all(line == str(snapshot(home, "org/x")) for line in run.out.splitlines())


def test_a_name_with_pattern_letters_is_a_name(tmp_path):
    root = Content(tmp_path / "root")
    root.repo("org/x", {"a[1].txt": b"one", "a1.txt": b"other", "what?.txt": b"q", "\u00fc #1.txt": b"u"})
    with FakeHub(root.path) as hub:
        for name in ("a[1].txt", "what?.txt", "\u00fc #1.txt"):
            run = pull(f"org/x:{name}", hub=hub, home=tmp_path / name.replace("/", "_"))
            assert run.code == 0, run
            assert cache_truth(tmp_path / name, "org/x", hub, only=lambda p: p == name) == {}
