"""The power fails in the middle of a real pull: whatever the disk kept of it, nothing is believed that is not true, what was
promised is there, and the next run finishes (P1, P2).

hf-pull-recorded is hf-pull with every change of the disk logged (record.c): its own threads, its own files. replay makes one
legal state of the disk out of a log and a seed (replay.c, with the rules of tests/sim/disk_crash.c): what was not synced is
lost, torn or kept sector by sector; names on a journal's prefix or any subset. The real hf-pull then meets that disk.

    HFP_SEEDS=2000 pytest -c tests/pytest.ini tests/powerloss      more states

Threads do not run twice alike, so a failure names its log beside its seed; the two together are the state again:

    build/tests/powerloss/replay LOG SEED DIR

Seen red on purpose, each with hf-pull broken so:
    no fdatasync before the rename to the final name              fresh, resumed, update
    publish_settle left out; only the snapshot's first folder     fresh; update
    the ref before trees/<commit>.json                            all, and killed_before_each_single_change
    a digest written before its data                              killed_before_each_single_change
    the data left out of the periodic sync; names never synced    fresh
    a periodic sync once a minute                                 fresh
    no sync between the renames of a claim                        resumed
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest

from disk import MIB, asked_blocks, end, finish, flip_bit, recorded, sha256, wait_until
from hub import (Content, FakeHub, binary, cache_truth, folder_truth, gen_fast, pull, pull_env, repo_folder, snapshot,
                 start_pull, wrong_blobs)
from lab import fetch

SEEDS = int(os.environ.get("HFP_SEEDS", "40"))
SYNC_S = 5          # README: after power loss at most this much of what was recorded is gone
SYNC_ITSELF_S = 3   # how long the sync may take, on a busy machine
SIZE = 12 * MIB + 345
SLOW = 1_000_000    # bytes per second: two periodic syncs while the large file comes
SMALL = {"config.json": b"{}", "sub/deeper/readme.md": b"# in folders\n", "sub/same.md": b"# in folders\n"}
OTHER = {"config.json": b'{"v": 2}', "sub/deeper/readme.md": b"# in folders\n", "sub/new.md": b"new\n"}
REFS = {"main": "one", "old": "one", "next": "two"}


def model(seed):
    return [{"path": "model.bin", "size": SIZE, "seed": seed}, {"path": "sub/vocab.bin", "size": 70_001, "seed": 5, "lfs": True}]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = Content(tmp_path_factory.mktemp("root"))
    root.repo("org/x", commits={"one": {"dir": "one", "generated": model(1)}, "two": {"dir": "two", "generated": model(2)}},
              refs=REFS)
    for label, files in (("one", SMALL), ("two", OTHER)):
        for name, data in files.items():
            target = root.path / "models/org/x" / label / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    with FakeHub(root.path) as server:
        yield server


def program(name):
    return binary("HFP_" + name.upper().replace("-", "_"), f"tests/powerloss/{name}")


def record(home, log, *args, hub, **env):
    """Runs hf-pull and logs what it does to the disk below home."""
    home.mkdir(parents=True, exist_ok=True)
    env = pull_env(hub, home, HFP_OPLOG=log, HFP_OPLOG_ROOT=home, XDG_STATE_HOME=home / "state", **env)
    run = subprocess.run([program("hf-pull-recorded"), *args], env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


# ---- the runs that are recorded: each leaves its log, and says which command finishes it --------------------------------

def fresh(home, log, hub):
    """From nothing, so slowly that recorded blocks are synced on the way."""
    hub.set(rate=SLOW)
    record(home, log, "org/x", hub=hub)
    return "org/x",


def resumed(home, log, hub):
    """On from what a killed run left."""
    hub.set(rate=8_000_000)
    process = start_pull("org/x", hub=hub, home=home)
    wait_until(lambda: len(recorded(home)) >= 4, what="recorded blocks")
    end(process, signal.SIGKILL)
    process.communicate()
    hub.set(rate=0)
    record(home, log, "org/x", hub=hub)
    return "org/x",


def update(home, log, hub):
    """The branch has moved: the ref goes from one whole commit to another."""
    assert pull("org/x", hub=hub, home=home).code == 0
    hub.change("org/x", refs=dict(REFS, main="two"))
    record(home, log, "org/x", hub=hub)
    return "org/x",


def repaired(home, log, hub):
    """A damaged file gets its bad block back, and its name."""
    assert pull("org/x", hub=hub, home=home).code == 0
    flip_bit(repo_folder(home, "org/x") / "blobs" / sha256(gen_fast(1, 0, SIZE)), 5 * MIB + 7)
    record(home, log, "repair", "org/x", hub=hub)
    return "repair", "org/x"


HISTORIES = {"fresh": fresh, "resumed": resumed, "update": update, "repaired": repaired}


@contextlib.contextmanager
def settings_restored(hub):
    try:
        yield
    finally:
        hub.set(rate=0)
        hub.change("org/x", refs=REFS)


# ---- a state, and what must hold in it ---------------------------------------------------------------------------------

def lose_power(log, seed, home):
    home.mkdir()
    out = subprocess.run([program("replay"), str(log), str(seed), str(home)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def ref_is_true(home, trees):
    """The ref is absent, or whole, and so is all that it names."""
    ref = repo_folder(home, "org/x") / "refs/main"
    if not ref.exists():
        return False
    assert ref.read_text() in trees, f"the ref says {ref.read_text()!r}"
    assert folder_truth(snapshot(home, "org/x"), trees[ref.read_text()]) == {}, "the ref names what is not whole"
    assert (repo_folder(home, "org/x") / f"trees/{ref.read_text()}.json").exists(), "the ref came before the list"
    return True


def check_state(home, state, trees, damaged, ask):
    """Before anything runs, and by what a run without a network says of it."""
    assert set(wrong_blobs(home, "org/x")) <= damaged
    assert state["waiting_s"] < SYNC_S + SYNC_ITSELF_S, "recorded blocks waited too long for their sync"
    if damaged:
        return
    whole = ref_is_true(home, trees)
    if ask:
        said = pull("org/x", "--offline", hub="http://127.0.0.1:9", home=home, timeout=20)
        assert said.code == (0 if whole else 9), said
    if state["cut"] == state["steps"]:
        assert whole, "done was said, and it is not there"


def check_finish(home, state, args, hub, damaged):
    """The next run: right at the end, without asking for what was promised to be kept."""
    hub.reset()
    run = finish(start_pull(*args, hub=hub, home=home))
    assert run.code == 0, run
    if "repair" in args:        # what was repaired may be whole and its neighbours not there
        assert pull("org/x", hub=hub, home=home).code == 0
    assert cache_truth(home, "org/x", hub) == {}
    rows = [r for r in hub.settled() if r["kind"] == "body" and r["file"] == "model.bin"]
    for etag, blocks in state["promised"].items():
        again = asked_blocks(rows, SIZE) & set(blocks)
        assert not again or damaged, f"{sorted(again)} of {etag[:8]} were recorded and synced"
    left = [p.name for p in (repo_folder(home, "org/x") / "blobs").iterdir() if "." in p.name]
    assert left == [], left


@pytest.mark.timeout(60 + 5 * SEEDS)
@pytest.mark.parametrize("history", HISTORIES)
def test_power_loss_in_a_pull(history, hub, tmp_path):
    log = tmp_path / "log"
    promised = cuts = 0
    with settings_restored(hub):
        args = HISTORIES[history](tmp_path / "recorded", log, hub)
        hub.set(rate=0)
        trees = {json.loads(fetch(f"{hub.hub}/api/models/org/x/revision/{rev}"))["sha"]: hub.tree("org/x", rev)
                 for rev in ("old", "next")}
        damaged = {sha256(gen_fast(1, 0, SIZE))} if history == "repaired" else set()
        shutil.rmtree(tmp_path / "recorded")
        for seed in range(1, SEEDS + 1):
            home = tmp_path / f"seed{seed}"
            state = lose_power(log, seed, home)
            try:
                check_state(home, state, trees, damaged, ask=seed % 2)
                check_finish(home, state, args, hub, damaged)
            except AssertionError as error:
                kept = {k: v for k, v in state.items() if k != "promised"}
                raise AssertionError(f"{history}: replay {log} {seed} DIR: {kept}: {error}") from error
            promised += sum(map(len, state["promised"].values()))
            cuts += 1
            shutil.rmtree(home)
    print(f"{history}: {cuts} states, {promised} promised blocks")
    assert promised > 0 or damaged


@pytest.mark.timeout(600)
def test_killed_before_each_single_change(hub, tmp_path):
    """The same program dies before its Nth write, rename, link, sync ..., for every N: a write in its middle."""
    n, done, commit = 0, False, json.loads(fetch(f"{hub.hub}/api/models/org/x/revision/main"))["sha"]
    hub.reset()
    while not done:
        n += 1
        home = tmp_path / f"kill{n}"
        home.mkdir()
        env = pull_env(hub, home, HFP_OPLOG_KILL=n)
        run = subprocess.run([program("hf-pull-recorded"), "org/x"], env=env, capture_output=True, text=True, timeout=60)
        done = run.returncode == 0
        assert done or run.returncode == -signal.SIGKILL, run.stderr
        assert wrong_blobs(home, "org/x") == [], n
        ref_is_true(home, {commit: hub.tree("org/x")})
        before = recorded(home)
        assert pull("org/x", hub=hub, home=home, HF_HUB_USER_AGENT_ORIGIN=f"after{n}").code == 0, n
        assert cache_truth(home, "org/x", hub) == {}, n
        rows = [r for r in hub.settled() if r["file"] == "model.bin" and f"after{n};" in r["user_agent"] + ";"]
        assert not asked_blocks(rows, SIZE) & before, f"killed before change {n}: recorded blocks were asked for again"
        left = [p.name for p in (repo_folder(home, "org/x") / "blobs").iterdir() if "." in p.name]
        assert left == [], (n, left)
        shutil.rmtree(home)
    assert n > 60, "not what a pull takes"
