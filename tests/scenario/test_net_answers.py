"""Answers that are wrong, short, long, packed, or somebody else's. The file on disk is right, or it is not there.

Seen red on purpose, each with the engine broken so:
    a range of another place taken             test_a_lie_for_ever.. (an honest answer about another place)
    the total of Content-Range not compared    test_a_listing_that_lies_about_the_size
    a web page not known as one                test_a_lie_for_ever.. (login page)
    compressed bodies taken                    test_a_lie_for_ever.. (both with gzip)
    a 200 taken as the range asked for         test_odd_servers.., both about servers without ranges
    a 200 never taken                          the same
    no second opinion                          test_two_lies_and_then_the_truth, test_two_right_blocks..
    gzip asked for                             test_asks_for_plain_bytes
"""

import json

import pytest

from hub import gen_fast
from lab import MB, MIB, REPO, tree_text

SIZE = 12 * MB


def body_rule(do, **match):
    return {"match": dict({"kind": "body", "path": "model.bin"}, **match), "do": do}


ONCE = {
    "200 for a range": {"ignore_range": True},
    "Content-Range of another place": {"content_range_shift": 4096},
    "Content-Range of another size": {"content_range": "bytes 0-99/100"},
    "Content-Range that is no range": {"content_range": "bytes of something"},
    "no Content-Range": {"headers": {"Content-Range": None}},
    "login page": {"html": True},
    "login page of the right length": {"html": True, "html_length": "right"},
    "login page that says it is the file": {"html": True, "html_length": "right", "html_type": "application/octet-stream"},
    "said to be gzip": {"gzip": "label"},
    "packed with gzip": {"gzip": True},
    "ended by close": {"no_length": True},
    "in chunks": {"chunked": True},
    "ended by close, too early": {"no_length": True, "close_after": MB},
    "cut, full length announced": {"close_after": MB},
    "shorter, honestly announced": {"short": 100_000},
    "another ETag": {"etag": '"something-else"'},
    "204": {"status": 204},
    "418": {"status": 418},
    "416": {"status": 416},
    "206 with other bytes": {"body_shift": 8},
    "one bit wrong": {"flip": {"at": 1_234_567, "bit": 3}},
    "a run of garbage": {"garbage": {"from": 2 * MB, "to": 2 * MB + 4096}},
}


@pytest.mark.parametrize("lie", ONCE)
def test_two_lies_and_then_the_truth(lab, lie):
    lab.file(SIZE).start([body_rule(ONCE[lie], nth=[1, 2])])
    run = lab.pull(REPO, "--report", lab.path / "report")
    lab.assert_done(run)
    assert any(r["rules"] for r in lab.bodies())
    # A lie of right length costs what it carried: two segments, and the doubtful blocks once more.
    assert lab.server.bytes_served("model.bin") <= SIZE * 1.06 + 3 * 8 * MIB
    report = json.loads((lab.path / "report").read_text())
    assert report, "a report is written"


HARMLESS = {
    "ended by close": {"no_length": True},
    "in chunks": {"chunked": True},
    "200 for every range": {"ignore_range": True},
    "no ETag": {"etag": None},
}


@pytest.mark.parametrize("way", HARMLESS)
def test_odd_servers_serve_all_the_same(lab, way):
    lab.file(SIZE).start([body_rule(HARMLESS[way])])
    lab.assert_done(lab.pull())


def test_a_server_without_ranges_is_asked_for_the_whole_file_once_that_is_known(lab):
    lab.file(SIZE).start([body_rule({"ignore_range": True})])
    lab.assert_done(lab.pull())
    assert len(lab.bodies()) <= 12
    assert sum(r["bytes"] == SIZE for r in lab.bodies()) >= 1


def test_a_server_without_ranges_that_also_breaks_is_survived(lab):
    """Each attempt begins at byte 0; what was received before is skipped, not written again."""
    lab.file(SIZE).start([body_rule({"ignore_range": True}),
                          body_rule({"reset_after": 5 * MB}, to=8)])
    lab.assert_done(lab.pull())


FOREVER = {
    "Content-Range of another place": ({"content_range_shift": 4096}, 3, "model.bin"),
    "an honest answer about another place": ({"content_range_shift": -4096, "body_shift": -4096}, 3, "instead of"),
    "Content-Range of another size": ({"content_range": "bytes 0-99/100"}, 3, "model.bin"),
    "login page": ({"html": True}, 3, "web page"),
    "said to be gzip": ({"gzip": "label"}, 3, "compressed"),
    "packed with gzip": ({"gzip": True}, 3, "compressed"),
    "206 with other bytes": ({"body_shift": 8}, 4, "does not match"),
    "login page that says it is the file": ({"html": True, "html_length": "right", "html_type": "application/octet-stream"},
                                            4, "does not match"),
    "one bit wrong": ({"flip": {"at": 1_234_567, "bit": 3}}, 4, "does not match"),
}


@pytest.mark.parametrize("lie", FOREVER)
def test_a_lie_for_ever_ends_with_its_reason_and_no_wrong_blob(lab, lie):
    do, code, word = FOREVER[lie]
    lab.file(SIZE).start([body_rule(do, min_first=1 if lie == "an honest answer about another place" else 0)])
    run = lab.pull(REPO, "--max-attempts", "1")
    lab.assert_not_done(run, code, word)
    assert lab.wrong() == {"model.bin": "missing"}


@pytest.mark.parametrize("length", ["right", "own"])
@pytest.mark.parametrize("kind", ["info", "tree", "small file"])
def test_login_page_where_the_hub_should_be_is_waited_out(lab, kind, length):
    page = {"html": True} if length == "own" else {"html": True, "html_length": "right"}
    match = {"kind": "body", "path": "config.json"} if kind == "small file" else {"kind": kind}
    lab.content.repo(REPO, {"config.json": b'{"model_type": "x", "hidden_size": 1234567890}\n' * 20})
    lab.start([{"match": dict(match, nth=[1, 2]), "do": page}])
    lab.assert_done(lab.pull())


def test_two_right_blocks_are_not_fetched_again_for_one_wrong_bit(lab):
    """Second opinion: only doubtful blocks, and the report says whose block was bad."""
    lab.file(SIZE).start([body_rule({"flip": {"at": 9_000_000, "bit": 0}}, to=3)])
    run = lab.pull(REPO, "-v")
    lab.assert_done(run)
    assert lab.server.bytes_served("model.bin") <= 2 * SIZE + 2 * MIB
    assert "repaired" in run.err and "127.0.0.1" in run.err, run


@pytest.mark.parametrize("off", [-100_000, 100_000])
def test_a_listing_that_lies_about_the_size(lab, off):
    server = lab.file(SIZE).start()
    entries = tree_text(server)
    entries[0]["size"] += off
    entries[0]["lfs"]["size"] += off
    server.rules([{"match": {"kind": "tree"}, "do": {"status": 200, "body": json.dumps(entries)}}])
    run = lab.pull(REPO, "--max-attempts", "1")
    lab.assert_not_done(run, (3, 4), "model.bin")


def test_a_listing_that_lies_about_the_size_of_a_small_file(lab):
    lab.content.repo(REPO, {"a.txt": b"0123456789" * 10})
    server = lab.start()
    entries = tree_text(server)
    for entry in entries:
        entry["size"] -= 10
    server.rules([{"match": {"kind": "tree"}, "do": {"status": 200, "body": json.dumps(entries)}}])
    lab.assert_not_done(lab.pull(REPO, "--max-attempts", "1"), (3, 4), "a.txt")


def test_linked_size_and_linked_etag_of_the_redirect_decide_nothing(lab):
    lab.file(SIZE).start([{"match": {"kind": "resolve"}, "do": {"linked_size": "1", "linked_etag": '"0"', "commit": "0" * 40}}])
    lab.assert_done(lab.pull())


def test_asks_for_plain_bytes(lab):
    lab.file(SIZE).start()
    lab.assert_done(lab.pull())
    ours = [r for r in lab.server.log() if r["user_agent"].startswith("hf-pull")]
    assert {r["accept_encoding"] for r in ours} == {"identity"}


def test_files_of_no_byte_and_of_one(lab):
    lab.content.repo(REPO, {"empty": b"", "one": b"1", "block": gen_fast(1, 0, MIB), "more": gen_fast(1, 0, MIB + 1)})
    lab.start()
    lab.assert_done(lab.pull())
