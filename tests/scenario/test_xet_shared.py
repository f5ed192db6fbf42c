"""The store that huggingface_hub 2.x shares between repositories: its payloads are linked to by its own rules, hashed before
they are believed, and never written.

The layout is laid out here as the client makes it; tests/peers has the client itself.

Seen red on purpose: the user not noted, a cut-off line gone on with, the marker, the size or the lock not looked at, links
followed, the payload believed unhashed, moved aside or not copied when it is damaged, HF_HUB_DISABLE_SHARED_BLOBS not read.
"""
import fcntl
import os

import pytest

import casdata
import hub
from casdata import CasData
from disk import flip_bit
from lab import MIB

DATA = casdata.noise(11, 9_000_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xet-shared")
    data = CasData(folder / "cas")
    (folder / "model.bin").write_bytes(DATA)
    data.add([folder / "model.bin"])
    data.folder = folder
    return data


class Shared:
    """A store with one payload, that another repository uses."""

    def __init__(self, lab, xet_hash, data):
        self.top = lab.home / "hub" / "blobs"
        self.payload = self.top / xet_hash[:2] / xet_hash
        self.refs, self.lock = (self.payload.with_name(xet_hash + end) for end in (".refs", ".lock"))
        self.payload.parent.mkdir(parents=True)
        (self.top / ".huggingface-shared-blobs").write_text("1\n")
        self.payload.write_bytes(data)
        self.payload.chmod(0o444)
        self.refs.write_text("models--org--other/blobs/abc\n")
        self.lock.touch()

    def state(self):
        """Of everything there but what users append."""
        return {str(p): (p.lstat().st_ino, p.lstat().st_mode, p.lstat().st_mtime_ns, p.lstat().st_size)
                for p in sorted(self.top.rglob("*")) if p.is_file() and p.suffix not in (".refs", ".lock")}


@pytest.fixture
def shared(lab, store):
    lab.content.repo("org/x", {"model.bin": DATA}, xet=True, lfs_over=0)
    lab.start(token="hf_test", options={"cas-data": store.path})
    return Shared(lab, store.id(store.folder / "model.bin"), DATA)


def blob(lab):
    return hub.repo_folder(lab.home, "org/x") / "blobs" / os.path.basename(os.readlink(hub.snapshot(lab.home, "org/x") / "model.bin"))


def wire(lab):
    return sum(r["bytes"] for r in lab.server.requests("body")) + lab.server.xorb_bytes()


def test_what_another_repository_has_costs_no_byte(lab, shared):
    before = shared.state()
    run = lab.pull("org/x")
    lab.assert_done(run)
    assert wire(lab) == 0
    link = blob(lab)
    assert os.readlink(link) == f"../../blobs/{shared.payload.parent.name}/{shared.payload.name}"
    assert shared.refs.read_text() == f"models--org--other/blobs/abc\nmodels--org--x/blobs/{link.name}\n"
    assert shared.state() == before
    again = lab.pull("org/x")
    assert again.code == 0 and "already here" in again.err, again
    assert shared.state() == before and len(shared.refs.read_text().splitlines()) == 2
    assert hub.pull("verify", "org/x", **lab.how({})).code == 0


def test_a_dry_run_makes_no_link(lab, shared):
    before = shared.refs.read_text()
    run = hub.pull("plan", "org/x", **lab.how({}))
    assert run.code == 0 and shared.refs.read_text() == before, run
    assert not (hub.repo_folder(lab.home, "org/x") / "blobs").exists()


def test_a_line_that_a_crash_cut_off_is_not_gone_on_with(lab, shared):
    shared.refs.write_text("models--org--other/blobs/abc\nmodels--org--x/bl")
    lab.assert_done(lab.pull("org/x"))
    assert shared.refs.read_text().splitlines()[-1] == f"models--org--x/blobs/{blob(lab).name}"


def test_a_payload_that_rotted_is_not_believed(lab, shared):
    """Its good bytes are copied, the bad ones fetched; ours is a file of its own, and the payload stays as it is."""
    shared.payload.chmod(0o644)
    flip_bit(shared.payload, 5_000_000, 2)
    shared.payload.chmod(0o444)
    before, content = shared.state(), shared.payload.read_bytes()
    lab.server.rules([{"match": {"kind": "body"}, "do": {"status": 404}}])
    lab.assert_done(lab.pull("org/x"))
    assert not blob(lab).is_symlink() and shared.state() == before and shared.payload.read_bytes() == content
    assert 0 < wire(lab) <= len(DATA) + MIB


def test_a_payload_that_rots_after_it_was_proved(lab, shared):
    """The receipt has digests of its blocks: one block is fetched."""
    lab.assert_done(lab.pull("org/x"))
    shared.payload.chmod(0o644)
    flip_bit(shared.payload, 5_000_000, 2)
    before = shared.state()
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0, run
    lab.assert_done(lab.pull("org/x"))
    assert not blob(lab).is_symlink() and shared.state() == before and 0 < wire(lab) <= 2 * MIB


def unmark(shared):
    (shared.top / ".huggingface-shared-blobs").unlink()


def newer(shared):
    (shared.top / ".huggingface-shared-blobs").write_text("2\n")


def short(shared):
    shared.payload.chmod(0o644)
    os.truncate(shared.payload, 8_000_000)


def link_away(shared):
    shared.payload.rename(shared.top.parent / "elsewhere")
    shared.payload.symlink_to(shared.top.parent / "elsewhere")


def lock_is_a_link(shared):
    shared.lock.unlink()
    shared.lock.symlink_to(shared.top.parent / "victim")


def refs_are_a_link(shared):
    shared.refs.unlink()
    shared.refs.symlink_to(shared.top.parent / "victim")


@pytest.mark.parametrize("how", [unmark, newer, short, link_away, lock_is_a_link, refs_are_a_link])
def test_what_is_no_store_is_left_alone(lab, shared, how):
    how(shared)
    before = shared.state()
    lab.assert_done(lab.pull("org/x"))
    assert not blob(lab).is_symlink() and shared.state() == before and wire(lab) >= len(DATA)
    assert not (shared.top.parent / "victim").exists()


@pytest.mark.parametrize("how", [{"HF_HUB_DISABLE_SHARED_BLOBS": "1"}, {"HF_HUB_DISABLE_XET": "1"}, "--force-download"],
                         ids=["no sharing", "no Xet", "forced"])
def test_who_does_not_want_it_fetches(lab, shared, how):
    before = shared.refs.read_text()
    run = lab.pull("org/x", how) if isinstance(how, str) else lab.pull("org/x", **how)
    lab.assert_done(run)
    assert not blob(lab).is_symlink() and shared.refs.read_text() == before and wire(lab) >= len(DATA)


def test_its_lock_is_respected(lab, shared):
    """Who holds it may be about to delete the payload: fetched after a second."""
    with open(shared.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = shared.refs.read_text()
        lab.assert_done(lab.pull("org/x"))
        assert not blob(lab).is_symlink() and shared.refs.read_text() == before
