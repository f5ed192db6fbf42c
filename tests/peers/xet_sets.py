"""Repositories for Xet: the shapes that files in Xet storage have, as content of a fakehub and as uploads.

The fixtures of conftest.py: xet_sets (content, store, uploads, ids), xet_hub (fakehub with a CAS of its own, faults on
order), official_cas (the official server with the same uploads), official_hub (a Hub whose tokens name that server).

HFP_XET_BIG is the size of org/weights in bytes: 12 MiB, and 1 GiB in the suite peers-large of ./test all.
"""
import os
import random

import casdata
from casdata import CasData
from hub import Content

MIB = 1 << 20
BIG = int(os.environ.get("HFP_XET_BIG", 12 * MIB))
TINY = (1, 7, 8, 63, 64, 8191, 8192, 8193, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073)
PACKED = {"none.bin": (casdata.noise, casdata.NONE), "lz4.txt": (casdata.lines, casdata.LZ4), "bg4.bin": (casdata.floats, casdata.BG4)}
REPOS = ("org/tiny", "org/many", "org/weights", "org/repeat", "org/revs", "org/packed")


def revisions(repo):
    return ("main", "new") if repo == "org/revs" else ("main",)


class XetSets:
    def __init__(self, path):
        self.content, self.store, self.uploads = Content(path / "root"), CasData(path / "cas"), []
        rng = random.Random(7)
        self.repo("org/tiny", {f"t{size:06}.bin": casdata.noise(size, size) for size in TINY} | {"README.md": b"# not in Xet\n"})
        self.repo("org/many", {f"d{i % 7}/f{i:04}.bin": casdata.weights(i, rng.randrange(200, 60_000)) for i in range(120)})
        big = self.repo("org/weights", {"config.json": b"{}"})
        casdata.write_weights(big / "model.safetensors", BIG)
        self.uploads[-1] = [big / "model.safetensors"]
        block = casdata.weights(11, 3 * MIB)
        self.repo("org/repeat", {"a.bin": block * 3 + casdata.noise(12, 100_000) + block[:MIB], "b.bin": block[MIB:] + bytes(2 * MIB)})
        self.repo("org/packed", {name: make(21, 2 * MIB) for name, (make, _) in PACKED.items()})
        self.content.repo("org/copy", {name: make(21, 2 * MIB) for name, (make, _) in PACKED.items()} | {"README.md": b"# another\n"},
                          xet=True, lfs_over=0)
        old = casdata.weights(31, 24 * MIB)
        self.revs = self.repo("org/revs", {"old/model.bin": old, "new/model.bin": casdata.changed(old, 0.02)},
                              commits={"old": {"dir": "old"}, "new": {"dir": "new"}}, refs={"main": "old", "new": "new"})
        self.uploads[-1:] = [[self.revs / "old/model.bin"], [self.revs / "new/model.bin"]]  # the second is built on the first
        self.ids = self.store.add(*self.uploads)

    def repo(self, name, files, **config):
        """Everything above 0 bytes is LFS, so in Xet, but README.md and config.json, which stay out of the uploads."""
        home = self.content.repo(name, files, xet=True, lfs_over=0, **config)
        self.uploads.append([home / f for f in files if not f.endswith((".md", ".json"))])
        return home
