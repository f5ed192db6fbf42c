"""One of the two is killed in the middle of a file, the other goes on in the same cache.

A client writes its partial in pieces of 10 MiB; what of it is on disk when it dies, hf-pull takes over as a guess: it is
not fetched again (whole blocks of 1 MiB count) and is believed only when the hash of the whole file says so. What
hf-pull leaves, no client takes for its own: it has a name that nobody resumes.

Seen red on purpose: leftovers not taken over; the hash of the whole always right; our partial named <etag>.incomplete; no
sweep when nothing was fetched (as it was).
"""
import pytest

from conftest import BIG_SIZE
from hub import cache_truth, pull, repo_folder, start_pull, wrong_blobs
from peers import (BLOCK, CLIENT_CHUNK, RESUMES_BY_NAME, SLOW, bodies, finish, hold_at, kill9, largest_partial,
                   met, partials, quiet, wait_until)



def kill_client(client, hub, at):
    """The client is killed when `at` bytes of model.bin are on disk. Gives what is."""
    hold_at(hub, at)
    process = client.start("download", "org/big")
    wait_until(lambda: largest_partial(client.home, "org/big") >= at, f"{at} bytes of a partial", process=process)
    kill9(process)
    quiet(hub)
    return largest_partial(client.home, "org/big")


def kill_ours(hub, home, at):
    hub.set(rate=SLOW)
    process = start_pull("org/big", hub=hub, home=home)
    met(hub, process, at)
    kill9(process)
    quiet(hub)


def ends_right(hub, home):
    assert cache_truth(home, "org/big", hub) == {}
    assert wrong_blobs(home, "org/big") == []
    assert partials(home, "org/big") == {}


@pytest.mark.parametrize("chunks", [1, 2])
def test_hf_pull_finishes_what_a_killed_client_began(client, hub, home, chunks):
    left = kill_client(client, hub, chunks * CLIENT_CHUNK)
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    ends_right(hub, home)
    missing = BIG_SIZE - left // BLOCK * BLOCK
    assert hub.bytes_served("model.bin") == missing, f"{left} bytes were there"
    assert min(first for first, _ in hub.ranges("model.bin")) == BIG_SIZE - missing
    # And the client is content with it.
    quiet(hub)
    assert client.value("snapshot_download", repo_id="org/big") == run.out.strip()
    assert bodies(hub) == []


def test_wrong_bytes_in_a_killed_clients_part_are_found(client, hub, home):
    """A guess stays one: damage in the part that was taken over is found by the hash, and only such blocks come again."""
    kill_client(client, hub, 2 * CLIENT_CHUNK)
    blobs = repo_folder(home, "org/big") / "blobs"
    part = next(p for p in blobs.iterdir() if p.name.endswith(".incomplete"))
    with part.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"wrong" * 20)
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    ends_right(hub, home)
    # The hash of the whole tells that something is wrong, not where: at most all of the guess is fetched beside the rest.
    assert hub.bytes_served("model.bin") <= BIG_SIZE


def test_a_client_finishes_after_hf_pull_was_killed(client, hub, home):
    kill_ours(hub, home, 12_000_000)
    ours = partials(home, "org/big")
    assert any(name.endswith(".digests") for name in ours)
    assert not any(len(name) == 64 + len(".incomplete") for name in ours)  # no name that an old client resumes
    client.ok("download", "org/big")
    assert cache_truth(home, "org/big", hub) == {}
    assert set(ours) <= set(partials(home, "org/big"))  # the client neither used nor removed it
    # hf-pull proves the client's file, and its own left-overs go.
    quiet(hub)
    verify = pull("verify", "org/big", hub=hub, home=home)
    assert verify.code == 0, verify
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    assert bodies(hub) == []
    ends_right(hub, home)


def test_hf_pull_goes_on_after_both_were_killed(client, hub, home):
    """Client, hf-pull, client, hf-pull: each time the better part is kept, and the file is right in the end."""
    kill_client(client, hub, CLIENT_CHUNK)
    kill_ours(hub, home, 12_000_000)
    kill_client(client, hub, CLIENT_CHUNK)
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    ends_right(hub, home)
    # hf-pull took over 10 MiB of the client's and added some 11 MB before it was killed.
    assert hub.bytes_served("model.bin") < BIG_SIZE - CLIENT_CHUNK - 8_000_000


@pytest.mark.parametrize("length", [BIG_SIZE, BIG_SIZE + 5, 0])
def test_partials_that_poison_old_clients_do_not_poison_us(client, hub, home, length):
    """facts: an old client renames a partial of the exact size into place unread, and fails for ever on a longer one."""
    if client.version not in RESUMES_BY_NAME:
        length = max(length, 1)  # 2.4.0 ignores that name: all that matters is that it stays out of the way
    name = next(e["lfs"]["oid"] for p, e in hub.tree("org/big").items() if p == "model.bin")
    part = repo_folder(home, "org/big") / "blobs" / f"{name}.incomplete"
    part.parent.mkdir(parents=True)
    with part.open("wb") as file:
        file.write(b"\x55" * (length // 2))
        file.truncate(length)
    run = pull("org/big", hub=hub, home=home)
    assert run.code == 0, run
    ends_right(hub, home)
    client.ok("download", "org/big")
    assert cache_truth(home, "org/big", hub) == {}


def test_interrupted_client_and_its_own_clean_up(client, hub, home):
    """SIGTERM in place of SIGKILL: whatever the version keeps or removes, hf-pull ends right."""
    hold_at(hub, CLIENT_CHUNK)
    process = client.start("download", "org/big")
    wait_until(lambda: largest_partial(home, "org/big") >= CLIENT_CHUNK, "a partial", process=process)
    process.terminate()
    finish(process)
    left = largest_partial(home, "org/big")
    quiet(hub)
    assert pull("org/big", hub=hub, home=home).code == 0
    ends_right(hub, home)
    assert hub.bytes_served("model.bin") == BIG_SIZE - left // BLOCK * BLOCK
