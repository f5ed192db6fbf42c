"""Starts hf-pulld against a fakehub and talks to it. Standard library only, so that a test sees every header.

    with Daemon(lab) as daemon:
        job = daemon.post("/jobs", {"repo": "org/x"}).json
        assert daemon.wait(job["id"])["state"] == "done"
"""

import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time

import hub

API = "/api/v1"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Answer({self.status}, {self.body[:500]!r})"


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Daemon:
    def __init__(self, lab, *args, data=None, home=None, token=None, listen="127.0.0.1:0", env=None):
        self.lab, self.args, self.env = lab, [str(a) for a in args], dict(env or {})
        self.data, self.home = data or lab.path / "data", home or lab.home
        self.token, self.listen = token, listen
        self.process = self.error = None
        self.lines = []

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        code = self.stop()
        if kind is None:
            assert code == 0, (code, self.text)

    def start(self):
        command = [hub.binary("HF_PULLD", "hf-pulld"), "--data", str(self.data), "--progress-dir", str(self.lab.path)]
        command += ["--listen", self.listen] if self.listen else []
        self.home.mkdir(parents=True, exist_ok=True)
        environment = hub.pull_env(self.lab.server or "http://127.0.0.1:9", self.home, self.lab.server and self.lab.server.token,
                                   **self.env)
        self.process = subprocess.Popen(command + self.args, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, errors="replace")
        self.lines = []
        self.port = None
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        deadline = time.monotonic() + 30
        while not any("listening on" in line for line in self.lines):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.reader.join(1)
                self.stop()
                raise RuntimeError(f"hf-pulld did not start: {self.text}")
            time.sleep(0.005)
        for line in self.lines:
            if found := re.search(r"listening on (https?)://.*:(\d+)/", line):
                self.scheme, self.port = found[1], int(found[2])
        return self

    def _read(self, stream):
        for line in stream:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self):
        return "\n".join(self.lines)

    def stop(self, how=signal.SIGTERM, timeout=20):
        if not self.process:
            return None
        self.process.send_signal(how)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "hangs"
        self.reader.join(2)
        self.process.stderr.close()
        self.process = None
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    # talking

    def connection(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None, raw=None):
        """path below /api/v1, or whole when it begins with a slash that is doubled."""
        where = path[1:] if path.startswith("//") else API + path
        sent = dict(headers or {})
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        own = connection or self.connection()
        try:
            own.request(method, where, body=data, headers=sent)
            answer = own.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            if connection is None:
                own.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def patch(self, path, body, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    def add(self, repo, **more):
        answer = self.post("/jobs", dict(more, repo=repo))
        assert answer.status == 201, answer
        return answer.json["id"]

    def job(self, job_id):
        answer = self.get(f"/jobs/{job_id}")
        assert answer.status == 200, answer
        return answer.json

    def wait(self, job_id, states=("done", "failed", "cancelled"), timeout=60, until=None):
        """The job as soon as it is in one of these states, or until() holds of it."""
        deadline = time.monotonic() + timeout
        while True:
            job = self.job(job_id)
            if until(job) if until else job["state"] in states:
                return job
            assert time.monotonic() < deadline, (job, self.text)
            time.sleep(0.02)

    def events(self, after=None, headers=None):
        return Events(self, after, headers)


class Events:
    """A reader of server-sent events, in a thread of its own. rows: (id, type, data)."""

    def __init__(self, daemon, after=None, headers=None):
        self.rows, self.closed = [], False
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
        lines = [f"GET {API}/events HTTP/1.1", f"Host: 127.0.0.1:{daemon.port}", "Accept: text/event-stream"]
        lines += [f"Last-Event-ID: {after}"] if after else []
        lines += [f"Authorization: Bearer {daemon.token}"] if daemon.token else []
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()
        self.status = self.answer.status
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        row = {}
        try:
            while line := self.answer.readline():
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    continue
                if not line and row:
                    self.rows.append((row.get("id"), row.get("event"), json.loads(row["data"]), time.monotonic()))
                    row = {}
                elif ":" in line:
                    name, _, value = line.partition(": ")
                    row[name] = value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.closed = True

    def of(self, *types):
        return [data for _, kind, data, _ in list(self.rows) if kind in types]

    def wait(self, found, timeout=30):
        """Waits until found(rows) is true, and gives what it said."""
        deadline = time.monotonic() + timeout
        while not (result := found(list(self.rows))):
            assert time.monotonic() < deadline, [(i, kind) for i, kind, *_ in self.rows]
            time.sleep(0.01)
        return result

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.socket.close()
