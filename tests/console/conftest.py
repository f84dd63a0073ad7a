"""A primary and satellites as daemons with consoles, and people who log in to them over HTTP."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from msyncd.settings.secrets import _base64, _Hash
from tests.daemon import conftest as daemons
from tests.daemon.conftest import Country, free_port

PATIENCE = 60.0
"""Seconds that tests wait for what comes by itself: daemons, browsers and other tests may share two cores."""


def until(happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something; fails if it does not come."""
    daemons.until(happened, max(seconds, PATIENCE))


PASSWORDS = {"amara": "open sesame 1", "ben": "open sesame 2", "cora": "open sesame 3"}
ROLES = {"amara": "change", "ben": "operate", "cora": "look"}


def quick_hash(password: str) -> str:
    """A hash that the daemon takes, made with as little work as it allows: tests log in often."""
    made = _Hash(2, 1, 1, b"salt of the test", bytes(32))
    return f"scrypt$2$1$1${_base64(made.salt)}${_base64(made.of(password))}"


def users_yaml(names: dict[str, str] = ROLES) -> str:
    """The console's users as the YAML has them."""
    lines = [
        f"    - {{name: {one}, password_hash: '{quick_hash(PASSWORDS[one])}', role: {role}}}"
        for one, role in names.items()
    ]
    return "\n".join(["  users:", *lines])


class Consoles(Country):
    """As Country, with users; site 2's console listens on a port of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.console_port = free_port()
        self.edit("site1.yaml", "state_directory: state1", f"state_directory: state1\nconsole:\n{users_yaml()}")
        listen = f"console:\n  listen: 127.0.0.1:{self.console_port}\n{users_yaml()}"
        self.edit("site2.yaml", "state_directory: state2", f"state_directory: state2\n{listen}")

    def url(self, site: int) -> str:
        return f"http://127.0.0.1:{self.port if site == 1 else self.console_port}"

    def shows(self, site: int) -> bool:
        """Whether the console of a site answers."""
        try:
            return requests.get(f"{self.url(site)}/readyz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def begin(self, *sites: int) -> None:
        """Start daemons, and wait for their consoles."""
        self.start(*sites)
        for site in sites:
            if site in (1, 2):
                until(lambda site=site: self.shows(site), 20)  # type: ignore[misc]  # the default binds the site


class Person:
    """Somebody with a browser that knows nothing but HTML."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.page = ""

    def get(self, path: str, **options: object) -> requests.Response:
        answer = self.http.get(self.url + path, timeout=20, **options)  # type: ignore[arg-type]
        self.page = unescape(answer.text)
        return answer

    def post(self, path: str, **form: object) -> requests.Response:
        """Send a form of the page that is shown: its hidden token goes with it."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.page)
        fields = {"csrf": token[1] if token else "", **form}
        answer = self.http.post(self.url + path, data=fields, timeout=60)
        self.page = unescape(answer.text)
        return answer

    def log_in(self, name: str, password: str | None = None, **form: object) -> requests.Response:
        self.get("/login")
        return self.post(
            "/login", name=name, password=PASSWORDS.get(name, "") if password is None else password, **form
        )

    @property
    def text(self) -> str:
        """The page without its tags."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.page).split())


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consoles]:
    """A primary and two satellites in step, for the tests of a module."""
    one = Consoles(tmp_path_factory.mktemp("consoles"))
    one.begin(1, 2, 3)
    one.item("i1", "Amoxicillin 250mg")
    until(lambda: one.has(2, "item", "i1") and one.has(3, "item", "i1"), 30)
    yield one
    one.close()
    for site in one.db:
        print(f"site {site}:", one.log(site), sep="\n")


@pytest.fixture
def amara(consoles: Consoles) -> Person:
    """Logged in at the primary, may change."""
    person = Person(consoles.url(1))
    person.log_in("amara")
    return person
