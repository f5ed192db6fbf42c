"""A short life of the daemon with everything at once (soak.py); bench/daemon --soak is the long one.

Seen red on purpose, each with the daemon broken so:
    files of an earlier life not known         "progress files are left"
    an event now and then not told             "a page had .. and then .."
"""

import os

from soak import KEPT, Soak

SANITIZED = {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ)                    # then memory is not the daemon's own


def test_a_short_life_with_everything_at_once(lab):
    report = Soak(lab, seconds=15).run()
    assert report["wrong"] == [] and report["lost_updates"] == 0
    assert report["kills"] >= 1 and report["did"]["done"] >= 5, report            # or it has shown nothing
    watched = report["watched"]
    assert watched["fds"]["at_rest"] <= watched["fds"]["first"] + KEPT, watched
    assert watched["threads"]["most"] <= 40 and watched["wal_mib"]["most"] <= 8, watched
    assert watched["rss_mib"]["most"] <= (1000 if SANITIZED else 96), watched
