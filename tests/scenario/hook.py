"""A receiver of notifications: a real HTTP server on loopback that remembers what it got. Standard library only."""

import hashlib
import hmac
import http.server
import json
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hook = self.server
        hook.got.append((dict(self.headers), body, self.path))
        hook.meanwhile(hook.told[-1])
        time.sleep(hook.takes_s)
        self.send_response(hook.answers.pop(0) if hook.answers else 200)
        if hook.location:
            self.send_header("Location", hook.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Hook(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.takes_s, self.answers, self.location = [], 0, [], None
        self.meanwhile = lambda event: None  # called when a message has come, before it is answered
        self.url = f"http://127.0.0.1:{self.server_port}/hook/s3cret-path"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    @property
    def told(self):
        return [json.loads(body)["event"] for _, body, _ in self.got]

    def messages(self, repo):
        return [json.loads(body) for _, body, _ in self.got if json.loads(body)["repo"] == repo]

    def wait(self, until, timeout=20):
        """Until until(self) holds, or the number of messages has come."""
        deadline = time.monotonic() + timeout
        while not (len(self.got) >= until if isinstance(until, int) else until(self)):
            assert time.monotonic() < deadline, self.told
            time.sleep(0.01)

    def signed(self, key):
        """All that came is signed with this key."""
        for headers, body, _ in self.got:
            said = headers["X-Hf-Pull-Timestamp"].encode() + b"." + body
            if headers["X-Hf-Pull-Signature"] != "sha256=" + hmac.new(key, said, hashlib.sha256).hexdigest():
                return False
        return True
