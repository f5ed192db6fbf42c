"""hf-pull watch: another tool's download is seen, its stall is said, in lines and as JSON.

Seen red with (broken on purpose):
    no line when a download is gone      test_lines_tell_what_other_tools_do
"""

import json
import os
import re
import signal
import subprocess
import threading
import time

import hub
from disk import wait_until


class Watch:
    """A running watch; what it says is read as it comes."""

    def __init__(self, home, *args):
        self.process = hub.start_pull("watch", *args, hub="http://127.0.0.1:1", home=home)
        self.text = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.text += line

    def ended(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        self.reader.join()
        assert code in (130, -signal.SIGINT) and self.process.stdout.read() == ""  # the latter while it looks, for a folder may hang
        return self.text


def test_lines_tell_what_other_tools_do(tmp_path):
    folder = tmp_path / "got"
    folder.mkdir()
    stalled = folder / "old.gguf.partial"
    stalled.write_bytes(b"x" * 5_000_000)
    os.utime(stalled, (time.time() - 40, time.time() - 40))
    moving = folder / "new.gguf.part"
    watch = Watch(tmp_path / "home", folder)

    def grown():
        with moving.open("ab") as file:
            file.write(bytes(100_000))
        time.sleep(0.1)
        return f"  [{moving}] " in watch.text and f"  [{stalled}] " in watch.text
    wait_until(grown, what="both")
    moving.rename(folder / "new.gguf")
    wait_until(lambda: f"  [{moving}] is no longer under way: finished, or given up\n" in watch.text, what="the end of one")
    err = watch.ended()
    quiet = re.search(re.escape(f"  [{stalled}] 5.00 MB  0.0 MB/s  ") + r"No file activity for (\d+)s - download may be stalled\n", err)
    assert quiet and int(quiet[1]) >= 40, err


def test_json_names_the_process_that_writes(tmp_path):
    """A real curl with a server that stops in the middle."""
    folder = tmp_path / "got"
    folder.mkdir()
    listener = subprocess.Popen(["python3", "-c", "import socket,time\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen()\n"
                                 "print(s.getsockname()[1],flush=True)\nc=s.accept()[0];c.recv(9999)\n"
                                 "c.send(b'HTTP/1.1 200 OK\\r\\nContent-Length: 1000000\\r\\n\\r\\n'+b'x'*70000)\ntime.sleep(60)"],
                                stdout=subprocess.PIPE, text=True)
    port = listener.stdout.readline().strip()
    curl = subprocess.Popen(["curl", "-s", "--noproxy", "*", "-N", "-o", folder / "model.bin", f"http://127.0.0.1:{port}/x"])
    watch = Watch(tmp_path / "home", "--progress", "json", folder)

    def found():
        rows = [json.loads(line) for line in watch.text.splitlines(keepends=True) if line.endswith("\n")]
        return [r["download"] for r in rows if r["type"] == "download" and r["download"]["size_bytes"]]
    try:
        first = wait_until(found)[0]
        watch.ended()
    finally:
        watch.process.kill()
        curl.kill()
        listener.kill()
        curl.wait()
        listener.wait()
    assert first["path"] == str(folder / "model.bin") and first["by"] == "curl" and first["pid"] == curl.pid
    assert first["total_bytes"] is None and first["stalled"] is False
