"""A line of a given rate and latency: two network namespaces joined by bench/delay.c, htb on the server's side."""
import contextlib
import ctypes
import os
import subprocess

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000


class NoLine(Exception):
    """The reason why there can be none here."""


def _ip(*args):
    done = subprocess.run(["ip", *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise NoLine(f"ip {' '.join(map(str, args))}: {done.stderr.strip()}")


def _in(space, *args):
    done = subprocess.run(["ip", "netns", "exec", space, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise NoLine(f"{' '.join(map(str, args))}: {done.stderr.strip()}")


class Line:
    """with Line(...) as line: the servers start inside line.at("server"), the clients inside line.at("client").

    50 ms is real latency of every packet, 25 ms each way, handshakes and slow start included. The queue of htb holds
    what 100 ms of the rate are, as a router might. Congestion control is the machine's own (in the JSON): a namespace may
    not choose freely."""

    def __init__(self, program, rate_mbit, rtt_ms):
        self.program, self.rate, self.rtt = program, rate_mbit, rtt_ms
        self.space = {side: f"hfpb-{os.getpid()}-{side}" for side in ("server", "client")}
        self.delay = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise NoLine("network namespaces need root")
        if not os.path.exists("/dev/net/tun"):
            raise NoLine("there is no /dev/net/tun")
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for space in self.space.values():
            _ip("netns", "add", space)
        paths = [f"/run/netns/{self.space[side]}" for side in ("server", "client")]
        self.delay = subprocess.Popen([self.program, *paths, "line", str(int(self.rtt * 500))], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        if self.delay.stdout.readline().strip() != "ready":
            raise NoLine(self.delay.stderr.read().strip())
        for side, address, peer in (("server", SERVER, CLIENT), ("client", CLIENT, SERVER)):
            space = self.space[side]
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "addr", "add", f"{address}/32", "peer", f"{peer}/32", "dev", "line")
            _ip("-n", space, "link", "set", "line", "up", "txqueuelen", 2000)
        queue = self.rate * 1_000_000 // 8 // 10
        _in(self.space["server"], "tc", "qdisc", "add", "dev", "line", "root", "handle", "1:", "htb", "default", 1)
        _in(self.space["server"], "tc", "class", "add", "dev", "line", "parent", "1:", "classid", "1:1", "htb", "rate",
            f"{self.rate}mbit", "burst", "128k", "cburst", "128k")
        _in(self.space["server"], "tc", "qdisc", "add", "dev", "line", "parent", "1:1", "bfifo", "limit", queue)

    def __exit__(self, *_):
        if self.delay:
            self.delay.terminate()
            self.delay.wait(10)
        for space in self.space.values():
            subprocess.run(["ip", "netns", "del", space], capture_output=True)

    @contextlib.contextmanager
    def at(self, side):
        """This thread, and what it starts, lives on that side."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.space[side]}") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)
