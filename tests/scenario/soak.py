"""A life of the daemon in little: jobs come and go, people steer them, pages open and close, the hub has bad minutes, and now
and then the daemon is killed. Watched all the time: does every answer stay true, does every job end right, does anything grow.

    report = Soak(lab, seconds=20).run()        # a test: tests/scenario/test_daemon_soak.py; for longer: bench/daemon --soak
    assert not report["wrong"]

One thread, the user, changes jobs and settings, so it knows exactly what must be there after a kill. Others ask, follow the
events, trouble the hub, kill the daemon and look at it from outside.
"""

import contextlib
import http.client
import json
import pathlib
import random
import shutil
import threading
import time

import disk
import hub
from daemon import Daemon
from lab import MB, free_port
from soak_others import Follower, trouble

ENDED = ("done", "failed", "cancelled")
HISTORY = 60                    # ended jobs left on the list; the daemon itself keeps 1,000
KEPT = 64                       # connections the engine keeps for the next job: KEPT_CONNECTIONS in net/curl.c
TIDY_S = 7                      # a progress file goes within 5 s of its job; killed meanwhile, it stays
READ = ("/jobs?limit=100", "/settings", "/jobs?state=downloading,waiting", "//healthz", "/jobs?q=m1&limit=20", "//metrics")


class Soak:
    def __init__(self, lab, seconds, seed=1, slots=12, readers=8, askers=2, rate=10 * MB, kill_s=(3, 9), trouble_s=(1, 4), calm=0.25):
        """calm: the last part of the time without a kill, so that what grows can be seen to grow."""
        self.lab, self.seconds, self.chance, self.slots = lab, seconds, random.Random(seed), slots
        self.kill_s, self.trouble_s, self.calm, self.rate, self.askers = kill_s, trouble_s, calm, rate, askers
        self.port = free_port()
        self.over, self.end = threading.Event(), threading.Event()
        self.killing, self.lock = threading.Lock(), threading.Lock()
        self.kills, self.killed, self.wrong, self.times, self.samples, self.counts = 0, 0, [], [], [], {}
        self.followers = [Follower(self, steady=i == 0) for i in range(readers)]
        self.live, self.past, self.settings = {}, {}, {}          # {repo: job}, {id: state}; what must be there
        self.dropped, self.orphans = {}, set()                    # {id: when}; their files may stay
        self.keys, self.seen = 0, 0

    # asking

    def say(self, what):
        with self.lock:
            self.wrong.append(what)

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def ask(self, method, path, body=None, headers=None):
        """The answer; None when the daemon was killed meanwhile, so that nobody knows."""
        kills, begun = -1 if self.killing.locked() else self.kills, time.monotonic()
        try:
            answer = self.daemon.ask(method, path, body, headers)
        except (OSError, http.client.HTTPException, TypeError) as error:
            with self.killing:                                    # it is up again after this
                if kills == self.kills:
                    self.say(f"{method} {path}: {error!r}, and nobody killed it")
            return None
        with self.lock:
            self.times.append(time.monotonic() - begun)
        if answer.status >= 500:
            self.say(f"{method} {path}: {answer!r}")
        return answer

    def insist(self, method, path, body=None, headers=None):
        """Asks until there is an answer. (answer, was any try's fate unknown)"""
        unknown = False
        while not (answer := self.ask(method, path, body, headers)):
            unknown = True
        return answer, unknown

    # the user

    def user(self):
        while not self.over.is_set():
            if self.seen != self.kills:
                self.audit()
            repo = self.chance.choice(self.repos)
            if repo not in self.live:
                self.add(repo)
            elif self.chance.random() < 0.1:
                self.change_settings()
            else:
                self.touch(repo)
            self.over.wait(self.chance.uniform(0, 0.1))

    def add(self, repo):
        self.keys += 1
        answer, unknown = self.insist("POST", "/jobs", {"repo": repo, "priority": self.chance.randint(-5, 5)},
                                      {"Idempotency-Key": f"soak-{self.keys}"})
        if answer.status != 201 and not (unknown and answer.status == 200):
            self.say(f"POST /jobs {repo}: {answer!r}")
            return
        self.count("added")
        self.live[repo] = {"id": answer.json["id"], "paused": False}

    def touch(self, repo):
        known = self.live[repo]
        job = self.insist("GET", f"/jobs/{known['id']}")[0]
        if job.status != 200:
            self.say(f"{repo} {known['id']} is gone: {job!r}")
            del self.live[repo]
        elif job.json["state"] in ENDED:
            self.ended(repo, job.json)
        elif known["paused"] and job.json["state"] != "paused":
            self.say(f"{repo} was paused and is {job.json['state']}")
            known["paused"] = False
        else:
            self.steer(repo, known)

    def steer(self, repo, known):
        path, what = f"/jobs/{known['id']}", self.chance.choice(["pause", "resume", "resume", "limit", "priority", "move", "cancel", "delete",
                                                                 "files", "samples", "nothing", "nothing"])
        if what in ("limit", "priority"):
            change = {"limit_bytes_per_s": self.chance.choice([0, 0, MB])} if what == "limit" else {"priority": self.chance.randint(-9, 9)}
            self.expect(self.ask("PATCH", path, change), 200)
        elif what == "move":
            other = self.chance.choice(list(self.live.values()))["id"]
            self.expect(self.ask("POST", path + "/move", {"before": other if other != known["id"] else None}), 200, 409)
        elif what in ("files", "samples"):
            self.expect(self.ask("GET", f"{path}/{what}"), 200)
        elif what == "delete" and self.chance.random() < 0.3:
            answer, unknown = self.insist("DELETE", path)
            self.expect(answer, 204, *([404] if unknown else []))
            self.dropped[known["id"]] = time.monotonic()
            del self.live[repo]
        elif what in ("pause", "resume") or (what == "cancel" and self.chance.random() < 0.5):
            answer, unknown = self.insist("POST", f"{path}/{what}")
            self.expect(answer, 200, 409)
            if answer.status == 200 or unknown:
                known["paused"] = what == "pause" and answer.status == 200
        self.count(what)

    def expect(self, answer, *codes):
        if answer and answer.status not in codes:
            self.say(f"{answer!r}, not {codes}")

    def ended(self, repo, job):
        known = self.live[repo]
        self.count(job["state"])
        if job["state"] == "cancelled" and self.chance.random() < 0.5:
            answer = self.insist("POST", f"/jobs/{known['id']}/retry")[0]
            self.expect(answer, 200, 409)                         # 409: an unknown try was heard
            known["paused"] = False
            return
        if job["state"] == "failed":
            self.say(f"{repo} failed: {job['error']}")
        if job["state"] == "done":
            self.check_files(repo)
            if self.chance.random() < 0.8:
                shutil.rmtree(hub.repo_folder(self.lab.home, repo))
        self.past[known["id"]] = job["state"]
        del self.live[repo]
        while len(self.past) > HISTORY or (self.past and self.chance.random() < 0.3):
            self.forget(self.chance.choice(list(self.past)))

    def forget(self, job_id):
        answer, unknown = self.insist("DELETE", f"/jobs/{job_id}")
        self.expect(answer, 204, *([404] if unknown else []))
        self.dropped[job_id] = time.monotonic()
        del self.past[job_id]

    def check_files(self, repo):
        try:
            wrong = hub.folder_truth(hub.snapshot(self.lab.home, repo), self.trees[repo])
        except OSError as error:
            wrong = error
        if wrong:
            self.say(f"{repo} is done, and {wrong}")

    def change_settings(self):
        change = self.chance.choice([{"parallel_jobs": self.chance.randint(1, 8)}, {"limit_bytes_per_s": self.chance.choice([0, 0, 3 * MB])},
                                     {"max_connections": self.chance.choice([0, 4, 16])}])
        answer = self.insist("PATCH", "/settings", change)[0]
        self.expect(answer, 200)
        self.settings.update(change)

    def audit(self):
        """After a kill: all that was answered is so."""
        self.seen = self.kills
        self.orphans |= {job_id for job_id, at in self.dropped.items() if at > self.killed - TIDY_S}
        self.dropped = {}
        answer, settings = self.insist("GET", "/jobs?limit=1000")[0].json, self.insist("GET", "/settings")[0].json
        found = {job["id"]: job["state"] for job in answer["jobs"]}
        must = {job["id"] for job in self.live.values()} | set(self.past)
        if set(found) != must:
            self.say(f"after kill {self.seen}: lost {must - set(found)}, appeared {set(found) - must}")
        for job_id, state in self.past.items():
            if found.get(job_id, state) != state:
                self.say(f"after kill {self.seen}: {job_id} was {state} and is {found[job_id]}")
        for job in self.live.values():
            if job["paused"] and found.get(job["id"]) not in ("paused", *ENDED):
                self.say(f"after kill {self.seen}: {job['id']} was paused and is {found.get(job['id'])}")
        for name, value in self.settings.items():
            if settings[name] != value:
                self.say(f"after kill {self.seen}: {name} was {value} and is {settings[name]}")

    # the others

    def asker(self):
        chance = random.Random(len(self.times))
        while not self.over.is_set():
            self.expect(self.ask("GET", chance.choice(READ)), 200)
            self.over.wait(0.02)

    def killer(self):
        chance, last = random.Random(5), self.begun + self.seconds * (1 - self.calm)
        while not self.over.wait(chance.uniform(*self.kill_s)) and time.monotonic() < last:
            with self.killing:
                self.kills += 1
                self.killed = time.monotonic()
                self.daemon.kill()
                self.daemon.start()

    def troubler(self):
        chance = random.Random(6)
        while not self.over.wait(chance.uniform(*self.trouble_s)):
            if chance.random() < 0.1:
                self.lab.server.expire()
            self.lab.server.rules(trouble(chance))
            self.over.wait(chance.uniform(*self.trouble_s))
            self.lab.server.rules([])

    def look(self):
        """The daemon from outside; None while it is dead."""
        try:
            process = pathlib.Path(f"/proc/{self.daemon.process.pid}")
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            mib = lambda name: round(int(status[name].split()[0]) / 1024, 1)
            wal = self.daemon.data / "hf-pulld.db-wal"
            return {"life": self.kills, "rss_mib": mib("VmRSS"), "anon_mib": mib("RssAnon"), "fds": len(list((process / "fd").iterdir())),
                    "threads": int(status["Threads"]), "wal_mib": round(wal.stat().st_size / 1048576, 2) if wal.exists() else 0}
        except (OSError, AttributeError, KeyError, ValueError):
            return None

    def watcher(self):
        while not self.over.wait(0.5):
            if seen := self.look():
                self.samples.append(seen)

    # the whole

    def guarded(self, work):
        def run():
            try:
                work()
            except Exception as error:                            # a thread that dies must not look like peace
                self.say(f"{work.__qualname__}: {error!r}")
                raise
        return threading.Thread(target=run)

    def prepare(self):
        self.repos = [f"org/m{i}" for i in range(self.slots)]
        for i, repo in enumerate(self.repos):
            files = [{"path": "model.bin", "size": (1 + i % 8) * MB, "seed": i}, {"path": "part.bin", "size": MB // 2, "seed": 100 + i}]
            self.lab.content.repo(repo, {"config.json": b'{"n": %d}' % i, "empty.txt": b""}, generated=files)
        server = self.lab.start(options={"rate": self.rate})
        self.trees = {repo: server.tree(repo) for repo in self.repos}
        self.daemon = Daemon(self.lab, "--stall-timeout", "3", "--log-interval", "1", listen=f"127.0.0.1:{self.port}")

    def run(self):
        self.prepare()
        self.daemon.start()
        self.begun, self.first = time.monotonic(), self.look()
        workers = [self.user, self.killer, self.troubler, self.watcher] + [self.asker] * self.askers + [f.live for f in self.followers[1:]]
        threads = [self.guarded(work) for work in workers]
        page = self.guarded(self.followers[0].live)
        for thread in [*threads, page]:
            thread.start()
        time.sleep(self.seconds)
        self.over.set()
        for thread in threads:
            thread.join()
        try:
            self.finish()
        finally:
            self.end.set()
            code = self.daemon.stop()
            page.join()
        if code != 0:
            self.say(f"it ended with {code}: {self.daemon.text[-2000:]}")
        return self.report()

    def finish(self):
        """The sky clears: each job has to end right; the steady page has to know it; then all is let go."""
        self.lab.server.rules([])
        self.audit()
        self.insist("PATCH", "/settings", {"parallel_jobs": 8, "limit_bytes_per_s": 0, "max_connections": 0})
        for repo, known in self.live.items():
            self.insist("PATCH", f"/jobs/{known['id']}", {"limit_bytes_per_s": 0})
            self.insist("POST", f"/jobs/{known['id']}/resume")
            self.insist("POST", f"/jobs/{known['id']}/retry")
        for repo, known in self.live.items():
            try:
                job = self.daemon.wait(known["id"], timeout=90)
            except AssertionError as error:
                self.say(f"{repo} does not end: {str(error)[:2000]}")
                continue
            if job["state"] != "done":
                self.say(f"{repo} ended {job['state']}: {job['error']}")
            self.check_files(repo)
            self.past[known["id"]] = job["state"]
        self.live = {}
        self.compare_page()
        for job_id in list(self.past):
            self.forget(job_id)
        self.compare_page()
        self.leaves_nothing()
        self.last = self.look()

    def compare_page(self):
        deadline = time.monotonic() + 10
        while True:
            truth = {job["id"]: job["state"] for job in self.daemon.get("/jobs?limit=1000").json["jobs"]}
            if self.followers[0].jobs == truth:
                return
            if time.monotonic() > deadline:
                self.say(f"the page shows {self.followers[0].jobs}, and it is {truth}")
                return
            time.sleep(0.1)

    def leaves_nothing(self):
        left = lambda: {path.name for path in self.lab.path.glob("download_*")} - {f"download_{job_id}.json" for job_id in self.orphans}
        with contextlib.suppress(AssertionError):
            disk.wait_until(lambda: not left(), 2 * TIDY_S)
        if left():
            self.say(f"progress files are left: {left()}")
        for repo in self.repos:
            if wrong := hub.wrong_blobs(self.lab.home, repo):
                self.say(f"{repo} has wrong blobs: {wrong}")

    def report(self):
        times = sorted(self.times)
        at = lambda share: round(times[int(len(times) * share)] * 1000, 1)
        calm = [s for s in self.samples if s["life"] == self.kills]
        grown = {}
        for name in ("rss_mib", "anon_mib", "fds", "threads", "wal_mib"):
            values = [s[name] for s in calm]
            part = max(1, len(values) // 4)
            middle = lambda some: sorted(some)[len(some) // 2]
            grown[name] = {"most": max(s[name] for s in self.samples), "second_quarter": middle(values[part:2 * part] or values),
                           "last_quarter": middle(values[-part:])}
        for name in ("rss_mib", "anon_mib", "fds", "threads", "wal_mib"):
            grown[name] |= {"first": self.first[name], "at_rest": self.last[name]}
        return {"seconds": self.seconds, "kills": self.kills, "requests": len(times), "p50_ms": at(0.5), "p99_ms": at(0.99),
                "worst_ms": round(times[-1] * 1000, 1), "did": dict(sorted(self.counts.items())), "watched": grown,
                "events": sum(f.events for f in self.followers), "losses": sum(f.losses for f in self.followers),
                "lost_updates": sum(f.gaps for f in self.followers),
                "served_mb": self.lab.server.bytes_served() // MB, "wrong": self.wrong}
