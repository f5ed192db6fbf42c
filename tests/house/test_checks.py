"""The checks can fail, and the runner counts what happened.

Each row plants one fault; the rows were seen red with the rule they name taken out of the tool.
"""
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def tool(name, *args):
    return subprocess.run([sys.executable, TOP / "tools" / name, *args], capture_output=True, text=True)


@pytest.mark.parametrize("folder, line, allowed", [
    ("plan", '#include "cache/names.h"', True),
    ("cli", '#include "hfp/hfp.h"', True),
    ("cli", '#include "front/text.h"', True),
    ("front", '#include "hfp/hfp.h"', True),
    ("net", "#include <curl/curl.h>", True),
    ("cache", '#include "engine/job.h"', False),
    ("cli", '#include "base/io.h"', False),
    ("base", '#  include "net/http.h"', False),
    ("plan", '#include "sibling.h"', False),
    ("engine", '#include "cli/args.h"', False),
    ("engine", '#include "front/text.h"', False),
    ("front", '#include "cli/screen.h"', False),
    ("front", '#include "base/io.h"', False),
    ("plan", "#include <openssl/evp.h>", False),
])
def test_layers(tmp_path, folder, line, allowed):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.c").write_text(line + "\n")
    assert (tool("check-layers", tmp_path).returncode == 0) == allowed


@pytest.mark.parametrize("text, allowed", [
    ("see https://huggingface.co/docs and http://127.0.0.1:8080/x", True),
    ("https://registry.example/v2", True),
    ("cd /usr/share && ls /home/user/models", True),
    ("https:/" + "/packages.somewhere.net/simple", False),
    ("cp /ro" + "ot/x y", False),
    ("/* TO" + "DO: later */", False),
    ("<" * 7 + " ours", False),
    ("token hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH", False),
])
def test_words(tmp_path, text, allowed):
    (tmp_path / "a.txt").write_text(text + "\n")
    assert (tool("check-words", tmp_path).returncode == 0) == allowed


@pytest.fixture
def runner(tmp_path, monkeypatch):
    loader = importlib.machinery.SourceFileLoader("run_tests", str(TOP / "tools/run-tests"))
    spec = importlib.util.spec_from_loader("run_tests", loader)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "run_tests", module)  # dataclasses look their module up
    loader.exec_module(module)
    module.TOP = tmp_path
    module.LOGS = tmp_path / "logs"
    module.LOGS.mkdir()
    return module


@pytest.mark.parametrize("text, passed, failed, skipped, wrong", [
    ("ok 1 - a\nok 2 - b\n1..2\n", 2, 0, 0, None),
    ("1..2\nok 1 - a\nnot ok 2 - b\n", 1, 1, 0, None),
    ("ok 1 - a # SKIP no root\n1..1\n", 0, 0, 1, None),
    ("ok 1 - a\n", 1, 0, 0, "planned None tests and ran 1"),
    ("1..3\nok 1 - a\n", 1, 0, 0, "planned 3 tests and ran 1"),
    ("Segmentation fault\n", 0, 0, 0, "ran no test"),
])
def test_tap_is_counted_line_by_line(runner, text, passed, failed, skipped, wrong):
    run = runner.Run("suite", 10)
    assert runner.read_tap(run, "program", text) == wrong
    assert runner.counts(run.results) == (passed, failed, skipped)


@pytest.mark.parametrize("ci, line", [(False, "1 passed, 1 failed, 1 skipped"), (True, "1 passed, 2 failed")])
def test_a_skip_is_a_failure_in_ci(runner, ci, line):
    runner.CI = ci
    results = [runner.Result("r", outcome, "") for outcome in (runner.PASSED, runner.FAILED, runner.SKIPPED)]
    assert runner.closing_line(results) == line


LOG_OF_A_KILLED_PYTEST = """\
tests/a/test_x.py::test_one[a b] 
[gw0] [ 25%] PASSED tests/a/test_x.py::test_one[a b] 
tests/a/test_x.py::test_two 
[gw1] [ 50%] FAILED tests/a/test_x.py::test_two 
tests/a/test_y.py::test_three 
tests/a/test_y.py::test_four 
[gw1] [ 75%] SKIPPED tests/a/test_y.py::test_four 
over the budget: ended
"""


def test_a_suite_that_was_ended_still_says_what_its_tests_gave(runner):
    run = runner.Run("suite", 10)
    run.log.write_text(LOG_OF_A_KILLED_PYTEST)
    assert runner.read_unfinished(run) == 3
    assert runner.counts(run.results) == (1, 2, 1)
    assert [result.name for result in run.results if "still ran" in result.name] == ["suite: tests/a/test_y.py::test_three (still ran)"]


def in_own_process(tmp_path, suite, suites=None):
    """run-tests with one made-up suite, or several {name: (seconds, body)}: what it prints, and its exit status."""
    suites = suites or {"made_up": (3, suite)}
    bodies = "".join(f"def {name}(run):\n    {body}\n" for name, (_, body) in suites.items())
    rows = ", ".join(f"module.Suite({name!r}, {seconds}, {name})" for name, (seconds, _) in suites.items())
    script = tmp_path / "run.py"
    script.write_text(f"""
import importlib.machinery, importlib.util, pathlib, sys
loader = importlib.machinery.SourceFileLoader("run_tests", {str(TOP / "tools/run-tests")!r})
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
sys.modules["run_tests"] = module
loader.exec_module(module)
module.CI = False
module.TOP = pathlib.Path({str(tmp_path)!r})
module.LOGS = module.TOP / "logs"
{bodies}
module.SUITES = [{rows}]
sys.exit(module.main([]))
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    return done.stdout.splitlines(), done.returncode


@pytest.mark.parametrize("suite, last, status", [
    ("run.check('fine', 'true')", "1 passed, 0 failed", 0),
    ("run.check('bad', 'false')", "0 passed, 1 failed", 1),
    ("raise ValueError('broken')", "0 passed, 1 failed", 1),
    ("pass", "0 passed, 0 failed", 1),
    ("run.check('missing', '/nonexistent/program')", "0 passed, 1 failed", 1),
])
def test_closing_line_and_exit_status(tmp_path, suite, last, status):
    lines, got = in_own_process(tmp_path, suite)
    assert (lines[-1], got) == (last, status)


def test_a_suite_may_use_what_those_before_it_have_left(tmp_path):
    slow = "run.check('slow', 'sleep', '2')"
    assert in_own_process(tmp_path, None, {"first": (1, slow)})[1] == 1
    assert in_own_process(tmp_path, None, {"quick": (3, "run.check('fine', 'true')"), "second": (1, slow)})[1] == 0


def test_the_end_of_a_failed_log_is_shown(tmp_path):
    lines, _ = in_own_process(tmp_path, "run.check('bad', 'sh', '-c', 'echo the reason; exit 1')")
    assert "the reason" in lines


@pytest.mark.parametrize("suite, word", [
    ("run.check('leaves one', 'sh', '-c', 'setsid sleep 987 &')", "leaves no process behind"),
    ("run.check('hangs', 'sleep', '987')", "stays within its budget"),
])
def test_no_process_outlives_the_run(tmp_path, suite, word):
    lines, got = in_own_process(tmp_path, suite)
    assert got == 1 and any(word in line for line in lines)
    left = subprocess.run(["pgrep", "-fx", "sleep 987"], capture_output=True, text=True)
    assert left.stdout == ""


def test_every_mutation_of_the_simulator_still_applies(monkeypatch):
    """mutate.py would say so too, but all of them are tried only in ./test all."""
    monkeypatch.syspath_prepend(str(TOP / "tests/sim"))
    mutations = importlib.import_module("mutations").MUTATIONS
    assert [(name, source) for name, source, text, _ in mutations if (TOP / source).read_text().count(text) != 1] == []


def test_every_source_is_built():
    """A file that nobody compiles is dead code, and a test that is not in the list never runs."""
    built = {path.as_posix() for path in TOP.rglob("meson.build") if path.relative_to(TOP).parts[0] in
             ("meson.build", "src", "tests")}
    lists = re.sub("#.*", "", "".join(pathlib.Path(path).read_text() for path in built))
    words = set(re.findall(r"'([^']+)'", lists))
    words |= {f"src/{name}" for name in words} | {f"tests/unit/test_{name}.c" for name in words}
    sources = [*(TOP / "src").rglob("*.c"), *(TOP / "tests/unit").glob("test_*.c")]
    assert [path.relative_to(TOP).as_posix() for path in sources if path.relative_to(TOP).as_posix() not in words] == []
