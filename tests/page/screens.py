"""Makes the pictures of README.md from the real daemon: pytest -c tests/pytest.ini tests/page/screens.py

No test, and not collected by its name: it looks at nothing but shows what a person sees.
"""
import os
import pathlib
import signal
import subprocess
import time

import pytest
from playwright.sync_api import expect

import hub
from conftest import row
from disk import flip_bit
from lab import MB

FOLDER = os.environ.get("HFP_SCREENS", "docs")
QUANTS = {"Q2_K": 296, "Q4_K_M": 484, "Q5_K_M": 551, "Q6_K": 623, "Q8_0": 805, "BF16": 1509}


def shards(count, each, first=0):
    return [{"path": f"model-{i:05}-of-{count:05}.safetensors", "size": each, "seed": first + i} for i in range(1, count + 1)]


@pytest.fixture
def far(lab):
    """What lab.start() wants so that the Hub is behind an interface: loopback does not count as network."""
    other = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        while os.path.samestat(os.stat(f"/proc/{other.pid}/ns/net"), os.stat("/proc/self/ns/net")):
            time.sleep(0.01)
        enter = f"nsenter -t {other.pid} -n"
        for line in (f"ip link add eth1 type veth peer name eth0 netns {other.pid}", "ip addr add 10.77.0.1/24 dev eth1",
                     "ip link set eth1 up", f"{enter} ip addr add 10.77.0.2/24 dev eth0", f"{enter} ip link set eth0 up",
                     f"{enter} ip link set lo up"):
            subprocess.run(line.split(), check=True)
        program = lab.path / "far-hub"
        program.write_text(f'#!/bin/sh\nexec {enter} {hub.fakehub_binary()} "$@"\n')
        program.chmod(0o755)
        yield {"program": program, "hub": ("10.77.0.2:0",), "cdn": ("10.77.0.2:0",)}
    finally:
        lab.stop()
        other.kill()
        other.wait()


@pytest.fixture
def scene(lab, serve, far):
    """Names and proportions of real repositories, sizes that fit a small disk."""
    small = {"config.json": b"{}" * 300, "tokenizer.json": b"[]" * 4000, "README.md": b"#" * 9000, "generation_config.json": b"{}"}
    lab.content.repo("Qwen/Qwen3-4B", small, generated=shards(3, 1500 * MB))
    lab.content.repo("z-lab/Qwen3.6-35B-A3B-DFlash", small, generated=[{"path": "model.safetensors", "size": 95 * MB, "seed": 90}])
    for name in ("openai/gpt-oss-20b", "mistralai/Voxtral-Mini-3B", "BAAI/bge-m3"):
        lab.content.repo(name, small, generated=shards(2, 800 * MB, 60))
    lab.content.repo("unsloth/Qwen3-0.6B-GGUF", small, generated=[
        {"path": f"Qwen3-0.6B-{name}.gguf", "size": size * MB, "seed": size} for name, size in QUANTS.items()])
    lab.start(options={"rate": 60 * MB}, **far)
    daemon = serve("--stall-timeout", "3", "--timeout", "600")
    daemon.wait(daemon.add("z-lab/Qwen3.6-35B-A3B-DFlash"))
    daemon.wait(daemon.add("acme/secret"))
    lab.server.set(rate=36 * MB)
    daemon.add("Qwen/Qwen3-4B")
    return daemon


def life(lab, daemon):
    """Half a minute in which something happens: a line that varies, and a stall of some seconds."""
    job = daemon.get("/jobs?state=downloading,resolving").json["jobs"][0]["id"]
    for rate in (36, 30, 42, 38):
        lab.server.set(rate=rate * MB)
        time.sleep(3)
    os.kill(lab.server.pid, signal.SIGSTOP)
    daemon.wait(job, until=lambda now: now["stalled"], timeout=60)
    time.sleep(2)
    os.kill(lab.server.pid, signal.SIGCONT)
    for rate in (40, 33, 44, 36, 41, 38):
        lab.server.set(rate=rate * MB)
        time.sleep(3)
    for name in ("openai/gpt-oss-20b", "mistralai/Voxtral-Mini-3B", "BAAI/bge-m3"):
        daemon.add(name)
    limited = daemon.get("/jobs?q=gpt-oss").json["jobs"][0]["id"]
    daemon.patch(f"/jobs/{limited}", {"limit_bytes_per_s": 4 * MB})
    time.sleep(8)


@pytest.mark.timeout(400)
def test_pictures(scene, lab, tabs):
    folder = pathlib.Path(FOLDER).resolve()
    tab = tabs(scene, viewport={"width": 1180, "height": 860})
    tab.may_fail = True
    page = tab.open()
    expect(row(page, "Qwen/Qwen3-4B").get_by_text("downloading")).to_be_visible()
    life(lab, scene)
    page.screenshot(path=folder / "page-downloads.png")
    row(page, "Qwen/Qwen3-4B").get_by_role("button", name="Files of Qwen/Qwen3-4B").click()
    page.wait_for_timeout(3_000)
    page.screenshot(path=folder / "page-job.png")
    row(page, "Qwen/Qwen3-4B").get_by_role("button", name="Files of Qwen/Qwen3-4B").click()
    page.locator("#add").fill("https://huggingface.co/unsloth/Qwen3-0.6B-GGUF")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Q4_K_M").click()
    expect(page.locator(".plan-row", has_text="Whole")).to_contain_text("484")
    page.screenshot(path=folder / "page-plan.png")
    phone = tabs(scene, fresh=True, viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=1.5)
    phone.may_fail = True
    page = phone.open()
    expect(row(page, "Qwen/Qwen3-4B").get_by_text("downloading")).to_be_visible()
    page.wait_for_timeout(2_000)
    page.screenshot(path=folder / "page-phone.png")


@pytest.fixture
def filled(lab, serve):
    """Two revisions of one model, a damaged one, a dataset."""
    small = {"config.json": b"{}" * 300, "README.md": b"#" * 9000}
    first, second, shared = ({"path": f"model-0000{i}-of-00003.safetensors", "size": 40 * MB, "seed": i} for i in (1, 2, 3))
    lab.content.repo("Qwen/Qwen3-4B", commits={"a": {"generated": [first, shared]}, "b": {"generated": [second, shared]}},
                     refs={"main": "b", "v1.0": "a"})
    lab.content.repo("unsloth/Qwen3-0.6B-GGUF", small, generated=[{"path": "Qwen3-0.6B-Q4_K_M.gguf", "size": 48 * MB, "seed": 9}])
    lab.content.repo("BAAI/bge-m3", small, generated=[{"path": "model.safetensors", "size": 22 * MB, "seed": 11}])
    lab.content.repo("HuggingFaceH4/ultrachat", {"train.jsonl": b"{}\n" * 400_000}, type="datasets")
    lab.start()
    daemon = serve()
    for more in ({"repo": "Qwen/Qwen3-4B", "revision": "v1.0"}, {"repo": "Qwen/Qwen3-4B"}, {"repo": "unsloth/Qwen3-0.6B-GGUF"},
                 {"repo": "BAAI/bge-m3"}, {"repo": "HuggingFaceH4/ultrachat", "type": "dataset"}):
        assert daemon.wait(daemon.add(**more))["state"] == "done"
    damaged = hub.snapshot(lab.home, "BAAI/bge-m3") / "model.safetensors"
    flip_bit(damaged.resolve(), 1000)
    daemon.wait(daemon.add("BAAI/bge-m3", verb="verify"))
    return daemon


def test_picture_of_the_cache(filled, tabs):
    folder = pathlib.Path(FOLDER).resolve()
    tab = tabs(filled, viewport={"width": 1180, "height": 860})
    tab.may_fail = True
    page = tab.open("cache")
    row(page, "Qwen/Qwen3-4B").locator("summary").click()
    row(page, "BAAI/bge-m3").locator("summary").click()
    page.wait_for_timeout(1_000)
    page.screenshot(path=folder / "page-cache.png")
