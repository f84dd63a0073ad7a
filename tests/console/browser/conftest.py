"""A real headless Chromium, Debian's, by playwright. Under CI it must be there."""

import os
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.console.conftest import PASSWORDS, PATIENCE, Consoles

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_AXE = find_spec("axe_playwright_python")
assert _AXE is not None
assert _AXE.origin is not None
AXE = (Path(_AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8")
IMAGES = Path(__file__).parents[3] / "docs" / "images"
WIDE = {"width": 1180, "height": 760}
PHONE = {"width": 360, "height": 740}

expect.set_options(timeout=1000 * PATIENCE)

SPOILED = re.compile(r"Content Security Policy|Refused to|Uncaught|is not defined")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser itself. No longer than a module: while it runs, this thread has a loop of asyncio's."""
    if not CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip("chromium is not installed (Debian: chromium)")
    assert CHROMIUM.exists()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *sandbox])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Opens windows. What a browser complains of in any of them fails the test: a policy that is hurt, a script."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if SPOILED.search(message.text):
            complaints.append(message.text)

    def open_window(*, scripts: bool = True, dark: bool = False, size: dict[str, int] | None = None) -> Page:
        context = chromium.new_context(
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            viewport=size or WIDE,  # type: ignore[arg-type]  # width and height
            ignore_https_errors=False,
            reduced_motion="reduce",
        )
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page, url: str, name: str = "amara") -> None:
    """As people do."""
    page.goto(f"{url}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()


def violations(page: Page) -> list[str]:
    """What axe finds, in one line each: rule, how bad, where. Evaluated, not loaded: the page's policy stays."""
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}" for one in found]


def too_wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def picture(page: Page, name: str, folder: Path, *, full: bool = False) -> None:
    """A screenshot: into docs/images if they are to be made anew, else into the test's folder."""
    page.evaluate(
        "document.querySelectorAll('.hint code').forEach((one) => {one.textContent = '/etc/msyncd/msyncd.yaml'})"
    )
    into = IMAGES if os.environ.get("MSYNCD_SCREENSHOTS") else folder
    page.screenshot(path=into / f"{name}.png", full_page=full, animations="disabled", caret="hide")


@pytest.fixture
def satellite(consoles: Consoles, opened: Open) -> Page:
    """Amara in the satellite's own console."""
    page = opened()
    log_in(page, consoles.url(2))
    return page


@pytest.fixture
def primary(consoles: Consoles, opened: Open) -> Page:
    """Amara in the primary's console."""
    page = opened()
    log_in(page, consoles.url(1))
    return page
