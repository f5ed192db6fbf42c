"""The official local CAS server: built once (tools/build-cas-server), started on loopback, filled by the real writer.

It checks no token, signs nothing and breaks nothing: it is the measure for what the fakehub answers, and a CAS that the
same files can be pulled from.

    with OfficialCas(tmp_path / "official") as cas:
        cas.upload([path, ...])
        with FakeHub(root, options={"cas-data": store.path, "cas-url": cas.url}) as hub: ...
"""
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import casdata
from hub import TOP, free_port
from peers import alone, build_dir

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def program():
    """$HFP_CAS_SERVER, or the one below the build folder, built now if it is not there."""
    if os.environ.get("HFP_CAS_SERVER"):
        return os.environ["HFP_CAS_SERVER"]
    home = build_dir() / "cas-server"
    with alone(home.parent / "cas-server.lock"):
        subprocess.run([TOP / "tools/build-cas-server", home], check=True, stdin=subprocess.DEVNULL)
    return home / "bin/local_cas_server"


class OfficialCas:
    """A running server on a data folder of its own."""

    def __init__(self, path):
        self.path = Path(path)

    def __enter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.upper().startswith("HF_")} | {"HOME": str(self.path)}
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with (self.path / "log").open("wb") as log:
            self.process = subprocess.Popen([program(), "--data-directory", self.path / "data", "--port", str(port)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        deadline = time.monotonic() + 30
        while not self.lives():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"the official server did not start: {(self.path / 'log').read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.kill()  # it knows no orderly end
        self.process.wait()

    def lives(self):
        try:
            return self.ask("/health")[0] == 200
        except OSError:
            return False

    def ask(self, target, headers=None, method="GET"):
        """(status, headers, body)"""
        request = urllib.request.Request(target if "://" in target else self.url + target, headers=headers or {}, method=method)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def upload(self, *uploads):
        """Lists of paths, one upload after the other; {path: id}."""
        return {path: file_id for path, (file_id, _) in casdata.upload(self.url, *uploads).items()}

    def stored(self):
        """{xorb: its stored bytes, footer included}, read from the server's own folder."""
        return {p.name.removeprefix("default."): p.read_bytes() for p in (self.path / "data/xorbs").glob("default." + "?" * 64)}

    def config(self, name, value):
        """random_delay, congestion, api_delay, max_ranges_per_fetch, disable_v2_endpoints (a status), url_expiration (ms)."""
        status, _, body = self.ask(f"/simulation/set_config?config={name}&value={value}", method="POST")
        assert status == 200, body
