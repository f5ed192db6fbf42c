"""The same content lies elsewhere on this disk: below another path of --local-dir, in the hub cache, in another repository.
It is copied and proved; not a byte of it comes over the wire, in Xet or not.

Seen red on purpose: nothing looked for (all but forced), the folder's files opened only when they are copied
(changed_places), --force-download without meaning (forced); offline: the cache's list not looked for, small files not
copied, what the cache has counted as missing (offline_into_a_folder), a request for what is not right (damaged_offline).
"""
import os
import shutil

import pytest

import casdata
import hub

A, B, C = (casdata.noise(seed, 5_000_000) for seed in (1, 2, 3))
OLD = {"a.bin": A, "sub/b.bin": B, "small.txt": b"x\n"}
MOVED = {"c/a2.bin": A, "b.bin": B, "small.txt": b"x\n"}
SHARDS = [casdata.noise(10 + i, 3_000_000) for i in range(30)]
NUMBERED = {f"{i}.bin": d for i, d in enumerate(SHARDS)}
TURNED = {f"{i}.bin": SHARDS[i - 1] for i in range(len(SHARDS))}
FULL = {"sub/weights.bin": A, "config.json": b"{}", "again.json": b"{}", "none.txt": b""}
REVS = {"old": OLD, "moved": MOVED, "numbered": NUMBERED, "turned": TURNED}


@pytest.fixture
def both(lab):
    files = {f"{rev}/{n}": d for rev, of in REVS.items() for n, d in of.items()}
    lab.content.repo("org/x", files, commits={rev: {"dir": rev} for rev in REVS}, refs={rev: rev for rev in REVS} | {"main": "old"},
                     lfs_over=100)
    lab.content.repo("org/copy", {"weights.bin": A, "more.bin": C}, lfs_over=100)
    lab.content.repo("org/full", FULL, lfs_over=100)
    lab.start()
    return lab


def body_bytes(lab):
    lab.server.settled()
    return sum(r["bytes"] for r in lab.server.requests("body"))


def into(lab, folder, *args, **more):
    lab.server.reset()
    run = lab.pull(*args, "--local-dir", folder, **more)
    assert run.code == 0, run
    return run


def right(folder, files):
    return all((folder / n).read_bytes() == d for n, d in files.items())


@pytest.mark.parametrize("xet", ["auto", "off"])
def test_a_moved_file_in_a_folder(both, tmp_path, xet):
    folder = tmp_path / "mine"
    into(both, folder, "org/x")
    run = into(both, folder, "org/x@moved", "--xet", xet)
    assert right(folder, MOVED | OLD), "and what the revision has no more stays"
    assert body_bytes(both) == 0, run
    assert hub.pull("verify", "org/x@moved", "--local-dir", folder, **both.how({})).code == 0


def test_files_that_changed_places_in_a_folder(both, tmp_path):
    """The first of them are replaced before the last ones are begun."""
    folder = tmp_path / "mine"
    into(both, folder, "org/x@numbered")
    into(both, folder, "org/x@turned")
    assert right(folder, TURNED) and body_bytes(both) == 0


def test_what_the_cache_has_is_not_fetched_into_a_folder(both, tmp_path):
    both.assert_done(both.pull("org/x"))
    folder = tmp_path / "mine"
    into(both, folder, "org/x")
    assert right(folder, OLD) and body_bytes(both) == len(OLD["small.txt"])
    assert not (folder / "a.bin").is_symlink() and (folder / "a.bin").stat().st_nlink == 1, "a copy: both can be changed"


@pytest.mark.parametrize("where", ["cache", "folder"])
def test_what_another_repository_has(both, tmp_path, where):
    both.assert_done(both.pull("org/x"))
    both.server.reset()
    if where == "cache":
        both.assert_done(both.pull("org/copy"), repo="org/copy")
    else:
        into(both, tmp_path / "mine", "org/copy")
        assert right(tmp_path / "mine", {"weights.bin": A, "more.bin": C})
    assert body_bytes(both) == len(C)


@pytest.mark.parametrize("how", ["flipped", "short", "a folder"])
def test_what_lies_there_is_not_believed(both, tmp_path, how):
    folder = tmp_path / "mine"
    into(both, folder, "org/x")
    if how == "flipped":
        with open(folder / "a.bin", "r+b") as f:
            f.seek(3_000_000)
            f.write(b"not it")
    elif how == "short":
        os.truncate(folder / "a.bin", 4_000_000)
    else:
        (folder / "a.bin").unlink()
        (folder / "a.bin").mkdir()
    run = into(both, folder, "org/x@moved")
    assert right(folder, MOVED), run
    assert 0 < body_bytes(both) <= len(A)


def test_forced_means_fetched(both, tmp_path):
    folder = tmp_path / "mine"
    into(both, folder, "org/x")
    into(both, folder, "org/x@moved", "--force-download")
    assert right(folder, MOVED) and body_bytes(both) == sum(map(len, MOVED.values()))


def test_the_summary_says_what_was_copied(both, tmp_path):
    both.assert_done(both.pull("org/x"))
    run = both.pull("org/copy")
    assert run.code == 0 and "copied 5.00 MB from files that were here" in run.err and "another tool" not in run.err, run


def offline(lab, folder, *args, **more):
    """As a user without a network: whatever is asked for is refused, and counted."""
    lab.server.reset()
    run = lab.pull(*args, "--local-dir", folder, *(() if more else ("--offline",)), **more)
    assert lab.server.settled() == [], "not a request"
    return run


@pytest.mark.parametrize("how", ["--offline", "HF_HUB_OFFLINE", "xet", "a commit"])
def test_offline_into_a_folder(both, tmp_path, how):
    """The cache has all of it: it is copied, proved, and the folder stands for itself from then on."""
    both.assert_done(both.pull("org/full"), repo="org/full")
    folder, commit = tmp_path / "mine", f"org/full@{hub.snapshot(both.home, 'org/full').name}"
    more = {"HF_HUB_OFFLINE": 1} if how == "HF_HUB_OFFLINE" else {}
    run = offline(both, folder, commit if how == "a commit" else "org/full", "--xet", "on" if how == "xet" else "auto", **more)
    assert run.code == 0 and right(folder, FULL) and run.out.strip() == str(folder), run
    assert "copied 5.00 MB from files that were here" in run.err, run
    assert not any((folder / n).is_symlink() for n in FULL)
    shutil.rmtree(hub.repo_folder(both.home, "org/full"))
    run = offline(both, folder, commit)
    assert run.code == 0 and "already here" in run.err, "its list of files is the folder's now"


def test_offline_into_a_folder_what_is_missing_is_named(both, tmp_path):
    run = both.pull("org/x", "--include", "a.bin")
    assert run.code == 0, run
    run = offline(both, tmp_path / "mine", "org/x")
    assert run.code == 9 and "2 of 3 files missing: small.txt, sub/b.bin" in run.err, run
    assert not (tmp_path / "mine").exists(), "nothing is begun"


@pytest.mark.parametrize("name", ["a.bin", "small.txt"])
def test_a_damaged_cache_offline(both, tmp_path, name):
    """What the cache has is hashed; not right, it gets no name, and nobody is asked."""
    both.assert_done(both.pull("org/x"))
    blob = (hub.snapshot(both.home, "org/x") / name).resolve()
    with open(blob, "r+b") as f:
        f.write(b"!")
    run = offline(both, tmp_path / "mine", "org/x")
    assert run.code == 9 and "offline, and incomplete" in run.err and name in run.err, run
    assert not (tmp_path / "mine" / name).exists()
    assert both.pull("org/x", "--local-dir", tmp_path / "mine").code == 0 and right(tmp_path / "mine", OLD)


def test_the_hub_out_of_reach_into_a_folder(both, tmp_path):
    """Not told that it is offline, a pull finds out, and says so."""
    both.assert_done(both.pull("org/x"))
    both.server.stop()
    run = both.pull("org/x", "--local-dir", tmp_path / "mine")
    assert run.code == 0 and right(tmp_path / "mine", OLD) and "Hub unreachable, using" in run.err, run
