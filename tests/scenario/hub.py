"""Starts tests/fakehub and asks it what happened; runs hf-pull against it and checks what is on disk.

Standard library only. A test does:

    root = Content(tmp_path / "root")
    root.repo("org/x", {"config.json": b"{}"}, generated=[{"path": "model.bin", "size": 30_000_000, "seed": 1}])
    with FakeHub(root.path, rules=[{"match": {"kind": "body", "nth": [1]}, "do": {"reset_after": 12_000_000}}]) as hub:
        run = pull("org/x", hub=hub, home=tmp_path / "home")
        assert run.code == 0
        assert cache_truth(tmp_path / "home", "org/x", hub) == {}
        assert hub.bytes_served("model.bin") < 31_000_000

The rule language is in tests/fakehub/README.md.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_MASK = (1 << 64) - 1


def binary(variable, *candidates):
    """The program named by an environment variable, else the first that exists below the build folder."""
    if os.environ.get(variable):
        return os.environ[variable]
    build = Path(os.environ.get("HFP_BUILD", TOP / "build"))
    for name in candidates:
        if (build / name).exists():
            return str(build / name)
    raise FileNotFoundError(f"none of {candidates} in {build}; build first, or set {variable}")


def free_port():
    """For a program that takes a number only."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fakehub_binary():
    return binary("FAKEHUB", "tests/fakehub/fakehub", "fakehub")


# ---- content -------------------------------------------------------------------------------------------------------

def gen_word(seed, index):
    z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def gen_bytes(seed, first, length):
    """The bytes of a generated file, independent of the C code. For some MB; use gen_fast for more."""
    start, end = first // 8, (first + length + 7) // 8
    words = b"".join(gen_word(seed, i).to_bytes(8, "little") for i in range(start, end))
    return words[first - 8 * start:first - 8 * start + length]


def gen_fast(seed, first, length):
    """The same by the C code."""
    return subprocess.run([fakehub_binary(), "gen", str(seed), str(first), str(length)], check=True, capture_output=True).stdout


def git_oid(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Content:
    """A folder for --root. Keyword arguments of repo() become its .fakehub.json."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def repo(self, repo_id, files=None, type="models", **config):
        home = self.path / type / repo_id
        home.mkdir(parents=True, exist_ok=True)
        for name, data in (files or {}).items():
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (home / ".fakehub.json").write_text(json.dumps(config))
        return home


# ---- the server ----------------------------------------------------------------------------------------------------

class FakeHub:
    """One running fakehub. options: {"page": 2, "resolve-cache": True, "latency": 50, ...} as on its command line."""

    def __init__(self, root, rules=None, cdn=("127.0.0.1:0",), hub=("127.0.0.1:0",), token=None, tls=None, options=None, program=None,
                 cas=()):
        self.root, self.first_rules = str(root), rules
        self.addresses = {"cdn": list(cdn), "hub": list(hub), "cas": list(cas)}
        self.token, self.tls, self.options = token, tls, dict(options or {})
        self.program = program or fakehub_binary()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        code = self.stop()
        if kind is None and code != 0:          # a sanitizer's finding, or a crash under the test
            raise RuntimeError(f"fakehub ended with {code}: {self.error_text}")

    def _command(self):
        command = [self.program, "--root", self.root, "--ready", str(self.dir / "ready"), "--log", str(self.dir / "log")]
        for on, list_ in self.addresses.items():
            for address in list_:
                command += ["--" + on, address]
        if self.token:
            command += ["--token", self.token]
        if self.tls:
            command += ["--tls", str(self.tls[0]), str(self.tls[1])]
        if self.first_rules is not None:
            (self.dir / "rules").write_text(json.dumps(self.first_rules))
            command += ["--rules", str(self.dir / "rules")]
        for name, value in self.options.items():
            command += ["--" + name] if value is True else ["--" + name, str(value)]
        return command

    def start(self, timeout=120):
        self.dir = Path(tempfile.mkdtemp(prefix="fakehub-"))
        self.stderr = open(self.dir / "stderr", "wb")
        self.process = subprocess.Popen(self._command(), stderr=self.stderr, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout
        while not (self.dir / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.dir / "stderr").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"fakehub did not start: {text}")
            time.sleep(0.005)
        ready = json.loads((self.dir / "ready").read_text())
        self.pid, self.hub, self.cdn = ready["pid"], ready["hub"], ready["cdn"]
        self.hub_port, self.cdn_port = ready["hub_port"], ready["cdn_port"]
        self.cas, self.cas_port = ready["cas"], ready["cas_port"]  # "" and 0 without Xet storage
        return self

    def stop(self):
        """Ends this very process, and returns its exit code."""
        if not self.process:
            return None
        self.process.terminate()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        self.stderr.close()
        self.error_text = (self.dir / "stderr").read_text(errors="replace")
        shutil.rmtree(self.dir, ignore_errors=True)
        return code

    # orders; they go to the hub's port, or to the CDN's when the hub is closed

    def _control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        context = None
        if self.tls:
            import ssl
            context = ssl._create_unverified_context()
        handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
        opener = urllib.request.build_opener(*handlers)
        scheme = "https" if self.tls else "http"
        for port in (self.hub_port, self.cdn_port):
            request = urllib.request.Request(f"{scheme}://{self._host(port)}:{port}/_fake/{path}", data=data)
            try:
                with opener.open(request, timeout=30) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"/_fake/{path}: {error.read().decode(errors='replace')}") from None
            except OSError:
                if port == self.cdn_port:
                    raise

    def _host(self, port):
        on = "hub" if port == self.hub_port else "cdn"
        return self.addresses[on][0].rsplit(":", 1)[0]

    def rules(self, rules):
        """Replaces all rules from the next request on; their counters start at zero."""
        self._control("rules", rules)

    def reset(self):
        """No rules, empty log, counters at zero, all listeners open."""
        self._control("reset", {})

    def expire(self):
        """Every location given out so far answers 403 from now on."""
        self._control("expire", {})

    def expire_tokens(self):
        """Every read token given out so far answers 401 from now on."""
        self._control("expire-tokens", {})

    def set(self, **options):
        """rate, conn_rate, throttle_above, throttle_to, latency_ms, quota_api, quota_resolve."""
        self._control("set", options)

    def change(self, repo, **change):
        """refs={"main": label}, gated=, private=, granted=, disabled=."""
        self._control("repo", dict(change, repo=repo))

    def listen(self, open, on=None, addr=None, ms=None):
        order = {"open": open, "on": on, "addr": addr, "ms": ms}
        self._control("listen", {k: v for k, v in order.items() if v is not None})

    def stats(self):
        return json.loads(self._control("stats"))

    # what happened

    def log(self):
        """All requests in order of their beginning; those still running have end None."""
        rows = {}
        text = (self.dir / "log").read_text()
        for line in text[:text.rfind("\n") + 1].splitlines():  # the last one may be half written
            row = json.loads(line)
            if row["ev"] == "begin":
                rows[row["id"]] = dict(row, end=None, status=None, bytes=0, rules=[])
            else:
                began = rows.get(row["id"], row)["t_ms"]
                rows[row["id"]] = dict(row, end_ms=row["t_ms"], t_ms=began)
        return [rows[i] for i in sorted(rows)]

    def requests(self, kind=None, **fields):
        """Log rows where kind and the other fields (on, file, repo, method, status, end, addr, ...) are as given."""
        if kind is not None:
            fields["kind"] = kind
        return [r for r in self.log() if all(r.get(k) == v for k, v in fields.items())]

    def wait_asked(self, process, agent, kind, timeout=60):
        """Waits until a run with this origin in its user agent has asked for something of this kind, or has ended."""
        deadline, text = time.monotonic() + timeout, ""
        with open(self.dir / "log") as log:
            while process.poll() is None:
                text += log.read()
                if any(re.search(rf'origin/{agent}[;"]', line) and f'"{kind}"' in line for line in text.splitlines()):
                    return
                assert time.monotonic() < deadline, f"waited {timeout} s for {agent} to ask for a {kind}"
                text = text[text.rfind("\n") + 1:]
                time.sleep(0.002)

    def settled(self, timeout=10):
        """Waits until no request is running, then gives the log."""
        deadline = time.monotonic() + timeout
        while any(r["end"] is None for r in self.log()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.log()

    def bytes_served(self, path=None):
        """Body bytes handed out, of one file or of all byte streams."""
        return sum(r["bytes"] for r in self.settled() if r["kind"] == "body" and path in (None, r["file"]))

    def xorb_ranges(self, xorb=None):
        """(xorb, first, last) of every GET of xorb bytes, as asked."""
        return [(r["file"], r["first"], r["last"]) for r in self.requests("xorb") if xorb in (None, r["file"])]

    def xorb_bytes(self):
        """Bytes of xorbs handed out."""
        return sum(r["bytes"] for r in self.settled() if r["kind"] == "xorb")

    def xorb_bytes_again(self):
        """Bytes of xorbs asked for again when the request that was to bring them had ended. A range that a second connection takes
        over while the first one is still at it is none of them: on a slow machine that may happen."""
        again, rows = 0, [r for r in self.settled() if r["kind"] == "xorb"]
        for i, r in enumerate(rows):
            before = [e for e in rows[:i] if e["file"] == r["file"] and e["first"] <= r["last"] and e["last"] >= r["first"]]
            taken_over = any(e.get("end_ms", r["t_ms"]) >= r["t_ms"] for e in before)
            again += 0 if taken_over or not before else r["last"] + 1 - r["first"]
        return again

    def ranges(self, path):
        """(first, last) of every GET of the file's bytes, as asked; (None, None) for a whole one."""
        return [(r["first"], r["last"]) for r in self.requests("body", file=path, method="GET")]

    def tree(self, repo, rev="main", type="models"):
        """{path: entry} of all files, over all pages."""
        url = f"{self.hub}/api/{type}/{repo}/tree/{urllib.parse.quote(rev, safe='')}?recursive=true"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        found = {}
        while url:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})
            with opener.open(request, timeout=60) as answer:
                found.update({e["path"]: e for e in json.load(answer) if e["type"] == "file"})
                link = answer.headers.get("Link", "")
            url = link[1:link.index(">")] if 'rel="next"' in link else None
        return found


# ---- hf-pull -------------------------------------------------------------------------------------------------------

class Run:
    """A finished hf-pull."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __repr__(self):
        return f"Run(code={self.code}, {self.seconds:.1f} s)\n--- stdout\n{self.out}--- stderr\n{self.err}"


def pull_env(hub, home, token=None, **env):
    """A clean environment: nothing of the caller's HF_* or proxies leaks in."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("HF_", "HUGGING", "HTTP_PROXY", "HTTPS_PROXY",
                                                                           "ALL_PROXY", "NO_PROXY", "TRANSFORMERS_"))}
    kept.update(HF_HOME=str(home), HOME=str(home), NO_COLOR="1")
    kept["HF_ENDPOINT"] = hub if isinstance(hub, str) else hub.hub
    if token:
        kept["HF_TOKEN"] = token
    kept.update({k: str(v) for k, v in env.items()})
    return kept


def start_pull(*args, hub, home, token=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **env):
    """A running hf-pull, to be killed or watched. env: further variables; an empty value stays empty."""
    Path(home).mkdir(parents=True, exist_ok=True)
    command = [binary("HF_PULL", "hf-pull", "src/hf-pull", "src/cli/hf-pull")] + [str(a) for a in args]
    return subprocess.Popen(command, env=pull_env(hub, home, token, **env), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                            text=True, errors="replace")


def pull(*args, hub, home, token=None, timeout=120, **env):
    """Runs hf-pull to its end."""
    begun = time.monotonic()
    process = start_pull(*args, hub=hub, home=home, token=token, **env)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hf-pull still ran after {timeout} s\n{out}\n{err}") from None
    return Run(process.returncode, out, err, time.monotonic() - begun)


# ---- what is on disk -----------------------------------------------------------------------------------------------

def repo_folder(home, repo, type="models"):
    return Path(home) / "hub" / (type + "--" + repo.replace("/", "--"))


def snapshot(home, repo, type="models", rev="main"):
    """The snapshot folder the ref points to. A ref that is not 40 hex without a newline is an error."""
    folder = repo_folder(home, repo, type)
    commit = rev
    if not (len(rev) == 40 and set(rev) <= set("0123456789abcdef")):
        commit = (folder / "refs" / rev).read_text()
    assert len(commit) == 40 and set(commit) <= set("0123456789abcdef"), f"bad ref {commit!r}"
    return folder / "snapshots" / commit


def file_hash(path, lfs):
    digest = hashlib.sha256() if lfs else hashlib.sha1(b"blob %d\0" % os.stat(path).st_size)
    with open(path, "rb") as f:
        while data := f.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def etag_of(entry):
    """What the Hub names the content of a tree entry by: sha256, or git's sha1."""
    return entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]


def folder_truth(folder, tree, extra_ok=()):
    """{path: what is wrong} between a folder and a tree: read from disk and hashed here, byte by byte."""
    wrong = {}
    for path, entry in tree.items():
        file = Path(folder) / path
        want = etag_of(entry)
        if not file.is_file():
            wrong[path] = "missing"
        elif file.stat().st_size != entry["size"]:
            wrong[path] = f"size {file.stat().st_size}, not {entry['size']}"
        elif file_hash(file, "lfs" in entry) != want:
            wrong[path] = "wrong bytes"
    for base, _, names in os.walk(folder):
        for name in names:
            path = str((Path(base) / name).relative_to(folder))
            if path not in tree and not any(path.startswith(e) for e in extra_ok):
                wrong[path] = "not in the repository"
    return wrong


def cache_truth(hf_home, repo, hub, rev="main", type="models", only=None):
    """{} when the snapshot holds exactly the hub's files (or those where only(path) is true), every byte of them right."""
    tree = hub.tree(repo, rev, type)
    if only:
        tree = {p: e for p, e in tree.items() if only(p)}
    try:
        folder = snapshot(hf_home, repo, type, rev)
    except FileNotFoundError:
        return {p: "missing" for p in tree}
    return folder_truth(folder, tree)


def wrong_blobs(hf_home, repo, type="models"):
    """Blobs under a final name (40 or 64 hex) whose content is not what the name says. Must be empty at every instant."""
    blobs = repo_folder(hf_home, repo, type) / "blobs"
    names = [p for p in blobs.iterdir() if len(p.name) in (40, 64) and set(p.name) <= set("0123456789abcdef")] if blobs.is_dir() else []
    return [p.name for p in names if file_hash(p, len(p.name) == 64) != p.name]
