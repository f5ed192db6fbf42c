"""The source archive builds by itself: no network, no cargo.

Seen red on purpose: tools/dist-vendor taken out of meson.build (vendor/blake3 is missing in the archive).
"""
import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HFP_BUILD", TOP / "build"))


def run(*args, **kwargs):
    done = subprocess.run([str(arg) for arg in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def without_network():
    """unshare -n where we may: root, or a kernel that lets users have namespaces."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip("no network namespace can be made here")


@pytest.mark.timeout(120)
def test_archive_builds_offline(tmp_path):
    if not (TOP / ".git").exists():
        pytest.skip("built from an archive itself, not from git")
    clone = tmp_path / "clone"  # a clean one: meson dist refuses uncommitted changes, rightly
    run("git", "clone", "-q", TOP, clone)
    shutil.copytree(TOP / "vendor", clone / "vendor")
    run("meson", "setup", tmp_path / "b", clone)
    run("meson", "dist", "-C", tmp_path / "b", "--no-tests", "--formats", "gztar")
    archive = next((tmp_path / "b/meson-dist").glob("hf-pull-*.tar.gz"))
    run("tar", "-xzf", archive, "-C", tmp_path)
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    offline = without_network()
    env = os.environ | {"PATH": "/usr/bin:/bin", "CARGO": "/nonexistent"}
    run(*offline, "meson", "setup", "--wrap-mode=nodownload", tmp_path / "offline", source, env=env)
    run(*offline, "ninja", "-C", tmp_path / "offline", "hf-pull", env=env)
    assert "hf-pull" in run(tmp_path / "offline/hf-pull", "--version")
