"""One run of one program: wall clock, processor time, peak memory of it and its children."""
import dataclasses
import os
import signal
import subprocess
import threading
import time

POLL_S = 0.01  # peak memory is sampled this often; RssAnon has no high-water mark of the kernel's own


@dataclasses.dataclass
class Measured:
    code: int = 0
    wall_s: float = 0.0
    user_s: float = 0.0
    system_s: float = 0.0
    rss_kib: int = 0       # highest sum over the program and its children that was seen; the kernel's ru_maxrss would
                           # count the Python that forked them
    anon_kib: int = 0
    stopped: bool = False  # ended on purpose by stop_when
    late: bool = False     # ended because its time was over
    begun_unix_s: float = 0.0
    ended_unix_s: float = 0.0

    @property
    def cpu_s(self):
        return self.user_s + self.system_s


def tree(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        try:
            with open(f"/proc/{one}/task/{one}/children") as f:
                todo += [int(child) for child in f.read().split()]
        except OSError:
            pass  # it has just ended
    return found


def memory_kib(pid):
    """Its peak of resident memory until now, and what is anonymous of it at this moment."""
    rss = anon = 0
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    rss = int(line.split()[1])
                elif line.startswith("RssAnon:"):
                    anon = int(line.split()[1])
                    break
    except OSError:
        pass
    return rss, anon


def bytes_written(pid):
    """By write calls of the program and its children. (Allocated blocks would not do: some preallocate.)"""
    total = 0
    for one in tree(pid):
        try:
            with open(f"/proc/{one}/io") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("wchar:"))
        except (OSError, StopIteration):
            pass
    return total


class _Watch(threading.Thread):
    def __init__(self, pid, result, deadline, stop_when):
        super().__init__(daemon=True)
        self.pid, self.result, self.deadline, self.stop_when = pid, result, deadline, stop_when
        self.over = threading.Event()

    def run(self):
        begun = time.monotonic()
        while not self.over.wait(POLL_S if time.monotonic() - begun > 0.1 else POLL_S / 5):  # a short run has a peak as well
            sums = [sum(column) for column in zip(*(memory_kib(pid) for pid in tree(self.pid)))]
            self.result.rss_kib = max(self.result.rss_kib, sums[0])
            self.result.anon_kib = max(self.result.anon_kib, sums[1])
            self.result.late = time.monotonic() > self.deadline
            self.result.stopped = bool(self.stop_when and self.stop_when(self.pid))
            if self.result.late or self.result.stopped:
                os.killpg(self.pid, signal.SIGKILL)
                return


def run(command, env, folder, watch=True, timeout_s=900, stop_when=None, group=None):
    """Runs to the end; its output goes to `folder`/stdout and stderr. group: the cgroup.procs file it shall live under."""
    result = Measured()
    enter = None
    if group:
        def enter():
            with open(group, "w") as f:
                f.write("0")
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        result.begun_unix_s = time.time()
        begun = time.monotonic()
        child = subprocess.Popen([str(part) for part in command], env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err, start_new_session=True, preexec_fn=enter)
        watcher = _Watch(child.pid, result, begun + timeout_s, stop_when) if watch else None
        if watcher:
            watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        result.wall_s = time.monotonic() - begun
        result.ended_unix_s = time.time()
    if watcher:
        watcher.over.set()
        watcher.join()
    child.returncode = result.code = os.waitstatus_to_exitcode(status)
    result.user_s, result.system_s = usage.ru_utime, usage.ru_stime
    return result
