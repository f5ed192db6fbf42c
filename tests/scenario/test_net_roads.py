"""Proxies, TLS, certificates, address families.

Seen red on purpose, each with the engine broken so:
    NO_PROXY not read                          test_proxies_are_used_where_they_are_named
    certificates not checked                   test_certificates_that_are_not_trusted
    --ca-file not read                         test_an_own_certificate_authority, test_resets_and_stalls_over_tls
    the family not chosen                      test_only_the_family_that_is_asked_for, test_a_family_that_is_not_there
"""

import http.client
import select
import socket
import subprocess
import threading
import urllib.parse

import pytest

from lab import MB, REPO, free_port, together

TOKEN = "hf_ThisIsTheSecretOfThisTest123456"


class Proxy:
    """A small HTTP proxy: absolute GET and CONNECT. `seen` holds the first line and the headers of each request."""

    def __init__(self, refuse=None, login=None):
        self.refuse, self.login, self.seen = refuse, login, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            with conn:
                while head := self._head(conn):
                    self.seen.append(head)
                    if not self._answer(conn, head):
                        return
        except OSError:
            pass

    @staticmethod
    def _head(conn):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = conn.recv(4096)
            if not piece:
                return None
            data += piece
        return data.decode("latin-1")

    def _answer(self, conn, head):
        method, target, _ = head.split("\r\n")[0].split(" ")
        if self.refuse or (self.login and f"Proxy-Authorization: Basic {self.login}" not in head):
            conn.sendall(b"HTTP/1.1 %d No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n" % (self.refuse or 407))
            return True
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host.strip("[]"), int(port))) as far:
                conn.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                self._tunnel(conn, far)
            return False
        url = urllib.parse.urlsplit(target)
        far = http.client.HTTPConnection(url.hostname, url.port)
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        far.request(method, url.path + ("?" + url.query if url.query else ""),
                    headers={k: v for k, v in headers.items() if not k.lower().startswith("proxy-")})
        answer = far.getresponse()
        conn.sendall(f"HTTP/1.1 {answer.status} {answer.reason}\r\n".encode() +
                     "".join(f"{k}: {v}\r\n" for k, v in answer.getheaders()).encode("latin-1") + b"\r\n")
        while piece := answer.read(1 << 16):
            conn.sendall(piece)
        far.close()
        return True

    @staticmethod
    def _tunnel(a, b):
        while True:
            for ready in select.select([a, b], [], [])[0]:
                data = ready.recv(1 << 16)
                if not data:
                    return
                (b if ready is a else a).sendall(data)


# ---- proxies -------------------------------------------------------------------------------------------------------

WAYS = {
    "--proxy": (lambda p: ["--proxy", p], lambda p: {}, True),
    "http_proxy": (lambda p: [], lambda p: {"http_proxy": p}, True),
    "HTTP_PROXY": (lambda p: [], lambda p: {"HTTP_PROXY": p}, True),
    "HTTP_PROXY of a CGI server is its client's header": (
        lambda p: [], lambda p: {"HTTP_PROXY": p, "REQUEST_METHOD": "GET"}, False),
    "ALL_PROXY": (lambda p: [], lambda p: {"ALL_PROXY": p}, True),
    "NO_PROXY says direct": (lambda p: [], lambda p: {"http_proxy": p, "NO_PROXY": "example.org,127.0.0.1"}, False),
    "NO_PROXY is for another": (lambda p: [], lambda p: {"http_proxy": p, "NO_PROXY": "example.org"}, True),
    "HTTPS_PROXY is not for http": (lambda p: [], lambda p: {"HTTPS_PROXY": p}, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_proxies_are_used_where_they_are_named(lab, way):
    args, env, used = WAYS[way]
    lab.file(5 * MB).start()
    with Proxy() as proxy:
        run = lab.pull(REPO, *args(proxy.url), **env(proxy.url))
        lab.assert_done(run)
    ours = [r for r in lab.server.log() if r["user_agent"].startswith("hf-pull")]
    assert len(proxy.seen) == (len(ours) if used else 0)


def test_a_proxy_with_a_login(lab):
    lab.file(5 * MB).start()
    with Proxy(login="dXNlcjpwYXNz") as proxy:                    # user:pass
        run = lab.pull(REPO, "-vv", "--proxy", proxy.url.replace("//", "//user:pass@"))
        lab.assert_done(run)
        assert "user:pass" not in run.err and "dXNlcjpwYXNz" not in run.err


def test_proxies_that_refuse_or_are_not_there(lab, tmp_path):
    lab.file(5 * MB).start()
    with Proxy(refuse=407) as login, Proxy(refuse=502) as broken:
        calls = {"login": login.url, "broken": broken.url, "dead": f"http://127.0.0.1:{free_port()}"}
        runs = together({n: lambda n=n, u=u: lab.pull(REPO, "--max-attempts", "1", "--proxy", u, home=tmp_path / n)
                         for n, u in calls.items()})
    lab.assert_not_done(runs["login"], 3, "proxy", "407", home=tmp_path / "login")
    lab.assert_not_done(runs["broken"], 3, "502", home=tmp_path / "broken")
    lab.assert_not_done(runs["dead"], 3, "prox" if "prox" in runs["dead"].err else "connect", home=tmp_path / "dead")
    assert [r for r in lab.server.log() if r["user_agent"].startswith("hf-pull")] == []


# ---- TLS -----------------------------------------------------------------------------------------------------------

def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def authority(folder, name):
    """A CA and a certificate of it for 127.0.0.1, ::1 and hub.test; (ca, certificate, key)."""
    folder.mkdir(exist_ok=True)
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,IP:::1,DNS:hub.test\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name} CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", "ca.key", "-out", "ca.pem", cwd=folder)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", "key.pem",
            "-out", "req.pem", cwd=folder)
    openssl("x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "ext",
            "-out", "cert.pem", cwd=folder)
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("ours") / "ca", "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("other") / "ca", "other")


def assert_files_right(lab, home=None):
    """Over TLS the tree is not asked for again: what the blobs' names promise is checked instead."""
    import hub
    home = home or lab.home
    assert hub.wrong_blobs(home, REPO) == []
    assert (hub.snapshot(home, REPO) / "model.bin").stat().st_size == 12 * MB


@pytest.mark.parametrize("way", ["--ca-file", "--cacert", "SSL_CERT_FILE"])
def test_an_own_certificate_authority(lab, ours, way):
    ca, cert, key = ours
    lab.file(12 * MB).start(tls=(cert, key), token=TOKEN)
    args, env = ([way, ca], {}) if way.startswith("-") else ([], {way: ca})
    run = lab.pull(REPO, *args, **env)
    assert run.code == 0, run
    assert_files_right(lab)
    assert {(r["on"], r["authorization"]) for r in lab.server.log()} == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}


def test_resets_and_stalls_over_tls(lab, ours):
    ca, cert, key = ours
    lab.file(12 * MB).start([{"match": {"kind": "body", "nth": [1]}, "do": {"reset_after": 1_500_000}},
                             {"match": {"kind": "body", "nth": [2]}, "do": {"stall_after": 1_500_000}},
                             {"match": {"kind": "body", "nth": [3]}, "do": {"close_after": 1_500_000}}], tls=(cert, key))
    run = lab.pull(REPO, "--ca-file", ca)
    assert run.code == 0, run
    assert_files_right(lab)
    assert lab.server.bytes_served("model.bin") <= 12 * MB * 1.06 + 6 * MB


def test_certificates_that_are_not_trusted(lab, ours, other, tmp_path):
    """No byte of ours, token included, reaches a server that cannot say who it is; and the words say what to do."""
    ca, cert, key = ours
    lab.file(12 * MB).start(tls=(cert, key), token=TOKEN)
    port = lab.server.hub_port
    plain = f"http://127.0.0.1:{port}"
    calls = {
        "none": lambda: lab.pull(REPO, "--max-attempts", "1", home=tmp_path / "none"),
        "wrong": lambda: lab.pull(REPO, "--max-attempts", "1", "--ca-file", other[0], home=tmp_path / "wrong"),
        "name": lambda: lab.pull(REPO, "--max-attempts", "1", "--ca-file", ca, "--resolve", f"else.test:{port}:127.0.0.1",
                                 hub=f"https://else.test:{port}", home=tmp_path / "name"),
        "plain": lambda: lab.pull(REPO, "--max-attempts", "1", hub=plain, token=None, home=tmp_path / "plain"),
        "no file": lambda: lab.pull(REPO, "--max-attempts", "1", "--ca-file", tmp_path / "nothing.pem", home=tmp_path / "no file"),
    }
    runs = together(calls)
    lab.assert_not_done(runs["none"], 3, "certificate", "--ca-file", home=tmp_path / "none")
    lab.assert_not_done(runs["wrong"], 3, "certificate", "--ca-file", home=tmp_path / "wrong")
    lab.assert_not_done(runs["name"], 3, "else.test", home=tmp_path / "name")
    lab.assert_not_done(runs["plain"], 3, home=tmp_path / "plain")
    lab.assert_not_done(runs["no file"], (2, 3), "nothing.pem", home=tmp_path / "no file")
    assert lab.server.log() == []


def test_tls_through_a_proxy(lab, ours):
    """CONNECT: the proxy sees the host's name and nothing else."""
    ca, cert, key = ours
    lab.file(12 * MB).start(tls=(cert, key), token=TOKEN)
    with Proxy() as proxy:
        run = lab.pull(REPO, "--ca-file", ca, HTTPS_PROXY=proxy.url)
        assert run.code == 0, run
    assert_files_right(lab)
    assert proxy.seen and all(head.startswith("CONNECT ") for head in proxy.seen)
    assert not any("authorization" in head.lower() or TOKEN in head for head in proxy.seen)


# ---- families ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("option,address", [("-4", "127.0.0.1"), ("--ipv4", "127.0.0.1"), ("-6", "::1"), ("--ipv6", "::1")])
def test_only_the_family_that_is_asked_for(lab, option, address):
    lab.file(5 * MB).start(hub=("127.0.0.1:0", "[::1]:same"), cdn=("127.0.0.1:0", "[::1]:same"),
                           options={"hub-name": "hub.test:0", "cdn-name": "cdn.test:0"})
    h, c = lab.server.hub_port, lab.server.cdn_port
    run = lab.pull(REPO, option, "--resolve", f"hub.test:{h}:127.0.0.1,[::1]", "--resolve", f"cdn.test:{c}:127.0.0.1,[::1]",
                   hub=f"http://hub.test:{h}", token=None)
    lab.assert_done(run)
    assert {r["addr"].strip("[]") for r in lab.server.log() if r["user_agent"].startswith("hf-pull")} == {address}


def test_a_family_that_is_not_there(lab):
    lab.file(5 * MB).start()
    lab.assert_not_done(lab.pull(REPO, "-6", "--max-attempts", "1", "--resolve", f"hub.test:{lab.server.hub_port}:127.0.0.1",
                                 hub=f"http://hub.test:{lab.server.hub_port}"), 3, "hub.test")


def test_an_endpoint_in_brackets(lab):
    lab.file(5 * MB).start(hub=("[::1]:0",), cdn=("[::1]:0",), token=TOKEN)
    lab.assert_done(lab.pull())
    assert {(r["on"], r["authorization"]) for r in lab.server.log() if r["user_agent"].startswith("hf-pull")} == \
        {("hub", f"Bearer {TOKEN}"), ("cdn", None)}
