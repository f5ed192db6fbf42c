"""Makes the pictures of README.md from the real daemon: pytest -c tests/pytest.ini tests/page/screens.py

No test, and not collected by its name: it looks at nothing but shows what a person sees.
"""
import os
import pathlib
import signal
import time

import pytest
from playwright.sync_api import expect

from conftest import row
from lab import MB

FOLDER = os.environ.get("HFP_SCREENS", "docs")
QUANTS = {"Q2_K": 296, "Q4_K_M": 484, "Q5_K_M": 551, "Q6_K": 623, "Q8_0": 805, "BF16": 1509}


def shards(count, each, first=0):
    return [{"path": f"model-{i:05}-of-{count:05}.safetensors", "size": each, "seed": first + i} for i in range(1, count + 1)]


@pytest.fixture
def scene(lab, serve):
    """Names and proportions of real repositories, sizes that fit a small disk."""
    small = {"config.json": b"{}" * 300, "tokenizer.json": b"[]" * 4000, "README.md": b"#" * 9000, "generation_config.json": b"{}"}
    lab.content.repo("Qwen/Qwen3-4B", small, generated=shards(3, 1500 * MB))
    lab.content.repo("z-lab/Qwen3.6-35B-A3B-DFlash", small, generated=[{"path": "model.safetensors", "size": 95 * MB, "seed": 90}])
    for name in ("openai/gpt-oss-20b", "mistralai/Voxtral-Mini-3B", "BAAI/bge-m3"):
        lab.content.repo(name, small, generated=shards(2, 800 * MB, 60))
    lab.content.repo("unsloth/Qwen3-0.6B-GGUF", small, generated=[
        {"path": f"Qwen3-0.6B-{name}.gguf", "size": size * MB, "seed": size} for name, size in QUANTS.items()])
    lab.start(options={"rate": 60 * MB})
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
