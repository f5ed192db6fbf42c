"""Every control of the Cache place, and the quota in Settings, judged by what the daemon says and what is on the disk.

Seen red on purpose, each with the page broken so:
    the order ignored, a table wider than a phone        test_what_is_here_how_large_how_old_and_in_which_order
    ended jobs not heeded, main instead of the commit    test_one_revision_of_several_is_verified_and_repaired
    the event ignored, the whole size said as freed,
    a No that deletes, Delete without its name           test_delete_says_what_it_frees_asks_and_frees_just_that
    the quota set unasked, an eviction not told          test_the_quota_asks_before_it_takes
    a slow disk given up before the daemon does          test_a_cache_on_a_slow_disk_is_waited_for
    tabs that read for themselves and tell each other    test_tabs_without_locks_hear_of_each_deletion_once
"""
import os
import re
import time

import pytest
from playwright.sync_api import expect

import fuse
import hub
from conftest import copied, held, kept, row
from disk import flip_bit, wait_until
from lab import MB, REPO
from test_access import faults

ONE = {"path": "one.bin", "size": 2 * MB, "seed": 1}
TWO = {"path": "two.bin", "size": MB, "seed": 2}
BOTH = {"path": "both.bin", "size": 3 * MB, "seed": 3}


@pytest.fixture
def daemon(lab, serve):
    """Two revisions of REPO that share a file, and two small repositories, all in the cache."""
    lab.content.repo(REPO, commits={"a": {"generated": [ONE, BOTH]}, "b": {"generated": [TWO, BOTH]}}, refs={"main": "b", "v1": "a"})
    lab.content.repo("org/small", {"config.json": b"{}"})
    lab.content.repo("org/data", {"rows.txt": b"rows\n"}, type="datasets")
    lab.start()
    running = serve()
    for more in ({"repo": REPO, "revision": "v1"}, {"repo": REPO}, {"repo": "org/small"}, {"repo": "org/data", "type": "dataset"}):
        running.wait(running.add(**more))
    return running


def commits(daemon, repo=REPO):
    """{ref: commit} as the daemon lists them."""
    listed = {one["repo"]: one for one in daemon.get("/cache").json["repos"]}
    return {ref: one["commit"] for one in listed[repo]["revisions"] for ref in one["refs"]} if repo in listed else {}


def opened(page, repo=REPO):
    card = row(page, repo)
    card.locator("summary").click()
    return card


def line(card, commit):
    return card.get_by_role("row", name=re.compile(commit[:10]))


def toast(page, text):
    return page.locator(".toast", has_text=text)


def test_what_is_here_how_large_how_old_and_in_which_order(daemon, tabs):
    page = tabs(daemon).open("cache")
    space = page.get_by_role("region", name="Space")
    for word in ("6.0 MB", "in the cache", "quota none", str(daemon.lab.home / "hub")):
        expect(space).to_contain_text(word)
    names = page.locator("li[data-row] h3")
    expect(page.get_by_text("3 repositories", exact=True)).to_be_visible()
    expect(names.first).to_have_text(REPO)  # largest first
    page.get_by_label("Order").select_option("name")
    expect(names).to_have_text(["dataset org/data", "org/small", REPO])
    old = time.time() - 400 * 86400
    for blob in hub.repo_folder(daemon.lab.home, "org/small").glob("blobs/*"):
        os.utime(blob, (old, old))
    daemon.wait(daemon.add("org/data", type="dataset", force=True))  # what has ended is shown without asking
    expect(row(page, "org/small")).to_contain_text("used 400 days ago")
    page.get_by_label("Order").select_option("used")
    expect(names.last).to_have_text("org/small")
    page.get_by_role("searchbox", name="Find").fill("SMALL")
    expect(page.get_by_text("1 repository", exact=True)).to_be_visible()
    expect(row(page, REPO)).to_have_count(0)
    page.get_by_role("searchbox", name="Find").fill("")
    expect(row(page, REPO)).to_contain_text("2 revisions")
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page.locator("li[data-row]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("li[data-row]").first.get_by_role("table")).to_be_visible()
    card = opened(page)
    here = commits(daemon)
    expect(card.locator("tbody td:first-child")).to_contain_text([here["v1"][:10], here["main"][:10]])
    for ref, size in (("v1", "5.00 MB"), ("main", "4.00 MB")):
        for word in (ref, size, "2 files", "proved"):
            expect(line(card, here[ref])).to_contain_text(word)
    card.get_by_role("button", name=f"Copy the commit of {REPO}").first.click()
    copied(page, here["v1"])
    assert faults(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    wide = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll, .hidden, .skip')).map(e => e.outerHTML.slice(0, 120))""")
    assert wide == [] and page.evaluate("document.documentElement.scrollWidth") <= 360


def test_one_revision_of_several_is_verified_and_repaired(daemon, lab, tabs):
    here = commits(daemon)
    flip_bit((hub.repo_folder(lab.home, REPO) / "snapshots" / here["v1"] / "one.bin").resolve(), 1000)
    page = tabs(daemon).open("cache")
    card = opened(page)
    for what, ref, word in (("Verify", "main", "proved"), ("Verify", "v1", "damaged"), ("Repair", "v1", "proved")):
        card.get_by_role("button", name=f"{what} {REPO} {here[ref][:7]}").click()
        expect(toast(page, f"{'Verifying' if what == 'Verify' else 'Repairing'} {REPO}: see Downloads.").first).to_be_visible()
        wait_until(lambda: not daemon.get("/jobs?state=queued,resolving,downloading,verifying,repairing").json["jobs"])
        expect(line(card, here[ref]).locator(".state")).to_have_text(word)
    jobs = daemon.get("/jobs?q=org/x").json["jobs"]
    assert [(job["verb"], job["commit"], job["state"]) for job in jobs[:3]] == [
        ("repair", here["v1"], "done"), ("verify", here["v1"], "failed"), ("verify", here["main"], "done")]
    assert lab.wrong(rev="main") == {} and hub.wrong_blobs(lab.home, REPO) == []


def test_delete_says_what_it_frees_asks_and_frees_just_that(daemon, lab, tabs):
    here = commits(daemon)
    other = tabs(daemon, fresh=True).open("cache")
    opened(other)
    tab = tabs(daemon, fresh=True)
    page = tab.open("cache")
    card = opened(page)
    delete = card.get_by_role("button", name=f"Delete {REPO} {here['v1'][:7]}")
    delete.click()
    dialog = page.get_by_role("dialog", name="Delete this revision?")
    for word in (REPO, "v1", here["v1"][:10], "5.00 MB in 2 files", "Other revisions use some of it: 2.00 MB would be freed."):
        expect(dialog).to_contain_text(word)
    dialog.get_by_role("button", name="No, keep it").click()
    expect(dialog).to_have_count(0)
    delete.click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert commits(daemon) == here
    lab.server.set(conn_rate=MB // 64)  # so that it still runs when the question has been answered
    job = daemon.add(REPO, revision="v1", force=True)
    daemon.wait(job, until=lambda now: now["state"] == "downloading")
    tab.may_fail = True  # the refusal shows in the console
    delete.click()
    dialog.get_by_role("button", name="Delete, free 2.00 MB").click()
    expect(toast(page, f"Delete {REPO}: {job}, a pull of {REPO}")).to_be_visible()
    assert commits(daemon) == here
    daemon.post(f"/jobs/{job}/cancel")
    daemon.wait(job)
    lab.server.set(conn_rate=0)
    delete.click()
    dialog.get_by_role("button", name="Delete, free 2.00 MB").click()
    expect(toast(page, f"Deleted {REPO} {here['v1'][:7]}: 2.00 MB freed.")).to_be_visible()
    for one in (page, other):  # the other browser is told
        expect(row(one, REPO).locator("tbody tr")).to_have_count(1)
    assert commits(daemon) == {"main": here["main"]} and lab.wrong() == {}
    for repo, kind in ((REPO, "model"), ("org/small", "model"), ("org/data", "dataset")):
        commit = hub.snapshot(lab.home, repo, f"{kind}s").name
        assert daemon.delete(f"/cache/{kind}/{repo}/revisions/{commit}").status == 200
    expect(page.get_by_role("heading", name="The cache is empty.")).to_be_visible()


def test_the_quota_asks_before_it_takes(daemon, lab, tabs):
    for name, years in ((REPO, 3), ("org/small", 1)):
        for blob in hub.repo_folder(lab.home, name).glob("blobs/*"):
            os.utime(blob, (time.time() - years * 365 * 86400,) * 2)
    page = tabs(daemon).open("cache")
    page.get_by_role("link", name="quota none").click()
    field = page.get_by_role("textbox", name="Quota of the cache in GB")
    save = page.get_by_role("button", name="Save: Quota of the cache in GB")
    field.fill("-1")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("5")
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert kept(daemon, "quota_bytes", 5_000_000_000), "nothing has to go: nothing is asked"
    field.fill("0.001")
    save.click()
    dialog = page.get_by_role("dialog", name="Delete what is beyond the quota?")
    expect(dialog).to_contain_text("The cache holds 6.00 MB, 5.00 MB more.")
    dialog.get_by_role("button", name="No, keep it").click()
    expect(field).to_have_value("5")
    assert daemon.get("/settings").json["quota_bytes"] == 5_000_000_000 and len(commits(daemon)) == 2
    field.fill("0.001")
    save.click()
    dialog.get_by_role("button", name="Delete, keep 1.00 MB").click()
    expect(toast(page, re.compile("Quota: deleted .* freed")).first).to_be_visible()
    expect(field).to_have_value("0.001")
    page.get_by_role("link", name="Cache", exact=True).click()
    expect(row(page, REPO)).to_have_count(0)
    expect(row(page, "org/small")).to_be_visible()
    expect(page.get_by_role("region", name="Space")).to_contain_text("quota 1.0 MB")
    daemon.wait(daemon.add(REPO))
    expect(page.get_by_text(re.compile(r"3.00 MB beyond the quota: what is left is needed"))).to_be_visible()
    expect(page.locator("li[data-row]")).to_have_count(1)
    page.get_by_role("link", name="quota 1.0 MB").click()
    field.fill("")
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")
    assert kept(daemon, "quota_bytes", 0) and lab.wrong() == {}


def test_a_repository_that_is_closed_is_named(daemon, tabs):
    with fuse.closed(daemon.lab.home / "hub/models--org--closed/snapshots"):
        page = tabs(daemon).open("cache")
        card = row(page, "org/closed")
        expect(card).to_contain_text("may not read this folder")
        expect(card.get_by_role("button")).to_have_count(0)
        expect(row(page, REPO)).to_contain_text("2 revisions")
        assert faults(page) == []


def test_a_cache_that_cannot_be_read_is_said(lab, serve, tabs):
    lab.file(MB).start()
    daemon = serve()
    (lab.home / "hub").write_text("no folder")
    tab = tabs(daemon)
    tab.may_fail = True
    page = tab.open("cache")
    expect(page.get_by_role("alert")).to_contain_text("The cache cannot be read: ")
    (lab.home / "hub").unlink()
    daemon.wait(daemon.add(REPO))
    expect(row(page, REPO)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_cache_on_a_slow_disk_is_waited_for(daemon, tabs):
    """The daemon answers within 60 s; here the page's seconds are ten times as fast, and the answer takes 30 of them."""
    tab = tabs(daemon)
    tab.page.add_init_script("const real = AbortSignal.timeout; AbortSignal.timeout = (ms) => real.call(AbortSignal, ms / 10)")
    listing = held(tab.page, "GET", "**/api/v1/cache")
    page = tab.open("cache")
    listing.wait()
    expect(page.get_by_text("Reading the cache.")).to_be_visible()
    page.wait_for_timeout(3000)
    listing.let()
    expect(page.get_by_role("heading", name="org/small")).to_be_visible()
    expect(page.get_by_text("The cache cannot be read")).to_have_count(0)


def test_tabs_without_locks_hear_of_each_deletion_once(daemon, lab, tabs):
    """Over plain http from another machine a browser has no locks, and each tab reads the stream for itself."""
    for blob in hub.repo_folder(lab.home, "org/small").glob("blobs/*"):
        os.utime(blob, (time.time() - 365 * 86400,) * 2)
    pages = []
    for _ in range(3):
        tab = tabs(daemon)
        tab.page.add_init_script("delete Navigator.prototype.locks")
        pages.append(tab.open())
    for page in pages:
        expect(page.get_by_role("heading", name=REPO).first).to_be_visible()
    daemon.patch("/settings", {"quota_bytes": daemon.get("/cache").json["total_bytes"] - 1})
    for page in pages:
        expect(toast(page, "Quota: deleted")).to_have_text(re.compile("Quota: deleted org/small [0-9a-f]{7}, "))
