"""Who may have what: refusals told apart with what to do, redirects, and where the token goes.

Seen red on purpose, each with the engine broken so:
    the token sent with every request          the four about where the token goes
    API calls following redirects anywhere     test_the_token_stays_when_the_hub_sends_us_elsewhere
    GatedRepo not known                        test_refusals_are_told_apart, test_gated_after_the_listing_was_open
    no such repository asked again             test_refusals_are_told_apart
    redirects without a limit                  test_redirects_in_circles_end
"""

import json

import pytest

from hub import repo_folder, snapshot
from lab import MB, REPO, files_below

TOKEN = "hf_ThisIsTheSecretOfThisTest123456"


@pytest.fixture
def world(lab):
    lab.content.repo(REPO, {"config.json": b"{}", "sub/tok.txt": b"t"}, generated=[{"path": "model.bin", "size": 3 * MB, "seed": 1}],
                     refs={"main": "one", "v1.0": "one"}, commits={"one": {}})
    lab.content.repo("org/gated", {"a.txt": b"a"}, gated=True)
    lab.content.repo("org/closed", {"a.txt": b"a"}, gated=True, granted=False)
    lab.content.repo("org/private", {"a.txt": b"a"}, private=True)
    lab.content.repo("org/disabled", {"a.txt": b"a"}, disabled=True)
    lab.content.repo("org/old", renamed_to=REPO)
    lab.start(token=TOKEN)
    return lab


# what is asked for, with which token, exit code, what must be said
REFUSALS = {
    "gated, no token": (["org/gated"], None, 5, ["gated", "/org/gated", "token"]),
    "gated, not granted": (["org/closed"], TOKEN, 5, ["gated", "has not been granted", "/org/closed"]),
    "private, no token": (["org/private"], None, 6, ["no such repository, or private", "token"]),
    "a wrong token": ([REPO], "hf_wrong", 5, ["token"]),
    "no such repository": (["org/nothing"], TOKEN, 6, ["no such repository"]),
    "no such repository, no token": (["org/nothing"], None, 6, ["no such repository, or private", "token"]),
    "no such dataset": (["org/x", "--repo-type", "dataset"], TOKEN, 6, ["no such repository"]),
    "no such revision": ([f"{REPO}@v9"], TOKEN, 6, ["no such revision", "v9"]),
    "no such commit": ([f"{REPO}@{'0' * 40}"], TOKEN, 6, ["no such revision"]),
    "no such file": ([f"{REPO}:nothing.txt"], TOKEN, 6, ["nothing.txt"]),
    "no file matches": ([REPO, "--include", "*.gguf"], TOKEN, 6, ["no file matches", "*.gguf"]),
    "disabled": (["org/disabled"], TOKEN, 5, ["disabled"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_told_apart(world, name):
    args, token, code, words = REFUSALS[name]
    run = world.pull(*args, token=token)
    world.assert_not_done(run, code, *words, repo=args[0].split("@")[0].split(":")[0])
    assert run.seconds < 5, "final answers are not asked again"
    assert (token or TOKEN) not in run.err
    assert list(world.home.glob("hub/*/snapshots/*/*")) == []


def test_granted_is_granted(world):
    for repo in ("org/gated", "org/private"):
        run = world.pull(repo, token=TOKEN)
        assert run.code == 0, run
        assert (snapshot(world.home, repo) / "a.txt").read_bytes() == b"a"


@pytest.mark.parametrize("status", [401, 403])
def test_statuses_without_a_code_from_a_mirror(world, status):
    world.server.rules([{"match": {"kind": "info"}, "do": {"status": status}}])
    world.assert_not_done(world.pull(token=TOKEN), 5)
    world.assert_not_done(world.pull(token=None), {401: 6, 403: 5}[status])


def test_gated_after_the_listing_was_open(world):
    """Info and tree are open on gated repositories; the first file says no. Nothing is half published."""
    run = world.pull("org/gated", token=None)
    world.assert_not_done(run, 5, repo="org/gated")
    assert len(world.server.requests("info")) == 1 and len(world.server.requests("tree")) == 1
    assert not (repo_folder(world.home, "org/gated") / "refs" / "main").exists()


def test_a_file_that_is_gone_does_not_stop_the_others(world):
    world.server.rules([{"match": {"path": "config.json", "kind": "body"},
                         "do": {"status": 404, "headers": {"X-Error-Code": "EntryNotFound"}}}])
    run = world.pull(token=TOKEN)
    world.assert_not_done(run, 6, "config.json")
    assert len(world.bodies("model.bin")) >= 1
    world.server.reset()
    world.assert_done(world.pull(token=TOKEN))
    assert world.server.bytes_served("model.bin") == 0


# ---- redirects -----------------------------------------------------------------------------------------------------

def test_a_renamed_repository_keeps_the_asked_name(world):
    run = world.pull("org/old", token=TOKEN)
    assert run.code == 0, run
    assert world.wrong("org/old") == {}
    assert not repo_folder(world.home, REPO).exists()


def test_regular_files_through_a_relative_redirect(lab):
    lab.content.repo(REPO, {f"d/f{i}.txt": b"x" * i for i in range(20)})
    lab.start(options={"resolve-cache": True}, token=TOKEN)
    lab.assert_done(lab.pull())
    assert [r for r in lab.server.log() if r["path"].startswith("/api/resolve-cache/")]


@pytest.mark.parametrize("kind", ["info", "tree", "resolve", "body"])
def test_redirects_in_circles_end(world, kind):
    world.server.rules([{"match": {"kind": kind, "on": "cdn" if kind == "body" else "hub"},
                         "do": {"status": 307, "headers": {"Location": "?again"}}}])
    run = world.pull(REPO, "--max-attempts", "1", token=TOKEN)
    world.assert_not_done(run, 3, "circles")
    assert len(world.server.log()) < 200


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/", "//", "http://", "http:///x", "x" * 9000])
def test_redirects_to_no_place_are_refused(world, to):
    world.server.rules([{"match": {"kind": "resolve"}, "do": {"location": to}}])
    world.assert_not_done(world.pull(REPO, "--max-attempts", "1", token=TOKEN), 3)


# ---- the token -----------------------------------------------------------------------------------------------------

def tokens_by_place(server):
    return {(r["on"], r["authorization"]) for r in server.log() if r["user_agent"].startswith("hf-pull")}


def assert_token_nowhere(lab, run, *more):
    """Not on the screen, and in no file below the home or elsewhere."""
    for text in (run.out, run.err):
        assert TOKEN not in text and "Signature" not in text and "X-Amz" not in text, run
    for path in [*lab.home.rglob("*"), *more]:
        if path.is_file() and path.stat().st_size < 2 * MB:
            data = path.read_bytes()
            assert TOKEN.encode() not in data and b"Signature=" not in data, path


@pytest.mark.parametrize("progress", ["log", "json", "bar"])
def test_the_token_goes_to_the_hub_alone_and_is_written_nowhere(world, progress):
    more = [world.path / n for n in ("report", "progress")]
    world.server.rules([{"match": {"kind": "body", "nth": [2]}, "do": {"status": 503}},
                        {"match": {"kind": "resolve", "nth": [1]}, "do": {"reset_after": 0}}])
    run = world.pull(REPO, "-vv", "--progress", progress, "--report", more[0], "--progress-file", more[1], token=TOKEN)
    world.assert_done(run)
    assert tokens_by_place(world.server) == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}
    assert more[0].exists()
    assert_token_nowhere(world, run, *more)


def test_the_token_stays_when_the_hub_sends_us_elsewhere(world):
    """Another port of the same machine is another origin."""
    cdn = world.server.cdn
    world.server.rules([{"match": {"kind": ["info", "tree"], "nth": [1]}, "do": {"status": 307, "headers": {"Location": cdn + "/elsewhere"}}}])
    run = world.pull(REPO, "-vv", token=TOKEN)
    world.assert_done(run)
    assert tokens_by_place(world.server) == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}
    assert_token_nowhere(world, run)


@pytest.mark.parametrize("name", ["config.json", "model.bin"])
def test_the_token_stays_when_a_file_is_elsewhere(world, name):
    """/resolve/ answers with a place on another host, which refuses: the refusal's words carry no secret either."""
    cdn = world.server.cdn
    world.server.rules([{"match": {"kind": ["resolve", "body"], "on": "hub", "path": name},
                         "do": {"status": 302, "headers": {"Location": cdn + f"/elsewhere?token={TOKEN}&Signature=abc"}}}])
    run = world.pull(REPO, "-vv", "--max-attempts", "1", token=TOKEN)
    world.assert_not_done(run, 3)
    assert tokens_by_place(world.server) == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}
    assert_token_nowhere(world, run)


def test_a_location_with_the_hubs_name_on_another_port_gets_no_token(world):
    world.server.rules([{"match": {"kind": "resolve"}, "do": {"location_base": world.server.cdn.replace("127.0.0.1", "localhost")}}])
    run = world.pull(token=TOKEN)
    world.assert_done(run)
    assert tokens_by_place(world.server) == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}


@pytest.mark.parametrize("how", ["--token", "--token-file", "HF_TOKEN", "HF_TOKEN_PATH", "home file"])
def test_every_way_to_give_a_token(world, how):
    file = world.path / "tok"
    file.write_text(TOKEN + "\n")
    args, env = {"--token": (["--token", TOKEN], {}), "--token-file": (["--token-file", file], {}), "HF_TOKEN": ([], {"HF_TOKEN": TOKEN}),
                 "HF_TOKEN_PATH": ([], {"HF_TOKEN_PATH": file}), "home file": ([], {})}[how]
    if how == "home file":
        world.home.mkdir()
        (world.home / "token").write_text(TOKEN)
    run = world.pull("org/private", *args, token=None, **env)
    assert run.code == 0, run
    assert tokens_by_place(world.server) == {("hub", f"Bearer {TOKEN}")}


def test_a_json_line_tells_the_code_of_a_refusal(world):
    run = world.pull("org/closed", "--progress", "json", token=TOKEN)
    assert run.code == 5
    rows = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    assert "E_GATED" in json.dumps(rows[-3:]), rows[-3:]


def test_nothing_is_left_by_a_refusal(world):
    world.home.mkdir()
    world.assert_not_done(world.pull("org/nothing", token=TOKEN), 6, repo="org/nothing")
    assert [p for p in files_below(world.home) if "nothing" in p] == []
