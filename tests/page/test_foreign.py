"""Other tools' downloads on the page: what is said of them, and every control of the card, on the real daemon.

Seen red on purpose, each with the page broken so:
    adopt asks for an ordinary job             test_a_leftover_is_shown_and_adopted
    another text in place of the stall words   test_a_leftover_is_shown_and_adopted
    the daemon's refusal kept from the reader  test_one_that_grows..
"""
import os
import re
import subprocess
import sys
import time

from playwright.sync_api import expect

from conftest import row
from hub import gen_fast, repo_folder
from lab import MB, MIB, REPO

SIZE = 12 * MIB
GROWING = 120 * MIB  # a minute for one that grows
GROW = "import sys, time\nf = open(sys.argv[1], 'ab', buffering=0)\nwhile True:\n    f.write(bytes(200_000))\n    time.sleep(0.1)\n"


def leftover(path, n, age=60):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gen_fast(7, 0, n))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def card(page, name):
    return page.locator("li[data-row]", has=page.get_by_role("heading", name=name, exact=True))


def test_a_leftover_is_shown_and_adopted(lab, serve, tabs):
    lab.file(SIZE).start()
    leftover(lab.path / "other/model.bin.part", 8 * MIB)
    daemon = serve("--watch-dir", lab.path / "other")
    tab = tabs(daemon)
    tab.may_fail = True  # the refusal below shows in the console too
    page = tab.open()
    seen = card(page, "other/model.bin.part")
    expect(page.get_by_role("heading", name=re.compile("Seen from other tools"))).to_be_visible()
    expect(seen.get_by_text("stalled", exact=True)).to_be_visible()
    expect(seen.get_by_text(re.compile(r"No file activity for \d+s - download may be stalled"))).to_be_visible()
    expect(seen.get_by_text(re.compile(r"8\.39 MB so far, total not known.*last growth \d+ s ago"))).to_be_visible()
    seen.get_by_role("button", name="Adopt").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(str(lab.path / "other/model.bin.part"))).to_be_visible()
    expect(dialog.get_by_text("takes a copy of the 8.39 MB that are there")).to_be_visible()
    dialog.get_by_role("button", name="No, keep it").click()
    expect(dialog).to_have_count(0)
    assert daemon.get("/jobs").json["total"] == 0
    seen.get_by_role("button", name="Adopt").click()
    dialog.get_by_label("Repository").fill("no such/thing/at all")
    dialog.get_by_role("button", name="Adopt").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is no repository")
    dialog.get_by_label("Repository").fill(f"https://huggingface.co/{REPO}")
    dialog.get_by_label("File in it, if known").fill("model.bin")
    dialog.get_by_role("button", name="Adopt").click()
    expect(dialog).to_have_count(0)
    expect(row(page, REPO).get_by_text(re.compile(r"proved \d\d:\d\d"))).to_be_visible()
    job = daemon.get("/jobs").json["jobs"][0]
    assert (job["verb"], job["paths"]) == ("adopt", ["model.bin"])
    assert lab.wrong() == {} and lab.server.bytes_served("model.bin") == SIZE - 8 * MIB


def test_one_that_grows_has_its_writer_its_bar_and_is_refused_in_words(lab, serve, tabs):
    """In the hub cache, where repository, file and total are known; gone from the page when it is gone."""
    lab.file(GROWING).start()
    lab.assert_done(lab.pull())  # the listing beside it tells whose it is
    entry = lab.server.tree(REPO)["model.bin"]
    folder = repo_folder(lab.home, REPO) / "blobs"
    (folder / entry["lfs"]["oid"]).unlink()
    moving = folder / f"{entry['lfs']['oid']}.incomplete"
    daemon = serve()
    writer = subprocess.Popen([sys.executable, "-c", GROW, moving])
    try:
        tab = tabs(daemon)
        tab.may_fail = True
        page = tab.open()
        seen = card(page, REPO)
        expect(seen.get_by_text("watched", exact=True)).to_be_visible()
        expect(seen.get_by_text(re.compile(rf"model\.bin \(python.*pid {writer.pid}\)"))).to_be_visible()
        expect(seen.get_by_text(re.compile(r"/ 125\.83 MB.*MB/s.*last growth"))).to_be_visible()
        expect(seen.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
        seen.get_by_role("button", name="Adopt").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Repository")).to_have_value(REPO)
        expect(dialog.get_by_label("File in it, if known")).to_have_value("model.bin")
        expect(dialog.get_by_text(f"Process {writer.pid} still has it")).to_be_visible()
        dialog.get_by_role("button", name="Adopt").click()
        expect(dialog.get_by_role("alert")).to_contain_text("it still grows: python")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    finally:
        writer.kill()
        writer.wait()
    moving.unlink()
    expect(seen).to_have_count(0)
