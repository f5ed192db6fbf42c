"""The real Python clients, one venv each, and what the tests here ask of them and of the disk."""
import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from hub import TOP, pull_env, repo_folder, start_pull

HERE = Path(__file__).resolve().parent
VERSIONS = ("2.4.0", "1.17.0", "0.36.0")
RESUMES_BY_NAME = ("1.17.0", "0.36.0")  # until 1.17 <etag>.incomplete is resumed by whoever finds it
BLOCK = 1 << 20          # hf-pull records by the MiB
SLOW = 15_000_000        # bytes per second at which there is time to see a program in the middle of org/big,
CREEP = 1_000_000        # and at which it is still there when the next one has come, however slow the machine
CLIENT_CHUNK = 10 << 20  # the clients write by 10 MiB, constants.DOWNLOAD_CHUNK_SIZE


def build_dir():
    return Path(os.environ.get("HFP_BUILD", TOP / "build"))


@contextlib.contextmanager
def alone(path):
    """Test runners side by side make a thing that is kept only once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def venv(version):
    """The folder of a venv with exactly the pinned packages; made once, kept until the pins change."""
    home = Path(os.environ.get("HFP_VENVS", build_dir() / "venvs")) / version
    made = subprocess.run([TOP / "tools/make-venv", home, HERE / f"requirements-{version}.txt", "--no-deps"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, f"the venv of {version} cannot be made:\n{made.stdout}{made.stderr}"
    return home


@dataclasses.dataclass
class Answer:
    """What one call of the client gave: a value, or the names of the exception and its parents."""

    value: object = None
    error: tuple = ()
    text: str = ""


class Client:
    """One version of huggingface_hub on one cache and one Hub."""

    def __init__(self, version, hub, home):
        self.version, self.hub, self.home, self.bin = version, hub, Path(home), venv(version) / "bin"

    def env(self, **env):
        usual = dict(HF_HUB_DISABLE_XET=1, HF_HUB_DISABLE_TELEMETRY=1, HF_HUB_DISABLE_UPDATE_CHECK=1,
                     HF_HUB_DISABLE_PROGRESS_BARS=1, PYTHONUTF8=1)
        return pull_env(self.hub, self.home, **usual | env)

    def call(self, name, env=None, timeout=100, **args):
        """huggingface_hub.<name>(**args) in the venv."""
        done = finish(self.start_call(name, env, **args), timeout)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        return Answer(answer.get("value"), tuple(answer.get("error", ())), answer.get("text", ""))

    def start_call(self, name, env=None, **args):
        """The same, running."""
        return self.start(HERE / "client_side.py", json.dumps({"call": name, "args": args}), program="python", **(env or {}))

    def value(self, name, **args):
        """The same, for a call that must succeed."""
        answer = self.call(name, **args)
        assert not answer.error, f"{self.version} {name}: {answer}"
        return answer.value

    def start(self, *args, program="hf", **env):
        """A running command of the client, to be killed or awaited."""
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen([self.bin / program, *map(str, args)], env=self.env(**env), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")

    def run(self, *args, program="hf", timeout=100, **env):
        process = self.start(*args, program=program, **env)
        return finish(process, timeout)

    def ok(self, *args, **rest):
        done = self.run(*args, **rest)
        assert done.returncode == 0, f"{self.version} {args}: {done}"
        return done


def finish(process, timeout=100):
    """Waits for a started program; one that does not end is ended, and that is a failure."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{process.args} still ran after {timeout} s\n{out}\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill9(process):
    """SIGKILL, and gone when this returns."""
    process.kill()
    process.communicate()


def wait_until(truth, what, timeout=30, process=None):
    """Polls until truth() holds. With a process: it must not end before."""
    deadline = time.monotonic() + timeout
    while not truth():
        assert process is None or process.poll() is None, f"{process.args} ended before {what}: {process.communicate()}"
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def pull_reading(*args, **rest):
    """Runs hf-pull; gives (exit code, stdout, stderr, bytes it read by system calls, sockets included)."""
    process = start_pull(*args, **rest)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not yet reaped: its counters can still be read
    counters = dict(line.split(": ") for line in Path(f"/proc/{process.pid}/io").read_text().splitlines())
    out, err = process.communicate()
    return process.returncode, out, err, int(counters["rchar"])


# ---- the hub's log -------------------------------------------------------------------------------------------------

def bodies(hub, running=False):
    """Files whose bytes were asked for, in order. running: without waiting for the end of what is on its way."""
    return [r["file"] for r in (hub.log() if running else hub.settled()) if r["kind"] == "body" and r["method"] == "GET"]


def asked(hub):
    """Kinds of all requests but the client's own start-up call (kind other)."""
    return sorted({r["kind"] for r in hub.settled()} - {"other"})


def quiet(hub):
    """Nothing runs, nothing is limited or broken, and the log is empty."""
    hub.settled()
    hub.reset()
    hub.set(rate=0)


def hold_at(hub, size):
    """The first answer with model.bin's bytes falls silent 2 MB after `size`: whoever reads it can be met there."""
    hub.rules([{"match": {"kind": "body", "path": "model.bin", "nth": 1}, "do": {"stall_after": size + 2_000_000}}])


def met(hub, process, size):
    """Waits until `process` has been sent `size` bytes. From then on hardly more comes, until hub.set(rate=0)."""
    wait_until(lambda: body_bytes_so_far(hub) >= size, f"{size} bytes sent", process=process)
    hub.set(rate=CREEP)


def body_bytes_so_far(hub):
    """Bytes handed out, requests that still run included."""
    stats = hub.stats()
    return sum(listener["bytes"] for listener in stats["listeners"])


# ---- the disk ------------------------------------------------------------------------------------------------------

def sizes(paths):
    found = {}
    for path in paths:
        try:
            found[path.name] = path.stat().st_size
        except FileNotFoundError:
            pass  # published in this very moment
    return found


def partials(home, repo):
    """{name: size} of everything unfinished below the blobs of a repository."""
    blobs = repo_folder(home, repo) / "blobs"
    return sizes(p for p in (blobs.iterdir() if blobs.is_dir() else ()) if p.suffix in (".incomplete", ".digests"))


def largest_partial(home, repo):
    return max((size for name, size in partials(home, repo).items() if name.endswith(".incomplete")), default=0)


def layout(folder, skip=()):
    """{path: what it is} of everything below a folder: link targets, modes, contents of small files."""
    found = {}
    for base, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if f not in skip]
        for name in [*folders, *names]:
            path = Path(base) / name
            key = str(path.relative_to(folder))
            info = path.lstat()
            if path.is_symlink():
                found[key] = f"link to {os.readlink(path)}"
            elif path.is_dir():
                found[key] = f"folder {info.st_mode & 0o777:o}"
            else:
                content = path.read_bytes() if info.st_size < 4096 else b""
                found[key] = (f"file {info.st_mode & 0o777:o}", info.st_size, content)
    return found
