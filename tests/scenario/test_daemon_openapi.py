"""/openapi.json is true: schemathesis makes requests of it, right ones and wrong ones, and judges the answers."""

import os
import subprocess
import sys
from pathlib import Path

from daemon import Daemon
from lab import MB, REPO

SECONDS = 30
# A list that is too long may be a body that is too long: 413 refuses it too, which is none of schemathesis' own list.
CONFIG = '''[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]
'''
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,use_after_free")


def schemathesis(daemon, folder, phases, seconds):
    program = Path(sys.executable).parent / "schemathesis"
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [program, "--config-file", folder / "schemathesis.toml", "run", f"http://127.0.0.1:{daemon.port}/openapi.json", "--max-time", seconds, "--seed", 7, "--phases", phases,
               "--checks", CHECKS, "--exclude-path", "/api/v1/events", "--exclude-path-regex", "^/(assets.*|readyz)?$", "--no-shrink",
               "--continue-on-failure", "--request-timeout", 10, "--warnings", "off"]
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.run([str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=SECONDS + 60)


def test_the_description_is_true(lab, tmp_path):
    lab.file(MB, files={"config.json": b"{}"}).start()
    with Daemon(lab) as daemon:
        done, paused = daemon.add(REPO), daemon.post("/jobs", {"repo": "org/none", "priority": 3}).json["id"]
        daemon.wait(done)
        daemon.wait(paused)
        description = daemon.get("//openapi.json").json
        assert description["openapi"] == "3.1.0" and description["paths"]["/api/v1/jobs/{id}"]["patch"]
        fields = set(description["components"]["schemas"]["Job"]["properties"])
        assert fields == set(daemon.job(done)) - {"files", "files_next"}
        for phases, seconds in (("coverage,fuzzing", SECONDS * 2 // 3), ("stateful", SECONDS // 3)):
            run = schemathesis(daemon, tmp_path, phases, seconds)
            assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        assert daemon.get("//healthz").status == 200
