"""hf-pull watch: another tool's download is seen, its stall is said, in lines and as JSON.

Seen red with (broken on purpose):
    no line when a download is gone      test_lines_tell_what_other_tools_do
"""

import json
import os
import signal
import subprocess
import time

import hub


def watch(home, *args, seconds):
    process = hub.start_pull("watch", *args, hub="http://127.0.0.1:1", home=home)
    return process, time.monotonic() + seconds


def ended(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert process.returncode == 130 and out == ""
    return err


def test_lines_tell_what_other_tools_do(tmp_path):
    folder = tmp_path / "got"
    folder.mkdir()
    stalled = folder / "old.gguf.partial"
    stalled.write_bytes(b"x" * 5_000_000)
    os.utime(stalled, (time.time() - 40, time.time() - 40))
    moving = folder / "new.gguf.part"
    process, until = watch(tmp_path / "home", folder, seconds=4)
    while time.monotonic() < until:
        with moving.open("ab") as file:
            file.write(bytes(100_000))
        time.sleep(0.1)
    moving.rename(folder / "new.gguf")
    time.sleep(1.5)
    err = ended(process)
    assert f"  [{stalled}] 5.00 MB  0.0 MB/s  No file activity for 4" in err and "s - download may be stalled\n" in err
    assert f"  [{moving}] " in err
    assert f"  [{moving}] is no longer under way: finished, or given up\n" in err


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
    try:
        process, until = watch(tmp_path / "home", "--progress", "json", folder, seconds=5)
        time.sleep(max(0, until - time.monotonic()))
        rows = [json.loads(line) for line in ended(process).splitlines()]
    finally:
        curl.kill()
        listener.kill()
        curl.wait()
        listener.wait()
    first = next(r for r in rows if r["type"] == "download")["download"]
    assert first["path"] == str(folder / "model.bin") and first["by"] == "curl" and first["pid"] == curl.pid
    assert first["size_bytes"] > 0 and first["total_bytes"] is None and first["stalled"] is False
