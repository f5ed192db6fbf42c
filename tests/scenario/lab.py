"""A workbench for one scenario: content, a fakehub, a home, and what must hold after every run whatever happened."""

import concurrent.futures
import json
import subprocess
import urllib.request

import hub
from casdata import CasData
from hub import free_port  # noqa: F401  (for the scenarios)

MB = 1_000_000
MIB = 1 << 20
REPO = "org/x"


class Lab:
    def __init__(self, path):
        self.path, self.home = path, path / "home"
        self.content = hub.Content(path / "root")
        self.server = self.store = None

    def file(self, size, name="model.bin", repo=REPO, **more):
        """The usual repository: one generated file, and whatever else is given."""
        self.content.repo(repo, generated=[{"path": name, "size": size, "seed": 7}], **more)
        return self

    def xet(self, files, *uploads, repo=REPO, **more):
        """A repository whose files are in Xet storage, put there by the real writer: all at once, or as the lists of names
        say, where a later upload finds what the earlier ones have stored. {name: id}"""
        home = self.content.repo(repo, files, xet=True, lfs_over=0, **more)
        self.store = self.store or CasData(self.path / "cas")
        ids = self.store.add(*([home / name for name in names] for names in uploads or [list(files)]))
        return {path.removeprefix(f"{home}/"): file_id for path, file_id in ids.items()}

    def uploaded(self, name, repo=REPO):
        """The path under which the store knows a file of xet()."""
        return self.content.path / "models" / repo / name

    def start(self, rules=None, **how):
        if self.store:
            how["options"] = {"cas-data": self.store.path} | how.get("options", {})
        self.server = hub.FakeHub(self.content.path, rules=rules, **how).start()
        if "hub-name" in how.get("options", {}):        # a name only hf-pull is told how to find
            self.server.hub = f"http://127.0.0.1:{self.server.hub_port}"
        return self.server

    def stop(self):
        if self.server and self.server.process:
            code = self.server.stop()
            assert code == 0, self.server.error_text

    def how(self, more):
        more.setdefault("home", self.home)
        if "hub" not in more:
            more["hub"] = self.server
        if "token" not in more and self.server:
            more["token"] = self.server.token
        return more

    def pull(self, *args, **more):
        return hub.pull(*(args or (REPO,)), **self.how(more))

    def begin(self, *args, **more):
        return hub.start_pull(*(args or (REPO,)), **self.how(more))

    def wrong(self, repo=REPO, home=None, **more):
        """{} when the snapshot is exactly the hub's; also no blob anywhere is other than its name says."""
        assert hub.wrong_blobs(home or self.home, repo) == []
        return hub.cache_truth(home or self.home, repo, self.server, **more)

    def assert_done(self, run, repo=REPO, home=None, **more):
        assert run.code == 0, run
        assert self.wrong(repo, home, **more) == {}
        assert run.out.strip() == str(hub.snapshot(home or self.home, repo, rev=more.get("rev", "main")))

    def assert_not_done(self, run, code, *words, repo=REPO, home=None):
        """The exit code, its reason in words, no path on stdout, and nothing wrong in place."""
        codes = code if isinstance(code, tuple) else (code,)
        assert run.code in codes, run
        for word in words:
            assert word.lower() in run.err.lower(), (word, run)
        assert run.out == "", run
        assert hub.wrong_blobs(home or self.home, repo) == []

    def bodies(self, path="model.bin"):
        self.server.settled()
        return self.server.requests("body", file=path)


def together(calls, at_once=8):
    """Runs {name: function} side by side, for scenarios that mostly wait; {name: what it returned}."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def files_below(path, but=()):
    """{relative path: (size, mtime)} of everything there, links not followed, without the named subtrees."""
    found = {}
    for entry in sorted(path.rglob("*")):
        name = str(entry.relative_to(path))
        if not any(name == b or name.startswith(b + "/") for b in but):
            about = entry.lstat()
            found[name] = (about.st_size, about.st_mtime_ns) if not entry.is_dir() else None
    return found


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return answer.read()


def tree_text(server, repo=REPO, rev="main"):
    """The tree's first page as the hub sends it, to be spoiled and given back by a rule."""
    return json.loads(fetch(f"{server.hub}/api/models/{repo}/tree/{rev}?recursive=true"))


def ends(process, timeout=120):
    """(code, stdout, stderr) of a process from Lab.begin()."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hf-pull still ran after {timeout} s\n{out}\n{err}") from None
    return hub.Run(process.returncode, out, err, 0)
