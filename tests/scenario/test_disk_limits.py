"""Memory has a ceiling whatever the size of file and repository (P5, G4): peak of anonymous memory, followed from outside.

Seen red on purpose, each with hf-pull broken so:
    200 buffers instead of 24                      test_a_file_of_1_gib_stays_under_48_mib
    pages of the listing not freed                 test_a_plan_of_200000_files_stays_under_64_mib
"""

import pytest

from disk import HEAVY, MIB, peak_memory
from hub import Content, FakeHub, cache_truth, start_pull

MANY = {"count": 200_000, "prefix": "data/part-", "suffix": ".parquet", "size_min": 100, "size_max": 3000, "seed": 5}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = Content(tmp_path_factory.mktemp("limits") / "root")
    root.repo("org/many", generated_many=MANY)
    root.repo("org/some", generated_many=dict(MANY, count=3000, seed=9))
    root.repo("org/big", generated=[{"path": "big.bin", "size": 1 << 30, "seed": 70}])
    with FakeHub(root.path) as server:
        yield server


def followed(hub, home, *args):
    process = start_pull(*args, hub=hub, home=home, stderr=open(home.parent / "stderr", "w"), stdout=open(home.parent / "stdout", "w"))
    anon, whole = peak_memory(process)
    text = (home.parent / "stderr").read_text()
    print(f"{' '.join(args)}: peak RssAnon {anon / MIB:.1f} MiB, peak RSS {whole / MIB:.1f} MiB")
    assert process.returncode == 0, text[-2000:]
    return anon, text


def test_a_plan_of_200000_files_stays_under_64_mib(hub, tmp_path):
    anon, text = followed(hub, tmp_path / "home", "org/many", "--dry-run")
    assert 0 < anon <= 64 * MIB
    assert "200000 files" in text or "200,000 files" in text, text[:500]
    assert len(hub.requests("tree", repo="org/many")) == 201  # 200,000 files and their folder, 1,000 a page
    assert hub.bytes_served() == 0


if HEAVY:  # with HFP_ALL=1 or "./test all"; a test that is not there is not a skipped one
    @pytest.mark.timeout(900)
    def test_a_pull_of_200000_files_stays_under_64_mib(hub, tmp_path):
        anon, _ = followed(hub, tmp_path / "home", "org/many")
        assert 0 < anon <= 64 * MIB
        assert cache_truth(tmp_path / "home", "org/many", hub) == {}
        anon, _ = followed(hub, tmp_path / "home", "org/many", "--offline")
        assert 0 < anon <= 64 * MIB


def test_a_pull_of_3000_small_files(hub, tmp_path):
    home = tmp_path / "home"
    anon, _ = followed(hub, home, "org/some")
    assert 0 < anon <= 64 * MIB and cache_truth(home, "org/some", hub) == {}
    # Where this machine stands still for 5 s, what is open then is asked for a second time: 16 requests.
    assert 3000 <= len(hub.requests("body", repo="org/some")) <= 3016, "each file is asked for once"
    anon, _ = followed(hub, home, "org/some", "--offline")
    assert 0 < anon <= 64 * MIB


def test_a_file_of_1_gib_stays_under_48_mib(hub, tmp_path):
    anon, _ = followed(hub, tmp_path / "home", "org/big")
    assert 0 < anon <= 48 * MIB
    assert cache_truth(tmp_path / "home", "org/big", hub) == {}
    # Reading it back is no other matter.
    anon, _ = followed(hub, tmp_path / "home", "verify", "org/big")
    assert 0 < anon <= 48 * MIB
