"""Past the page cache, where that is cheaper, and only there (--direct-io). What the kernel holds of a file tells which way
its bytes went.

Seen red on purpose, each with hf-pull broken so:
    no direct descriptor opened                    test_what_is_left_in_the_page_cache[auto, on]
    --direct-io off not asked                      test_what_is_left_in_the_page_cache[off]

What the moods of file systems do is in tests/unit/test_partial_write.c; who keeps a buffer, in test_keeping.c.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from disk import MIB, asked_blocks, end, notebooks, recorded, wait_until
from hub import Content, FakeHub, cache_truth, pull, start_pull

SIZE = 80 * MIB + 4321


@pytest.fixture
def hub(tmp_path):
    root = Content(tmp_path / "root")
    root.repo("org/x", {"config.json": b"{}"}, generated=[{"path": "model.bin", "size": SIZE, "seed": 1}])
    with FakeHub(root.path) as server:
        yield server


def model(home):
    found = [p for p in Path(home).rglob("snapshots/*/model.bin")]
    assert len(found) == 1
    return found[0].resolve()


def cached_bytes(path):
    out = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", path], check=True, capture_output=True, text=True)
    return int(out.stdout or 0)


def takes_direct_io(folder):
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        try:
            os.close(os.open(f.name, os.O_WRONLY | os.O_DIRECT))
        except OSError:
            return False
    return subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip() != "tmpfs"


# What the tests are run on decides; a test that is not there is not a skipped one.
if takes_direct_io(tempfile.gettempdir()) and shutil.which("fincore"):
    @pytest.mark.parametrize("word, most", [("auto", SIZE // 2), ("on", SIZE // 2), ("off", None)])
    def test_what_is_left_in_the_page_cache(hub, tmp_path, word, most):
        home = tmp_path / "home"
        run = pull("org/x", "--direct-io", word, hub=hub, home=home)
        assert run.code == 0, run.err
        cached = cached_bytes(model(home))
        print(f"--direct-io {word}: {cached / MIB:.1f} of {SIZE / MIB:.1f} MiB in the page cache")
        # The kernel may have taken a little back for others that run now.
        assert cached >= 0.9 * SIZE if most is None else cached <= most
        assert cache_truth(home, "org/x", hub) == {}


@pytest.mark.parametrize("word", ["auto", "on", "off"])
def test_a_file_system_without_direct_io(hub, word):
    """tmpfs: some kernels refuse O_DIRECT there, others take it and mean nothing by it."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="hf-pull-test-") as home:
        run = pull("org/x", "--direct-io", word, hub=hub, home=Path(home))
        assert run.code == 0, run.err
        assert cache_truth(Path(home), "org/x", hub) == {}


@pytest.mark.parametrize("word", ["auto", "on", "off"])
def test_killed_in_the_middle(hub, tmp_path, word):
    home = tmp_path / "home"
    hub.set(rate=40_000_000)
    process = start_pull("org/x", "--direct-io", word, hub=hub, home=home)
    wait_until(lambda: notebooks(home) and len(recorded(home)) >= 25, what="25 recorded blocks")
    end(process, signal.SIGKILL)
    process.communicate()
    hub.set(rate=0)
    kept = recorded(home)
    hub.settled()
    hub.reset()
    run = pull("org/x", "--direct-io", word, hub=hub, home=home)
    assert run.code == 0, run.err
    assert not asked_blocks(hub.settled(), SIZE) & kept, "a recorded block is asked for again"
    assert cache_truth(home, "org/x", hub) == {}
