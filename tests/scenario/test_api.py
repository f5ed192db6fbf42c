"""The library from outside: a C program (tests/api/client.c) that knows only hfp.h and the shared library.

Seen red: hfp_limit() acting on no group (the rate test), group_pause() not cutting its connections (the pause test),
job_cancel() keeping the owner in the digests (the cancel test), events pushed without the eventfd (all of them).
"""

import os
import subprocess
import threading
import time

from hub import Content, FakeHub, binary, cache_truth

SIZE = 40_000_000


class Client:
    """The program, its answers and events as they come."""

    def __init__(self, hub, home, repo="acme/api"):
        self.lines = []
        self.process = subprocess.Popen(
            [binary("HFP_API_CLIENT", "tests/api/api-client"), hub.hub, str(home / "hub"), repo],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_PROXY": "*"})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.strip()))

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command, within=5):
        self.tell(command)
        return self.wait(lambda text: text.startswith(f"answer {command} "), within).split()[-1]

    def wait(self, found, within=20):
        end = time.monotonic() + within
        while time.monotonic() < end:
            for _, text in list(self.lines):
                if found(text):
                    return text
            time.sleep(0.01)
        raise AssertionError(f"not seen within {within} s; last lines: {[t for _, t in self.lines[-5:]]}")

    def figure(self, name):
        for _, text in reversed(list(self.lines)):
            if f" {name}=" in text:
                return int(text.split(f" {name}=")[1].split()[0])
        return 0

    def end(self, within=60):
        code = self.process.wait(within)
        self.reader.join(5)
        return code


def content(tmp_path):
    root = Content(tmp_path / "root")
    root.repo("acme/api", {"config.json": b"{}"}, generated=[{"path": "model.bin", "size": SIZE, "seed": 5, "lfs": True}])
    return root.path


def test_a_stranger_with_only_the_header_pulls_and_is_told_everything_once(tmp_path):
    with FakeHub(content(tmp_path)) as hub:
        client = Client(hub, tmp_path / "home")
        assert client.end() == 0
        assert cache_truth(tmp_path / "home", "acme/api", hub) == {}
    events = [text.split() for _, text in client.lines if text.startswith("event ")]
    assert [int(e[1]) for e in events] == list(range(1, len(events) + 1))
    assert [e[2] for e in events].count("done") == 1 and events[-1][2] == "done"
    for name in ("recorded", "received"):
        seen = [int(text.split(f" {name}=")[1].split()[0]) for _, text in client.lines if f" {name}=" in text]
        assert seen == sorted(seen) and seen[-1] == SIZE + 2


def test_calls_never_wait_for_the_network(tmp_path):
    """The Hub accepts and never answers; each command is answered at once all the same."""
    rules = [{"match": {"on": "hub", "kind": "info"}, "do": {"accept_only": True}}]
    with FakeHub(content(tmp_path), rules=rules) as hub:
        client = Client(hub, tmp_path / "home")
        start = time.monotonic()
        assert client.ask("ping") == client.ask("pause") == client.ask("resume") == client.ask("limit 1000") == "OK"
        assert client.ask("stranger") == "E_ARG"
        assert time.monotonic() - start < 5, "the call that hangs has ten seconds"
        assert client.ask("cancel") == "OK"
        assert client.end() == 130


def test_pause_stops_the_bytes_and_resume_goes_on_without_fetching_any_twice(tmp_path):
    with FakeHub(content(tmp_path)) as hub:
        client = Client(hub, tmp_path / "home")
        client.ask("limit 4000000")
        client.wait(lambda text: " downloading " in text and client.figure("recorded") > 4_000_000)
        client.ask("pause")
        client.wait(lambda text: " paused " in text)
        before, since = client.figure("received"), time.monotonic()
        while time.monotonic() < since + 1.5:  # what had come is told a little later
            time.sleep(0.05)
            if client.figure("received") != before:
                before, since = client.figure("received"), time.monotonic()
        assert before < SIZE
        client.ask("limit 0")
        client.ask("resume")
        assert client.end() == 0
        assert cache_truth(tmp_path / "home", "acme/api", hub) == {}
        # What was on its way when the connections were cut is all that may come twice.
        assert hub.bytes_served("model.bin") < SIZE * 1.3


def test_a_limit_changed_live_takes_effect(tmp_path):
    with FakeHub(content(tmp_path)) as hub:
        client = Client(hub, tmp_path / "home")
        client.ask("limit 2000000")
        start = time.monotonic()
        client.wait(lambda text: " downloading " in text and client.figure("received") > 8_000_000)
        assert time.monotonic() - start > 8_000_000 / 2_800_000  # 4 s; a slow machine takes longer only
        client.ask("limit 0")
        assert client.end(30) == 0
        assert time.monotonic() - start < 17, "20 s with the limit"


def test_cancel_keeps_what_is_recorded_and_the_next_run_asks_for_the_rest_only(tmp_path):
    with FakeHub(content(tmp_path)) as hub:
        client = Client(hub, tmp_path / "home")
        client.ask("limit 8000000")
        client.wait(lambda text: client.figure("recorded") > 8_000_000)
        client.ask("cancel")
        assert client.end(10) == 130
        kept = client.figure("recorded")
        hub.reset()
        again = Client(hub, tmp_path / "home")
        assert again.end() == 0
        assert hub.bytes_served("model.bin") <= SIZE - kept + (1 << 20)
        assert cache_truth(tmp_path / "home", "acme/api", hub) == {}
