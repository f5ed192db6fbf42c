"""The page for everybody: axe-core finds nothing serious, the keyboard reaches everything, a phone shows all of it.

Seen red on purpose, each with the page broken so:
    --muted one step lighter                             test_axe_finds_nothing_serious
    a table wider than its card, without its own scroll  test_nothing_is_wider_than_the_screen
    focus not given back when a row moves                test_the_keyboard_is_enough
    a menu that takes the focus a frame later            test_an_opened_menu_has_the_focus_at_once
"""
import re

import pytest
from playwright.sync_api import expect

from conftest import TOP, kept, row
from disk import wait_until
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
    whole = {"": page.get_by_role("table", name=f"Files of {REPO}"), "cache": row(page, "org/done"),
             "network": page.get_by_label(f"Connections of {REPO}").first, "settings": page.get_by_label("Send to")}
    expect(whole[""]).to_be_visible()
    for place in PLACES:
        page.evaluate("place => { location.hash = '#/' + place }", place)
        expect(whole[place]).to_be_visible()
        page.wait_for_timeout(300)  # and the charts
        wide = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
            && !e.closest('.scroll, .u-wrap, .hidden, .skip')).map(e => e.outerHTML.slice(0, 120))""")
        assert wide == [] and page.evaluate("document.documentElement.scrollWidth") <= width, (place, wide)


def test_the_keyboard_is_enough(busy, tabs):
    page = tabs(busy).open()
    expect(row(page, "org/next")).to_be_visible()
    ids = {job["repo"]: job["id"] for job in busy.get("/jobs").json["jobs"]}
    page.keyboard.press("j")
    expect(row(page, REPO)).to_be_focused()
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
    expect(page.get_by_role("log")).to_have_text("")
    page.evaluate("""() => { const log = document.querySelector('[role=log]'); window.told = [];
        new MutationObserver(() => window.told.push(log.textContent))
            .observe(log, { subtree: true, childList: true, characterData: true }) }""")
    page.get_by_role("button", name=f"Pause {REPO}").click()
    wait_until(lambda: any("org/next: proved" in words for words in page.evaluate("told")))  # org/last follows soon


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
    for name, text in (("Downloads at once", "3"), ("Connections at most", "4")):
        page.get_by_role("textbox", name=name).fill(text)
        page.get_by_role("button", name=f"Save: {name}").click()
        expect(page.get_by_role("button", name=f"Save: {name}")).to_have_attribute("aria-disabled", "true")
    assert kept(busy, "limit_bytes_per_s", 2 << 20) and kept(busy, "parallel_jobs", 3) and kept(busy, "max_connections", 4)
    for name in ("Downloads at once", "Connections at most"):
        expect(page.get_by_role("button", name=f"Save: {name}")).to_have_attribute("aria-busy", "false")
    busy.patch("/settings", {"parallel_jobs": 2})
    expect(page.get_by_role("textbox", name="Downloads at once")).to_have_value("2")


def test_an_opened_menu_has_the_focus_at_once(lab, serve, tabs):
    """Not when the next frame is drawn: what is typed meanwhile would go into another field."""
    lab.file(MB).start()
    page = tabs(serve()).open()
    page.get_by_role("button", name="Filters").wait_for()
    where = page.evaluate("""async () => {
        const button = document.querySelector(".add .menu > button");
        button.click();
        for (let i = 0; i < 10; i++) await null; // what stands in line before anything is drawn
        return document.activeElement.closest(".panel") !== null;
    }""")
    assert where, "the focus is not in the menu"
