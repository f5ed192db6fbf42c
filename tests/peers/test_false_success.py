"""Where the real client says exit 0 and the files are not there, or are wrong (facts: three recorded cases), hf-pull does not.

The client is run in each situation too: the day it no longer lies, a test here says so.

Seen red on purpose: an exit code that is always 0; a file of the wrong size called missing (as it was: verify ended with 9).
"""
import pytest

from hub import cache_truth, pull, snapshot
from peers import Client, quiet

REFUSALS = {
    "server error": ({"status": 500}, 3),
    "asked to slow down": ({"http429": {"retry_after": 1, "r": 0, "t": 1}}, 3),
    "token refused": ({"status": 401, "body": '{"error": "Invalid credentials in Authorization header"}',
                       "headers": {"X-Error-Message": "Invalid credentials in Authorization header"}}, 5),
    "no such repository": ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, 6),
    "gated": ({"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, 5),
}


SITUATIONS = [*(("2.4.0", refusal) for refusal in REFUSALS), ("1.17.0", "gated"), ("0.36.0", "gated")]


@pytest.mark.parametrize("version, refusal", SITUATIONS)
def test_hub_refuses_and_the_cache_is_incomplete(hub, home, version, refusal):
    """Case 1: one file of the repository is here, and no listing that could tell that the rest is missing."""
    client = Client(version, hub, home)
    order, code = REFUSALS[refusal]
    client.value("hf_hub_download", repo_id="org/x", filename="config.json")
    quiet(hub)
    hub.rules([{"match": {"kind": ["info", "tree", "refs", "paths", "resolve"]}, "do": order}])
    lie = client.run("download", "org/x", HF_TOKEN="hf_test")
    assert lie.returncode == 0 and str(snapshot(home, "org/x")) in lie.stdout
    run = pull("org/x", "--max-attempts", "1", hub=hub, home=home, token="hf_test")
    assert (run.code, run.out) == (code, ""), run


def test_names_that_do_not_exist(newest, hub, home):
    """Case 3: several names of which one is wrong, and patterns that match nothing."""
    assert newest.run("download", "org/x", "config.json", "nofile.txt").returncode == 0
    assert newest.run("download", "org/x", "--include", "nomatch*").returncode == 0
    run = pull("org/x:config.json", "org/x:nofile.txt", hub=hub, home=home)
    assert run.code == 6 and "nofile.txt" in run.err, run
    run = pull("org/x", "--include", "nomatch*", hub=hub, home=home)
    assert (run.code, run.out) == (6, ""), run


@pytest.mark.parametrize("damage", ["cut short", "one wrong bit"])
def test_damage_after_the_download(client, hub, home, damage):
    """Case 4: the pointer is there, so the client is content. hf-pull sees it: verify says 4, a pull mends it."""
    name = "model-00001-of-00002.safetensors"
    assert pull("org/x", hub=hub, home=home).code == 0
    blob = (snapshot(home, "org/x") / name).resolve()
    with blob.open("r+b") as file:
        if damage == "cut short":
            file.truncate(100)
        else:
            file.seek(1_000_000)
            byte = file.read(1)
            file.seek(1_000_000)
            file.write(bytes([byte[0] ^ 4]))
    assert client.run("download", "org/x").returncode == 0
    assert set(cache_truth(home, "org/x", hub)) == {name}
    verify = pull("verify", "org/x", hub=hub, home=home)
    assert verify.code == 4 and name in verify.err, verify
    run = pull("org/x", hub=hub, home=home)
    assert run.code == 0, run
    assert cache_truth(home, "org/x", hub) == {}
