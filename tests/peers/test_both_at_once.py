"""hf-pull and a client on one cache at the same time: one download, both right. The lock of the client's is ours too.

Seen red on purpose: no lock taken; no last look before the ref (as it was: exit 0 with files that prune had removed).
"""
import pytest

from conftest import BIG_SIZE
from hub import cache_truth, pull, start_pull, wrong_blobs
from peers import (BLOCK, CLIENT_CHUNK, SLOW, Client, bodies, finish, hold_at, kill9, largest_partial, met, partials, quiet,
                   wait_until)

ALL = BIG_SIZE + 2 + 4    # config.json and vocab.txt
BEGUN = 3_000_000         # so much sent: who is first holds the lock


def client_asks(hub, theirs):
    wait_until(lambda: hub.requests("resolve", file="model.bin", method="HEAD"), "the client's question", process=theirs)


def both_right(hub, home, ours, theirs, most=1.05 * ALL):
    run, done = finish(ours), finish(theirs)
    assert run.returncode == 0, run
    assert done.returncode == 0, done
    assert cache_truth(home, "org/big", hub) == {} and wrong_blobs(home, "org/big") == []
    assert hub.bytes_served() <= most
    assert partials(home, "org/big") == {}
    return run


@pytest.mark.parametrize("first", ["hf-pull", "client"])
def test_started_together(client, hub, home, first):
    hub.set(rate=SLOW)
    if first == "hf-pull":
        ours = start_pull("org/big", hub=hub, home=home)
        theirs = client.start("download", "org/big")
    else:
        theirs = client.start("download", "org/big")
        ours = start_pull("org/big", hub=hub, home=home)
    both_right(hub, home, ours, theirs)


def test_the_client_waits_for_hf_pull(client, hub, home):
    hub.set(rate=SLOW)
    ours = start_pull("org/big", hub=hub, home=home)
    met(hub, ours, BEGUN)
    theirs = client.start("download", "org/big")
    client_asks(hub, theirs)
    hub.set(rate=SLOW)
    both_right(hub, home, ours, theirs)
    agents = {r["user_agent"].split("/")[0] for r in hub.requests("body", file="model.bin")}
    assert agents == {"hf-pull"}


def test_hf_pull_waits_for_the_client(client, hub, home):
    hub.set(rate=SLOW)
    theirs = client.start("download", "org/big")
    met(hub, theirs, BEGUN)
    ours = start_pull("org/big", hub=hub, home=home)
    wait_until(lambda: any(r["user_agent"].startswith("hf-pull") for r in hub.log()), "hf-pull's question", process=ours)
    hub.set(rate=SLOW)
    run = both_right(hub, home, ours, theirs)
    assert not any(r["user_agent"].startswith("hf-pull") for r in hub.requests("body", file="model.bin"))
    assert "hashed now" in run.stderr  # waited, read what came, then believed it


def test_a_killed_hf_pull_does_not_block_the_waiting_client(client, hub, home):
    hub.set(rate=SLOW)
    ours = start_pull("org/big", hub=hub, home=home)
    met(hub, ours, BEGUN)
    theirs = client.start("download", "org/big")
    client_asks(hub, theirs)
    kill9(ours)
    hub.set(rate=0)
    assert finish(theirs).returncode == 0
    assert cache_truth(home, "org/big", hub) == {}


def test_a_killed_client_does_not_block_the_waiting_hf_pull(client, hub, home):
    """And what the client had on disk is taken over, not fetched again."""
    hold_at(hub, CLIENT_CHUNK)
    theirs = client.start("download", "org/big")
    wait_until(lambda: largest_partial(home, "org/big") >= CLIENT_CHUNK, "a partial of the client's", process=theirs)
    ours = start_pull("org/big", hub=hub, home=home)
    wait_until(lambda: len(bodies(hub, running=True)) >= 3, "hf-pull at work", process=ours)
    kill9(theirs)
    run = finish(ours)
    assert run.returncode == 0, run
    assert cache_truth(home, "org/big", hub) == {} and partials(home, "org/big") == {}
    fetched = sum(r["bytes"] for r in hub.settled() if r["kind"] == "body" and r["user_agent"].startswith("hf-pull"))
    assert fetched <= ALL - CLIENT_CHUNK


def test_prune_of_the_partial_costs_nothing(newest, hub, home):
    """facts: prune removes the partial of a running download without a look at the lock; the client then fails."""
    hub.set(rate=SLOW)
    ours = start_pull("org/big:model.bin", hub=hub, home=home)
    met(hub, ours, 10_000_000)
    newest.ok("cache", "prune", "-y")
    assert largest_partial(home, "org/big") == 0  # it did unlink it
    hub.set(rate=0)
    run = finish(ours)
    assert run.returncode == 0, run
    assert cache_truth(home, "org/big", hub, only=lambda p: p == "model.bin") == {} and partials(home, "org/big") == {}
    # 10 MB had come. On a starved machine one connection looks slow beside the others, is replaced and loses its block.
    assert hub.bytes_served() <= ALL + 4 * BLOCK


@pytest.mark.parametrize("version", ["2.4.0", "1.17.0"])
@pytest.mark.parametrize("before", ["nothing", "another revision"])
def test_prune_while_a_revision_comes_takes_nothing_of_it(hub, home, version, before):
    """A snapshot that no ref names yet counts as detached, and prune removes it with what its links lead to. So there is
    none until everything is in place."""
    if before != "nothing":
        assert pull("org/grows", hub=hub, home=home).code == 0
        hub.change("org/grows", refs={"main": "new"})
        quiet(hub)
    hub.set(rate=SLOW)
    ours = start_pull("org/grows", "--revision", "new", hub=hub, home=home)
    met(hub, ours, 10_000_000)
    Client(version, hub, home).ok("cache", "prune", "-y")
    assert ours.poll() is None
    hub.set(rate=0)
    run = finish(ours)
    assert run.returncode == 0, run
    assert cache_truth(home, "org/grows", hub, rev="new") == {} and wrong_blobs(home, "org/grows") == []


def test_three_clients_and_two_hf_pulls(hub, home):
    hub.set(rate=SLOW)
    ours = [start_pull("org/big", hub=hub, home=home) for _ in range(2)]
    theirs = [Client(version, hub, home).start("download", "org/big") for version in ("2.4.0", "1.17.0", "0.36.0")]
    for process in ours + theirs:
        done = finish(process)
        assert done.returncode == 0, done
    assert cache_truth(home, "org/big", hub) == {} and wrong_blobs(home, "org/big") == []
    assert hub.bytes_served() <= 1.05 * ALL
    assert partials(home, "org/big") == {}
