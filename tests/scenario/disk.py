"""Looks at what hf-pull leaves on disk, and makes the disks it is tried on. Standard library only; see hub.py for the rest."""

import base64
import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import fuse
from hub import binary, pull_env, repo_folder, Run

MIB = 1 << 20
HEAVY = os.environ.get("HFP_ALL") == "1" or os.environ.get("HFP_TEST_ALL") == "1"
CLONE_NEWNS = 0x00020000  # linux/sched.h
MS_REC_PRIVATE = 0x4000 | 0x40000  # linux/mount.h


# ---- notebooks: docs/formats/digests.md, read here without the library's code ---------------------------------------

class Notebook:
    """A .digests file: whose it is, and which blocks it says are recorded."""

    def __init__(self, path):
        self.path = Path(path)
        data = self.path.read_bytes()
        assert data[:8] == b"HFPDIGST" and len(data) >= 512, f"{path} is not a digests file"
        self.size, self.adopted = struct.unpack_from("<QQ", data, 16)
        self.suffix = data[112:120].rstrip(b"\0").decode()
        self.pid = struct.unpack_from("<Q", data, 128)[0]
        entries = data[512:]
        self.blocks = {i // 32 for i in range(0, len(entries) - 31, 32) if entries[i:i + 32] != bytes(32)}


def notebooks(home, repo="org/x", type="models"):
    """The digests files of a repository, where some may belong to dead runs. One that is just being made is left out."""
    found = []
    for path in sorted((repo_folder(home, repo, type) / "blobs").glob("*.digests")):
        with contextlib.suppress(FileNotFoundError, AssertionError):
            found.append(Notebook(path))
    return found


def recorded(home, repo="org/x"):
    """The blocks recorded for the one file under way; no file under way is none."""
    return set().union(*(n.blocks for n in notebooks(home, repo)))


def partials(home, repo="org/x", type="models"):
    return sorted((repo_folder(home, repo, type) / "blobs").glob("*.incomplete"))


def blob_path(home, sha, repo="org/x", type="models"):
    return repo_folder(home, repo, type) / "blobs" / sha


def note_base(path):
    """<H> of docs/formats/cache.md: what the partials of a file of --local-dir begin with."""
    return base64.urlsafe_b64encode(hashlib.sha1((os.path.basename(path) + ".metadata").encode()).digest()).decode()


def asked_blocks(rows, size):
    """The blocks that these requests touch, whole ranges as asked."""
    blocks = set()
    for r in rows:
        if r["kind"] != "body" or r["method"] != "GET":
            continue
        first = r["first"] if r["first"] is not None else 0
        last = r["last"] if r["last"] is not None else size - 1
        blocks |= set(range(first // MIB, min(last, size - 1) // MIB + 1))
    return blocks


def tree_of(folder):
    """Everything below a folder, as far as anyone can see a change: for "writes nothing at all"."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in [*folders, *files, "."]:
            path = os.path.join(base, name)
            st = os.lstat(path)
            found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino,
                           os.readlink(path) if stat.S_ISLNK(st.st_mode) else None)
    return found


def but(tree, *parts):
    """A tree without what lies below folders of these names."""
    return {path: facts for path, facts in tree.items() if not any(f"/{part}" in path for part in parts)}


def flip_bit(path, at, bit=0):
    """One bit of a file in place; the time of change is put back, as a dying disk would not change it either."""
    st = os.stat(path)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ (1 << bit)]))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ---- other users -----------------------------------------------------------------------------------------------------

def start_as(*args, hub, home, before=(), token=None, umask=-1, program=None, **env):
    """A running hf-pull behind another program, such as setpriv."""
    command = [*map(str, before), program or binary("HF_PULL", "hf-pull", "src/hf-pull", "src/cli/hf-pull"), *map(str, args)]
    return subprocess.Popen(command, env=pull_env(hub, home, token, **env), stdin=subprocess.DEVNULL, umask=umask,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")


def finish(process, timeout=120):
    begun = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hf-pull still ran after {timeout} s\n{out}\n{err}") from None
    return Run(process.returncode, out, err, time.monotonic() - begun)


def pull_as(*args, timeout=120, **how):
    return finish(start_as(*args, **how), timeout)


def wait_until(true, timeout=30, what="it"):
    """Polls; the value when it is true."""
    deadline = time.monotonic() + timeout
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.005)


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


@contextlib.contextmanager
def open_folder():
    """A folder every user can reach, as tmp_path is not."""
    path = Path(tempfile.mkdtemp(prefix="hfp-disk-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def shared_program(folder):
    """hf-pull where every user can run it."""
    target = Path(folder) / "hf-pull"
    shutil.copy(binary("HF_PULL", "hf-pull", "src/hf-pull", "src/cli/hf-pull"), target)
    target.chmod(0o755)
    return str(target)


# ---- disks -----------------------------------------------------------------------------------------------------------

_own_namespace = False


def own_mounts():
    """From here on mounts of this process are its own: none can outlive the test run. Skips where that is not allowed;
    in CI a skipped test has failed (tools/run-tests)."""
    global _own_namespace
    need_root()
    if _own_namespace:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) != 0:
        pytest.skip(f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}")
    _own_namespace = True


def order(*command, skip=False):
    """Runs a tool of the system; skip: its failure means that this machine cannot, not that hf-pull is wrong."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"{command[0]} is not installed")
    if done.returncode != 0:
        text = f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}"
        if skip:
            pytest.skip(text)
        raise AssertionError(text)
    return done.stdout


@contextlib.contextmanager
def unmounted_after(folder):
    try:
        yield Path(folder)
    finally:
        if subprocess.run(["umount", str(folder)], capture_output=True).returncode != 0:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)


@contextlib.contextmanager
def tmpfs(folder, size, options=""):
    own_mounts()
    Path(folder).mkdir(parents=True, exist_ok=True)
    order("mount", "-t", "tmpfs", "-o", f"size={size}{options}", "hfp", folder, skip=True)
    with unmounted_after(folder):
        yield Path(folder)


MAKERS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"],
          "exfat": ["mkfs.exfat"]}


@contextlib.contextmanager
def loop_disk(kind, folder, size=512 * MIB):
    """A file system of that kind on an image beside the folder. The image is sparse; xfs wants 300 MB at least."""
    own_mounts()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.parent / (folder.name + ".img")
    with open(image, "wb") as f:
        f.truncate(size)
    order(*MAKERS[kind], image, skip=True)
    device = order("losetup", "--find", "--show", image, skip=True).strip()
    try:
        how = ["mount.exfat-fuse"] if kind == "exfat" else ["mount", "-t", kind]
        order(*how, device, folder, skip=True)
        with unmounted_after(folder):
            yield folder
    finally:
        subprocess.run(["losetup", "--detach", device], capture_output=True)
        image.unlink()


@contextlib.contextmanager
def overlay(folder):
    own_mounts()
    folder = Path(folder)
    below, above, work = (folder.parent / (folder.name + s) for s in ("-lower", "-upper", "-work"))
    for d in (folder, below, above, work):
        d.mkdir(parents=True, exist_ok=True)
    order("mount", "-t", "overlay", "-o", f"lowerdir={below},upperdir={above},workdir={work}", "hfp", folder, skip=True)
    with unmounted_after(folder):
        yield folder


@contextlib.contextmanager
def read_only(folder):
    """The folder as it is, on a read-only mount."""
    own_mounts()
    order("mount", "--bind", folder, folder, skip=True)
    with unmounted_after(folder):
        order("mount", "-o", "remount,ro,bind", folder, skip=True)
        yield Path(folder)


@contextlib.contextmanager
def held_down(process, controller, old, new):
    """The process in a control group of its own. old, new: (file, text) for cgroups v1 and v2."""
    need_root()
    top = Path("/sys/fs/cgroup")
    v1 = (top / controller / "tasks").exists()
    group = (top / controller if v1 else top) / f"hfp-{process.pid}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups: {error}")
    try:
        name, text = old if v1 else new
        try:
            (group / name).write_text(text)
        except OSError as error:
            pytest.skip(f"no {controller} in control groups: {error}")
        (group / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(process.pid))
        group.rmdir()


@contextlib.contextmanager
def hanging(folder):
    own_mounts()
    with unmounted_after(folder):
        fs = fuse.Hanging(folder)
        try:
            yield fs
        finally:
            fs.close()


# ---- memory ----------------------------------------------------------------------------------------------------------

def peak_memory(process, every_s=0.003):
    """Follows a process to its end; the peak of its anonymous memory and of all of it, in bytes."""
    anon = whole = 0
    while process.poll() is None:
        try:
            rows = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            break
        if "RssAnon" in rows:
            anon = max(anon, int(rows["RssAnon"].split()[0]) * 1024)
            whole = max(whole, int(rows["VmHWM"].split()[0]) * 1024)
        time.sleep(every_s)
    return anon, whole


def end(process, number=signal.SIGKILL):
    """Signals a run and waits for its end; the seconds it took."""
    begun = time.monotonic()
    process.send_signal(number)
    process.wait(30)
    return time.monotonic() - begun
