"""Two witnesses: where the whole-file hash is wrong, the other way the Hub stores a file says where to look.

The large file lies in two whole xorbs. What any tool has left of it, without a receipt of ours, is cut into chunks and laid
against its reconstruction: only what is not under the name of a whole xorb is fetched again.

Seen red on purpose: the Xet store not asked; good chunks not read from the file itself; the range dropped for each hash of the
file; blocks asked for a few at a time; a source that fails not replaced; the open map of the run before gone on with; HTTP not
asked for what is proved by a lie; a contradiction taken for a place; silence waited for; chunks that do not fit not asked for
first; a stretch of whole xorbs taken for one block longer; proof not counted before the end, and counted twice; connections of a range
read, or cut for a buffer, while the file is hashed.
"""
import json
import os
import signal

import pytest

import casdata
import hub
from casdata import CasData
from disk import end, flip_bit, wait_until
from lab import MIB

BIG = casdata.noise(3, 75_000_000)
PIECES = casdata.noise(4, 9_000_000)  # whose parts are in the other files: no whole xorb is its own
SAME = [casdata.noise(s, 6_000_000) for s in (5, 6)]
FILES = {"big.bin": BIG, "a.bin": PIECES[:5_000_000] + casdata.noise(7, 2_000_000),
         "b.bin": PIECES[4_000_000:] + casdata.noise(8, 2_000_000), "pieces.bin": PIECES, "one.bin": SAME[0], "two.bin": SAME[1]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xet-repair")
    data = CasData(folder / "cas")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    data.add(*([folder / name] for name in FILES))
    data.folder = folder
    assert len({x for x, *_ in data.terms(folder / "big.bin")}) == 2
    return data


@pytest.fixture
def lab_with(lab, store):
    def start(*names, rules=None, **options):
        lab.content.repo("org/x", {n: FILES[n] for n in names}, xet=True, lfs_over=0)
        lab.start(rules, token="hf_test", options={"cas-data": store.path} | options)
        return lab
    return start


def placed(lab, name, spoil=None):
    """The file as another tool leaves it: in place, without receipt, perhaps damaged. Its blob."""
    run = lab.pull(f"org/x:{name}", "--xet", "off")
    assert run.code == 0, run
    for path in (hub.repo_folder(lab.home, "org/x") / ".hf-pull").iterdir():
        path.unlink()
    path = (hub.snapshot(lab.home, "org/x") / name).resolve()
    os.chmod(path, 0o644)
    if spoil:
        spoil(path)
    lab.server.reset()
    return path


def stored_bytes(store, name, *offsets):
    """Of the xorb ranges that hold these bytes of a file."""
    xorbs = {store.chunk_at(store.folder / name, at)[0] for at in offsets}
    return sum(store.records(x)[e - 1].end - store.records(x)[s].at
               for x, s, e in store.terms(store.folder / name) if x in xorbs)


def only_ranges(lab, store, name, *offsets):
    """No stored byte was asked for but of those ranges, and none twice, however long the file is hashed meanwhile."""
    ranges = {x: (store.records(x)[s].at, store.records(x)[e - 1].end) for x, s, e in store.terms(store.folder / name)}
    allowed = {store.chunk_at(store.folder / name, at)[0] for at in offsets}
    lab.server.settled()
    rows = lab.server.requests("xorb")
    assert rows and {r["file"] for r in rows} <= allowed
    assert all(ranges[r["file"]][0] <= r["first"] and r["last"] < ranges[r["file"]][1] for r in rows)
    assert lab.server.xorb_bytes_again() == 0, [(r["t_ms"], r.get("end_ms"), r["end"], r["first"], r["last"], r["bytes"]) for r in rows]
    return True


def body_bytes(lab):
    return sum(r["bytes"] for r in lab.server.requests("body"))


def state(path):
    return json.loads(path.read_text())["jobs"][0]["status"]


PLACES = {"in the middle": 40_000_001, "the first byte": 0, "the last byte": len(BIG) - 1, "a xorb's first byte": None}


@pytest.mark.parametrize("verb,where", [("pull", "in the middle"), *(("repair", where) for where in PLACES)])
def test_one_bit_of_a_foreign_file_costs_at_most_its_xorb_range(lab_with, store, tmp_path, verb, where):
    lab, at = lab_with("big.bin"), PLACES[where]
    if at is None:
        xorb, first, last = store.terms(store.folder / "big.bin")[0]
        at = sum(r.plain for r in store.records(xorb)[first:last])
    path = placed(lab, "big.bin", lambda p: flip_bit(p, at, 3))
    report = tmp_path / "report.json"
    run = hub.pull(*(["repair"] if verb == "repair" else []), "org/x:big.bin", "--report", report, **lab.how({}))
    assert run.code == 0, run
    assert path.read_bytes() == BIG
    assert not body_bytes(lab), "no byte over HTTP"
    assert only_ranges(lab, store, "big.bin", at)
    assert state(report)["repaired_bytes"] == (MIB if at < len(BIG) - 1 else len(BIG) % MIB)


def test_damage_in_two_xorbs_costs_their_two_ranges(lab_with, store):
    lab = lab_with("big.bin")
    places = 1_000_000, 30_000_000, len(BIG) - 3_000_000
    path = placed(lab, "big.bin", lambda p: [flip_bit(p, at, 1) for at in places])
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0, run
    assert path.read_bytes() == BIG and not body_bytes(lab)
    assert only_ranges(lab, store, "big.bin", *places)


def hole(path, at, n):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(bytes(n))


def test_a_run_of_zeros_costs_its_range(lab_with, store):
    lab = lab_with("big.bin")
    path = placed(lab, "big.bin", lambda p: hole(p, 30_000_000, 10_000_000))
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0, run
    assert path.read_bytes() == BIG and not body_bytes(lab)
    assert only_ranges(lab, store, "big.bin", 30_000_000)


def test_a_truncated_foreign_file_costs_its_tail(lab_with, store):
    lab = lab_with("big.bin")
    path = placed(lab, "big.bin", lambda p: os.truncate(p, 68 * MIB))
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0, run
    assert path.read_bytes() == BIG
    assert body_bytes(lab) + lab.server.xorb_bytes() <= len(BIG) - 60 * MIB


def test_our_own_files_need_no_second_witness(lab_with):
    lab = lab_with("big.bin")
    lab.assert_done(lab.pull("org/x", "--xet", "off"))
    path = (hub.snapshot(lab.home, "org/x") / "big.bin").resolve()
    flip_bit(path, 40_000_001, 3)
    lab.server.reset()
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0 and path.read_bytes() == BIG, run
    assert not lab.server.requests("recon") and body_bytes(lab) <= MIB


def test_what_http_spoils_is_found_by_the_chunks(lab_with, store):
    """The CDN keeps a bad copy: the same wrong bit from every address, each time."""
    lab = lab_with("big.bin", rules=[{"match": {"kind": "body"}, "do": {"flip": {"at": 40_000_001, "bit": 2}}}])
    run = lab.pull("org/x")
    lab.assert_done(run)
    assert "Xet store" in run.err and "repaired 1 MiB" in run.err
    assert body_bytes(lab) <= len(BIG) + MIB, "nothing over HTTP twice"
    assert only_ranges(lab, store, "big.bin", 40_000_001)


# What the Xet store may do meanwhile: HTTP finds the block by itself, as for a file that is not in Xet.
NO_WITNESS = {
    "knows nothing": [{"match": {"kind": "recon"}, "do": {"status": 404}}],
    "refuses the token": [{"match": {"kind": "token"}, "do": {"status": 403}}],
    "lies about lengths": [{"match": {"kind": "recon"}, "do": {"edit": [{"at": "/terms/0/unpacked_length", "add": 1}]}}],
    "refuses each range": [{"match": {"kind": "xorb"}, "do": {"forbid_forever": True}}],
    "is mute": [{"match": {"kind": "recon"}, "do": {"accept_only": True}}],
    "gives bad chunks": [{"match": {"kind": "xorb"}, "do": {"flip": {"at": 3_000_000, "bit": 1}}}],
}


@pytest.mark.parametrize("how", NO_WITNESS)
def test_without_the_second_witness_http_finds_it(lab_with, how):
    lab = lab_with("one.bin", rules=NO_WITNESS[how])
    path = placed(lab, "one.bin", lambda p: flip_bit(p, 3_000_001, 1))
    lab.server.rules(NO_WITNESS[how])
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0 and path.read_bytes() == SAME[0], run


def test_http_that_is_gone_leaves_xet(lab_with):
    """Not a byte of a body any more; and what is in doubt is not all under the names of whole xorbs."""
    lab = lab_with("pieces.bin")
    path = placed(lab, "pieces.bin", lambda p: flip_bit(p, 3_000_001, 1))
    lab.server.rules([{"match": {"kind": "body"}, "do": {"status": 404}}])
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0 and path.read_bytes() == PIECES, run


def test_a_file_of_pieces_is_repaired_too(lab_with):
    lab = lab_with("pieces.bin", "a.bin", "b.bin")
    path = placed(lab, "pieces.bin", lambda p: [flip_bit(p, at, 1) for at in (3_000_001, 8_999_999)])
    run = hub.pull("repair", "org/x:pieces.bin", **lab.how({}))
    assert run.code == 0 and path.read_bytes() == PIECES, run


def test_where_no_xorb_is_whole_chunks_that_do_not_fit_come_first(lab_with, store):
    lab = lab_with("pieces.bin")
    path = placed(lab, "pieces.bin", lambda p: hole(p, 7_000_000, 1_000_000))
    run = hub.pull("repair", "org/x", **lab.how({}))
    assert run.code == 0 and path.read_bytes() == PIECES, run
    here, all_of_it = stored_bytes(store, "pieces.bin", 7_000_000), stored_bytes(store, "pieces.bin", 0, 7_000_000)
    # The blocks at its ends reach into chunks that nothing proves.
    assert 0 < lab.server.xorb_bytes() <= here + 2 * MIB < all_of_it


@pytest.fixture
def lying(store, tmp_path):
    """A store in which one.bin has something of two.bin's."""
    def make(key):
        (tmp_path / "lying").mkdir()
        (tmp_path / "lying/xorbs").symlink_to(store.path / "xorbs")
        cas = json.loads((store.path / "cas.json").read_text())
        one, two = ({f["id"]: f for f in cas["files"]}[store.id(store.folder / n)] for n in ("one.bin", "two.bin"))
        one[key], two[key] = two[key], one[key]
        (tmp_path / "lying/cas.json").write_text(json.dumps(cas))
        return tmp_path / "lying"
    return make


def test_a_reconstruction_that_lies_is_found_by_http(lab_with, lying):
    """One file is made of another one's chunks: all of them have their hashes, and it is the wrong file."""
    lab = lab_with("one.bin", **{"cas-data": lying("terms")})
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert lab.server.xorb_bytes() > 0 and body_bytes(lab) > 0


def test_two_names_that_contradict_each_other_are_said(lab_with, lying):
    """The Hub announces another file's name in Xet: chunks, xorbs and that name are right, and the file is wrong."""
    lab = lab_with("one.bin", **{"cas-data": lying("sha256")})
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert "contradict" in run.err and lab.server.xorb_bytes() > 0 and body_bytes(lab) > 0


def test_killed_in_the_middle_of_a_repair(lab_with, store):
    lab = lab_with("big.bin")
    path = placed(lab, "big.bin", lambda p: flip_bit(p, 40_000_001, 3))
    lab.server.rules([{"match": {"kind": "xorb"}, "do": {"rate": 300_000}}])
    process = hub.start_pull("repair", "org/x", **lab.how({}))
    wait_until(lambda: lab.server.requests("recon") and lab.server.xorb_bytes() > 100_000, what="bytes of a xorb")
    end(process, signal.SIGKILL)
    process.communicate()
    lab.server.settled()  # what the killed one had open is in the log before that is emptied
    lab.server.reset()
    run = lab.pull("org/x")
    lab.assert_done(run)
    assert not body_bytes(lab) and only_ranges(lab, store, "big.bin", 40_000_001)
    assert path.read_bytes() == BIG


def test_what_came_wrong_over_xet_is_not_copied_from_its_map(lab_with):
    """Killed after the hash was wrong: the open map says of the bad chunk what was received, and that is on the disk."""
    lab = lab_with("one.bin", rules=[{"match": {"kind": "xorb"}, "do": {"flip": {"at": 3_000_000, "bit": 1}}},
                                     {"match": {"kind": "body"}, "do": {"accept_only": True}}])
    process = lab.begin("org/x", "--xet", "on")
    wait_until(lambda: lab.server.requests("body"), what="a question to HTTP")
    end(process, signal.SIGKILL)
    process.communicate()
    lab.server.reset()
    lab.assert_done(lab.pull("org/x"))
    assert lab.server.xorb_bytes() > 0 and not body_bytes(lab)


def test_offline_a_damaged_file_is_only_said(lab_with):
    lab = lab_with("big.bin")
    path = placed(lab, "big.bin", lambda p: flip_bit(p, 40_000_001, 3))
    damaged = path.read_bytes()
    run = hub.pull("repair", "org/x", "--offline", **lab.how({}))
    assert run.code == 9 and path.read_bytes() == damaged, run
    assert not lab.server.requests("recon")


def test_in_a_folder_of_ones_own(lab_with, store, tmp_path):
    lab, folder = lab_with("big.bin"), tmp_path / "mine"
    folder.mkdir()
    (folder / "big.bin").write_bytes(BIG)
    flip_bit(folder / "big.bin", 40_000_001, 3)
    run = hub.pull("org/x", "--local-dir", folder, **lab.how({}))
    assert run.code == 0 and (folder / "big.bin").read_bytes() == BIG, run
    assert not body_bytes(lab) and only_ranges(lab, store, "big.bin", 40_000_001)


def counts(run):
    lines = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    return [line["status"] for line in lines if "status" in line]


def test_proof_moves_xorb_by_xorb(lab_with, store):
    lab = lab_with("big.bin")
    run = lab.pull("org/x", "--xet", "on", "--progress", "json", "--limit-rate", "20M")
    assert run.code == 0, run
    seen = [(s["proved_bytes"], s["recorded_bytes"], s["received_bytes"], s["in_place_bytes"]) for s in counts(run)]
    assert seen == sorted(seen, key=lambda s: s[0]) and seen[-1][0] == len(BIG)
    assert all(proved <= recorded <= received for proved, recorded, received, _ in seen), seen
    xorb, first, last = store.terms(store.folder / "big.bin")[0]
    plain = sum(r.plain for r in store.records(xorb)[first:last])
    between = {proved for proved, recorded, *_ in seen if 0 < proved < len(BIG)}
    assert between and min(between) >= plain // MIB * MIB, (plain, between)


def test_proof_over_http_moves_file_by_file(lab_with):
    lab = lab_with("big.bin")
    run = lab.pull("org/x", "--xet", "off", "--progress", "json", "--limit-rate", "30M")
    assert run.code == 0, run
    assert {s["proved_bytes"] for s in counts(run)} == {0, len(BIG)}
