"""Files of one job that share chunks: what one of them brings the others do not fetch.

A repository as many are: all tensors in one file, and the same tensors in parts. Bytes of xorbs are counted as the store sends
them.

Seen red on purpose: files of a job that do not know each other; what is published forgotten.
"""
import signal

import pytest

import casdata
import hub
from disk import notebooks, wait_until
from lab import MIB

WHOLE = casdata.weights(31, 30_000_000)
PARTS = {f"model-{i + 1:05}-of-00003.safetensors": WHOLE[i * 10_000_000:(i + 1) * 10_000_000] for i in range(3)}
FILES = {"consolidated.safetensors": WHOLE} | PARTS
EDGES = 6 * 100_000  # two chunks at either end of each part are of its own


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xet-mates")
    data = casdata.CasData(folder / "cas")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    data.add([folder / "consolidated.safetensors"], [folder / n for n in PARTS])
    data.folder = folder
    return data


@pytest.fixture
def lab_after(lab):
    """The whole comes last, and its parts were stored first."""
    files = PARTS | {"whole.safetensors": WHOLE}
    lab.xet(files, list(PARTS), ["whole.safetensors"])
    lab.start(token="hf_test")
    return lab


@pytest.fixture
def lab_with(lab, store):
    def start(rules=None, **options):
        lab.content.repo("org/x", FILES, xet=True, lfs_over=0)
        lab.start(rules, token="hf_test", options={"cas-data": store.path} | options)
        return lab
    return start


def kept(lab):
    """Bytes that a kill leaves: blocks that are recorded, and files that have their names."""
    blobs = hub.repo_folder(lab.home, "org/x") / "blobs"
    named = [f for f in blobs.iterdir() if "." not in f.name] if blobs.is_dir() else []
    return sum(len(book.blocks) for book in notebooks(lab.home)) * MIB + sum(f.stat().st_size for f in named)


def stored(store):
    return sum(store.records(x)[-1].end for x in store.xorbs())


def test_parts_beside_the_whole_cost_what_the_whole_costs(lab_with, store):
    lab = lab_with()
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    wire, once = lab.server.xorb_bytes(), stored(store)
    print(f"wire {wire}, stored {once}, {wire / once:.4f}; the files are {sum(map(len, FILES.values()))}")
    assert wire <= once + EDGES


def test_a_slow_store_changes_nothing(lab_with, store):
    lab = lab_with(rate=12 * MIB)
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    assert lab.server.xorb_bytes() <= stored(store) + EDGES


def test_the_whole_after_its_parts(lab_after):
    """The first parts have their names when the whole begins: three files come at a time."""
    lab_after.assert_done(lab_after.pull("org/x", "--xet", "on"))
    wire, once = lab_after.server.xorb_bytes(), stored(lab_after.store)
    print(f"wire {wire}, stored {once}, {wire / once:.4f}")
    assert wire <= once + EDGES


def test_auto_goes_over_http_and_fetches_each_file(lab_with):
    lab = lab_with()
    lab.assert_done(lab.pull("org/x"))
    assert lab.server.xorb_bytes() == 0


def test_auto_over_xet_shares_too(lab_after):
    """Of this repository something is here, so it comes over Xet."""
    run = lab_after.pull("org/x", "--include", "model-00001*", "--xet", "on")
    assert run.code == 0, run
    lab_after.assert_done(lab_after.pull("org/x"))
    assert lab_after.server.xorb_bytes() <= stored(lab_after.store) + EDGES


@pytest.mark.parametrize("at", [6, 20, 40])
def test_killed_in_the_middle(lab_with, store, at):
    lab = lab_with(rate=12 * MIB)
    process = hub.start_pull("org/x", "--xet", "on", hub=lab.server, home=lab.home, token="hf_test")
    wait_until(lambda: kept(lab) >= at * MIB)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first, once = lab.server.xorb_bytes(), stored(store)  # of the first, seven pieces of 4 MiB are on their way at a time
    lab.assert_done(lab.pull("org/x", "--xet", "on"))
    rest = lab.server.xorb_bytes() - first
    print(f"stored {once}, wire {first}, then {rest}")
    # Half of what is kept, at the least, is not the other half under another name; a part and the whole that were both begun
    # may ask for the rest of the part side by side.
    assert rest <= once + EDGES - at * MIB // 2 + len(PARTS["model-00001-of-00003.safetensors"])


def test_a_file_that_others_wait_for_goes_over_to_http(lab_with, store):
    """Its URL expires in the middle, and the store then does not know it any more: the parts go on by themselves."""
    whole = store.id(store.folder / "consolidated.safetensors")
    lab = lab_with([{"match": {"kind": "xorb", "nth": 4}, "do": {"expire": True, "close_after": 200_000}},
                    {"match": {"kind": "recon", "path": f"*{whole}", "from": 2}, "do": {"status": 404}}], rate=12 * MIB)
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert run.err.count("going on over HTTP") == 1, run
    assert {r["file"] for r in lab.server.requests("body")} == {"consolidated.safetensors"}
    print(f"wire {lab.server.xorb_bytes()}, stored {stored(store)}, {run.seconds} s")
    assert lab.server.xorb_bytes() >= sum(map(len, PARTS.values())) // 3, "and most of the parts over Xet"


def test_a_file_that_others_wait_for_is_repaired(lab_with, store):
    """The store is rotten there. What the others read of it has the hash of its wrong bytes: their own says so, and each is repaired."""
    xorb, record = store.chunk_at(store.folder / "consolidated.safetensors", 12_000_000)
    lab = lab_with([{"match": {"kind": "xorb", "path": xorb}, "do": {"flip": {"at": record.at + 5000, "bit": 2}}}], rate=12 * MIB)
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert "repaired" in run.err and run.err.count("does not match the Hub's sha256") == 2, run
