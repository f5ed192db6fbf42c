"""Chromium against the real daemon and the fakehub.

A test gets a `lab`, starts its hub, opens `serve(...)` and then `open_page()`. Whatever it does, the page may ask nobody but
the daemon, break no rule of the Content-Security-Policy and throw no error: open_page() collects that, and the test fails.
"""
import os
import pathlib
import shutil
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/scenario"))

from playwright.sync_api import expect, sync_playwright  # noqa: E402

from daemon import Daemon  # noqa: E402
from disk import wait_until  # noqa: E402
from lab import Lab  # noqa: E402

# Debian's, not one that Playwright would bring.
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
expect.set_options(timeout=20_000)  # a machine that does other things too


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        # Loopback has no proxy; a container has no user namespaces for Chromium's own sandbox.
        args = ["--no-sandbox", "--no-proxy-server"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


@pytest.fixture
def lab(tmp_path):
    bench = Lab(tmp_path)
    yield bench
    bench.stop()


@pytest.fixture
def serve(lab):
    """serve(*options): a running daemon on the lab's hub; ended in order after the test."""
    running = []

    def start(*args, **more):
        daemon = Daemon(lab, *args, **more).start()
        running.append(daemon)
        if daemon.get("//").status == 404:
            pytest.skip("this build is without the page: tools/vendor-page, then configure anew")
        return daemon

    yield start
    for daemon in running:
        daemon.stop()


class Tab:
    """One page of a context, with what it must not do."""

    def __init__(self, context, daemon):
        self.daemon, self.origin = daemon, f"http://127.0.0.1:{daemon.port}"
        self.page = context.new_page()
        self.asked, self.errors = [], []
        self.may_fail = False  # a lost daemon shows as failed requests in the console
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)

    def _console(self, message):
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)
        elif message.type == "error" and not self.may_fail:
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, place="", token=None):
        self.page.goto(f"{self.origin}/{f'#token={token}' if token else ''}{f'#/{place}' if place else ''}")
        return self.page

    def check(self):
        outside = [url for url in self.asked if not url.startswith((self.origin, "data:"))]
        assert outside == [], "the page asked somebody else"
        assert self.errors == []


@pytest.fixture
def tabs(browser):
    """tabs(daemon, ...): a new tab, of the same browser profile for the whole test unless fresh=True."""
    contexts, opened = [], []

    def new(daemon, fresh=False, **how):
        if not contexts or fresh:
            how.setdefault("viewport", {"width": 1280, "height": 900})
            how.setdefault("reduced_motion", "reduce")
            contexts.append(browser.new_context(permissions=["clipboard-read", "clipboard-write"], **how))
        opened.append(Tab(contexts[-1], daemon))
        return opened[-1]

    yield new
    for tab in opened:
        tab.check()
    for context in contexts:
        context.close()


def row(page, repo):
    """The card or line of a repository."""
    return page.locator("li[data-row]", has=page.get_by_role("heading", name=repo, exact=True)).first


def add(page, text=""):
    """Types a name and confirms its plan, as a person does: Enter, and Enter again when the plan is there."""
    page.locator("#add").fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start the download")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start the download")).to_have_count(0)


def kept(daemon, name, value):
    """A setting has come to the daemon, or does so in some seconds: a control is disabled while it is being saved, too."""
    end = time.monotonic() + 20
    while (now := daemon.get("/settings").json[name]) != value and time.monotonic() < end:
        time.sleep(0.05)
    return now == value


def copied(page, text):
    """The clipboard has it: the browser writes there in its own time."""
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == text)


class held:
    """Answers to requests of this kind reach the page only with let(): the order that a slow line makes."""

    def __init__(self, page, method, url, most=None, only=""):
        self.page, self.method, self.left, self.only = page, method, most, only
        self.open, self.answers = False, []
        page.route(url, self._take)

    def _take(self, route):
        asked = route.request
        if self.open or self.left == 0 or asked.method != self.method or self.only not in (asked.post_data or ""):
            return route.fallback()
        self.left = None if self.left is None else self.left - 1
        self.answers.append((route, route.fetch()))

    def wait(self):
        """Until the daemon has answered one."""
        end = time.monotonic() + 20
        while not self.answers:
            assert time.monotonic() < end, "nothing was asked"
            self.page.wait_for_timeout(20)

    def let(self):
        self.open = True
        for route, answer in self.answers:
            route.fulfill(response=answer)
