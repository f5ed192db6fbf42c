#!/usr/bin/env python3
"""Puts each bug of mutations.py into a copy of its file, links the simulator with it, and looks for the first seed that
notices, or else the first of the worlds that are kept (regressions.txt). TAP on stdout.

    tests/sim/mutate.py BUILD_DIR [quick|all|NAME...]
"""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import MUTATIONS, QUICK

TOP = Path(__file__).resolve().parents[2]
STEPS = (1000, 19000)  # seeds that are tried: as many as ./test all runs, in which each must be found
SECONDS = 240          # of CPU for one mutation: a bug that spins is found by that


def compile_command(build, source):
    """How meson compiles this file for the simulator's library."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if "hfpull-sim" in entry["output"] and (build / entry["file"]).resolve() == (TOP / source):
            return shlex.split(entry["command"])
    raise SystemExit(f"{source} is not part of the simulator in {build}")


def link_command(build):
    """The simulator's own link line, from ninja."""
    lines = subprocess.run(["ninja", "-C", build, "-t", "commands", "tests/sim/sim"], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return shlex.split(next(line for line in reversed(lines) if "-o tests/sim/sim " in line))


def build_mutant(build, folder, source, old, new):
    text = (TOP / source).read_text()
    if text.count(old) != 1:
        return None, f"the text stands {text.count(old)} times in {source}, not once"
    mutant = folder / Path(source).name
    mutant.write_text(text.replace(old, new))
    command = compile_command(build, source)
    obj, program = folder / "mutant.o", folder / "sim"
    command[command.index("-o") + 1] = str(obj)
    command[-1] = str(mutant)
    for flag in ("-MF", "-MQ"):
        if flag in command:
            command[command.index(flag) + 1] = str(folder / "dep")
    done = subprocess.run(command + ["-w"], cwd=build, capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[0]
    link = link_command(build)
    link[link.index("-o") + 1] = str(program)
    link.insert(link.index("-o") + 2, str(obj))  # before the library: its own copy of the file is not taken then
    done = subprocess.run(link, cwd=build, capture_output=True, text=True)
    return (program, None) if done.returncode == 0 else (None, done.stderr.strip().splitlines()[0])


def first_red(program):
    """The number of seeds it took, and what the simulator said; None when it noticed nothing."""
    tried = 0
    for step in STEPS:
        run = subprocess.run([program, str(tried + 1), str(step), "--first"], capture_output=True, text=True,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)))
        if run.returncode == -signal.SIGKILL:
            return None, "no end within the time"
        if run.returncode:
            seed = re.search(r"seed (\d+): (.*)", run.stderr)
            if seed:
                return int(seed[1]), seed[2]
            return tried + step, (run.stderr.strip().splitlines() or [f"ended by signal {-run.returncode}"])[-1]
        tried += step
    for line in (TOP / "tests/sim/regressions.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            run = subprocess.run([program, *line.split()], capture_output=True, text=True,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)))
            if run.returncode:
                return int(line.split()[0]), f"(kept: {line}) " + (run.stderr.strip().splitlines() or ["it died"])[-1]
    return None, f"{tried} seeds and the kept worlds noticed nothing"


def main():
    build, wanted = Path(sys.argv[1]).resolve(), set(sys.argv[2:]) or {"all"}
    count = failed = 0
    for name, source, old, new in MUTATIONS:
        if not ("all" in wanted or name in wanted or ("quick" in wanted and name in QUICK)):
            continue
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            program, why = build_mutant(build, Path(folder), source, old, new)
            seed, said = first_red(program) if program else (None, why)
        failed += seed is None
        print(f"{'ok' if seed is not None else 'not ok'} {count} - the simulator notices: {name}")
        print(f"# {f'seed {seed}: ' if seed is not None else ''}{said}", flush=True)
    print(f"1..{count}")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    sys.exit(main())
