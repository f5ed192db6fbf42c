"""Whoever reaches the daemon through somebody's browser, or over the network, gets nothing and changes nothing.

The guard's rows are in tests/unit/test_guard.c; here the real daemon is asked. Seen red on purpose, each with the daemon
broken so:
    links in a folder's path not resolved      test_folders_outside_the_allowed_roots
    a Unix socket open to everybody            test_a_unix_socket
    no deadlines                               test_slow_requests_are_cut, test_too_many_connections_..
    only libmicrohttpd's idle time             test_slow_requests_are_cut (the head)
    a body's deadline counted from its last
    byte                                       test_slow_requests_are_cut (the body)
    the daemon's own token told as the Hub's   test_whether_there_is_a_token_for_the_hub..
    a token that was not written to its end
    kept                                       test_the_token_is_made_..
"""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hub
from daemon import API, Daemon, LocalConnection
from lab import MB, REPO

TOKEN = "daemon-test-token-0123456789"
HUB_TOKEN = "hub-test-token-42"


@pytest.fixture
def daemon(lab):
    lab.file(MB).start(token=HUB_TOKEN)
    with Daemon(lab) as running:
        yield running


def raw(daemon, data, timeout=25):
    """What comes back for these bytes, until the daemon closes or says nothing more."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout) as s:
        s.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while part := s.recv(65536):
                got += part
                if b"Content-Length: " in got and b"\r\n\r\n" in got:
                    head, _, body = got.partition(b"\r\n\r\n")
                    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                    if len(body) >= length:
                        break
        return got


def untouched(daemon):
    assert daemon.get("/jobs").json["total"] == 0
    assert daemon.get("/settings").json["limit_bytes_per_s"] == 0


# ---- through a browser ---------------------------------------------------------------------------------------------

def test_a_rebound_name_gets_nothing(daemon):
    for host in ("evil.example", f"evil.example:{daemon.port}", "localhost.evil.example", ""):
        for path in ("/jobs", "//healthz", "//openapi.json", "/events"):
            answer = daemon.get(path, headers={"Host": host})
            assert answer.status in (400, 403), (host, path, answer)
    assert raw(daemon, b"GET /api/v1/jobs HTTP/1.0\r\n\r\n").split()[1] == b"403"
    assert raw(daemon, b"GET /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n").split()[1] == b"400"


def test_an_image_of_another_site_gets_nothing(daemon):
    sent = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert daemon.get("/jobs", headers=sent).status == 403
    assert daemon.get("/jobs", headers=sent | {"Sec-Fetch-Site": "same-site"}).status == 403


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", None])
def test_a_form_of_another_site_changes_nothing(daemon, kind):
    body = json.dumps({"repo": REPO, "x": "="}).encode()
    headers = {"Content-Type": kind} if kind else {}
    answer = daemon.ask("POST", "/jobs", raw=body, headers=headers)
    assert answer.status == 415 and answer.headers["Content-Type"] == "application/problem+json"
    assert daemon.ask("POST", "/jobs", raw=body, headers=headers | {"Origin": "https://evil.example"}).status == 403
    untouched(daemon)


def test_a_script_of_another_origin_changes_nothing(daemon):
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{daemon.port + 1}", f"https://127.0.0.1:{daemon.port}",
                   f"http://localhost:{daemon.port}"):
        for method, path in (("POST", "/jobs"), ("PATCH", "/settings"), ("GET", "/jobs"), ("DELETE", "/jobs/j_0")):
            answer = daemon.ask(method, path, {"repo": REPO} if method != "GET" else None, headers={"Origin": origin})
            assert answer.status == 403, (origin, method, answer)
    assert daemon.ask("OPTIONS", "/jobs", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}).status == 403
    untouched(daemon)
    own = daemon.post("/jobs", {"repo": REPO}, headers={"Origin": f"http://127.0.0.1:{daemon.port}", "Sec-Fetch-Site": "same-origin"})
    assert own.status == 201


def test_every_answer_has_the_headers_that_keep_scripts_out(daemon):
    for answer in (daemon.get("//healthz"), daemon.get("/jobs"), daemon.get("/nowhere"), daemon.post("/jobs", {"repo": 1}),
                   daemon.get("/jobs", headers={"Host": "evil.example"})):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "require-trusted-types-for 'script'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store" and "Access-Control-Allow-Origin" not in answer.headers


# ---- sizes and times -----------------------------------------------------------------------------------------------

def test_bodies_have_a_limit(daemon):
    assert daemon.ask("POST", "/jobs", raw=b" " * 262145, headers={"Content-Type": "application/json"}).status == 413
    begun = time.monotonic()
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    assert raw(daemon, head + b"Content-Length: 99999999999\r\n\r\n").split()[1] == b"413"
    assert raw(daemon, head + b"Transfer-Encoding: chunked\r\n\r\n").split()[1] == b"411"
    assert raw(daemon, head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}").split()[1] == b"400"
    assert time.monotonic() - begun < 5
    body = json.dumps({"repo": REPO, "include": ["x" * 250] * 1000}).encode()
    assert daemon.ask("POST", "/jobs", raw=body, headers={"Content-Type": "application/json"}).status == 201


def test_heads_have_a_limit(daemon):
    for line in (b"X: " + b"a" * 20000 + b"\r\n", b"X: a\r\n" * 5000):
        got = raw(daemon, b"GET /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n" + line + b"\r\n")
        assert got == b"" or got.split()[1] in (b"431", b"413", b"400"), got[:200]
    got = raw(daemon, b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert got == b"" or got.split()[1] in (b"414", b"431", b"404"), got[:200]
    assert daemon.get("//healthz").status == 200


@pytest.mark.parametrize("data", ids=range(7), argvalues=[b"\x00" * 100, b"\xff" * 1000, b"GET\r\n\r\n", b"\r\n" * 1000, b"GET / HTTP/9.9\r\n\r\n",
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_what_is_no_http_does_no_harm(daemon, data):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=0.5) as s:
        s.sendall(data)
        with contextlib.suppress(OSError):
            s.recv(65536)
    assert daemon.get("//healthz").status == 200


def test_slow_requests_are_cut(daemon):
    """A byte now and then keeps a connection busy for ever; the daemon's own deadlines end it, and others are served."""
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    slow = {name: socket.create_connection(("127.0.0.1", daemon.port)) for name in ("nothing", "head", "body")}
    slow["body"].sendall(head)
    begun, ended, sent = time.monotonic(), {}, 0
    while len(ended) < 3 and time.monotonic() - begun < 45:
        time.sleep(0.5)
        for name, s in slow.items():
            if name in ended:
                continue
            try:
                if name != "nothing":
                    s.send(head[sent:sent + 1] if name == "head" else b" ")
                s.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    if s.recv(1000) == b"":
                        ended[name] = time.monotonic() - begun
            except OSError:
                ended[name] = time.monotonic() - begun
            finally:
                s.setblocking(True)
        sent += 1
        if sent % 20 == 0:
            assert daemon.get("//healthz").status == 200
    assert 13 < ended["nothing"] < 19 and 13 < ended["head"] < 19 and 28 < ended["body"] < 35, ended
    for s in slow.values():
        s.close()


def test_too_many_connections_keep_nobody_out_for_long(daemon):
    crowd = []
    try:
        for _ in range(600):
            s = socket.socket()
            s.settimeout(10)
            s.connect(("127.0.0.1", daemon.port))
            crowd.append(s)
        begun = time.monotonic()
        assert daemon.get("//healthz", connection=daemon.connection(timeout=30)).status == 200  # the crowd is cut after 15 s
        assert time.monotonic() - begun < 25
    finally:
        for s in crowd:
            s.close()
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 96 * 1024


# ---- who may -------------------------------------------------------------------------------------------------------

def test_with_require_token_everybody_needs_it(lab):
    lab.file(MB).start()
    with Daemon(lab, "--require-token", env={"HF_PULLD_TOKEN": TOKEN}) as daemon:
        for path in ("/jobs", "/settings", "/events", "//metrics"):
            assert daemon.get(path).status in (401, 404), path
            assert daemon.get(path, headers={"Authorization": "Bearer wrong-token-wrong-token"}).status in (401, 404)
        refused = daemon.post("/jobs", {"repo": REPO})
        assert refused.status == 401 and "Bearer" in refused.headers["WWW-Authenticate"]
        assert daemon.get("//healthz").status == 200
        daemon.token = TOKEN
        assert daemon.post("/jobs", {"repo": REPO}).status == 201


def test_the_token_is_made_and_nobody_else_can_read_it(lab):
    with Daemon(lab, "--require-token") as daemon:
        path = daemon.data / "token"
        assert path.stat().st_mode & 0o777 == 0o600 and daemon.data.stat().st_mode & 0o777 == 0o700
        token = path.read_text().strip()
        assert len(token) == 64 and token not in daemon.text
        daemon.token = token
        assert daemon.get("/jobs").status == 200
    with Daemon(lab, "--require-token") as daemon:
        daemon.token = token
        assert daemon.get("/jobs").status == 200                 # it is kept
    path.write_text("")                                           # a kill or a power loss while it was made
    with Daemon(lab, "--require-token") as daemon:
        daemon.token = path.read_text().strip()
        assert len(daemon.token) == 64 and daemon.token != token and daemon.get("/jobs").status == 200
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_unix_socket(lab):
    lab.file(MB).start()
    path = lab.path / "s"
    with Daemon(lab, "--listen", f"unix:{path}", listen=None) as daemon:
        assert path.stat().st_mode & 0o777 == 0o600
        answer = daemon.post("/jobs", {"repo": REPO}, connection=LocalConnection(str(path)))
        assert answer.status == 201
        with pytest.raises(RuntimeError, match="is in use"):      # a second one, started by mistake
            Daemon(lab, "--listen", f"unix:{path}", listen=None).start()
        with pytest.raises(RuntimeError, match="Address already in use"):      # and with a queue of its own
            Daemon(lab, "--listen", f"unix:{path}", listen=None, data=lab.path / "other").start()
        assert daemon.get("/jobs", connection=LocalConnection(str(path))).status == 200
        daemon.kill()
        daemon.start()  # over the socket that it left behind
        assert daemon.get("/jobs", connection=LocalConnection(str(path))).status == 200
    assert not path.exists()


def certificate(path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", path / "key.pem", "-out", path / "cert.pem"],
                   check=True, capture_output=True)
    return path / "cert.pem", path / "key.pem"


def test_tls(lab):
    lab.file(MB).start()
    cert, key = certificate(lab.path)
    with Daemon(lab, "--tls-cert", cert, "--tls-key", key) as daemon:
        assert daemon.scheme == "https"
        context = ssl.create_default_context(cafile=cert)
        secure = lambda: http.client.HTTPSConnection("localhost", daemon.port, context=context, timeout=30)
        assert daemon.post("/jobs", {"repo": REPO}, connection=secure()).status == 201
        own = {"Origin": f"https://localhost:{daemon.port}"}
        assert daemon.get("/jobs", connection=secure(), headers=own).status == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            daemon.get("/jobs")                                   # in clear: no answer
    with pytest.raises(RuntimeError, match="go together"):
        Daemon(lab, "--tls-cert", cert).start()


ELSEWHERE = """
import json, os, sys, types
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from daemon import Daemon
import http.client
path, args = Path(sys.argv[2]), json.loads(sys.argv[3])
lab = types.SimpleNamespace(path=path, home=path / "home", server=None)
with Daemon(lab, *args, listen="198.51.100.7:0", env={"HF_PULLD_TOKEN": sys.argv[4]}) as daemon:
    def ask(path, token=None, address="198.51.100.7"):
        c = http.client.HTTPConnection(address, daemon.port, timeout=10)
        c.request("GET", path, headers={"Authorization": "Bearer " + token} if token else {})
        answer = c.getresponse()
        return answer.status, answer.read().decode()
    print(json.dumps([ask("/healthz"), ask("/api/v1/jobs"), ask("/api/v1/jobs", sys.argv[4])]))
"""


@pytest.mark.parametrize("args, statuses", [([], [200, 401, 403]), (["--insecure-lan"], [200, 401, 200])])
def test_from_another_machine(lab, args, statuses):
    """In a network of its own, where this address is not the loopback's."""
    lab.path.mkdir(exist_ok=True)
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && ip addr add 198.51.100.7/32 dev lo && exec "$@"', "sh",
               sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), str(lab.path), json.dumps(args), TOKEN]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"TMPDIR": str(lab.path)})
    assert run.returncode == 0, run
    answers = json.loads(run.stdout)
    assert [status for status, _ in answers] == statuses
    if statuses[2] == 403:
        assert "in clear" in answers[2][1] or "token_in_clear" in answers[2][1]


# ---- what it tells -------------------------------------------------------------------------------------------------

def test_secrets_are_nowhere(lab):
    """The Hub's token, the daemon's own, and signed locations: not in answers, events, logs, or the database."""
    lab.file(6 * MB).start([{"match": {"kind": "body"}, "do": {"reset_after": 100_000}}], token=HUB_TOKEN)
    with Daemon(lab, "-vv", token=TOKEN, env={"HF_PULLD_TOKEN": TOKEN}) as daemon:
        events = daemon.events()
        job = daemon.add(REPO)
        daemon.wait(job, until=lambda j: j["connections_silent"] or j["reason"] or j["error"] or j["state"] == "done")
        time.sleep(3)
        daemon.pause = daemon.post(f"/jobs/{job}/pause")
        said = daemon.text + json.dumps([row[2] for row in events.rows])
        for path in ("/jobs", f"/jobs/{job}", "/settings", f"/jobs/{job}/samples", "//openapi.json", "//metrics", "//healthz"):
            said += daemon.get(path).body.decode()
        events.close()
    said += "".join(path.read_bytes().decode("latin-1") for path in daemon.data.rglob("*") if path.is_file())
    assert REPO in said
    for secret in (HUB_TOKEN, TOKEN, "Signature=", "X-Amz-", "Expires="):
        assert secret not in said, secret


@pytest.mark.parametrize("token, said", [(HUB_TOKEN, "set"), (None, "not set")])
def test_whether_there_is_a_token_for_the_hub_is_said(lab, token, said):
    """Of the Hub's, by which gated repositories are asked for; the daemon's own is another matter."""
    lab.file(MB).start(**{"token": token} if token else {})
    with Daemon(lab, "--require-token", token=TOKEN, env={"HF_PULLD_TOKEN": TOKEN}) as daemon:
        assert daemon.get("/settings").json["token"] == said


def test_folders_outside_the_allowed_roots(lab):
    lab.file(MB).start()
    allowed, other = lab.path / "allowed", lab.path / "other"
    allowed.mkdir()
    other.mkdir()
    (allowed / "out").symlink_to(other)
    with Daemon(lab, "--local-root", allowed) as daemon:
        for folder in (other, other / "deep/er", allowed / "../other", allowed / "out", allowed / "out/deep", f"{allowed}2",
                       "relative", "/", "/etc", f"{allowed}/..", f"{allowed}/a/../../other"):
            answer = daemon.post("/jobs", {"repo": REPO, "local_dir": str(folder)})
            assert answer.status == 403, (folder, answer)
        assert daemon.get("/jobs").json["total"] == 0 and list(other.iterdir()) == []
        job = daemon.add(REPO, local_dir=str(allowed / "new/model"))
        assert daemon.wait(job)["state"] == "done" and (allowed / "new/model/model.bin").stat().st_size == MB
    with Daemon(lab) as daemon:
        assert daemon.post("/jobs", {"repo": REPO, "local_dir": str(allowed)}).status == 403


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../etc/passwd", "/assets/%2e%2e%2fetc",
                                  "/api/v1/jobs/../../../etc/passwd", "/api/v1/jobs/..%2f..%2fetc", "//etc/passwd", "/\\..\\etc"])
def test_paths_lead_nowhere(daemon, path):
    got = raw(daemon, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert got.split()[1] == b"404" and b"root:" not in got, got


def test_repository_names_lead_nowhere(daemon, lab):
    before = sorted(p for p in lab.path.rglob("*") if "data" not in p.parts)
    for name in ("../../x", "a/../b", "..", "a/..", "/etc/passwd", "a/b/../../c", "a\\b", ".hidden/x", "a/b\x7f"):
        assert daemon.post("/jobs", {"repo": name}).status == 400, name
    for name in ("../x", "a/../../x", "/etc/passwd"):
        job = daemon.wait(daemon.post("/jobs", {"repo": REPO, "paths": [name]}).json["id"])
        assert job["state"] == "failed", job
    created = [p for p in lab.path.rglob("*") if p not in before and "data" not in p.parts and "home" not in p.parts]
    assert created == []
