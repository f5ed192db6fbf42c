"""Man page and completions: each is read by the program it is made for.

Seen red on purpose: an unclosed quote in each completion, an unknown macro in the man page, a link to a missing file.
"""
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("reader, path", [
    (["bash", "-n"], "completions/hf-pull.bash"),
    (["zsh", "-n"], "completions/_hf-pull"),
    (["fish", "--no-execute"], "completions/hf-pull.fish"),
    (["groff", "-man", "-Tutf8", "-ww", "-z"], "docs/man/hf-pull.1"),
])
def test_its_reader_takes_it_without_a_word(reader, path):
    done = subprocess.run([*reader, TOP / path], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_bash_completes_verbs_and_options():
    script = (f"source {TOP}/completions/hf-pull.bash; COMP_WORDS=(hf-pull --max-w); COMP_CWORD=1; "
              "f=$(complete -p hf-pull | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f hf-pull --max-w hf-pull; echo ${COMPREPLY[@]}")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["--max-workers"], done.stderr


def test_links_between_pages_lead_somewhere():
    lost = []
    for page in [*TOP.glob("*.md"), *(path for folder in ("docs", "src", "tests") for path in (TOP / folder).rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                lost.append(f"{page.relative_to(TOP)}: {target}")
    assert lost == []
