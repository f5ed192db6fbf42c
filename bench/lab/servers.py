"""What is measured against: nginx as the CDN, the tests' fakehub as the Hub that sends clients there by 302."""
import dataclasses
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/scenario"))
from hub import FakeHub, fakehub_binary  # noqa: E402  (the way the tests start it)
from hub import binary  # noqa: E402, F401  (of the build folder, or named by a variable)

CONFIG = """
{user}
worker_processes 2;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    log_format line '$msec $server_port $status $body_bytes_sent $connection $request_method $http_range';
    access_log {dir}/access.log line;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    default_type application/octet-stream;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    {servers}
}}
"""
# A signed location of the Hub's names the content last; the signature is not looked at.
SERVER = """
    server {{
        listen {address}:{port}{tls};
        {more}
        location ~ ^/repos/.*/(?<content>[0-9a-f]+)$ {{ alias {root}/$content; }}
        location / {{ return 404; }}
    }}
"""
TLS = """ssl_certificate {cert}; ssl_certificate_key {key};
        ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"""


@dataclasses.dataclass
class Served:
    """One line of nginx's log. unix_s: when its last byte was handed to the kernel."""
    unix_s: float
    port: int
    status: int
    bytes: int
    connection: int
    method: str
    range: str


def free_port(address):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


class Nginx:
    def __init__(self, folder, root, address, cert):
        self.dir, self.root, self.address = folder, root, address
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "access.log").write_text("")
        kinds = {"plain": "", "tls": TLS.format(cert=cert[0], key=cert[1])}
        self.port = {}
        for kind in kinds:
            self.port[kind] = free_port(address)
        servers = "".join(SERVER.format(address=address, port=self.port[kind], tls=" ssl" if kind == "tls" else "", more=more,
                                        root=root) for kind, more in kinds.items())
        user = "user root;" if os.geteuid() == 0 else ""  # content lies where only its owner may look
        (self.dir / "nginx.conf").write_text(CONFIG.format(user=user, dir=self.dir, servers=servers))
        self.process = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf"], stdin=subprocess.DEVNULL,
                                        stderr=open(self.dir / "stderr", "wb"))
        self._wait()
        self.offset = 0

    def _wait(self):
        deadline = time.monotonic() + 10
        for port in self.port.values():
            while True:
                try:
                    socket.create_connection((self.address, port), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"nginx did not start: {(self.dir / 'stderr').read_text()}") from None
                    time.sleep(0.02)

    def base(self, kind):
        return f"http{'s' if kind == 'tls' else ''}://{self.address}:{self.port[kind]}"

    def skip_log(self):
        self.offset = (self.dir / "access.log").stat().st_size

    def served(self):
        """What was logged since skip_log(). A request is logged when it has ended, also one whose client went away."""
        rows = []
        with open(self.dir / "access.log") as log:
            log.seek(self.offset)
            for line in log:
                at, port, status, count, connection, method, asked = line.split(None, 6)
                rows.append(Served(float(at), int(port), int(status), int(count), int(connection), method, asked.strip()))
        return rows

    def settled(self, quiet_s=0.1, timeout_s=5):
        """The same when nothing new was logged for a while."""
        size, deadline = -1, time.monotonic() + timeout_s
        while (now := (self.dir / "access.log").stat().st_size) != size and time.monotonic() < deadline:
            size = now
            time.sleep(quiet_s)
        return self.served()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Content:
    """Files in memory, their names in the fakehub's tree, and under their hash in nginx's folder."""

    def __init__(self, memory):
        self.files, self.root, self.cdn = memory / "files", memory / "root", memory / "cdn"
        for folder in (self.files, self.root, self.cdn):
            folder.mkdir(parents=True, exist_ok=True)

    def repo(self, name, sizes, seed):
        """name: org/x; sizes: {path: bytes}. Content comes from the fakehub's generator, hash included."""
        home = self.root / "models" / name
        home.mkdir(parents=True)
        for number, (path, size) in enumerate(sizes.items()):
            target = self.files / f"{name.replace('/', '--')}--{path}"
            with open(target, "wb") as f:
                subprocess.run([fakehub_binary(), "gen", str(seed + number), "0", str(size)], stdout=f, check=True)
            (home / path).symlink_to(target)

    def config(self, name, **config):
        """A repository the fakehub makes up by itself."""
        home = self.root / "models" / name
        home.mkdir(parents=True)
        (home / ".fakehub.json").write_text(json.dumps(config))

    def publish(self, entries):
        """entries: the Hub's tree. Gives nginx what is LFS."""
        for path, entry in entries.items():
            link = self.cdn / entry["lfs"]["oid"] if "lfs" in entry else None
            if link and not link.exists():
                link.symlink_to(next(self.files.glob(f"*--{path}")))

    def clear(self):
        for folder in (self.cdn, self.files):
            for one in folder.iterdir():
                one.unlink()
        for config in self.root.rglob("*"):
            if not config.is_dir():
                config.unlink()
        for folder in sorted((p for p in self.root.rglob("*")), reverse=True):
            folder.rmdir()


def certificate(folder):
    """A certificate for loopback that signs itself; clients are told to trust it."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def hub(content, tls=None, rules=None, address="127.0.0.1", **options):
    """A fakehub over the content. `tls` is (certificate, key)."""
    options.setdefault("hash-cache", content.root.parent / "hashes")
    return FakeHub(content.root, rules=rules, tls=tls, hub=(f"{address}:0",), cdn=(f"{address}:0",), options=options)


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while data := f.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
