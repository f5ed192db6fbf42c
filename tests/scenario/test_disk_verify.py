"""verify reads the disk and tells what is wrong; repair fetches the damaged blocks and no more (G8).

Seen red on purpose, each with hf-pull broken so:
    every file that was read called right          all that flip a bit
    repair without the receipt's block digests     test_repair_of_one_bit_fetches_one_block, ..._several_bits_...
    a damaged file not moved aside but left        test_repair_of_one_bit_..., ..._truncated_..., test_a_plain_pull_finds_a_truncated_blob
"""

import os
import shutil

import pytest

from disk import MIB, but, flip_bit, partials, tree_of
from hub import Content, FakeHub, cache_truth, pull, repo_folder, snapshot, wrong_blobs

SIZE = 200_000_000
SMALL = b'{"some": "json"}' * 40


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One hub and one finished cache; each test works on its own copy, made with hard facts as cp -a keeps them."""
    top = tmp_path_factory.mktemp("verify")
    root = Content(top / "root")
    root.repo("org/x", {"config.json": SMALL, "sub/b.txt": b"b" * 900},
              generated=[{"path": "model.bin", "size": SIZE, "seed": 21}, {"path": "block.bin", "size": MIB, "seed": 22, "lfs": True}])
    with FakeHub(root.path) as hub:
        run = pull("org/x", hub=hub, home=top / "home")
        assert run.code == 0, run
        yield hub, top / "home", hub.tree("org/x")


@pytest.fixture
def cache(world):
    """(hub, home, real path of a file, tree); afterwards the cache is whole again."""
    hub, home, tree = world
    hub.reset()
    yield hub, home, lambda path: (snapshot(home, "org/x") / path).resolve(), tree
    hub.reset()
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run


@pytest.mark.parametrize("verb", [["verify"], ["--validate-only"]])
def test_a_whole_cache_is_proved_without_a_byte(cache, verb):
    """Receipts are renewed; nothing else may change."""
    hub, home, real, _ = cache
    before = tree_of(home / "hub")
    run = pull(*verb, "org/x", hub=hub, home=home)
    assert run.code == 0 and "4 files" in run.err, run
    assert hub.requests("body") == [] and but(tree_of(home / "hub"), ".hf-pull") == but(before, ".hf-pull")


def test_a_flipped_bit_is_found_with_its_block_and_nothing_is_changed(cache):
    hub, home, real, _ = cache
    flip_bit(real("model.bin"), 123 * MIB + 5)
    before = tree_of(home / "hub")
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code == 4, run
    assert "model.bin" in run.err and "1 of 4 files damaged" in run.err and "block 123" in run.err, run.err
    assert "repair" in run.err
    assert hub.requests("body") == [] and but(tree_of(home / "hub"), ".hf-pull") == but(before, ".hf-pull")


@pytest.mark.parametrize("path", ["config.json", "block.bin", "sub/b.txt"])
def test_a_flipped_bit_in_a_small_file_is_found(cache, path):
    hub, home, real, _ = cache
    flip_bit(real(path), 77)
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code == 4 and path in run.err, run


def test_truncated_missing_and_extra(cache):
    hub, home, real, _ = cache
    extra = snapshot(home, "org/x") / "not-of-the-repo.txt"
    extra.write_text("mine")
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code == 0 and extra.read_text() == "mine", run
    extra.unlink()

    os.truncate(real("model.bin"), SIZE - 1000)
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code in (4, 9) and "model.bin" in run.err, run

    real("config.json").unlink()
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code in (4, 9) and "config.json" in run.err, run


def test_a_missing_file_alone_is_exit_9(cache):
    hub, home, real, _ = cache
    real("config.json").unlink()
    run = pull("verify", "org/x", hub=hub, home=home)
    assert run.code == 9 and "config.json" in run.err, run


def test_repair_of_one_bit_fetches_one_block(cache):
    """G8: a receipt of our own tells which block."""
    hub, home, real, _ = cache
    flip_bit(real("model.bin"), 100 * MIB + 17, 7)
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert 0 < hub.bytes_served() <= MIB
    assert cache_truth(home, "org/x", hub) == {} and partials(home) == []
    assert "model.bin" in run.err, run.err


def test_repair_of_several_bits_fetches_their_blocks(cache):
    hub, home, real, _ = cache
    hurt = [0, 5, 6, 77, SIZE // MIB]
    for block in hurt:
        flip_bit(real("model.bin"), block * MIB + 3)
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert hub.bytes_served() <= len(hurt) * MIB and cache_truth(home, "org/x", hub) == {}


def test_repair_of_a_truncated_file_fetches_the_tail(cache):
    hub, home, real, _ = cache
    os.truncate(real("model.bin"), 190 * MIB + 5)
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert hub.bytes_served() <= SIZE - 190 * MIB and cache_truth(home, "org/x", hub) == {}


@pytest.mark.parametrize("path", ["config.json", "block.bin", "model.bin"])
def test_repair_brings_a_missing_file(cache, path):
    hub, home, real, tree = cache
    real(path).unlink()
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert hub.bytes_served() == tree[path]["size"]


@pytest.mark.parametrize("path", ["config.json", "block.bin"])
def test_repair_of_a_file_of_one_block(cache, path):
    hub, home, real, tree = cache
    flip_bit(real(path), 50)
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert hub.bytes_served() == tree[path]["size"]


def test_repair_of_a_file_without_receipt(cache):
    """Another tool's file: no digests, so blocks are asked for until the hash is right; never a wrong one in place."""
    hub, home, real, _ = cache
    shutil.rmtree(repo_folder(home, "org/x") / ".hf-pull")
    flip_bit(real("model.bin"), 20 * MIB + 5)
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert hub.bytes_served() <= SIZE + MIB


def test_a_plain_pull_finds_a_truncated_blob(cache):
    """The Python client takes it (facts, k2); for us the size alone tells."""
    hub, home, real, _ = cache
    os.truncate(real("model.bin"), 150 * MIB)
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert hub.bytes_served() <= SIZE - 150 * MIB + MIB


def test_a_plain_pull_finds_a_changed_file_by_its_times(cache):
    hub, home, real, _ = cache
    flip_bit(real("model.bin"), 30 * MIB)
    os.utime(real("model.bin"))
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert hub.bytes_served() <= MIB


def test_repair_of_what_the_hub_cannot_give_is_exit_4_with_nothing_wrong_in_place(cache):
    hub, home, real, _ = cache
    flip_bit(real("model.bin"), 10 * MIB + 1)
    hub.rules([{"match": {"kind": "body", "path": "model.bin"}, "do": {"flip": {"at": 10 * MIB + 9}}}])
    run = pull("repair", "org/x", hub=hub, home=home)
    assert run.code == 4, run
    assert wrong_blobs(home, "org/x") == []
