"""Whom the user of soak.py is not alone with: a hub that has bad minutes, and pages."""

import contextlib
import http.client
import json
import random
import time

from daemon import API


def trouble(chance):
    """One bad minute of a hub and its CDN. None of these is a reason for a job to fail."""
    seed = chance.randrange(1 << 30)
    return chance.choice([
        [{"match": {"kind": "body", "p": 0.5, "seed": seed}, "do": {"stall_after": 100_000}}],
        [{"match": {"kind": "body"}, "do": {"reset_every": 300_000}}],
        [{"match": {"kind": "body", "p": 0.3, "seed": seed}, "do": {"close_after": 50_000}}],
        [{"match": {"kind": ["resolve", "tree", "info"]}, "do": {"status": 503}}],
        [{"match": {"kind": "any", "p": 0.3, "seed": seed}, "do": {"http429": {"retry_after": 1}}}],
        [{"match": {"kind": "connect", "on": "cdn"}, "do": {"refuse": {"ms": 1500}}}],
        [{"match": {"kind": "body", "nth": 2}, "do": {"flip": {"at": 70_000, "bit": 3}}}],
        [{"match": {"kind": "any", "p": 0.5, "seed": seed}, "do": {"delay_ms": 700}}],
    ])


class Follower:
    """A page: loads the list, then lives from events alone. jobs: {id: state}, which must be what the daemon says."""

    def __init__(self, soak, steady):
        self.soak, self.steady, self.jobs, self.last, self.events, self.losses, self.gaps = soak, steady, {}, None, 0, 0, 0
        self.chance, self.over = random.Random(id(self)), soak.end if steady else soak.over

    def live(self):
        while not self.over.is_set():
            until = time.monotonic() + (1e9 if self.steady else self.chance.uniform(0.5, 15))
            with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):
                self.follow(until)
            if not self.steady and self.chance.random() < 0.5:
                self.last = None                                  # a new tab
            self.over.wait(0.05 if self.steady else self.chance.uniform(0.1, 4))

    def follow(self, until):
        connection = http.client.HTTPConnection("127.0.0.1", self.soak.port, timeout=20)      # a heartbeat comes every 15 s
        try:
            connection.request("GET", f"{API}/events", headers={"Last-Event-ID": self.last} if self.last else {})
            answer, row, fresh = connection.getresponse(), {}, self.last is None
            while time.monotonic() < until and not self.over.is_set() and (line := answer.readline()):
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name in ("id", "event", "data"):
                    row[name] = value
                elif not name and row:
                    self.follows(row["id"], row["event"])
                    self.last = row["id"]
                    fresh = self.take(row["event"], json.loads(row["data"]), fresh)
                    row = {}
        finally:
            connection.close()

    def follows(self, now, kind):
        """Ids of one life of the daemon count: a number that is left out is an update that nobody will tell of again."""
        (life, number), before = now.rsplit("-", 1), self.last and self.last.rsplit("-", 1)
        if before and before[0] == life and kind not in ("hello", "lost") and int(number) != int(before[1]) + 1:
            self.gaps += 1
            self.soak.say(f"a page had {self.last} and then {now}")

    def take(self, kind, data, fresh):
        self.events += 1
        if kind == "lost" or (kind == "hello" and fresh):
            self.losses += kind == "lost"
            self.load()
        elif kind == "job":
            self.jobs[data["id"]] = data["state"]
        elif kind == "job_removed":
            self.jobs.pop(data["id"], None)
        return False

    def load(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.soak.port, timeout=20)
        try:
            connection.request("GET", f"{API}/jobs?limit=1000")
            self.jobs = {job["id"]: job["state"] for job in json.loads(connection.getresponse().read())["jobs"]}
        except BaseException:
            self.last = None                                      # the list is still owed
            raise
        finally:
            connection.close()
