"""hf-pull adopt: files of other tools are taken over by proof.

Seen red with (broken on purpose):
    nothing copied                                     test_a_prefix_is_taken_over..
    what is recorded overwritten by the other file     test_what_is_recorded_stays..
The mark that makes copied bytes guesses after a kill: tests/unit/test_partial.c.
"""

import signal
import time

import pytest

import disk
from hub import gen_fast, repo_folder, start_pull
from lab import MB, MIB, REPO


SIZE = 24 * MIB + 5000


@pytest.fixture
def world(lab):
    lab.file(SIZE).start()
    lab.other = lab.path / "other"
    lab.other.mkdir()
    return lab


def put(world, name, data):
    path = world.other / name
    path.write_bytes(data)
    return path


def truth(first=0, n=SIZE):
    return gen_fast(7, first, n)


def adopt(world, *files, to=REPO, **more):
    return world.pull("adopt", *files, "--as", to, **more)


def fetched(world):
    return world.server.bytes_served("model.bin")


@pytest.mark.parametrize("name", ["model.bin.part", "model.bin.incomplete", "model.bin.1a2b3c4d.incomplete", "model.bin"])
def test_a_prefix_is_taken_over_and_the_rest_is_fetched(world, name):
    path = put(world, name, truth(n=10 * MIB + 77))
    before = path.stat()
    run = adopt(world, path)
    world.assert_done(run)
    assert fetched(world) == SIZE - 10 * MIB
    assert "took over 10.49 MB from another tool" in run.err
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns, before.st_size) == (after.st_ino, after.st_mtime_ns, after.st_size)


def test_a_finished_file_costs_no_byte(world):
    path = put(world, "whatever-it-is-called", truth())
    world.assert_done(adopt(world, path))
    assert fetched(world) == 0
    assert path.read_bytes() == truth()


def test_the_python_clients_name_tells_the_file(world):
    etag = world.server.tree(REPO)["model.bin"]["lfs"]["oid"]
    path = put(world, f"{etag}.0a1b2c3d.incomplete", truth(n=5 * MIB))
    world.assert_done(adopt(world, path))
    assert fetched(world) == SIZE - 5 * MIB


def test_holes_are_fetched_and_not_read(world):
    path = world.other / "model.bin.partial"
    with path.open("wb") as file:
        file.truncate(SIZE)
        file.seek(8 * MIB)
        file.write(truth(8 * MIB, 4 * MIB))
    world.assert_done(adopt(world, path))
    assert fetched(world) == SIZE - 4 * MIB


def test_wrong_bytes_are_found_and_fetched_again(world):
    data = bytearray(truth())
    data[3 * MIB + 17] ^= 1
    world.assert_done(adopt(world, put(world, "model.bin.tmp", bytes(data))))
    assert MIB <= fetched(world) <= SIZE


def test_what_is_recorded_stays_and_the_other_file_fills_the_gaps(world):
    process = start_pull(REPO, "--limit-rate", "2MB", hub=world.server, home=world.home)
    disk.wait_until(lambda: {0, 1} <= disk.recorded(world.home, REPO), what="the first blocks")
    process.kill()
    process.communicate()
    world.server.settled()
    had = fetched(world)
    assert MIB < had < SIZE
    run = adopt(world, put(world, "model.bin.part", bytes(MIB) + truth(MIB, SIZE - MIB)))
    world.assert_done(run)
    assert fetched(world) == had, "the first block was recorded, and is not replaced by the zeros"
    assert "kept" in run.err and "took over" in run.err


def test_which_file_is_asked_when_nothing_tells(world):
    path = put(world, "download(3)", truth(n=3 * MIB))
    run = adopt(world, path)
    assert run.code == 6 and f"name it as {REPO}:PATH" in run.err
    world.assert_done(adopt(world, path, to=f"{REPO}:model.bin"))
    assert fetched(world) == SIZE - 3 * MIB


def test_a_file_that_is_longer_is_another_one(world):
    run = adopt(world, put(world, "model.bin", truth() + b"x"))
    assert run.code == 6 and "it is not that file" in run.err
    assert fetched(world) == 0


@pytest.mark.parametrize("words, text", [
    (["adopt"], "adopt needs files and whose they are"),
    (["adopt", "x"], "adopt needs files and whose they are"),
    (["adopt", "x", "y", "--as", "a/b:c"], "--as names one file"),
    (["pull", "a/b", "--as", "c/d"], "--as goes with the verb adopt"),
    (["adopt", "/nowhere/x", "--as", REPO], "open /nowhere/x"),
])
def test_words_that_do_not_go_together(world, words, text):
    run = world.pull(*words)
    assert run.code in (2, 6) and text in run.err, run


def test_into_a_local_folder(world):
    target = world.path / "models"
    path = put(world, "model.bin.part", truth(n=9 * MIB))
    run = world.pull("adopt", path, "--as", REPO, "--local-dir", target)
    assert run.code == 0, run
    assert (target / "model.bin").read_bytes() == truth()
    assert fetched(world) == SIZE - 9 * MIB


def test_a_kill_in_the_middle_of_the_copy_leaves_guesses(world):
    """Whatever instant: the next pull proves all of it."""
    path = put(world, "model.bin.part", bytes(MIB) + truth(MIB, 15 * MIB))
    for ms in (5, 15, 25, 35, 50, 80):
        process = start_pull("adopt", path, "--as", REPO, hub=world.server, home=world.home)
        time.sleep(ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    world.assert_done(world.pull(REPO))
    assert not list((repo_folder(world.home, REPO) / "blobs").glob("*.incomplete"))
