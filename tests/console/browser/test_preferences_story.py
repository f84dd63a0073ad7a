"""The preferences window in a browser: un-lock, a wrong code, a plan, a save; by keyboard alone; on a phone; by axe."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from msyncd.settings import load
from tests.console.browser.conftest import PHONE, WIDE, Open, log_in, picture, too_wide, violations
from tests.console.browser.test_browser import tab_to
from tests.console.conftest import Consoles, quick_hash, until
from tests.console.test_preferences import CODE

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consoles]:
    """A primary and a satellite that run, with an authorisation code on both."""
    one = Consoles(tmp_path_factory.mktemp("town"))
    try:
        for site in (1, 2):
            name = f"site{site}.yaml"
            one.write(name, one.config(site).read_text() + f"authorisation: {{code_hash: '{quick_hash(CODE)}'}}\n")
        one.begin(1, 2)
        yield one
    finally:
        one.close()


def locked(page: Page) -> None:
    """Locked again, whatever a test before has done."""
    if page.get_by_role("button", name="Lock now").count():
        page.get_by_role("button", name="Lock now").click()
    expect(page.get_by_text("Click to un-lock")).to_be_visible()


def unlock(page: Page, code: str = CODE) -> None:
    page.get_by_text("Click to un-lock").click()
    page.get_by_label("Authorisation code").fill(code)
    page.get_by_role("button", name="Un-lock").click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_and_it_fits_a_phone(town: Consoles, opened: Open, dark: bool, tmp_path: Path) -> None:
    page = opened(dark=dark)
    log_in(page, town.url(2))
    for open_lock in (False, True):
        page.goto(f"{town.url(2)}/preferences")
        if open_lock and not page.get_by_role("button", name="Lock now").count():
            unlock(page)
        for path in ("/preferences", "/preferences/sites/1"):
            page.goto(town.url(2) + path)
            for size in (WIDE, PHONE):
                page.set_viewport_size(size)  # type: ignore[arg-type]  # width and height
                assert violations(page) == []
                assert too_wide(page) <= 0
                name = f"{path.strip('/').replace('/', '-')}-{size['width']}-{dark}-{open_lock}"
                page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    page.goto(f"{town.url(2)}/preferences")
    page.get_by_role("textbox", name="Name", exact=True).fill("Elsewhere")
    page.get_by_role("button", name="OK").click()
    expect(page.get_by_role("heading", name="What this would change")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Cancel").click()
    locked(page)


def test_the_old_window_row_by_row(town: Consoles, opened: Open, tmp_path: Path) -> None:
    """Locked all but interval and check; the wrong code; cancel; the right one; each field saved; in the daemon."""
    page = opened()
    log_in(page, town.url(2))
    page.get_by_role("link", name="Preferences").click()
    locked(page)
    for label in ("Sync ID", "Name", "Store to assign data", "Sync request size", "User name", "Password"):
        expect(page.locator("#here").get_by_label(label, exact=True)).to_be_disabled()
    expect(page.get_by_label("Sync time interval")).to_be_enabled()
    expect(page.get_by_role("button", name="Check connection")).to_be_enabled()
    picture(page, "preferences-locked", tmp_path)
    unlock(page, "three lemons")
    expect(page.get_by_text("That is not the authorisation code")).to_be_visible()
    page.get_by_text("Click to un-lock").click()
    page.get_by_label("Authorisation code").fill("half a")
    page.get_by_role("link", name="Cancel").first.click()
    locked(page)
    unlock(page)
    expect(page.get_by_text("Un-locked until")).to_be_visible()
    page.get_by_label("Sync time interval").fill("10")
    page.get_by_label("Sync request size").fill("50")
    page.get_by_role("textbox", name="Name", exact=True).fill("Bumban district store")
    page.get_by_label("User name").fill("sync")
    page.get_by_role("button", name="OK").click()
    plan = page.get_by_role("list", name="The plan")
    expect(plan).to_contain_text("sync.interval: 5m → 10m")
    expect(plan).to_contain_text("sync.request_size: 20 → 50")
    expect(plan).to_contain_text("this_site.name: Site 2 → Bumban district store")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved, and in force")).to_be_visible()
    expect(page.locator(".brand .where")).to_have_text("Bumban district store")
    saved = load(town.config(2)).settings
    assert (saved.sync.interval, saved.sync.request_size, saved.this_site.name) == (600, 50, "Bumban district store")
    page.get_by_role("button", name="Check connection").click()
    expect(page.locator(".steps .pill.ok")).to_have_count(7)


def test_the_list_of_servers_on_the_primary(town: Consoles, opened: Open, tmp_path: Path) -> None:
    page = opened()
    log_in(page, town.url(1))
    page.goto(f"{town.url(1)}/preferences")
    locked(page)
    expect(page.get_by_role("button", name="Add a site")).to_be_disabled()
    unlock(page)
    page.get_by_role("link", name="Add a site").click()
    page.get_by_label("Sync ID").fill("4")
    page.get_by_role("textbox", name="Name", exact=True).fill("Dorsi hospital")
    page.get_by_label("URL or IP address").fill("https://dorsi.example.org")
    page.get_by_label("Copies of").fill("CMS")
    page.get_by_label("User name").fill("dorsi")
    page.get_by_label("Password").fill("a password of its own")
    page.get_by_role("button", name="OK").click()
    expect(page.get_by_role("list", name="The plan")).to_contain_text("sync_with.4 was added")
    assert "a password of its own" not in page.content()
    picture(page, "plan", tmp_path)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved, and in force")).to_be_visible()
    picture(page, "preferences", tmp_path, full=True)
    page.get_by_label("Search sync ID or name").fill("dorsi")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("button", name="Remove Dorsi hospital").click()
    expect(page.get_by_role("list", name="The plan")).to_contain_text("sync_with.4 was taken away")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved, and in force")).to_be_visible()
    until(lambda: "Dorsi" not in page.content())
    locked(page)


def test_by_keyboard_alone(town: Consoles, opened: Open) -> None:
    page = opened()
    press = page.keyboard.press
    log_in(page, town.url(1))
    page.goto(f"{town.url(1)}/preferences")
    locked(page)
    tab_to(page, "summary:text('Click to un-lock')")
    press("Enter")
    press("Tab")
    page.keyboard.type(CODE)
    press("Enter")
    page.get_by_text("Un-locked until").wait_for()
    tab_to(page, "#name")
    press("End")
    page.keyboard.type(" of the country")
    press("Enter")
    page.get_by_role("heading", name="What this would change").wait_for()
    tab_to(page, "button:text('Save')")
    press("Enter")
    page.get_by_text("Saved, and in force").wait_for()
    assert load(town.config(1)).settings.this_site.name == "Central of the country"
    locked(page)
