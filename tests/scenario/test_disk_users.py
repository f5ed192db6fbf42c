"""Other users, groups and masks: root in somebody's cache leaves nothing that is not theirs.

Seen red on purpose, each with hf-pull broken so:
    new files keep their maker                     test_root_in_another_users_..., test_what_root_left_unfinished_the_user_finishes
    mode 0644 whatever the umask                   test_modes_follow_the_umask
    a folder that may not be made not reported     test_a_user_without_rights_is_told_so
"""

import os
import stat

import pytest

from disk import MIB, asked_blocks, end, need_root, open_folder, pull_as, recorded, shared_program, start_as, wait_until
from hub import Content, FakeHub, cache_truth, pull, repo_folder, snapshot

SIZE = 12 * MIB + 9
USER = 12345
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
AS_OTHER = ["setpriv", "--reuid", "23456", "--regid", "23456", "--clear-groups"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = Content(tmp_path_factory.mktemp("users") / "root")
    root.repo("org/x", {"config.json": b"{}", "a/b.txt": b"b" * 5000, "empty": b""},
              generated=[{"path": "model.bin", "size": SIZE, "seed": 6}])
    with FakeHub(root.path) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(hub):
    hub.reset()
    hub.set(rate=0)


@pytest.fixture
def top():
    need_root()
    with open_folder() as folder:
        yield folder


def everything(folder):
    for base, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(base, name)
            yield path, os.lstat(path)


def owned_home(top, uid=USER):
    home = top / "home"
    (home / "hub").mkdir(parents=True)
    for path in (home, home / "hub"):
        os.chown(path, uid, uid)
    return home


def test_root_in_another_users_cache_gives_that_user_the_files(hub, top):
    home = owned_home(top)
    run = pull("org/x", hub=hub, home=home, XDG_STATE_HOME=top / "state")
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    wrong = {p: st.st_uid for p, st in everything(home / "hub") if (st.st_uid, st.st_gid) != (USER, USER)}
    assert wrong == {}
    # The user works on with it: a repair, and a new revision of it, without asking root.
    real = (snapshot(home, "org/x") / "model.bin").resolve()
    with open(real, "r+b") as f:
        f.write(b"\xff\x00")
    run = pull_as("repair", "org/x", hub=hub, home=home, before=AS_USER, program=shared_program(top))
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run


def test_root_in_another_users_local_dir_gives_that_user_the_files(hub, top):
    at = owned_home(top) / "models"
    at.mkdir()
    os.chown(at, USER, USER)
    run = pull("org/x", "--local-dir", at, hub=hub, home=top / "rooms")
    assert run.code == 0, run
    assert {p: st.st_uid for p, st in everything(at) if (st.st_uid, st.st_gid) != (USER, USER)} == {}


def test_what_root_left_unfinished_the_user_finishes(hub, top):
    home = owned_home(top)
    hub.set(rate=8_000_000)
    process = start_as("org/x", hub=hub, home=home, XDG_STATE_HOME=top / "state")
    wait_until(lambda: len(recorded(home)) >= 3, what="recorded blocks")
    end(process)
    process.communicate()
    before = recorded(home)
    hub.set(rate=0)
    run = pull_as("org/x", hub=hub, home=home, before=AS_USER, program=shared_program(top), HF_HUB_USER_AGENT_ORIGIN="user")
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    rows = [r for r in hub.settled() if "origin/user" in r["user_agent"] and r["file"] == "model.bin"]
    assert not asked_blocks(rows, SIZE) & before


def test_an_ordinary_user(hub, top):
    home = owned_home(top)
    run = pull_as("org/x", hub=hub, home=home, before=AS_USER, program=shared_program(top))
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert all(st.st_uid == USER for _, st in everything(home))


def test_a_root_owned_xet_folder_changes_nothing(hub, top):
    """A known way to break hf_xet: sudo once, and the folder is root's."""
    home = owned_home(top)
    (home / "xet" / "logs").mkdir(parents=True, mode=0o700)
    os.chmod(home / "xet", 0o700)
    run = pull_as("org/x", hub=hub, home=home, before=AS_USER, program=shared_program(top))
    assert run.code == 0 and cache_truth(home, "org/x", hub) == {}, run
    assert list((home / "xet").iterdir()) == [home / "xet" / "logs"] and list((home / "xet" / "logs").iterdir()) == []


@pytest.mark.parametrize("umask, file_mode, folder_mode", [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0o002, 0o664, 0o775)])
def test_modes_follow_the_umask(hub, tmp_path, umask, file_mode, folder_mode):
    home = tmp_path / "home"
    run = pull_as("org/x", hub=hub, home=home, umask=umask)
    assert run.code == 0, run
    for path, st in everything(home / "hub"):
        mode = stat.S_IMODE(st.st_mode)
        if path.endswith(".lock"):
            assert mode == 0o664, path  # as the Python client: others must be able to lock too
        elif stat.S_ISREG(st.st_mode):
            assert mode == file_mode, (path, oct(mode))
        elif stat.S_ISDIR(st.st_mode):
            assert mode == folder_mode, (path, oct(mode))


def test_a_cache_shared_by_a_group(hub, top):
    """Two users, one group, setgid folders and umask 002: one pulls, the other repairs and pulls on."""
    home, group = top / "home", 54321
    (home / "hub").mkdir(parents=True)
    for path in (home, home / "hub"):
        os.chown(path, 0, group)
        os.chmod(path, 0o2775)
    program = shared_program(top)
    who = [["setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", str(group)] for uid in (12345, 23456)]
    for n, name in enumerate(("one", "two")):
        (top / name).mkdir()
        os.chown(top / name, (12345, 23456)[n], group)
    first = pull_as("org/x:config.json", hub=hub, home=home, before=who[0], program=program, umask=0o002, HOME=top / "one")
    assert first.code == 0, first
    second = pull_as("org/x", hub=hub, home=home, before=who[1], program=program, umask=0o002, HOME=top / "two")
    assert second.code == 0 and cache_truth(home, "org/x", hub) == {}, second
    assert all(st.st_gid == group for _, st in everything(home / "hub"))
    third = pull_as("org/x", hub=hub, home=home, before=who[0], program=program, umask=0o002, HOME=top / "one")
    assert third.code == 0, third


def test_a_user_without_rights_is_told_so(hub, top):
    """Exit 7 with the folder named; no byte fetched."""
    home = owned_home(top)
    run = pull_as("org/x", hub=hub, home=home, before=AS_OTHER, program=shared_program(top), HOME=top)
    assert run.code == 7 and "hub" in run.err and "ermission" in run.err, run
    assert hub.requests("body") == []
