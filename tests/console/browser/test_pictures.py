"""A country as an admin sees it one morning: the pictures of the docs are made here (MSYNCD_SCREENSHOTS=1)."""

import math
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page

from msyncd.console.book import Book
from msyncd.console.history import EVERY_SECONDS, History, Sample
from tests.console.browser.conftest import PHONE, Open, log_in, picture, violations
from tests.console.conftest import Consoles, until
from tests.console.test_pages import NO_NEGATIVE, kept

pytestmark = pytest.mark.timeout(400)

FAR = {4: "Dorsi hospital", 5: "Ilmen health centre", 6: "Ovara district store", 7: "Peli clinic"}
"""Sites that are known to the primary and do not call while the test runs."""

LAST_SUCCESS: dict[int, timedelta | None] = {
    4: timedelta(minutes=4),
    5: timedelta(hours=31),
    6: timedelta(days=4),
    7: None,
}
STATES = {2: "ok", 3: "ok", 4: "ok", 5: "late", 6: "silent", 7: "never"}


def told(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consoles]:
    """Two sites in step, one late, one silent, one that has never called; some changes in quarantine."""
    one = Consoles(tmp_path_factory.mktemp("morning"))
    try:
        one.edit("site1.yaml", "name: Central,", "name: Central medical store,")
        one.edit("site1.yaml", "name: Bumban,", "name: Bumban district store,")
        more = "".join(f"  - {{sync_id: {number}, name: {name}, copies_of: [CMS]}}\n" for number, name in FAR.items())
        one.edit("site1.yaml", "  - {sync_id: 3, name: Kalo, active_stores: [KAL]}\n", _KALO + more)
        one.write("no_negative_stock.py", NO_NEGATIVE)
        one.edit("site1.yaml", "state_directory", "plugins: [{module: no_negative_stock.py}]\nstate_directory")
        one.begin(1, 2, 3)
        _write(one)
        _remember(one)
        yield one
    finally:
        one.close()


_KALO = "  - {sync_id: 3, name: Kalo district store, active_stores: [KAL]}\n"


def _write(one: Consoles) -> None:
    """Items for everybody, and stock that the primary takes and refuses."""
    for number in range(60):
        one.item(f"item-{number:03}", f"Item {number}")
    until(lambda: one.count(2, "item") == 60, 30)  # site 2 has met the primary: it knows its store
    for key in ("amox-250", "ors-sachet", "paracetamol-500"):
        one.stock(2, key, "s2", 40)
    until(lambda: one.has(1, "stock", "paracetamol-500") and one.count(3, "item") == 60, 30)
    for key, packs in (("amox-250", -3), ("ors-sachet", -12)):
        one.stock(2, key, "s2", packs)
    until(lambda: kept(one, 1, "amox-250") and kept(one, 1, "ors-sachet"), 30)


def _remember(one: Consoles) -> None:
    """What the ledger knows of the far sites, and how every site stood over the last day."""
    now = datetime.now(UTC)
    for site, since in LAST_SUCCESS.items():
        if since is not None:
            behind = 0 if site == 4 else 45 if site == 5 else 58
            one.db[1].execute(
                "INSERT OR REPLACE INTO msyncd_site (sync_id, database_id, installation_id, generation, version, heard,"
                " joined, confirmed_major, confirmed_seq, last_contact, last_success, batch_size, record_types)"
                " SELECT ?, ?, ?, 1, '0.1.0', 0, 1, 0, max(seq) - ?, ?, ?, 640, '{}' FROM msyncd_change_log",
                (site, f"database {site}", f"installation {site}", behind, told(now - since), told(now - since)),
            )
            one.db[1].execute("DELETE FROM msyncd_fill WHERE site = ?", (site,))
    chance, end = random.Random(7), int(time.time()) - 60
    samples = []
    for site in (2, 3, 4, 5, 6):
        sent, received = 0, 0
        for ago in range(86_400, 0, -EVERY_SECONDS):
            hour = (24 - ago / 3600) % 24
            busy = max(0.0, math.sin((hour - 6) / 12 * math.pi)) * (1 if site < 5 else 0)
            sent, received = (
                sent + int(busy * chance.random() * 90),
                received + int(busy * chance.random() * 240 / site),
            )
            cut = max(0, 3 * 3600 - abs(ago - 11 * 3600)) // 300  # the line was down before noon
            waits = cut * 4 if site < 5 else 45 - ago // 3600
            samples.append(Sample(site, end - ago, STATES[site], waits, None, 0, 0, sent, received))
    History(Book(one.state(1)), lambda: end).keep(samples)


def colour(page: Page, site: int) -> str:
    return str(page.locator(f"tr:has(#site-{site}) .pill").evaluate("(one) => getComputedStyle(one).color"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_states_are_told_by_word_and_by_colour(morning: Consoles, opened: Open, tmp_path: Path, dark: bool) -> None:
    page = opened(dark=dark)
    log_in(page, morning.url(1))
    for site, state in STATES.items():
        assert page.locator(f"tr:has(#site-{site}) .pill").inner_text() == state
    colours = {state: colour(page, site) for site, state in STATES.items()}
    assert len({colours["ok"], colours["late"], colours["silent"]}) == 3
    assert violations(page) == []
    if not dark:
        picture(page, "sites", tmp_path)
        page.get_by_role("link", name="1 silent").click()
        assert page.locator("tbody tr").count() == 1
    else:
        picture(page, "sites-dark", tmp_path)


def test_a_site_and_its_day(morning: Consoles, opened: Open, tmp_path: Path) -> None:
    page = opened()
    log_in(page, morning.url(1))
    page.get_by_role("link", name="2 Bumban district store").click()
    assert "records sent and" in str(page.locator(".plot.moved").get_attribute("aria-label"))
    assert page.locator(".plot.moved rect").count() > 50
    picture(page, "site", tmp_path)
    page.goto(f"{morning.url(1)}/sites/5")
    assert "late" in page.locator(".facts").first.inner_text()


def test_the_quarantine_and_one_entry(morning: Consoles, opened: Open, tmp_path: Path) -> None:
    page = opened()
    log_in(page, morning.url(1))
    page.goto(f"{morning.url(1)}/quarantine/{kept(morning, 1, 'amox-250')}")
    assert page.locator("tr.differs").count() == 1
    picture(page, "quarantine", tmp_path)


def test_on_a_phone(morning: Consoles, opened: Open, tmp_path: Path) -> None:
    page = opened(size=PHONE)
    log_in(page, morning.url(1))
    picture(page, "phone", tmp_path)
