"""Several at once on one cache: the Python client's locks in the same files; nobody blocks who is not alive (P7).

Seen red on purpose, each with hf-pull broken so:
    the lock taken as a shared one                 test_waits_for_a_lock_of_the_flock_tool (the owner record still keeps two of us apart)
    the lock and the owner record ignored          test_two_at_once_fetch_each_blob_once
    what another run repaired moved aside again    test_five_at_once_on_a_finished_and_a_damaged_cache
    one temporary name for two writers of a ref    test_many_that_end_at_once_all_write_the_ref
    no sweep after publishing                      test_stale_partials_are_swept_after_publishing
    a sweep without the lock                       test_what_another_tool_writes_under_its_lock_is_left_alone
    a note without the lock                        test_a_note_of_a_folder_is_written_under_the_lock_of_its_path
    a link followed when a blob is moved aside     test_a_blob_in_a_shared_store_is_never_written_through
"""

import os
import shutil
import signal
import subprocess
import time

import pytest

from disk import MIB, blob_path, end, finish, notebooks, partials, recorded, sha256, start_as, wait_until
from hub import Content, FakeHub, cache_truth, gen_fast, pull, repo_folder, snapshot, wrong_blobs

SIZE = 24 * MIB + 9


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = Content(tmp_path_factory.mktemp("locks") / "root")
    root.repo("org/x", {"config.json": b"{}", "a/b.txt": b"b" * 5000},
              generated=[{"path": "model.bin", "size": SIZE, "seed": 6}, {"path": "second.bin", "size": SIZE, "seed": 7}])
    with FakeHub(root.path) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(hub):
    hub.reset()
    hub.set(rate=0)


def etag():
    return sha256(gen_fast(6, 0, SIZE))


def lock_file(home, name):
    path = home / "hub" / ".locks" / "models--org--x" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_waits_for_a_lock_of_the_flock_tool(hub, tmp_path):
    home = tmp_path / "home"
    holder = subprocess.Popen(["flock", lock_file(home, etag()), "cat"], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: subprocess.run(["flock", "-n", lock_file(home, etag()), "true"]).returncode, what="the holder")
        process = start_as("org/x", hub=hub, home=home)
        wait_until(lambda: (repo_folder(home, "org/x") / "blobs" / sha256(gen_fast(7, 0, SIZE))).exists(), what="the other file")
        time.sleep(1)
        assert hub.requests("body", file="model.bin") == [], "locked, and yet asked for"
        holder.stdin.close()
        run = finish(process, 30)
    finally:
        holder.stdin.close()
        holder.wait(30)
    assert run.code == 0 and run.seconds < 10, run
    assert cache_truth(home, "org/x", hub) == {}


def test_a_killed_holder_never_blocks(hub, tmp_path):
    home = tmp_path / "home"
    holder = subprocess.Popen(["flock", lock_file(home, etag()), "sleep", "300"], start_new_session=True)
    process = start_as("org/x", hub=hub, home=home)
    time.sleep(0.7)
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()
    run = finish(process, 30)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run


def test_two_at_once_fetch_each_blob_once(hub, tmp_path):
    home = tmp_path / "home"
    hub.set(rate=25_000_000)
    both = [start_as("org/x", hub=hub, home=home) for _ in range(2)]
    runs = [finish(p, 60) for p in both]
    assert [r.code for r in runs] == [0, 0], runs
    assert runs[0].out == runs[1].out
    hub.set(rate=0)
    assert cache_truth(home, "org/x", hub) == {} and partials(home) == [] and notebooks(home) == []
    for path in ("model.bin", "second.bin"):
        assert hub.bytes_served(path) <= 1.02 * SIZE
    assert hub.bytes_served("config.json") == 2


def test_many_that_end_at_once_all_write_the_ref(hub, tmp_path):
    home = tmp_path / "home"
    assert pull("org/x:config.json", hub=hub, home=home).code == 0
    ref = repo_folder(home, "org/x") / "refs/main"
    commit = ref.read_text()
    for _ in range(12):
        ref.unlink()
        runs = [finish(p, 60) for p in [start_as("org/x:config.json", hub=hub, home=home) for _ in range(8)]]
        assert [r.code for r in runs] == [0] * 8, runs
        assert ref.read_text() == commit
    assert not list((repo_folder(home, "org/x") / ".hf-pull").glob("*.tmp"))


def test_five_at_once_on_a_finished_and_a_damaged_cache(hub, tmp_path):
    home = tmp_path / "home"
    assert pull("org/x", hub=hub, home=home).code == 0
    with open(blob_path(home, etag()), "r+b") as f:
        f.seek(3 * MIB)
        f.write(b"\xff\x00\xff")
    hub.reset()
    runs = [finish(p, 60) for p in [start_as("repair", "org/x", hub=hub, home=home) for _ in range(5)]]
    assert [r.code for r in runs] == [0] * 5, runs
    assert cache_truth(home, "org/x", hub) == {} and partials(home) == []
    assert hub.bytes_served() <= 5 * MIB


def test_the_survivor_of_two_takes_over_what_the_killed_one_recorded(hub, tmp_path):
    home = tmp_path / "home"
    hub.set(rate=12_000_000)
    first = start_as("org/x:model.bin", hub=hub, home=home, HF_HUB_USER_AGENT_ORIGIN="first")
    wait_until(lambda: len(recorded(home)) >= 4, what="recorded blocks")
    second = start_as("org/x:model.bin", hub=hub, home=home, HF_HUB_USER_AGENT_ORIGIN="second")
    time.sleep(0.6)
    end(first)
    first.communicate()
    before = recorded(home)
    hub.set(rate=0)
    run = finish(second, 30)
    assert run.code == 0, run
    asked = {b for r in hub.settled() if r["kind"] == "body" and "origin/second" in r["user_agent"]
             for b in range(r["first"] // MIB, r["last"] // MIB + 1)}
    assert not asked & before and partials(home) == []


def test_stale_partials_are_swept_after_publishing(hub, tmp_path):
    """Of dead runs of ours, of other tools, and data or digests that lost their half."""
    home = tmp_path / "home"
    hub.set(rate=12_000_000)
    first = start_as("org/x:model.bin", hub=hub, home=home)
    wait_until(lambda: len(recorded(home)) >= 4, what="recorded blocks")
    end(first)
    first.communicate()
    hub.set(rate=0)
    book = notebooks(home)[0].path
    blobs = book.parent
    shutil.copy(book, blobs / f"{etag()}.aaaaaaaa.digests")
    shutil.copy(partials(home)[0], blobs / f"{etag()}.bbbbbbbb.incomplete")
    (blobs / f"{etag()}.incomplete").write_bytes(b"old")
    (blobs / f"{etag()}.cccccccc.digests").write_bytes(b"junk")
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert [p.name for p in blobs.iterdir() if "." in p.name] == []


def test_a_lock_file_that_cannot_be_opened_as_a_file_is_an_error_not_a_hang(hub, tmp_path):
    lock_file(tmp_path / "home", etag()).mkdir()
    run = pull("org/x:model.bin", hub=hub, home=tmp_path / "home", timeout=30)
    assert run.code not in (0, 130), run


def test_a_blob_in_a_shared_store_is_never_written_through(hub, tmp_path):
    """2.x layout: blobs/<etag> is a link to ../../blobs/ab/<hash>, which other repositories use too."""
    home = tmp_path / "home"
    assert pull("org/x", hub=hub, home=home).code == 0
    store = home / "hub" / "blobs"
    payload = store / "ab" / ("ab" * 32)
    payload.parent.mkdir(parents=True)
    (store / ".huggingface-shared-blobs").write_text("1\n")
    blob = blob_path(home, etag())
    shutil.move(blob, payload)
    payload.chmod(0o444)
    blob.symlink_to(os.path.relpath(payload, blob.parent))
    hub.reset()
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0 and blob.is_symlink() and hub.requests("body") == [], run

    payload.chmod(0o644)
    with open(payload, "r+b") as f:
        f.seek(5 * MIB)
        f.write(b"\xff\x00\xff")
    payload.chmod(0o444)
    facts, bad = payload.stat(), payload.read_bytes()
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert payload.read_bytes() == bad and payload.stat().st_ino == facts.st_ino, "the link is replaced, the payload is not ours"
    assert not blob.is_symlink()
    run = pull("org/x", "--force-download", hub=hub, home=home)
    assert run.code == 0 and payload.read_bytes() == bad, run


def test_what_another_tool_writes_under_its_lock_is_left_alone(hub, tmp_path):
    """The Python client fetches a file again (force_download) that a pull of ours finds in place and proves."""
    home = tmp_path / "home"
    assert pull("org/x", hub=hub, home=home).code == 0
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    theirs = [blob_path(home, f"{etag()}.{suffix}") for suffix in ("incomplete", "aaaaaaaa.incomplete")]
    for path in theirs:
        path.write_bytes(b"half")
    holder = subprocess.Popen(["flock", lock_file(home, etag()), "cat"], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: subprocess.run(["flock", "-n", lock_file(home, etag()), "true"]).returncode, what="the holder")
        run = pull("org/x", hub=hub, home=home)
        assert run.code == 0 and partials(home) == sorted(theirs), run
    finally:
        holder.stdin.close()
        holder.wait(30)
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0 and partials(home) == [], run


def test_a_note_of_a_folder_is_written_under_the_lock_of_its_path(tmp_path):
    """Another process brings another revision into the same folder, just when this one has proved what lay there."""
    root = Content(tmp_path / "root")
    root.repo("org/two", commits={c: {"generated": [{"path": "model.bin", "size": 3 * MIB, "seed": n}]} for n, c in enumerate(("a", "b"))},
              refs={"main": "a", "next": "b"})
    folder, home = tmp_path / "folder", tmp_path / "home"
    note = folder / ".cache/huggingface/download/model.bin.metadata"
    with FakeHub(root.path) as hub:
        assert pull("org/two", "--local-dir", folder, hub=hub, home=home).code == 0
        shutil.rmtree(folder / ".cache")
        note.parent.mkdir(parents=True)
        lock = note.with_name("model.bin.lock")
        holder = subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE)
        process = None
        try:
            wait_until(lambda: subprocess.run(["flock", "-n", lock, "true"]).returncode, what="the holder")
            process = start_as("org/two", "--local-dir", folder, hub=hub, home=home)
            wait_until(lambda: process.poll() is not None or list((folder / ".cache/huggingface/.hf-pull").glob("*.receipt")),
                       what="the proof")
            time.sleep(0.2)
            assert process.poll() is None and not note.exists(), "a note, and the lock is another's"
            (folder / "model.bin").write_bytes(gen_fast(1, 0, 3 * MIB))
        finally:
            holder.stdin.close()
            holder.wait(30)
            run = process and finish(process, 60)
        assert run.code == 0 and sha256((folder / "model.bin").read_bytes()) == note.read_text().split()[1], run
        assert sha256(gen_fast(0, 0, 3 * MIB)) == note.read_text().split()[1], run
