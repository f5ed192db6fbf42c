"""A new revision over Xet costs what is new in it: chunks that lie in files that are here are read from there, and hashed.

Seen red on purpose: another revision in a local folder taken for damage; `index` offline asking, or blind to maps; the map of
an interrupted `index` left; in a folder of one's own its notes not read, or the cache not looked into; snapshots without links
not looked into; --force-download without meaning. That the hash of a held chunk is compared: tests/unit/test_chunks.c.
"""
import hashlib
import os
import random
import signal
import time

import pytest

import casdata
import hub
from casdata import CasData
from disk import recorded, wait_until
from lab import MIB, ends

A = casdata.weights(5, 24_000_000)
B = casdata.changed(A, 0.02)
OLD_NOISE = casdata.noise(9, 5_000_000)
MERGED = casdata.noise(8, 3_000_000) + A[:9_000_000] + OLD_NOISE[1_000_000:4_000_000]
OLD = {"model.bin": A, "moved.bin": OLD_NOISE}
NEW = {"model.bin": B, "elsewhere/renamed.bin": OLD["moved.bin"], "merged.bin": MERGED}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xet-delta")
    data = CasData(folder / "cas")
    for rev, files in (("old", OLD), ("new", NEW)):
        for name, content in files.items():
            at = folder / rev / name.replace("/", "_")
            at.parent.mkdir(exist_ok=True)
            at.write_bytes(content)
    data.add(sorted((folder / "old").iterdir()), sorted((folder / "new").iterdir()))
    data.folder = folder
    return data


def held(store, *names):
    return {(x, i) for n in names for x, a, b in store.terms(store.folder / "old" / n) for i in range(a, b)}


def unheld_bytes(store, path, have):
    """Stored bytes of the chunks of a new file that are not among those we hold, each once."""
    want = {(x, i) for x, a, b in store.terms(store.folder / "new" / path) for i in range(a, b)} - have
    return sum(store.records(x)[i].end - store.records(x)[i].at for x, i in want)


@pytest.fixture
def lab_with(lab, store):
    def start(rules=None, **options):
        lab.content.repo("org/x", {f"old/{n}": d for n, d in OLD.items()} | {f"new/{n}": d for n, d in NEW.items()}, xet=True, lfs_over=0,
                         commits={"old": {"dir": "old"}, "new": {"dir": "new"}}, refs={"main": "old", "next": "new"})
        lab.start(rules, token="hf_test", options={"cas-data": store.path} | options)
        return lab
    return start


def repo(lab):
    return hub.repo_folder(lab.home, "org/x")


def maps(lab):
    return sorted((repo(lab) / ".hf-pull").glob("*.chunks"))


def pull_new(lab, *args, name="model.bin"):
    lab.server.reset()
    run = lab.pull(f"org/x@next:{name}", *args)
    assert run.code == 0, run
    assert hub.wrong_blobs(lab.home, "org/x") == []
    assert not list((repo(lab) / "blobs").glob("*.chunks")), "no open map is left"
    return lab.server.xorb_bytes()


def body_bytes(lab):
    return sum(r["bytes"] for r in lab.server.requests("body"))


def test_a_revision_that_differs_by_2_percent_costs_what_differs(lab_with, store):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    assert len(maps(lab)) == len(OLD)
    need = unheld_bytes(store, "model.bin", held(store, *OLD))
    wire = pull_new(lab)
    print(f"wire {wire}, need {need}, {wire / need:.4f}; the file is {len(B)}")
    assert not body_bytes(lab), "auto begins with Xet when a delta is possible"
    assert wire <= 1.05 * need
    assert len(maps(lab)) == len(OLD) + 1, "and the next revision can build on this one"


def test_what_came_over_http_joins_in_by_index(lab_with, store):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x"))
    assert body_bytes(lab) and not maps(lab)
    lab.server.reset()
    run = hub.pull("index", "org/x", **lab.how({}))
    assert run.code == 0, run
    assert len(maps(lab)) == len(OLD) and lab.server.xorb_bytes() == 0 and not body_bytes(lab)
    lab.server.reset()
    again = hub.pull("index", "org/x", **lab.how({}))
    assert again.code == 0 and not lab.server.requests("recon"), "what has a map is left alone"
    wire = pull_new(lab)
    need = unheld_bytes(store, "model.bin", held(store, *OLD))
    print(f"wire {wire}, need {need}, {wire / need:.4f}")
    assert wire <= 1.05 * need and not body_bytes(lab)


def test_a_moved_file_costs_no_xorb_byte(lab_with):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    assert pull_new(lab, "--xet", "on", name="elsewhere/renamed.bin") == 0 and not body_bytes(lab)


def test_a_file_made_of_pieces_of_others(lab_with, store):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    need = unheld_bytes(store, "merged.bin", held(store, *OLD))
    wire = pull_new(lab, name="merged.bin")
    assert wire <= 1.05 * need
    assert len(maps(lab)) == len(OLD) + 1


def flip(path, at, n=1):
    """Other bytes in place, and the same mtime: what a disk does."""
    about = path.stat()
    os.chmod(path, 0o644)
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(n)
        f.seek(at)
        f.write(bytes(b ^ 0x10 for b in was))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def blob_of(lab, name):
    return (repo(lab) / "blobs" / hub.file_hash(hub.snapshot(lab.home, "org/x") / name, True))


@pytest.mark.parametrize("how", ["one chunk", "each chunk", "gone", "short"])
def test_a_held_chunk_that_rotted_is_not_believed(lab_with, store, how):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    blob = blob_of(lab, "model.bin")
    if how == "one chunk":
        flip(blob, 10_000_000)
    elif how == "each chunk":
        for at in range(0, len(A), 8000):
            flip(blob, at)
    elif how == "gone":
        blob.unlink()
    else:
        os.truncate(blob, 5_000_000)
    need = unheld_bytes(store, "model.bin", held(store, *OLD))
    lab.server.reset()
    run = lab.pull("org/x@next:model.bin", "--xet", "on", timeout=60)
    assert run.code == 0, run
    assert (hub.snapshot(lab.home, "org/x", rev="next") / "model.bin").read_bytes() == B
    if how == "one chunk":
        # The chunk, and once more what was open beside it: a range is decoded in one piece.
        assert lab.server.xorb_bytes() <= 2 * need + 300_000
    assert len(lab.server.requests("recon")) <= 60, "no question for each chunk"


@pytest.mark.parametrize("how", ["cut", "garbage", "foreign", "flipped", "empty", "newer"])
def test_a_map_that_is_none_is_ignored(lab_with, how):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    first, second = maps(lab)
    foreign = first.read_bytes()
    for path in (first, second):
        was = path.read_bytes()
        content = {"cut": was[:1300], "garbage": random.Random(1).randbytes(len(was)), "empty": b"",
                   "foreign": foreign,
                   "flipped": bytes(b ^ (i % 512 == 20) for i, b in enumerate(was)),
                   "newer": was[:8] + b"\x09\x00" + was[10:]}[how]
        path.write_bytes(content)
    pull_new(lab, "--xet", "on")


def test_kill_9_keeps_what_is_recorded(lab_with, store):
    lab = lab_with()
    process = lab.begin("org/x:model.bin", "--xet", "on", "--limit-rate", "4M")
    wait_until(lambda: len(recorded(lab.home)) >= 8, what="8 recorded blocks")
    process.send_signal(signal.SIGKILL)
    process.wait()
    blobs = repo(lab) / "blobs"
    assert list(blobs.glob("*.chunks"))
    kept, before = len(recorded(lab.home)) * MIB, lab.server.xorb_bytes()
    run = lab.pull("org/x:model.bin", "--xet", "on")
    assert run.code == 0, run
    whole = sum(r.end - r.at for x, a, b in store.terms(store.folder / "old/model.bin") for r in store.records(x)[a:b])
    # What is kept is left out in whole chunks, at most 128 KiB at either end of it.
    assert lab.server.xorb_bytes() - before <= whole - kept * whole / len(A) + 2 * MIB
    assert len(maps(lab)) == 1, "with the runs of both it is whole"
    assert not list(blobs.glob("*.chunks"))


def test_no_place_for_the_map_costs_the_map_alone(lab_with):
    lab = lab_with()
    receipts = repo(lab) / ".hf-pull"
    receipts.mkdir(parents=True)
    for name, content in OLD.items():  # where the sealed map goes is no place for a file
        (receipts / f"{hashlib.sha256(content).hexdigest()}.chunks").mkdir()
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert all(m.is_dir() for m in maps(lab)) and not list(receipts.glob("*.tmp"))


def test_a_new_revision_in_a_folder_of_ones_own(lab_with, store, tmp_path):
    """The file of the old revision lies where the new one goes, and its map does not name it."""
    lab, folder = lab_with(), tmp_path / "mine"
    run = lab.pull("org/x", "--xet", "on", "--local-dir", folder)
    assert run.code == 0, run
    lab.server.reset()
    run = lab.pull("org/x@next:model.bin", "--local-dir", folder)
    assert run.code == 0 and (folder / "model.bin").read_bytes() == B, run
    need = unheld_bytes(store, "model.bin", held(store, "model.bin"))
    assert lab.server.xorb_bytes() <= 1.05 * need and not body_bytes(lab)
    assert "damaged" not in run.err and "another tool" not in run.err
    assert hub.pull("verify", "org/x@next:model.bin", "--local-dir", folder, **lab.how({})).code == 0
    again = lab.pull("org/x:model.bin", "--local-dir", folder)
    assert again.code == 0 and (folder / "model.bin").read_bytes() == A, again


def into(lab, folder, what, *args):
    """Bytes of xorbs that a pull into a folder of one's own has cost; none came over HTTP."""
    lab.server.reset()
    run = lab.pull(what, "--local-dir", folder, *args)
    assert run.code == 0, run
    assert not body_bytes(lab)
    for name, content in NEW.items():
        assert not (folder / name).exists() or (folder / name).read_bytes() in (content, OLD.get(name)), name
    return lab.server.xorb_bytes()


@pytest.mark.parametrize("how", ["xet", "index"])
def test_all_that_lies_in_a_folder_of_ones_own_is_a_source(lab_with, store, tmp_path, how):
    """Pieces of files under other names, the moved one among them; over HTTP they came without a map."""
    lab, folder = lab_with(), tmp_path / "mine"
    run = lab.pull("org/x", "--local-dir", folder, "--xet", "on" if how == "xet" else "off")
    assert run.code == 0, run
    if how == "index":
        assert hub.pull("index", "org/x", "--local-dir", folder, **lab.how({})).code == 0
    need = unheld_bytes(store, "merged.bin", held(store, *OLD))
    assert 0 < into(lab, folder, "org/x@next:merged.bin") <= 1.05 * need
    assert into(lab, folder, "org/x@next:elsewhere/renamed.bin") == 0
    have = held(store, *OLD)
    assert 0 < into(lab, folder, "org/x@next:model.bin") <= 1.05 * unheld_bytes(store, "model.bin", have)
    assert hub.pull("verify", "org/x@next", "--local-dir", folder, **lab.how({})).code == 0


def test_the_cache_is_a_source_for_a_folder_of_ones_own(lab_with, store, tmp_path):
    lab, folder = lab_with(), tmp_path / "mine"
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    have = held(store, *OLD)
    assert 0 < into(lab, folder, "org/x@next:model.bin") <= 1.05 * unheld_bytes(store, "model.bin", have)
    assert into(lab, folder, "org/x@next:elsewhere/renamed.bin") == 0
    assert 0 < into(lab, folder, "org/x@next:merged.bin") <= 1.05 * unheld_bytes(store, "merged.bin", have)


def test_a_cache_without_links_is_a_source_too(lab_with, store):
    """There the files of the old revision lie in its snapshot, and the moved one's map does not name it."""
    lab, plain = lab_with(), {"HF_HUB_DISABLE_SYMLINKS": "1"}
    assert lab.pull("org/x", "--xet", "on", **plain).code == 0
    assert not [p for p in (repo(lab) / "snapshots").rglob("*.bin") if p.is_symlink()]
    for name in NEW:
        lab.server.reset()
        run = lab.pull(f"org/x@next:{name}", **plain)
        assert run.code == 0 and not body_bytes(lab), run
        assert lab.server.xorb_bytes() <= 1.05 * unheld_bytes(store, name.replace("/", "_"), held(store, *OLD)), name
        assert (hub.snapshot(lab.home, "org/x", rev="next") / name).read_bytes() == NEW[name]


def test_forced_means_fetched(lab_with, store):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    lab.server.reset()
    run = lab.pull("org/x:moved.bin", "--xet", "on", "--force-download")
    assert run.code == 0 and lab.server.xorb_bytes() >= len(OLD_NOISE), run


def index(lab, *args, **more):
    return hub.pull("index", "org/x", *args, **lab.how(more))


def test_index_of_a_damaged_file_is_exit_4_and_maps_the_others(lab_with):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x"))
    for receipt in (repo(lab) / ".hf-pull").glob("*.receipt"):
        receipt.unlink()
    flip(blob_of(lab, "model.bin"), 10_000_000)
    run = index(lab)
    assert run.code == 4 and "model.bin" in run.err and "repair" in run.err, run
    assert len(maps(lab)) == 1
    assert hub.pull("repair", "org/x", **lab.how({})).code == 0
    assert index(lab).code == 0 and len(maps(lab)) == len(OLD)


def test_index_offline(lab_with):
    lab = lab_with()
    assert lab.pull("org/x:moved.bin", "--xet", "on").code == 0  # which has its map
    lab.assert_done(lab.pull("org/x", "--xet", "off"))
    lab.server.reset()
    run = index(lab, "--offline")
    assert run.code == 9 and "model.bin" in run.err, run
    assert not lab.server.requests()
    assert index(lab).code == 0
    lab.server.reset()
    run = index(lab, "--offline")
    assert run.code == 0 and not lab.server.requests(), run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_index_leaves_nothing_and_goes_on(lab_with, number):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x"))
    lab.server.rules([{"match": {"kind": "recon"}, "do": {"accept_only": True}}])
    lab.server.settled()
    process = hub.start_pull("index", "org/x", **lab.how({}))
    began = time.monotonic()
    while not [r for r in lab.server.log() if r["kind"] == "recon"] and time.monotonic() - began < 30:
        time.sleep(0.05)
    process.send_signal(number)
    assert ends(process, 30).code == (130 if number == signal.SIGINT else -number)
    lab.server.rules([])
    assert index(lab).code == 0 and len(maps(lab)) == len(OLD)
    assert not list((repo(lab) / ".hf-pull").glob("*.tmp"))
