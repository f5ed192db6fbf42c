"""A file system in memory (FUSE, spoken here without its library) that can stop answering, as a file server that is gone does."""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import threading
import time
from pathlib import Path

import pytest

# Requests by their numbers in linux/fuse.h.
LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS, RELEASE = (
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
FSYNC, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE, INTERRUPT, BATCH_FORGET, RENAME2 = 20, 26, 27, 28, 29, 30, 35, 36, 42, 45
MOST = 1 << 17  # bytes of one read or write
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22


@contextlib.contextmanager
def closed(folder):
    """A folder that nobody may look into, not even root: what another user has mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hfp", bytes(folder), b"fuse.hfp", 0, f"fd={fd},rootmode=40000,user_id=12345,group_id=12345".encode()) != 0:
        os.close(fd)
        pytest.skip(f"no FUSE: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(bytes(folder), 2)  # MNT_DETACH
        os.close(fd)


class Node:
    def __init__(self, mode, target=b""):
        self.mode, self.target, self.data, self.below, self.links = mode, target, bytearray(), {}, 1
        self.time_ns = time.time_ns()


class Hanging:
    """Who asks while hangs is set waits until he is killed, or until it is cleared. after(request number), called when a
    request has been answered, may set it, so that the next request hangs."""

    def __init__(self, folder):
        self.folder, self.hangs, self.over, self.after = Path(folder), threading.Event(), False, None
        self.nodes, self.written = [None, Node(stat.S_IFDIR | 0o755)], 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)  # who asked may be killed before we read
        how = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if ctypes.CDLL(None, use_errno=True).mount(b"hfp", bytes(self.folder), b"fuse.hfp", 0, how) != 0:
            os.close(self.fd)
            pytest.skip(f"no FUSE: {os.strerror(ctypes.get_errno())}")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """What is not taken yet can be killed, so it hangs before it reads; what it has taken, it answers."""
        while not self.over:
            if self.hangs.is_set() or not select.select([self.fd], [], [], 0.02)[0] or self.hangs.is_set():
                time.sleep(0.002)
                continue
            try:
                request = os.read(self.fd, MOST + (1 << 14))
            except (BlockingIOError, FileNotFoundError, InterruptedError):
                continue  # it is taken back
            except OSError:
                return
            _, number, unique, node = struct.unpack_from("<IIQQ", request)
            if number in (FORGET, INTERRUPT, BATCH_FORGET):
                continue
            try:
                body, error = self.answer(number, node, request[40:]), 0
            except OSError as failed:
                body, error = b"", -failed.errno
            try:
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
            except OSError:
                continue  # who asked is dead
            if self.after:
                self.after(number)

    def answer(self, number, at, rest):
        node = self.nodes[at]
        if number == INIT:
            return struct.pack("<4I2H2I2H8I", 7, 31, 0, BIG_WRITES | MAX_PAGES, 8, 8, MOST, 1, MOST >> 12, *[0] * 9)
        if number == STATFS:
            return struct.pack("<5Q4I", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096, 0) + bytes(24)
        if number in (OPEN, OPENDIR):
            return bytes(16)
        if number in (RELEASE, RELEASEDIR, FSYNC, FSYNCDIR):
            return b""
        if number == GETATTR:
            return bytes(16) + self.about(at)
        if number == SETATTR:
            return self.change(at, *struct.unpack_from("<I12xQ", rest), rest)
        if number == READLINK:
            return node.target
        if number == READ:
            offset, size = struct.unpack_from("<8xQI", rest)
            return bytes(node.data[offset:offset + size])
        if number == WRITE:
            offset, size = struct.unpack_from("<8xQI", rest)
            if len(node.data) < offset:
                node.data.extend(bytes(offset - len(node.data)))
            node.data[offset:offset + size] = rest[40:40 + size]
            node.time_ns = time.time_ns()
            self.written += size
            return struct.pack("<II", size, 0)
        if number == READDIR:
            return self.listing(node, *struct.unpack_from("<8xQI", rest))
        return self.names(number, at, node, rest)

    def names(self, number, at, node, rest):
        head = {MKDIR: 8, CREATE: 16, RENAME: 8, RENAME2: 16, LINK: 8}.get(number, 0)
        first, second = (rest[head:].split(b"\0") + [b""])[:2]
        if number == LOOKUP:
            return self.entry(node.below[first]) if first in node.below else self.no(errno.ENOENT)
        if number in (MKDIR, SYMLINK, CREATE):
            mode = {MKDIR: stat.S_IFDIR, SYMLINK: stat.S_IFLNK | 0o777, CREATE: stat.S_IFREG}[number]
            if number != SYMLINK:
                given, mask = struct.unpack_from("<II", rest, 0 if number == MKDIR else 4)
                mode |= given & 0o7777 & ~mask
            self.nodes.append(Node(mode, second if number == SYMLINK else b""))
            return self.entry(self.put(node, first, len(self.nodes) - 1)) + (bytes(16) if number == CREATE else b"")
        if number == LINK:
            other, = struct.unpack_from("<Q", rest)
            self.nodes[other].links += 1
            return self.entry(self.put(node, first, other))
        if number in (UNLINK, RMDIR):
            gone = self.nodes[node.below[first]] if first in node.below else self.no(errno.ENOENT)
            if gone.below:
                self.no(errno.ENOTEMPTY)
            del node.below[first]
            gone.links -= 1
            return b""
        if number in (RENAME, RENAME2):
            to = self.nodes[struct.unpack_from("<Q", rest)[0]]
            if number == RENAME2 and struct.unpack_from("<8xI", rest)[0] and second in to.below:
                self.no(errno.EEXIST)
            to.below.pop(second, None)
            to.below[second] = node.below.pop(first)
            return b""
        return self.no(errno.ENOSYS)

    @staticmethod
    def no(error):
        raise OSError(error, os.strerror(error))

    def put(self, node, name, at):
        if name in node.below:
            self.no(errno.EEXIST)
        node.below[name] = at
        return at

    def about(self, at):
        node = self.nodes[at]
        size, (second, ns) = len(node.data) or len(node.target), divmod(node.time_ns, 10**9)
        return struct.pack("<6Q10I", at, size, (size + 511) // 512, *[second] * 3, *[ns] * 3, node.mode, max(node.links, 0), 0, 0, 0,
                           4096, 0)

    def entry(self, at):
        return struct.pack("<4QII", at, 0, 0, 0, 0, 0) + self.about(at)

    def change(self, at, valid, size, rest):
        node = self.nodes[at]
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | struct.unpack_from("<68xI", rest)[0] & 0o7777
        if valid & 8:
            del node.data[size:]
            node.data.extend(bytes(size - len(node.data)))
        if valid & 32:
            second, ns = struct.unpack_from("<40xQ12xI", rest)
            node.time_ns = time.time_ns() if valid & 256 else second * 10**9 + ns
        return bytes(16) + self.about(at)

    def listing(self, node, offset, room):
        rows = b""
        for i, (name, at) in enumerate(list(node.below.items())):
            row = struct.pack("<QQII", at, i + 1, len(name), stat.S_IFMT(self.nodes[at].mode) >> 12) + name
            row += bytes(-len(row) % 8)
            if i >= offset and len(rows) + len(row) <= room:
                rows += row
        return rows

    def asked(self):
        """While it hangs: somebody waits for it."""
        return bool(select.select([self.fd], [], [], 0)[0])

    def close(self):
        self.over = True
        self.thread.join()
        os.close(self.fd)  # who still waits is sent away
