"""Every control of the home page, driven in Chromium, judged by what the daemon says and what is on the disk.

Seen red on purpose, each with the page broken so:
    a limit that is shown and not sent                   test_limit_and_priority_show_the_daemons_answer
    undo that does nothing                               test_cancel_and_undo
    rows of all files in the document                    test_ten_thousand_files_stay_smooth
    the limit of the last download left in its field     test_filters_limit_priority_and_revision_go_along
    a link of the daemon's own Hub refused               test_a_link_of_the_daemons_own_hub
    all that is not proved said to be fetched            test_a_file_that_another_tool_brought_..
    a pattern forgotten when its menu closes             test_a_pattern_that_was_typed_counts
    the last job that is loaded taken for the last       test_a_long_queue_is_moved_by_one_place
"""
import hashlib
import re
import shutil

import pytest
from playwright.sync_api import expect

import hub
from conftest import copied, row
from disk import wait_until
from lab import MB, REPO

SLOW = {"rate": 3 * MB}


def test_add_shows_the_plan_and_then_pulls(lab, serve, tabs):
    lab.file(6 * MB, files={"config.json": b"{}"}).start()
    daemon = serve()
    page = tabs(daemon).open()
    expect(page.get_by_text("Nothing is being downloaded.")).to_be_visible()
    expect(page.get_by_text("hf-pull add")).to_be_visible()
    page.locator("#add").fill(f"https://huggingface.co/{REPO}/tree/main")
    page.get_by_role("button", name="Add", exact=True).click()
    plan = page.locator(".plan")
    expect(plan.get_by_text("6.00 MB").first).to_be_visible()
    for word in ("Whole", "Here already", "To fetch", "Free after", "2 files"):
        expect(plan.get_by_text(word, exact=True).first).to_be_visible()
    assert daemon.get("/jobs?state=done,queued,downloading").json["total"] == 0 or all(
        job["verb"] == "plan" for job in daemon.get("/jobs").json["jobs"])
    page.get_by_role("button", name="Start the download").click()
    expect(row(page, REPO).get_by_text(re.compile(r"proved \d\d:\d\d, 6.00 MB"))).to_be_visible()
    assert lab.wrong() == {}
    wait_until(lambda: [job["verb"] for job in daemon.get("/jobs").json["jobs"]] == ["pull"])  # the dry run is off the list
    row(page, REPO).get_by_role("button", name="Open").click()
    expect(row(page, REPO).get_by_text("snapshots")).to_be_visible()
    row(page, REPO).get_by_role("button", name="Copy the hash of model.bin").click()
    files = {file["path"]: file for file in daemon.job(daemon.get("/jobs").json["jobs"][0]["id"])["files"]}
    copied(page, files["model.bin"]["hash"])


def test_what_is_no_repository_is_said_at_once_and_what_is_not_there_by_the_hub(lab, serve, tabs):
    lab.file(MB).start()
    tab = tabs(serve())
    page = tab.open()
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Write ORG/NAME")
    page.locator("#add").fill("a/b/c")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("'a/b/c' is no repository")
    page.locator("#add").fill("org/none")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no such repository")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_gated_repository_says_where_to_ask(lab, serve, tabs):
    lab.content.repo("meta/gated", generated=[{"path": "model.bin", "size": 3 * MB, "seed": 7}], gated="manual", granted=False)
    lab.file(MB).start(token="hf_testtesttest")
    page = tabs(serve()).open()
    page.locator("#add").fill("meta/gated")
    page.keyboard.press("Enter")
    # The listing of a gated repository is open: the plan is there, and the refusal comes with the first byte.
    page.get_by_role("button", name="Start the download").or_(page.get_by_role("alert")).first.wait_for()
    if page.get_by_role("button", name="Start the download").count():
        page.get_by_role("button", name="Start the download").click()
        expect(row(page, "meta/gated").get_by_text("gated").first).to_be_visible()


def test_one_quant_of_many_is_chosen(lab, serve, tabs):
    names = [("tiny-Q4_K_M.gguf", 2 * MB), ("tiny-Q8_0.gguf", 3 * MB), ("tiny-BF16.gguf", 5 * MB)]
    lab.content.repo("org/gguf", {"config.json": b"{}"}, generated=[{"path": n, "size": s, "seed": 3} for n, s in names])
    lab.start()
    daemon = serve()
    page = tabs(daemon).open()
    page.locator("#add").fill("org/gguf")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_role("button", name="Q8_0")).to_contain_text("fits in 4 GB")
    page.get_by_role("button", name="Q4_K_M").click()
    expect(page.locator(".plan-row", has_text="Whole")).to_contain_text("2.00 MB")
    expect(page.get_by_role("button", name="Q4_K_M")).to_have_attribute("aria-pressed", "true")
    page.get_by_text("2 files", exact=True).last.click()
    expect(page.get_by_role("listitem").get_by_text("tiny-Q4_K_M.gguf")).to_be_visible()
    page.get_by_role("button", name="Start the download").click()
    expect(row(page, "org/gguf").get_by_text("proved").first).to_be_visible()
    job = daemon.get("/jobs").json["jobs"][0]
    assert sorted(file["path"] for file in daemon.job(job["id"])["files"]) == ["config.json", "tiny-Q4_K_M.gguf"]


def test_a_link_of_the_daemons_own_hub(lab, serve, tabs):
    """HF_ENDPOINT names it, a mirror of huggingface.co say."""
    lab.file(2 * MB).start()
    daemon = serve()
    tab = tabs(daemon)
    tab.may_fail = True
    page = tab.open()
    page.locator("#add").fill("https://hub.example/org/x")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(f"is not a link to {lab.server.hub}")
    page.locator("#add").fill(f"{lab.server.hub}/{REPO}/tree/main")
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_role("button", name="Start the download").click()
    expect(row(page, REPO).get_by_text("proved").first).to_be_visible()


def test_a_file_that_another_tool_brought_is_not_to_be_fetched(lab, serve, tabs):
    lab.file(2 * MB, files={"config.json": b"{}"}).start()
    daemon = serve()
    daemon.wait(daemon.add(REPO))
    folder = hub.repo_folder(daemon.home, REPO)
    shutil.rmtree(folder / ".hf-pull")  # the receipts: what other tools bring has none
    (folder / "blobs" / hashlib.sha1(b"blob 2\0{}").hexdigest()).unlink()
    page = tabs(daemon).open()
    page.locator("#add").fill(REPO)
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_text("2 files", exact=True).last.click()
    expect(page.get_by_role("listitem").filter(has_text="model.bin")).to_contain_text("here, to be proved")
    expect(page.get_by_role("listitem").filter(has_text="config.json")).to_contain_text("to fetch")


def test_filters_limit_priority_and_revision_go_along(lab, serve, tabs):
    files = [{"path": f"model.{end}", "size": 2 * MB, "seed": seed} for seed, end in enumerate(("safetensors", "bin"))]
    lab.content.repo("org/two", commits={"new": {"files": False, "generated": files + [{"path": "x.bin", "size": MB, "seed": 4}]},
                                         "old": {"files": False, "generated": files}}, refs={"main": "new", "v1": "old"})
    lab.start()
    daemon = serve()
    page = tabs(daemon).open()
    page.locator("#add").fill("org/two")
    page.get_by_label("Revision").fill("v1")
    page.get_by_role("button", name="Plan", exact=True).click()
    expect(page.locator(".plan-row", has_text="Whole")).to_contain_text("4.00 MB")
    page.get_by_role("button", name="without .bin").click()
    expect(page.locator(".plan-row", has_text="Whole")).to_contain_text("2.00 MB")
    page.get_by_role("button", name="Filters 1").click()
    page.get_by_label("Priority (-100 to 100)").fill("7")
    page.locator(".wishes").get_by_label("Limit").fill("5MB")
    page.keyboard.press("Escape")
    expect(page.get_by_role("list", name="Filters and wishes")).to_contain_text("without *.bin")
    expect(page.get_by_role("list", name="Filters and wishes")).to_contain_text("limit 5 MB/s")
    page.get_by_role("button", name="Remove priority 7").click()
    page.get_by_role("button", name="Start the download").click()
    expect(row(page, "org/two").get_by_text("proved").first).to_be_visible()
    job = daemon.get("/jobs").json["jobs"][0]
    assert (job["revision"], job["exclude"], job["priority"], job["limit_bytes_per_s"]) == ("v1", ["*.bin"], 0, 5_000_000)
    page.get_by_role("button", name="Filters", exact=True).click()
    expect(page.locator(".wishes").get_by_label("Limit")).to_have_value("")  # that was of the one before


def test_a_pattern_that_was_typed_counts(lab, serve, tabs):
    """Whichever way the menu is left."""
    lab.file(2 * MB, files={"config.json": b"{}", "notes.txt": b"x"}).start()
    page = tabs(serve()).open()
    page.locator("#add").fill(REPO)
    page.get_by_role("button", name="Filters", exact=True).click()
    page.locator(".wishes").get_by_label("Only").fill("*.json")
    page.keyboard.press("Tab")
    page.locator(".wishes").get_by_label("Without").fill("*.txt")
    page.get_by_role("button", name="Plan", exact=True).click()
    wishes = page.get_by_role("list", name="Filters and wishes")
    expect(wishes.get_by_role("listitem")).to_have_text(["only *.json", "without *.txt"])
    expect(page.locator(".plan-row", has_text="Whole")).to_contain_text("1 file")


def test_a_long_queue_is_moved_by_one_place(lab, serve, tabs):
    """The page has the first 200 jobs."""
    lab.file(MB).start()
    daemon = serve()
    daemon.patch("/settings", {"parallel_jobs": 1})
    daemon.add(REPO, limit_bytes_per_s=1)
    names = [f"many/{i:03}" for i in range(203)]
    line = daemon.connection()
    assert {daemon.post("/jobs", {"repo": name}, connection=line).status for name in names} == {201}
    line.close()
    page = tabs(daemon).open()
    page.get_by_role("button", name="Move many/197 down").click()
    names[197:199] = "many/198", "many/197"

    def order():
        return [job["repo"] for job in daemon.get("/jobs?state=queued&limit=1000").json["jobs"]]
    wait_until(lambda: order()[197] != "many/197", what="the move")
    assert order() == names


def test_pause_and_resume_and_the_bar_never_goes_back(lab, serve, tabs):
    lab.file(40 * MB).start(options=SLOW)
    daemon = serve()
    page = tabs(daemon).open()
    job = daemon.add(REPO)
    card = row(page, REPO)
    bar = card.get_by_role("progressbar")
    expect(card.get_by_text("downloading")).to_be_visible()
    page.evaluate("""() => { window.seen = []; setInterval(() => { const bar = document.querySelector('[role=progressbar]');
        if (bar) window.seen.push([+bar.getAttribute('aria-valuenow'), parseFloat(bar.querySelector('.received')?.style.width ?? 0)]) }, 50) }""")
    expect(bar).not_to_have_attribute("aria-valuenow", "0")
    card.get_by_role("button", name=f"Pause {REPO}").click()
    expect(row(page, REPO).get_by_text(re.compile(r"paused at \d+ %.*kept"))).to_be_visible()
    assert daemon.job(job)["state"] == "paused"
    lab.server.set(rate=20 * MB)
    row(page, REPO).get_by_role("button", name=f"Resume {REPO}").click()
    expect(row(page, REPO).get_by_text(re.compile("proved .*40.00 MB"))).to_be_visible()
    assert daemon.job(job)["state"] == "done" and lab.wrong() == {}
    for column in zip(*page.evaluate("window.seen")):
        assert list(column) == sorted(column), "the bar went back"


def test_limit_and_priority_show_the_daemons_answer(lab, serve, tabs):
    lab.file(200 * MB).start(options=SLOW)
    daemon = serve()
    page = tabs(daemon).open()
    job = daemon.add(REPO)
    card = row(page, REPO)
    expect(card.get_by_text("downloading")).to_be_visible()  # a row that leaves the queue takes its open menu along
    card.get_by_role("button", name=f"Limit of {REPO}").click()
    card.get_by_label("Limit", exact=True).fill("10 apples")
    page.keyboard.press("Enter")
    expect(card.get_by_role("alert")).to_contain_text("'10 apples' is not a rate")
    card.get_by_label("Limit", exact=True).fill("500K")
    page.keyboard.press("Enter")
    expect(card.get_by_role("button", name=f"Limit 512 kB/s of {REPO}")).to_contain_text("512 kB/s")
    assert daemon.job(job)["limit_bytes_per_s"] == 512_000
    card.get_by_role("button", name=f"Priority of {REPO}").click()
    card.get_by_role("button", name="High").click()
    expect(card.get_by_role("button", name=f"Priority high of {REPO}")).to_be_visible()
    assert daemon.job(job)["priority"] == 50
    card.get_by_role("button", name=f"Limit 512 kB/s of {REPO}").click()
    card.get_by_role("button", name="none").click()
    expect(card.get_by_role("button", name=f"Limit of {REPO}")).to_have_text("Limit")
    assert daemon.job(job)["limit_bytes_per_s"] == 0


def queued(daemon):
    return [job["repo"] for job in daemon.get("/jobs?state=queued").json["jobs"]]


def test_the_queue_moves_up_and_down(lab, serve, tabs):
    for name in ("org/a", "org/b", "org/c"):
        lab.file(MB, repo=name)
    lab.file(200 * MB).start(options=SLOW)
    daemon = serve()
    daemon.patch("/settings", {"parallel_jobs": 1})
    page = tabs(daemon).open()
    for name in (REPO, "org/a", "org/b", "org/c"):
        daemon.add(name)
    expect(row(page, "org/a").get_by_text("next in queue")).to_be_visible()
    expect(row(page, "org/a").get_by_role("button", name="Move org/a up")).to_have_attribute("aria-disabled", "true")
    row(page, "org/c").get_by_role("button", name="Move org/c up").click()
    expect(row(page, "org/c").get_by_text("number 2 in the queue")).to_be_visible()
    assert queued(daemon) == ["org/a", "org/c", "org/b"]
    row(page, "org/a").get_by_role("button", name="Move org/a down").click()
    expect(row(page, "org/c").get_by_text("next in queue")).to_be_visible()
    assert queued(daemon) == ["org/c", "org/a", "org/b"]
    headings = page.get_by_role("region", name="Queue").get_by_role("heading", level=3)
    expect(headings).to_have_text(["org/c", "org/a", "org/b"])


def test_cancel_and_undo(lab, serve, tabs):
    lab.file(40 * MB).start(options={"rate": 10 * MB})
    daemon = serve()
    page = tabs(daemon).open()
    job = daemon.add(REPO)
    daemon.wait(job, until=lambda now: now["recorded_bytes"] >= 12 * MB)
    lab.server.set(rate=MB)
    row(page, REPO).get_by_role("button", name=f"Cancel {REPO}").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text(f"Cancelled {REPO}.")
    expect(toast).to_contain_text("is kept")
    expect(row(page, REPO).get_by_text("cancelled").first).to_be_visible()
    kept = daemon.job(job)["recorded_bytes"]
    lab.server.set(rate=20 * MB)
    toast.get_by_role("button", name="Undo").click()
    expect(row(page, REPO).get_by_text(re.compile("proved .*40.00 MB"))).to_be_visible()
    assert lab.wrong() == {} and kept >= 12 * MB
    assert lab.server.bytes_served("model.bin") < 50 * MB, "what was kept was not fetched again"


def test_retry_verify_and_take_off_the_list(lab, serve, tabs):
    lab.content.repo("org/hidden", {"config.json": b"{}"}, private=True)
    lab.file(2 * MB).start()
    daemon = serve()
    page = tabs(daemon).open()
    daemon.add("org/hidden")
    hidden = row(page, "org/hidden")
    expect(hidden.get_by_text(re.compile("failed .*no such repository"))).to_be_visible()
    lab.server.change("org/hidden", private=False)
    hidden.get_by_role("button", name="Retry org/hidden").click()
    expect(hidden.get_by_text(re.compile(r"proved \d\d:\d\d"))).to_be_visible()
    hidden.get_by_role("button", name="More for org/hidden").click()
    hidden.get_by_role("button", name="Take off the list").click()
    expect(page.get_by_text("Nothing is being downloaded.")).to_be_visible()
    assert daemon.get("/jobs").json["total"] == 0
    daemon.wait(daemon.add(REPO))
    expect(row(page, REPO).get_by_text(re.compile("proved"))).to_have_count(2)
    row(page, REPO).get_by_role("button", name=f"More for {REPO}").click()
    row(page, REPO).get_by_role("button", name="Verify on disk").click()
    expect(page.get_by_text("verify", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Ended").get_by_role("heading", level=3)).to_have_count(2)
    assert sorted(job["verb"] for job in daemon.get("/jobs").json["jobs"]) == ["pull", "verify"]


@pytest.mark.timeout(120)
def test_ten_thousand_files_stay_smooth(lab, serve, tabs):
    lab.content.repo("org/many", generated_many={"count": 10_000, "prefix": "data/part-", "suffix": ".bin", "size_min": 100,
                                                 "size_max": 200, "seed": 5})
    lab.start()
    daemon = serve()
    page = tabs(daemon).open()
    job = daemon.add("org/many", verb="verify")  # says of each file that it is not here, in a second
    daemon.wait(job, timeout=90)
    row(page, "org/many").get_by_role("button", name="Open org/many").click()
    table = page.get_by_role("table", name="Files of org/many")
    expect(table).to_have_attribute("aria-rowcount", "10001")
    body = page.locator(".files-body")
    for place in (0, 5000, 9000):
        name = daemon.get(f"/jobs/{job}/files?offset={place}&limit=1").json["files"][0]["path"]
        body.evaluate("(box, place) => box.scrollTo(0, box.scrollHeight / 10000 * place)", place)
        expect(table.get_by_text(name)).to_be_visible()
    assert page.locator(".file").count() < 40, "only rows in sight exist"
