"""The page for everybody: axe-core finds nothing serious, the keyboard reaches everything, a phone shows all of it.

Seen red on purpose, each with the page broken so:
    --muted one step lighter                             test_axe_finds_nothing_serious
    a table wider than its card, without its own scroll  test_nothing_is_wider_than_the_screen
    focus not given back when a row moves                test_the_keyboard_is_enough
"""
import re

import pytest
from playwright.sync_api import expect

from conftest import TOP, row
from lab import MB, REPO

AXE = TOP / "page/node_modules/axe-core/axe.min.js"
PLACES = ("", "cache", "network", "settings")


@pytest.fixture
def busy(lab, serve):
    """One job of each kind: running, paused, queued, proved, failed."""
    for name in ("org/done", "org/held", "org/next", "org/last"):
        lab.file(2 * MB, repo=name, files={"config.json": b"{}"})
    lab.file(600 * MB).start()
    daemon = serve()
    daemon.patch("/settings", {"parallel_jobs": 1})
    daemon.wait(daemon.add("org/done"))
    daemon.wait(daemon.add("org/none"))
    lab.server.set(rate=2 * MB)
    running = daemon.add(REPO)
    daemon.wait(running, until=lambda job: job["recorded_bytes"] > 0)
    daemon.post(f"/jobs/{daemon.add('org/held')}/pause")
    daemon.add("org/next")
    daemon.add("org/last")
    return daemon


def faults(page):
    """Serious and critical findings of axe-core, as (rule, element)."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [(rule["id"], node["target"], node.get("failureSummary", "")[:300]) for rule in found["violations"]
            if rule["impact"] in ("serious", "critical") for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(busy, tabs, theme):
    tab = tabs(busy, color_scheme=theme)
    tab.may_fail = True  # places of a daemon that is still without them
    page = tab.open()
    expect(row(page, "org/next")).to_be_visible()
    row(page, REPO).get_by_role("button", name=f"Files of {REPO}").click()
    expect(page.get_by_role("table", name=f"Files of {REPO}")).to_be_visible()
    page.get_by_text("The chart as a table").click()
    row(page, "org/next").get_by_role("button", name="Limit of org/next").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.locator("#add").fill("org/done")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_text("Here already", exact=True)).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name="Cancel org/last").click()
    expect(page.locator(".toast")).to_be_visible()
    assert faults(page) == []
    for place in PLACES[1:]:
        tab.open(place)
        expect(page.get_by_role("heading", level=1)).to_have_text(place.capitalize())
        assert faults(page) == [], place
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("width, height", [(360, 740), (768, 1024), (2560, 1440)])
def test_nothing_is_wider_than_the_screen(busy, tabs, width, height):
    tab = tabs(busy, viewport={"width": width, "height": height})
    tab.may_fail = True
    page = tab.open()
    row(page, REPO).get_by_role("button", name=f"Files of {REPO}").click()
    expect(page.get_by_role("table", name=f"Files of {REPO}")).to_be_visible()
    for place in PLACES:
        page.evaluate("place => { location.hash = '#/' + place }", place)
        page.wait_for_timeout(300)
        wide = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
            && !e.closest('.scroll, .u-wrap, .hidden, .skip')).map(e => e.outerHTML.slice(0, 120))""")
        assert wide == [] and page.evaluate("document.documentElement.scrollWidth") <= width, (place, wide)


def focused(page):
    return page.evaluate("document.activeElement?.dataset?.row ?? document.activeElement?.id ?? ''")


def test_the_keyboard_is_enough(busy, tabs):
    page = tabs(busy).open()
    expect(row(page, "org/next")).to_be_visible()
    ids = {job["repo"]: job["id"] for job in busy.get("/jobs").json["jobs"]}
    page.keyboard.press("j")
    assert focused(page) == ids[REPO]
    page.keyboard.press("p")
    expect(row(page, REPO).get_by_text(re.compile("paused at"))).to_be_visible()
    expect(row(page, REPO)).to_be_focused()
    page.keyboard.press("p")
    # Beside it org/next had its turn: until that has ended rows may still change places.
    busy.wait(ids[REPO], until=lambda job: job["state"] == "downloading")
    expect(row(page, REPO).get_by_text("downloading")).to_be_visible()
    expect(row(page, REPO)).to_be_focused()
    page.keyboard.press("l")
    expect(row(page, REPO).get_by_label("Limit", exact=True)).to_be_focused()
    page.keyboard.type("1M")
    page.keyboard.press("Enter")
    busy.wait(ids[REPO], until=lambda job: job["limit_bytes_per_s"] == 1 << 20)
    row(page, REPO).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name=f"Files of {REPO}")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name=f"Files of {REPO}")).to_have_count(0)
    expect(row(page, REPO)).to_be_focused()
    page.keyboard.press("j")
    expect(row(page, REPO)).not_to_be_focused()
    page.keyboard.press("k")
    expect(row(page, REPO)).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#add")).to_be_focused()
    page.keyboard.type("org/done")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start the download")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("pause or resume")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("body").press("Tab")


def test_changes_of_state_are_told_to_a_screen_reader(busy, tabs):
    page = tabs(busy).open()
    expect(row(page, "org/next")).to_be_visible()
    log = page.get_by_role("log")
    expect(log).to_have_text("")
    page.get_by_role("button", name=f"Pause {REPO}").click()
    expect(log).to_contain_text("org/next: proved")


def test_colours_follow_the_choice_and_stay(busy, tabs):
    tab = tabs(busy, color_scheme="light")
    tab.may_fail = True
    page = tab.open("settings")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="as the system").click()
    assert page.evaluate(ground) == light


def test_settings_show_the_daemons_answer(busy, tabs):
    page = tabs(busy).open("settings")
    page.get_by_role("textbox", name="All downloads together").fill("2M")
    page.get_by_role("button", name="Save: All downloads together").click()
    expect(page.get_by_text("2.1 MB/s").first).to_be_visible()
    page.get_by_role("textbox", name="Downloads at once").fill("99")
    expect(page.get_by_role("textbox", name="Downloads at once")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("textbox", name="Downloads at once").fill("3")
    page.get_by_role("button", name="Save: Downloads at once").click()
    page.get_by_role("textbox", name="Connections at most").fill("4")
    page.get_by_role("button", name="Save: Connections at most").click()
    expect(page.get_by_role("button", name="Save: Connections at most")).to_have_attribute("aria-disabled", "true")
    now = busy.get("/settings").json
    assert (now["limit_bytes_per_s"], now["parallel_jobs"], now["max_connections"]) == (2 << 20, 3, 4)
    busy.patch("/settings", {"parallel_jobs": 2})
    expect(page.get_by_role("textbox", name="Downloads at once")).to_have_value("2")
