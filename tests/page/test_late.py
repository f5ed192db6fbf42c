"""Answers that come late, and what a person or the stream does meanwhile. `held` gives an answer of the daemon to the page only
when the test says so: whatever a slow line or a loaded machine does, this is its order.

Seen red on purpose, each with the page broken so:
    a listing put over what the stream told since        test_what_happens_while_the_list_is_loaded_stays
    an answer put over what the stream told since        test_a_late_answer_undoes_nothing_newer
    a menu that takes the focus back whoever has it      test_a_menu_that_was_left_does_not_take_the_focus
    a plan that takes the focus whoever has it           test_a_plan_takes_the_focus_only_from_its_own_field
    what is typed during a save forgotten after it       test_what_is_typed_during_a_save_stays
    two changes that both rest on the same list          test_two_choices_in_a_row_are_both_kept
    a start that reads the field, not the plan           test_what_was_planned_is_what_begins
    a row that takes the focus back in any case          test_a_row_that_was_left_by_a_click_does_not_take_the_focus
    a dialog, or the way to the field, a frame later     test_what_is_opened_has_the_focus_at_once
    jobs shown when the look at other tools has ended    test_jobs_do_not_wait_for_a_disk_of_others
"""
import re

import pytest
from playwright.sync_api import expect

from conftest import held, kept, row
from lab import MB, REPO


@pytest.mark.parametrize("tab", ["first", "second"])
def test_what_happens_while_the_list_is_loaded_stays(lab, serve, tabs, tab):
    """The first tab reads the stream itself and asks twice; the second hears it from the first."""
    lab.file(MB).file(MB, repo="org/late").start()
    daemon = serve()
    daemon.wait(daemon.add(REPO))
    if tab == "second":
        expect(row(tabs(daemon).open(), REPO)).to_be_visible()
    late = tabs(daemon)
    listing = held(late.page, "GET", re.compile(r"/jobs\?limit="), most=1)
    late.open()
    listing.wait()
    daemon.wait(daemon.add("org/late"))
    late.page.wait_for_timeout(1_000)  # the stream has told all of it: four times a second
    listing.let()
    late.page.wait_for_timeout(500)
    expect(row(late.page, "org/late").get_by_text("proved").first).to_be_visible()
    expect(row(late.page, REPO)).to_be_visible()


def test_a_late_answer_undoes_nothing_newer(lab, serve, tabs):
    """The job was queued when the daemon answered, and has ended since."""
    lab.file(MB).start()
    daemon = serve()
    page = tabs(daemon).open()
    answer = held(page, "POST", re.compile(r"/jobs$"), most=1, only='"pull"')
    page.locator("#add").fill(REPO)
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_role("button", name="Start the download").click()
    answer.wait()
    expect(row(page, REPO).get_by_text("proved").first).to_be_visible()
    answer.let()
    expect(page.locator(".toast")).to_contain_text(f"Added {REPO}.")
    expect(row(page, REPO).get_by_text("proved").first).to_be_visible()
    expect(page.get_by_role("region", name="Queue")).to_have_count(0)


def test_a_menu_that_was_left_does_not_take_the_focus(lab, serve, tabs):
    lab.file(200 * MB).start(options={"rate": MB})
    daemon = serve()
    page = tabs(daemon).open()
    job = daemon.add(REPO)
    card = row(page, REPO)
    expect(card.get_by_text("downloading")).to_be_visible()
    answer = held(page, "PATCH", re.compile(f"/jobs/{job}$"))
    card.get_by_role("button", name=f"Limit of {REPO}").click()
    card.get_by_role("button", name="2 MB/s").click()
    answer.wait()
    page.locator("#add").fill("org/")
    answer.let()
    expect(card.get_by_role("button", name=f"Limit 2 MB/s of {REPO}")).to_be_visible()
    page.wait_for_timeout(300)
    page.keyboard.type("other")
    expect(page.locator("#add")).to_have_value("org/other")


def test_a_plan_takes_the_focus_only_from_its_own_field(lab, serve, tabs):
    lab.file(MB).start()
    page = tabs(serve()).open()
    answer = held(page, "POST", re.compile(r"/jobs$"))
    page.locator("#add").fill(REPO)
    page.keyboard.press("Enter")
    answer.wait()
    page.get_by_label("Revision").focus()
    answer.let()
    expect(page.get_by_role("button", name="Start the download")).to_be_visible()
    page.wait_for_timeout(300)
    page.keyboard.type("v1")
    expect(page.get_by_label("Revision")).to_have_value("v1")


def test_what_is_typed_during_a_save_stays(lab, serve, tabs):
    lab.file(MB).start()
    daemon = serve()
    page = tabs(daemon).open("settings")
    number, timetable = page.get_by_role("textbox", name="Downloads at once"), page.get_by_role("textbox", name="Timetable")
    addresses = page.get_by_label("Send to")
    for field, save, sent, then in ((number, "Save: Downloads at once", "3", "4"),
                                    (timetable, "Save the timetable", "08:00,2M 20:00,off", "09:00,2M 20:00,off"),
                                    (addresses, "Save the addresses", "https://a.example/", "https://b.example/")):
        answer = held(page, "PATCH", re.compile("/settings$"), most=1)
        field.fill(sent)
        page.get_by_role("button", name=save).click()
        answer.wait()
        field.fill(then)
        answer.let()
        expect(page.get_by_role("button", name=save)).to_have_attribute("aria-busy", "false")
        expect(field).to_have_value(then)
        page.get_by_role("button", name=save).click()
        expect(page.get_by_role("button", name=save)).to_have_attribute("aria-busy", "false")
    assert kept(daemon, "parallel_jobs", 4) and kept(daemon, "timetable", "09:00,2M 20:00,off")
    assert daemon.get("/settings").json["notify"] == ["https://b.example/..."]


def test_two_choices_in_a_row_are_both_kept(lab, serve, tabs):
    lab.file(MB).start()
    daemon = serve()
    page = tabs(daemon).open("settings")
    answer = held(page, "PATCH", re.compile("/settings$"), most=1)
    page.get_by_role("button", name="Tell when: started, on").click()
    page.get_by_role("button", name="Tell when: failed, on").click()
    answer.wait()
    answer.let()
    for name in ("started", "failed"):
        expect(page.get_by_role("button", name=f"Tell when: {name}, off")).to_be_visible()
    assert kept(daemon, "notify_on", ["stalled", "recovered", "done", "disk_low"])


def test_what_was_planned_is_what_begins(lab, serve, tabs):
    """The next name may stand in the field by then, half of it or all; it stays there."""
    lab.file(MB).file(MB, repo="org/other").start()
    daemon = serve()
    page = tabs(daemon).open()
    page.locator("#add").fill(REPO)
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_role("button", name="Start the download")).to_be_visible()
    page.locator("#add").fill("org/other")
    page.get_by_role("button", name="Start the download").click()
    expect(page.locator(".toast")).to_contain_text(f"Added {REPO}.")
    expect(page.locator("#add")).to_have_value("org/other")
    assert [job["repo"] for job in daemon.get("/jobs").json["jobs"] if job["verb"] == "pull"] == [REPO]


def test_a_row_that_was_left_by_a_click_does_not_take_the_focus(lab, serve, tabs):
    lab.file(200 * MB).start(options={"rate": MB})
    daemon = serve()
    page = tabs(daemon).open()
    daemon.add(REPO)
    expect(row(page, REPO).get_by_text("downloading")).to_be_visible()
    row(page, REPO).focus()
    page.locator("header").click(position={"x": 2, "y": 2})
    assert page.evaluate("document.activeElement === document.body")
    page.wait_for_timeout(1_000)  # four draws
    assert page.evaluate("document.activeElement === document.body")


# What stands in line before the next frame is drawn, and nothing of what comes after it.
AT_ONCE = """async ([key, want]) => {
    document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    for (let i = 0; i < 10; i++) await null;
    return document.activeElement.closest(want) !== null;
}"""


@pytest.mark.parametrize("place, key, want", [("", "?", "dialog[open]"), ("", "/", "#add"), ("cache", "/", "#add")])
def test_what_is_opened_has_the_focus_at_once(lab, serve, tabs, place, key, want):
    """A key that is pressed meanwhile would be taken as another one: p pauses."""
    lab.file(MB).start()
    page = tabs(serve()).open(place)
    expect(page.get_by_text("Nothing is being downloaded.").or_(page.get_by_text("The cache is empty."))).to_be_visible()
    assert page.evaluate(AT_ONCE, [key, want])
    if want == "#add":
        expect(page).to_have_url(re.compile("/(#/)?$"))


def test_jobs_do_not_wait_for_a_disk_of_others(lab, serve, tabs):
    """A --watch-dir may lie on a disk that hangs; what is seen there comes behind."""
    watched = lab.path / "watched"
    watched.mkdir()
    (watched / "leftover.partial").write_bytes(b"x" * 1000)
    lab.file(MB).start()
    daemon = serve("--watch-dir", str(watched))
    daemon.wait(daemon.add(REPO))
    tab = tabs(daemon)
    look = held(tab.page, "GET", "**/api/v1/foreign")
    page = tab.open()
    expect(row(page, REPO)).to_be_visible(timeout=10_000)
    look.wait()
    look.let()
    expect(page.get_by_role("heading", name="watched/leftover.partial")).to_be_visible()
