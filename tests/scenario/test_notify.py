"""--notify: what becomes of a pull reaches a web hook that stands beside the Hub.

Seen red with (broken on purpose):
    waiting for the delivery at the end left out   test_a_pull_tells_its_start_and_its_end
    the config file's addresses used unasked       test_the_config_file_says_where_to..
"""

import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest

from lab import MB, REPO


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        time.sleep(self.server.takes_s)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    server.block_on_close = False
    server.got, server.takes_s = [], 0
    server.url = f"http://127.0.0.1:{server.server_port}/hook/s3cret-path"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def told(hook):
    return [json.loads(body)["event"] for _, body in hook.got]


def test_a_pull_tells_its_start_and_its_end(lab, hook):
    lab.file(2 * MB).start()
    hook.takes_s = 1
    run = lab.pull(REPO, f"--notify={hook.url}#key")
    lab.assert_done(run)
    assert told(hook) == ["started", "done"]
    for headers, body in hook.got:
        said = headers["X-Hf-Pull-Timestamp"].encode() + b"." + body
        assert headers["X-Hf-Pull-Signature"] == "sha256=" + hmac.new(b"key", said, hashlib.sha256).hexdigest()
    assert json.loads(hook.got[1][1])["repo"] == REPO


def test_a_failure_is_told_and_a_choice_is_kept(lab, hook):
    lab.file(2 * MB).start()
    run = lab.pull("no/such", f"--notify={hook.url}", "--notify-on", "failed,stalled")
    assert run.code == 6
    assert told(hook) == ["failed"]


def test_the_config_file_says_where_to_and_the_command_line_whether(lab, hook):
    lab.file(1 * MB).start()
    config = lab.home / "config/hf-pull/config"
    config.parent.mkdir(parents=True)
    config.write_text(f"notify = {hook.url}#key # the hook\nnotify-on = done\n")
    env = {"XDG_CONFIG_HOME": str(config.parent.parent)}
    lab.assert_done(lab.pull(REPO, **env))
    assert told(hook) == []
    lab.assert_done(lab.pull(REPO, "--notify", **env))
    assert told(hook) == ["done"]
    config.write_text("")
    run = lab.pull(REPO, "--notify", **env)
    assert run.code == 2 and "--notify: the config file names no address" in run.err


def test_a_hook_that_never_answers_holds_no_pull_up_and_no_secret_is_said(lab, hook):
    lab.file(4 * MB).start()
    hook.takes_s = 30
    run = lab.pull(REPO, "-vv", f"--notify={hook.url}#key", "--notify-on", "started", "--report", str(lab.path / "report"))
    lab.assert_done(run)
    status = json.loads((lab.path / "report").read_text())["jobs"][0]["status"]
    assert status["elapsed_ms"] < 5000, "the pull itself does not wait"
    assert run.seconds < 20, "and the end waits for one attempt at most"
    assert "s3cret-path" not in run.err and "key" not in run.err.replace("tokenizer", "")
    assert "notification" in run.err
