"""The programs that are compared, each as its own users run it for speed. Each is told where the Hub is and knows
nothing else; nothing is left of an earlier run unless its name says so."""
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .servers import TOP, binary

HERE = TOP / "bench"
HF = "2.4.0"


@dataclasses.dataclass
class Job:
    """What is to be fetched, and where to."""
    hub: str
    repo: str
    files: dict          # path -> size
    home: Path           # everything a run writes
    ca: Path = None      # certificate to trust
    state: Path = None   # where hf-pull keeps what it learned of hosts; None: below home
    trace: bool = False  # hf-pull's own log into its event stream
    revision: str = "main"

    def url(self, path):
        return f"{self.hub}/{self.repo}/resolve/main/{path}"

    def out(self, path):
        return self.home / "out" / path

    @property
    def size(self):
        return sum(self.files.values())

    def env(self):
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("HF_", "HUGGING", "XDG_", "SSL_CERT")) and
                not k.upper().endswith("_PROXY")}
        kept.update(HF_HOME=str(self.home / "hf"), HOME=str(self.home), HF_ENDPOINT=self.hub, NO_COLOR="1", HF_HUB_DISABLE_XET="1",
                    HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_UPDATE_CHECK="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
        if self.ca:
            kept["SSL_CERT_FILE"] = str(self.ca)
        if self.state:
            kept["XDG_STATE_HOME"] = str(self.state)
        return kept


@dataclasses.dataclass
class Client:
    name: str
    about: str
    command: object       # Job -> list
    proves: bool = False
    cache: bool = False   # writes the Hugging Face cache, else job.out()
    keep: bool = False    # overwrites the file of its last run
    parts: int = 0        # leaves a file in so many parts

    def outputs(self, job):
        """path -> its file on disk, or its parts, of a run that has ended well."""
        if self.parts:
            return {path: [Path(f"{job.out(path)}.{i}") for i in range(self.parts)] for path in job.files}
        if not self.cache:
            return {path: [job.out(path)] for path in job.files}
        repo = job.home / "hf/hub" / ("models--" + job.repo.replace("/", "--"))
        ref = repo / "refs" / job.revision
        return {path: [repo / "snapshots" / ref.read_text() / path] for path in job.files} if ref.exists() else {}


def venv(name, requirements):
    """A venv below build/ with exactly these packages; made once, kept until they change. That of hf is the tests'."""
    wanted = requirements.read_text()
    home = Path(os.environ.get("HFP_VENVS", TOP / "build/venvs")) / name
    stamp = home / "stamp"
    if not (stamp.exists() and stamp.read_text() == wanted):
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/python", "-m", "pip", "install", "-q", "--no-deps", "-r", requirements], check=True,
                       stdin=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return home / "bin"


def hf_pull(job):
    return ([binary("HF_PULL", "hf-pull"), job.repo, "--progress", "json"] + (["-vvv"] if job.trace else []) +
            (["--ca-file", job.ca] if job.ca else []))


def _curl(job, *more):
    return ["curl", "-sS", "-f", "-L", "--create-dirs"] + (["--cacert", str(job.ca)] if job.ca else []) + [str(m) for m in more]


def curl(job):
    """One process, one connection at a time, file after file."""
    parts = []
    for path in job.files:
        parts += ["-o", job.out(path), job.url(path)]
    return _curl(job, *parts)


def curl_dgst(job):
    outs = " ".join(shlex.quote(str(job.out(path))) for path in job.files)
    return ["sh", "-c", f"{shlex.join(curl(job))} && openssl dgst -sha256 {outs}"]


def curl_ranges(count):
    """One file in as many equal ranges as connections, each range by a curl of its own. The parts are not put together."""
    def command(job):
        (path, size), = job.files.items()
        lines, step = [], -(-size // count)
        for i, first in enumerate(range(0, size, step)):
            ranged = _curl(job, "-r", f"{first}-{min(first + step, size) - 1}", "-o", f"{job.out(path)}.{i}", job.url(path))
            lines.append(shlex.join(ranged) + " &")
        return ["sh", "-c", "\n".join(lines) + "\nwait"]
    return command


def curl_many(job):
    """For many files: sixteen at once in one process."""
    listing = job.home / "urls"
    listing.write_text("".join(f'url = "{job.url(path)}"\noutput = "{job.out(path)}"\n' for path in job.files))
    return _curl(job, "--parallel", "--parallel-max", 16, "-K", listing)


def aria2(job):
    listing = job.home / "urls"
    listing.write_text("".join(f"{job.url(path)}\n  out={path}\n" for path in job.files))
    return (["aria2c", "-q", "-x16", "-s16", "-k1M", "-c", "-j16" if len(job.files) > 16 else "-j5", "--file-allocation=none",
             "--no-conf", "--auto-file-renaming=false", "-d", job.home / "out", "-i", listing] +
            ([f"--ca-certificate={job.ca}"] if job.ca else []))


def hf(job):
    return [venv(HF, TOP / f"tests/peers/requirements-{HF}.txt") / "hf", "download", job.repo]


def hf_transfer(job):
    jobs = [[job.url(path), str(job.out(path))] for path in job.files]
    return [venv("hf_transfer", HERE / "requirements-hf_transfer.txt") / "python", HERE / "hf_transfer_driver.py", json.dumps(jobs)]


def curl_resume(job):
    return _curl(job, "-C", "-", *[part for path in job.files for part in ("-o", job.out(path), job.url(path))])


CLIENTS = {c.name: c for c in (
    Client("hf-pull", "proved, fdatasync, in the cache", hf_pull, proves=True, cache=True),
    Client("hf-pull again", "the same; it has learned this host before", hf_pull, proves=True, cache=True),
    Client("curl", "one stream, new file, nothing proved", curl),
    Client("curl keep", "one stream into an existing file, nothing proved", curl, keep=True),
    Client("curl+dgst", "the same as curl, then openssl dgst -sha256", curl_dgst, proves=True),
    Client("aria2c", "-x16 -s16 -k1M, file-allocation none, nothing proved", aria2),
    Client("hf", "huggingface_hub 2.4.0, Xet off, nothing proved", hf, cache=True),
    Client("hf_transfer", "0.1.9, 8 x 10 MiB, nothing proved", hf_transfer),
    Client("curl x1", "one curl", curl_ranges(1), parts=1),
    Client("curl x4", "4 curls, a quarter each", curl_ranges(4), parts=4),
    Client("curl x8", "8 curls, an eighth each", curl_ranges(8), parts=8),
    Client("curl x16", "16 curls, a sixteenth each", curl_ranges(16), parts=16),
    Client("curl many", "one process, --parallel-max 16", curl_many),
    Client("curl -C -", "one stream, resumed", curl_resume),
)}
