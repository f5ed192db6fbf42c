"""hf-pull over Xet against our own CAS: the same files, each byte proved, whatever the CAS and the signed URLs do.

Seen red on purpose: a CAS that is waited for; a file that fails because its Xet source did; `--xet off` that asks for a token;
parts of signed ranges only; repeats known only as the beginning or end of a term (32.8 MB on the wire instead of 20.4).
"""
import pytest

import casdata
from disk import MIB, recorded, wait_until

A = casdata.weights(5, 24_000_000)
FILES = {
    "none.bin": casdata.noise(1, 3_000_000), "lz4.bin": casdata.lines(1, 5_000_000), "bg4.bin": casdata.floats(1, 4_000_000),
    "one.bin": b"x", "repeat.bin": casdata.noise(2, 1_300_000) * 4, "model.bin": A,
}


@pytest.fixture
def xet(lab):
    def start(rules=None):
        lab.xet(FILES)
        lab.start(rules, token="hf_test")
        return lab
    return start


def test_a_repository_comes_whole_over_xet(xet):
    lab = xet()
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    assert lab.server.xorb_bytes() > 0
    assert not [r for r in lab.server.requests("body")], "no byte over HTTP"


# Each fault, and what may still be said: done over Xet ("xet"), done with HTTP's help ("any").
FAULTS = {
    "resets every 300 KB": ([{"match": {"kind": "xorb"}, "do": {"reset_every": 300_000}}], "xet"),
    "v2 is absent": ([{"match": {"kind": "recon", "path": "/v2/*"}, "do": {"status": 404}}], "xet"),
    "v2 is not implemented": ([{"match": {"kind": "recon", "path": "/v2/*"}, "do": {"status": 501}}], "xet"),
    "a sub-range of a signed range is refused": ([{"match": {"kind": "xorb"}, "do": {"exact_range": True}}], "xet"),
    "locations live for half a second": ([{"match": {"kind": "recon"}, "do": {"expire_after_ms": 500}},
                                           {"match": {"kind": "xorb"}, "do": {"rate": 4_000_000}}], "xet"),
    "a location dies in the middle": ([{"match": {"kind": "xorb", "every": 3}, "do": {"expire": True, "close_after": 100_000}}], "xet"),
    "the token dies once": ([{"match": {"kind": "recon", "nth": 1}, "do": {"expire": True}}], "xet"),
    "tokens end at once": ([{"match": {"kind": "token"}, "do": {"expire_after_ms": 100}}], "any"),
    "busy storms": ([{"match": {"kind": ["recon", "xorb"], "every": 2}, "do": {"status": 503, "headers": {"Retry-After": "1"}}}], "any"),
    "429 once": ([{"match": {"kind": "xorb", "nth": 2}, "do": {"http429": {"retry_after": 1}}}], "xet"),
    "short bodies": ([{"match": {"kind": "xorb", "every": 2}, "do": {"close_after": 70_000}}], "xet"),
    "JSON cut off once": ([{"match": {"kind": "recon", "nth": 1}, "do": {"short": 20}}], "xet"),
    "a stream that goes silent": ([{"match": {"kind": "xorb", "nth": 1}, "do": {"stall_after": 100_000}}], "xet"),
    "200 with exactly the range": ([{"match": {"kind": "xorb"}, "do": {"status": 200, "headers": {"Content-Range": None}}}], "any"),
    "200 with the whole object": ([{"match": {"kind": "xorb"}, "do": {"ignore_range": True}}], "any"),
    "ranges cut otherwise": ([{"match": {"kind": "recon"}, "do": {"separate": True, "per_url": 1}}], "xet"),
    "xorbs named in another order": ([{"match": {"kind": "recon"}, "do": {"edit": [{"at": "/xorbs", "reverse": True}]}}], "xet"),
    "always refused": ([{"match": {"kind": "xorb"}, "do": {"forbid_forever": True}}], "any"),
    "the CAS is mute": ([{"match": {"kind": "recon"}, "do": {"accept_only": True}}], "any"),
    "no token": ([{"match": {"kind": "token"}, "do": {"status": 403}}], "any"),
    "416 inside the file": ([{"match": {"kind": "recon"}, "do": {"status": 416}}], "any"),
    "a wrong length": ([{"match": {"kind": "recon"}, "do": {"edit": [{"at": "/terms/0/unpacked_length", "add": 1}]}}], "any"),
    "a hash that is none": ([{"match": {"kind": "recon"}, "do": {"edit": [{"at": "/terms/0/hash", "set": "zz"}]}}], "any"),
    "a gzip bomb": ([{"match": {"kind": "recon"}, "do": {"blanks": 80_000_000}}], "any"),
    "one flipped bit in a header": ([{"match": {"kind": "xorb", "nth": 1}, "do": {"flip": {"at": 4, "bit": 5}}}], "any"),
    "one flipped bit in a chunk, each time": ([{"match": {"kind": "xorb"}, "do": {"flip": {"at": 3000, "bit": 1}}}], "any"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.replace(" ", "-"))
def test_files_are_right_whatever_happens(xet, fault):
    rules, how = FAULTS[fault]
    lab = xet(rules)
    run = lab.pull("org/x", "--xet", "on")
    lab.assert_done(run)
    if how == "xet":
        assert not lab.server.requests("body"), "no byte over HTTP"


def test_a_dead_cdn_is_replaced_by_xet(xet):
    lab = xet([{"match": {"kind": "body"}, "do": {"status": 404}}])
    run = lab.pull("org/x:model.bin")
    assert run.code == 0, run
    assert lab.server.xorb_bytes() > 0


def test_off_is_off(xet):
    lab = xet()
    lab.assert_done(lab.pull("org/x", "--xet", "off"))
    assert not lab.server.requests("token") and not lab.server.requests("recon")


def test_the_python_clients_switch_is_ours(xet):
    lab = xet([{"match": {"kind": "body"}, "do": {"status": 404}}])
    run = lab.pull("org/x:model.bin", "--max-attempts", "1", HF_HUB_DISABLE_XET="1")
    assert run.code == 3, run
    assert not lab.server.requests("token")


def test_a_killed_pull_fetches_no_recorded_block_again(xet):
    lab = xet()
    args = ("org/x:model.bin", "--xet", "on")
    first = lab.begin(*args, "--limit-rate", "4M")
    wait_until(lambda: len(recorded(lab.home)) >= 8, what="8 recorded blocks")
    first.kill()
    first.wait()
    kept = len(recorded(lab.home)) * MIB
    before = lab.server.xorb_bytes()
    run = lab.pull(*args)
    assert run.code == 0 and "kept" in run.err, run
    stored = sum(lab.store.records(x)[-1].end for x, *_ in lab.store.terms(lab.uploaded("model.bin")))
    again = lab.server.xorb_bytes() - before
    # What is kept is left out in whole chunks (at most 128 KiB at either end of it), and chunks differ in how well they pack.
    assert again < stored - kept * stored / len(A) + 2 * MIB, f"{again} of {stored} stored bytes, {kept} were kept"


def test_what_a_file_names_again_is_fetched_once(lab):
    """The middle of what was there, an end and more, pieces of two: as the real writer cuts them."""
    a, b = casdata.noise(31, 12_000_000), casdata.weights(32, 6_000_000)
    data = a + a[4_000_000:7_000_000] + b + a[9_000_000:] + casdata.noise(33, 2_000_000) + b[1_000_000:3_000_000] + a[:5_000_000]
    lab.xet({"again.bin": data})
    lab.start(token="hf_test")
    run = lab.pull("org/x", "--xet", "on", "--max-workers", "1")
    lab.assert_done(run)
    terms = lab.store.terms(lab.uploaded("again.bin"))
    chunks = {(xorb, i) for xorb, first, end in terms for i in range(first, end)}
    assert sum(end - first for _, first, end in terms) > len(chunks) + 100, "the writer names chunks again"
    once = sum(lab.store.records(xorb)[i].end - lab.store.records(xorb)[i].at for xorb, i in chunks)
    print(f"wire {lab.server.xorb_bytes()}, once {once}, {len(terms)} terms")
    assert lab.server.xorb_bytes() <= 1.01 * once
