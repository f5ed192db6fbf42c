"""The settings, driven in Chromium and judged by what the daemon keeps and what a real receiver gets.

Seen red on purpose, each with the page broken so:
    only the first address sent                          test_addresses_are_added_kept_tested_and_taken_away
    an event that can only be taken away                 test_events_are_chosen
    the timetable sent as it was                         test_the_timetable_is_drawn_checked_and_kept
"""
import pytest
from playwright.sync_api import expect

from hook import Hook
from conftest import kept
from lab import MB


@pytest.fixture
def hook():
    server = Hook()
    yield server
    server.close()


def test_addresses_are_added_kept_tested_and_taken_away(lab, serve, tabs, hook):
    lab.file(MB).start()
    daemon = serve("--notify-local", "--notify=cmd:true")
    tab = tabs(daemon)
    tab.may_fail = True  # a refused address is a 400 in the console
    page = tab.open("settings")
    field, shown = page.get_by_label("Send to"), f"http://127.0.0.1:{hook.server_port}/..."
    save = page.get_by_role("button", name="Save the addresses")
    expect(page.get_by_text("cmd:true ...")).to_be_visible()
    field.fill(f"{hook.url}#key")
    save.click()
    expect(field).to_have_value(shown)
    field.fill(f"{shown}\nhttp://127.0.0.1:9/nobody")
    save.click()
    expect(field).to_have_value(f"{shown}\nhttp://127.0.0.1:9/...")
    page.get_by_role("button", name="Send a test").click()
    results = page.get_by_role("status").get_by_role("listitem")
    expect(results).to_have_count(3)
    expect(results.nth(1)).to_contain_text(f"{shown}: sent")
    expect(results.nth(2)).to_contain_text("not sent")
    assert hook.told == ["test"] and hook.signed(b"key"), "the secret is still the one that was given first"
    field.fill("cmd:touch /tmp/x")
    save.click()
    expect(page.get_by_text("config file and the command line only")).to_be_visible()
    assert daemon.get("/settings").json["notify"][0] == shown
    page.reload()
    field.fill(shown)
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert kept(daemon, "notify", [shown])


def test_events_are_chosen(lab, serve, tabs):
    lab.file(MB).start()
    daemon = serve()
    page = tabs(daemon).open("settings")
    page.get_by_role("button", name="Tell when: started, on").click()
    page.get_by_role("button", name="Tell when: disk low, on").click()
    expect(page.get_by_role("button", name="Tell when: disk low, off")).to_be_visible()
    expect(page.get_by_role("button", name="Tell when: started, off")).to_be_visible()
    assert kept(daemon, "notify_on", ["stalled", "recovered", "done", "failed"])
    page.get_by_role("button", name="Tell when: started, off").click()
    expect(page.get_by_role("button", name="Tell when: started, on")).to_be_visible()
    assert daemon.get("/settings").json["notify_on"][0] == "started"


def test_the_timetable_is_drawn_checked_and_kept(lab, serve, tabs):
    lab.file(MB).start()
    daemon = serve()
    page = tabs(daemon).open("settings")
    field, save = page.get_by_role("textbox", name="Timetable"), page.get_by_role("button", name="Save the timetable")
    field.fill("08:00,2M 25:00,off")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(save).to_have_attribute("aria-disabled", "true")
    field.fill("08:00,2M 20:00,off")
    day = page.get_by_role("img", name="08:00 to 20:00")
    expect(day).to_be_visible()
    expect(day.get_by_text("no limit").first).to_be_visible()
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert kept(daemon, "timetable", "08:00,2M 20:00,off")
    settings = daemon.get("/settings").json
    assert settings["limit_until"] in ("08:00", "20:00")
    expect(page.get_by_text(f"until {settings['limit_until']}").first).to_be_visible()
    field.fill("")
    save.click()
    expect(page.get_by_role("img", name="no timetable")).to_be_visible()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert kept(daemon, "timetable", "")
