"""Xet storage for the fakehub, written by the real writer: hf_xet uploads, this keeps what it sends.

    store = CasData(tmp_path / "cas")
    store.add([path, ...])                      # one upload; a second one finds what the first has stored
    with FakeHub(root, options={"cas-data": store.path}) as hub: ...

The folder is what --cas-data wants (tests/fakehub/README.md). Chunks, compression, xorbs and hashes are hf_xet's own; only
the footer that a CAS puts behind the records is written here. No official server is needed: tests/peers compares with one.
"""
import contextlib
import dataclasses
import http.server
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SHARD_HEAD = 48
RECORD = 48
VERIFICATION, METADATA = 1 << 31, 1 << 30  # flags of a file in a shard
NONE, LZ4, BG4 = 0, 1, 2                   # how a record is packed
_MIB = 1 << 20


# ---- uploading with the real writer --------------------------------------------------------------------------------

def upload(endpoint, *uploads, token="upload-test"):
    """Sends the files of each list to a CAS by hf_xet, one list after the other; {path: (id, sha256)}."""
    with tempfile.TemporaryDirectory(prefix="hf-xet-") as home:
        env = {k: v for k, v in os.environ.items() if not k.upper().startswith("HF_") and "PROXY" not in k.upper()}
        env.update(HOME=home, HF_HOME=home, HF_XET_TELEMETRY_ENABLED="0")
        order = json.dumps({"endpoint": endpoint, "token": token, "uploads": [[str(p) for p in one] for one in uploads]})
        done = subprocess.run([sys.executable, __file__], input=order, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"hf_xet could not upload:\n{done.stdout}{done.stderr}"
    return {path: tuple(found) for path, found in json.loads(done.stdout.splitlines()[-1]).items()}


def _upload_here():
    import hf_xet
    order, found = json.load(sys.stdin), {}
    session = hf_xet.XetSession()
    for paths in order["uploads"]:
        with session.new_upload_commit(endpoint=order["endpoint"], token=order["token"],
                                       token_expiry_unix_secs=int(time.time()) + 86400) as commit:
            for path in paths:  # one by one, so that the same files make the same xorbs
                about = commit.start_upload_file(path, sha256=hf_xet.COMPUTE_SHA256).result().xet_info
                found[path] = (about.hash, about.sha256)
    print(json.dumps(found))


class _Receiver(http.server.BaseHTTPRequestHandler):
    """As much of a CAS as an upload needs."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"{}"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(404)  # the global index knows no chunk

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/v1/xorbs/default/"):
            self.server.xorbs[self.path.rsplit("/", 1)[1]] = body
            self.reply(200, b'{"was_inserted":true}')
        elif self.path == "/v1/shards":
            self.server.shards.append(body)
            self.reply(200, b'{"result":1}')
        else:
            self.reply(404)  # no grants, no second version of shards


@contextlib.contextmanager
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.xorbs, server.shards = {}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# ---- formats -------------------------------------------------------------------------------------------------------

def hash_text(raw):
    """32 raw bytes as Xet prints them."""
    return "%016x%016x%016x%016x" % struct.unpack("<4Q", raw)


def hash_raw(text):
    return struct.pack("<4Q", *(int(text[i:i + 16], 16) for i in range(0, 64, 16)))


def read_shard(data):
    """(files, xorbs): [(id, sha256 or None, [(xorb, first, end)])] and {xorb: [raw chunk hash]}."""
    def records():
        for at in range(SHARD_HEAD, len(data), RECORD):
            yield data[at:at + RECORD]

    rows, files, xorbs = records(), [], {}
    while (row := next(rows))[:32] != b"\xff" * 32:
        flags, count = struct.unpack_from("<II", row, 32)
        terms = []
        for _ in range(count):
            entry = next(rows)
            terms.append((hash_text(entry[:32]), *struct.unpack_from("<II", entry, 40)))
        for _ in range(count if flags & VERIFICATION else 0):
            next(rows)
        sha = next(rows)[:32] if flags & METADATA else None
        files.append((hash_text(row[:32]), sha, terms))
    while (row := next(rows))[:32] != b"\xff" * 32:
        count, = struct.unpack_from("<I", row, 36)
        xorbs[hash_text(row[:32])] = [next(rows)[:32] for _ in range(count)]
    return files, xorbs


@dataclasses.dataclass
class Record:
    """One chunk in a xorb: where its 8-byte header begins, and what the header says."""

    at: int
    stored: int
    scheme: int
    plain: int

    @property
    def payload(self):
        return self.at + 8

    @property
    def end(self):
        return self.at + 8 + self.stored


def read_records(data):
    """The chunk records of a xorb, footer or not."""
    found, at = [], 0
    while at < len(data) and data[at:at + 7] != b"XETBLOB":
        found.append(Record(at, int.from_bytes(data[at + 1:at + 4], "little"), data[at + 4],
                            int.from_bytes(data[at + 5:at + 8], "little")))
        at = found[-1].end
    return found


def footer(xorb, chunk_hashes, records):
    """What a CAS stores behind the records: 96 + 40 bytes for each of n chunks."""
    n, plain_end, plain = len(records), [], 0
    for record in records:
        plain += record.plain
        plain_end.append(plain)
    hashes = b"XBLBHSH\0" + struct.pack("<I", n) + b"".join(chunk_hashes)
    bounds = b"XBLBBND\1" + struct.pack(f"<I{n}I{n}I", n, *(r.end for r in records), *plain_end)
    tail = struct.pack("<III", n, len(hashes) + len(bounds) + 28, len(bounds) + 28) + bytes(16)
    whole = b"XETBLOB\1" + hash_raw(xorb) + hashes + bounds + tail
    return whole + struct.pack("<I", len(whole))


# ---- the store -----------------------------------------------------------------------------------------------------

class CasData:
    """A folder for --cas-data."""

    def __init__(self, path):
        self.path = Path(path)
        (self.path / "xorbs").mkdir(parents=True, exist_ok=True)
        self.files, self.by_path = {}, {}

    def add(self, *uploads):
        """Uploads lists of paths one after the other and keeps what was sent; {path: id}."""
        with receiver() as server:
            sent = upload(f"http://127.0.0.1:{server.server_port}", *uploads)
        chunk_hashes = {}
        for shard in server.shards:
            files, xorbs = read_shard(shard)
            chunk_hashes.update(xorbs)
            for file_id, _, terms in files:
                self.files[file_id] = {"id": file_id, "terms": terms}
        for name, data in server.xorbs.items():
            (self.path / "xorbs" / name).write_bytes(data + footer(name, chunk_hashes[name], read_records(data)))
        for path, (file_id, sha256) in sent.items():
            self.files[file_id]["sha256"] = sha256
            self.by_path[path] = file_id
        self.write()
        return {path: file_id for path, (file_id, _) in sent.items()}

    def write(self):
        (self.path / "cas.json").write_text(json.dumps({"xorbs": self.xorbs(), "files": list(self.files.values())}))

    def xorbs(self):
        return sorted(p.name for p in (self.path / "xorbs").iterdir())

    def id(self, path):
        return self.by_path[str(path)]

    def terms(self, path):
        """[(xorb, first chunk, end)] of an uploaded file."""
        return [tuple(t) for t in self.files[self.id(path)]["terms"]]

    def records(self, xorb):
        return read_records((self.path / "xorbs" / xorb).read_bytes())

    def chunk_at(self, path, offset):
        """(xorb, record) of the chunk that holds this byte of an uploaded file."""
        for xorb, first, end in self.terms(path):
            for record in self.records(xorb)[first:end]:
                if offset < record.plain:
                    return xorb, record
                offset -= record.plain
        raise ValueError(f"{path} has no such byte")

    def schemes(self, path):
        """How the chunks of a file are packed, as a set."""
        return {self.records(xorb)[i].scheme for xorb, first, end in self.terms(path) for i in range(first, end)}


# ---- content that the writer packs in each of its ways -------------------------------------------------------------

def noise(seed, size):
    """Stored as it is."""
    return random.Random(seed).randbytes(size)


def lines(seed, size):
    """LZ4 is best."""
    rng, out = random.Random(seed), []
    for i in range(size // 60 + 1):
        out.append("%08d the quick brown fox %016x jumps over the dog\n" % (i, rng.getrandbits(64)))
    return "".join(out).encode()[:size]


def floats(seed, size):
    """float32 from 1 to 2: grouping by four, then LZ4."""
    data = bytearray(random.Random(seed).randbytes(size + -size % 4))
    data[2::4] = bytes(data[2::4]).translate(bytes(b | 0x80 for b in range(256)))
    data[3::4] = b"\x3f" * (len(data) // 4)
    return bytes(data[:size])


_BF16 = bytes((0x3A, 0x3B, 0x3C, 0x3C, 0x3C, 0x3D, 0x3D, 0x3E)[b & 7] | b & 0x80 for b in range(256))


def weights(seed, size):
    """As a file of bf16 weights: few different high bytes, low bytes of noise."""
    data = bytearray(random.Random(seed).randbytes(size))
    data[1::2] = bytes(data[1::2]).translate(_BF16)
    return bytes(data)


def write_weights(path, size, seed=1):
    """The same into a file of any size."""
    with open(path, "wb") as file:
        for i in range(0, size, 16 * _MIB):
            file.write(weights(seed * 1_000_003 + i, min(16 * _MIB, size - i)))


def changes(size, share, seed=1, pieces=4):
    """What a revision changes: `share` of the bytes, in a few runs; [(at, bytes)]."""
    rng, run = random.Random(seed), int(size * share / pieces)
    return [(size * i // pieces + rng.randrange(size // pieces - run), noise(seed + i, run)) for i in range(pieces)]


def changed(data, share, seed=1, pieces=4):
    """The revision itself."""
    out = bytearray(data)
    for at, piece in changes(len(data), share, seed, pieces):
        out[at:at + len(piece)] = piece
    return bytes(out)


def write_changed(path, old, share):
    """The same of a file of any size."""
    shutil.copyfile(old, path)
    with open(path, "r+b") as file:
        for at, piece in changes(path.stat().st_size, share):
            file.seek(at)
            file.write(piece)


if __name__ == "__main__":
    _upload_here()
