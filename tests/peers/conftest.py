"""Fixtures: one Hub for all tests here, a fresh cache for each, and the client in each of its versions."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))

from hub import Content, FakeHub  # noqa: E402  (the path above must come first)
from official_cas import OfficialCas  # noqa: E402
from peers import VERSIONS, Client  # noqa: E402
from xet_sets import XetSets  # noqa: E402

SMALL = {
    "README.md": b"# x\n" * 300,
    "config.json": b'{"model_type": "x"}',
    "empty.txt": b"",
    "sub dir/\u00fc #1.txt": b"a name that must be encoded\n",
    "sub dir/deep/a.json": b"[]",
}
BIG_SIZE = 31_900_000  # three whole chunks of the client's and a rest that is no whole block


def pytest_collection_modifyitems(items):
    for item in items:  # the first test of a version may also wait for pip
        item.add_marker(pytest.mark.timeout(300))


def one(path, size, seed):
    return [{"path": path, "size": size, "seed": seed}]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    content = Content(tmp_path_factory.mktemp("root"))
    content.repo("org/x", SMALL, generated=[{"path": "model-00001-of-00002.safetensors", "size": 6_000_000, "seed": 1},
                                            {"path": "model-00002-of-00002.safetensors", "size": 5_000_001, "seed": 2},
                                            {"path": "copy/same.bin", "size": 5_000_001, "seed": 2, "lfs": True}])
    content.repo("org/big", {"config.json": b"{}", "vocab.txt": b"a\nb\n"}, generated=one("model.bin", BIG_SIZE, 3))
    content.repo("org/revs", {"a/f.txt": b"a\n", "b/f.txt": b"b\n", "a/same.txt": b"s\n", "b/same.txt": b"s\n"},
                 commits={"a": {"dir": "a", "generated": one("w.bin", 3_000_000, 4)},
                          "b": {"dir": "b", "generated": one("w.bin", 3_000_000, 5)}},
                 refs={"main": "a", "v1": "a", "dev/new": "b", "refs/pr/1": "b"})
    content.repo("org/grows", {"a/f.txt": b"a\n", "b/f.txt": b"b\n", "b/n.txt": b"n\n"},
                 commits={"old": {"dir": "a"}, "new": {"dir": "b", "generated": one("w.bin", BIG_SIZE, 7)}},
                 refs={"main": "old", "new": "new"})
    content.repo("org/data", {"train.csv": b"1,2\n"}, type="datasets", generated=one("d.parquet", 2_500_000, 6))
    content.repo("org/room", {"app.py": b"print()\n"}, type="spaces")
    return content


@pytest.fixture(scope="session")
def running_hub(root, tmp_path_factory):
    with FakeHub(root.path, options={"hash-cache": tmp_path_factory.mktemp("hashes") / "cache"}) as hub:
        yield hub


@pytest.fixture
def hub(running_hub):
    """Honest, at full speed, with an empty log."""
    running_hub.settled()
    running_hub.reset()
    running_hub.set(rate=0, conn_rate=0)
    running_hub.change("org/revs", refs={"main": "a"})
    running_hub.change("org/grows", refs={"main": "old"})
    return running_hub


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture(params=VERSIONS)
def client(request, hub, home):
    return Client(request.param, hub, home)


@pytest.fixture
def newest(hub, home):
    return Client("2.4.0", hub, home)


# ---- Xet -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def xet_sets(tmp_path_factory):
    return XetSets(tmp_path_factory.mktemp("xet"))


@pytest.fixture(scope="session")
def running_xet_hub(xet_sets, tmp_path_factory):
    options = {"cas-data": xet_sets.store.path, "hash-cache": tmp_path_factory.mktemp("hashes") / "cache"}
    with FakeHub(xet_sets.content.path, token="hf_test", options=options) as hub:
        yield hub


@pytest.fixture
def xet_hub(running_xet_hub):
    """The Hub and a CAS of our own: every fault on order. Honest, at full speed, with an empty log."""
    running_xet_hub.settled()
    running_xet_hub.reset()
    running_xet_hub.set(rate=0, conn_rate=0)
    return running_xet_hub


@pytest.fixture(scope="session")
def official_cas(xet_sets, tmp_path_factory):
    """The official server; the same files have the same ids everywhere."""
    with OfficialCas(tmp_path_factory.mktemp("official")) as server:
        assert server.upload(*xet_sets.uploads) == xet_sets.ids
        yield server


@pytest.fixture(scope="session")
def official_hub(xet_sets, official_cas):
    """A Hub whose read tokens name the official server."""
    options = {"cas-data": xet_sets.store.path, "cas-url": official_cas.url}
    with FakeHub(xet_sets.content.path, token="hf_test", options=options) as hub:
        yield hub
