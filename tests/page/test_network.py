"""The network place, the badge and the footer, against traffic of a known rate.

The test lives in a network of its own: a pair of Ethernet ends leads to another one, from where somebody sends 2 MB/s. The
daemon, the hub and a Chromium of its own are in there with it.

Seen red on purpose: span buttons that do nothing; events of the kind `network` not taken.
"""
import ctypes
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from playwright.sync_api import expect

from conftest import CHROMIUM
from disk import wait_until
from lab import MB, REPO

CLONE_NEWNET = 0x40000000
SENDER = """
import socket, time
s, sent, begun = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0, time.monotonic()
while True:
    while sent < (time.monotonic() - begun) * 2_000_000:
        sent += 1500 * (s.sendto(bytes(1458), ("10.77.0.1", 9)) > 0)
    time.sleep(0.005)
"""


@pytest.fixture
def own_network():
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if libc.unshare(CLONE_NEWNET) != 0:
        pytest.skip("a network of its own wants root")
    other, sink = subprocess.Popen(["unshare", "--net", "sleep", "120"]), None
    try:
        while os.path.samestat(os.stat(f"/proc/{other.pid}/ns/net"), os.stat("/proc/thread-self/ns/net")):
            time.sleep(0.01)
        there = ["nsenter", "-t", str(other.pid), "-n"]
        for line in ("ip link set lo up", "ip link add here0 type veth peer name there0", f"ip link set there0 netns {other.pid}",
                     "ip addr add 10.77.0.1/24 dev here0", "ip link set here0 up"):
            subprocess.run(line.split(), check=True)
        subprocess.run(there + ["sh", "-c", "ip addr add 10.77.0.2/24 dev there0 && ip link set there0 up"], check=True)
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind(("10.77.0.1", 9))  # else the kernel would answer each packet
        sender = subprocess.Popen(there + [sys.executable, "-c", SENDER])
        yield
        sender.kill()
        sender.wait()
    finally:
        if sink:
            sink.close()
        other.kill()
        other.wait()
        libc.setns(before, CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def browser(browser, own_network, tmp_path):
    """Playwright's own process stays outside; the Chromium it starts comes in."""
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nexec nsenter --net=/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net {CHROMIUM} "$@"\n')
    program.chmod(0o755)
    inside = browser.browser_type.launch(executable_path=str(program), args=["--no-sandbox", "--no-proxy-server"])
    yield inside
    inside.close()


def test_every_figure_and_every_control(own_network, lab, serve, tabs):
    lab.file(600 * MB).start(options={"rate": 6 * MB, "quota-api": 500})
    daemon = serve()
    job = daemon.add(REPO)
    page = tabs(daemon).open("network")
    now = page.get_by_role("region", name="Now")
    near2 = re.compile(r"\b(1\.9|2\.0|2\.1) MB.s")
    expect(now.get_by_text(near2).first).to_be_visible()
    expect(now.get_by_text("here0")).to_be_visible()
    expect(now.get_by_text(re.compile(r"Hub quota 49\d of 500 requests, new in"))).to_be_visible()
    expect(page.get_by_label("Network now")).to_contain_text(near2)
    foot = page.locator("footer")
    for words in (near2, "here0", "limit none", re.compile(r"Hub quota 49\d of 500")):
        expect(foot).to_contain_text(words)
    daemon.patch("/settings", {"limit_bytes_per_s": 5_000_000})
    expect(foot).to_contain_text("limit 5 MB/s")

    mine = page.get_by_label(f"Connections of {REPO}").first
    expect(mine.get_by_text(re.compile(r"limited by: (your limit|the line|measuring)"))).to_be_visible()
    expect(mine.get_by_text(re.compile(r"[1-9]\d* open, \d+ idle, \d+ connecting, \d+ silent"))).to_be_visible()
    for cell in ("model.bin", "127.0.0.1", "IPv4"):
        expect(mine.get_by_role("cell", name=cell).first).to_be_visible()

    chart = page.get_by_role("slider", name="Traffic of here0")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("Filled: received"))
    expect(chart).not_to_have_attribute("aria-valuemax", re.compile("^[01]$"))
    expect(chart.locator("canvas")).to_be_visible()  # until it is drawn there is nothing to read
    chart.focus()

    def newest_is_near2():
        page.keyboard.press("End")
        return re.fullmatch(r"\d\d:\d\d:\d\d, ↓ (1\.9|2\.0|2\.1) MB/s, ↑ .*", chart.get_attribute("aria-valuetext"))

    wait_until(newest_is_near2)  # the sender too may have to wait for its turn
    page.keyboard.press("Home")
    first = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    expect(chart).not_to_have_attribute("aria-valuetext", first)
    page.get_by_text("The chart as a table").click()
    table = page.get_by_role("region", name="Traffic of here0 as a table")
    expect(table.get_by_role("cell", name=near2).first).to_be_visible()
    expect(table.get_by_text(f"{REPO} began")).to_be_visible()

    daemon.post(f"/jobs/{job}/cancel")
    expect(page.get_by_text("No job has connections now.")).to_be_visible()
    page.get_by_role("button", name="day", exact=True).click()
    expect(page.get_by_role("button", name="day", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_text("The chart as a table").click()
    expect(table.get_by_text(f"{REPO} ended")).to_be_visible()
    expect(table.get_by_role("cell", name=re.compile(r"[\d.]+ [kM]?B.s")).first).to_be_visible()
    page.get_by_role("button", name="hour", exact=True).click()
    expect(page.get_by_role("button", name="hour", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("region", name="Learned hosts").or_(page.get_by_text("No host has been learned yet."))).to_be_visible()
