"""The console as people use it: every page by eye and by axe, live, by keyboard alone, on a phone, without scripts."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from msyncd.console.pages import PAGES
from tests.console.browser.conftest import PHONE, WIDE, Open, log_in, too_wide, violations
from tests.console.conftest import PASSWORDS, Consoles, until
from tests.console.test_pages import kept, refusing
from tests.console.test_security import path_of

pytestmark = pytest.mark.timeout(400)

__all__ = ["refusing"]  # a fixture

LOOKED_AT = sorted({page.path for page in PAGES if page.method == "GET"} - {"/"})


@pytest.fixture(scope="module")
def with_quarantine(refusing: Consoles) -> Consoles:
    """Site 2 has sent two records that the primary refuses."""
    for key in ("b1", "b2"):
        refusing.stock(2, key, "s2", 5)
        until(lambda key=key: refusing.has(1, "stock", key))  # type: ignore[misc]  # the default binds the key
        refusing.stock(2, key, "s2", -5)
        until(lambda key=key: kept(refusing, 1, key), 30)  # type: ignore[misc]
    return refusing


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_any_page_and_none_is_wider_than_a_phone(
    with_quarantine: Consoles, opened: Open, dark: bool, tmp_path: Path
) -> None:
    page = opened(dark=dark)
    url = with_quarantine.url(1)
    page.goto(f"{url}/login")
    assert violations(page) == []
    log_in(page, url)
    found = {}
    for path in LOOKED_AT:
        there = path_of(path).replace("/quarantine/1", f"/quarantine/{kept(with_quarantine, 1, 'b1')}")
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # width and height
            answer = page.goto(url + there)
            assert answer is not None
            assert answer.status == 200, there
            found[there, size["width"]] = violations(page)
            assert too_wide(page) <= 0, (there, size)
            name = f"{there.strip('/').replace('/', '-')}-{size['width']}.png"
            page.screenshot(path=tmp_path / name, full_page=True)
    assert {place: what for place, what in found.items() if what} == {}


def test_axe_finds_nothing_on_a_satellites_pages(satellite: Page, consoles: Consoles) -> None:
    for path in ("/sites", "/sites/1", "/stores"):
        satellite.goto(consoles.url(2) + path)
        assert violations(satellite) == []


def test_what_happens_is_shown_without_reloading(consoles: Consoles, primary: Page) -> None:
    primary.goto(f"{consoles.url(1)}/sites/2")
    mark = primary.evaluate("document.body.dataset.mark = 'the same page'")
    before = primary.locator("section[aria-labelledby=batches] tbody tr").count()
    consoles.stock(2, "live1", "s2")
    rows = primary.locator("section[aria-labelledby=batches] tbody tr")
    expect(rows.filter(has_text="received").first).to_be_visible()
    until(lambda: rows.count() > before)
    assert primary.evaluate("document.body.dataset.mark") == mark


def test_focus_stays_where_it_is_when_the_page_renews_itself(consoles: Consoles, primary: Page) -> None:
    primary.goto(f"{consoles.url(1)}/sites")
    primary.locator("#site-3").focus()
    primary.evaluate("document.getElementById('live').dataset.mark = 'old'")
    until(lambda: primary.evaluate("document.getElementById('live').dataset.mark === undefined"))
    assert primary.evaluate("document.activeElement.id") == "site-3"


def test_a_daemon_that_is_away_is_said_and_that_it_is_back(tmp_path: Path, opened: Open) -> None:
    one = Consoles(tmp_path)
    try:
        one.begin(1)
        page = opened()
        log_in(page, one.url(1))
        notice = page.get_by_text("No answer from msyncd")
        expect(notice).to_be_hidden()
        one.signal(1, 15)
        one.ended(1)
        expect(notice).to_be_visible()
        one.begin(1)
        # sessions end with the daemon: the page goes to the log-in by itself
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    finally:
        one.close()


def test_by_keyboard_alone(with_quarantine: Consoles, opened: Open) -> None:
    page = opened()
    press = page.keyboard.press
    page.goto(f"{with_quarantine.url(1)}/quarantine")
    tab_to(page, "#name")
    page.keyboard.type("ben")
    press("Tab")
    page.keyboard.type(PASSWORDS["ben"])
    press("Enter")
    page.get_by_role("button", name="Log out").wait_for()
    press("Tab")  # the first stop of the page is the way past its header
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "input[name=id]")
    press("Space")
    assert page.locator("input[name=id]").first.is_checked()
    page.goto(f"{with_quarantine.url(1)}/quarantine")
    tab_to(page, "input[name=id]")
    press("Space")
    press("Enter")  # in a form: its first button, Retry
    expect(page.get_by_text("1 still there")).to_be_visible()
    tab_to(page, "nav a[href='/sites']")
    press("Enter")
    page.wait_for_url("**/sites")
    tab_to(page, "#site-2")
    press("Enter")
    page.wait_for_url("**/sites/2")
    tab_to(page, "button:text('Log out')")
    press("Space")
    page.wait_for_url("**/login")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until that is focused, and see that it can be seen to be."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.locator(selector).first.evaluate("(one) => one === document.activeElement"):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", selector
            return
    raise AssertionError(f"{selector} is not reached")


def test_without_scripts_everything_can_be_done(with_quarantine: Consoles, opened: Open) -> None:
    page = opened(scripts=False)
    log_in(page, with_quarantine.url(1), "ben")
    page.get_by_role("link", name="Quarantine", exact=True).click()
    page.get_by_role("checkbox", name="stock b2").check()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("heading", name="Discard 1 entry?")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    assert kept(with_quarantine, 1, "b2") is not None
    page.get_by_role("checkbox", name="stock b2").check()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("1 still there")).to_be_visible()


def test_all_entries_are_ticked_by_one_click(with_quarantine: Consoles, primary: Page) -> None:
    primary.goto(f"{with_quarantine.url(1)}/quarantine")
    primary.get_by_role("checkbox", name="Tick every entry on this page").check()
    boxes = primary.locator("input[name=id]")
    assert [boxes.nth(at).is_checked() for at in range(boxes.count())] == [True] * boxes.count()


def test_sync_now_shows_its_end_by_itself(consoles: Consoles, satellite: Page) -> None:
    satellite.goto(f"{consoles.url(2)}/sites/1")
    consoles.stock(2, "sync1", "s2")
    satellite.get_by_role("button", name="Sync now").click()
    expect(satellite.get_by_text(re.compile(r"\d+ sent, \d+ received, \d+ refused"))).to_be_visible()


def test_check_connection_of_a_satellite(consoles: Consoles, satellite: Page) -> None:
    satellite.goto(f"{consoles.url(2)}/sites/1")
    satellite.get_by_role("button", name="Check connection").click()
    steps = satellite.locator(".steps li")
    expect(steps).to_have_count(7)
    expect(steps.locator(".pill.ok")).to_have_count(7)


def test_a_session_that_is_over_leads_to_the_log_in_by_itself(consoles: Consoles, opened: Open) -> None:
    page = opened()
    log_in(page, consoles.url(1), "cora")
    page.context.clear_cookies()
    page.wait_for_url("**/login?next=/sites**")
    page.get_by_label("Name").fill("cora")
    page.get_by_label("Password").fill(PASSWORDS["cora"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/sites**")


def test_pictures_are_only_made_anew_on_purpose() -> None:
    assert not os.environ.get("CI") or not os.environ.get("MSYNCD_SCREENSHOTS")
