"""Where the console listens: after an edit, beside a taken port, without a site that runs, and what it samples."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from msyncd.console.book import Book
from msyncd.console.history import History
from tests.console.conftest import Consoles, Person, until
from tests.console.test_preferences import confirm, fill_in
from tests.daemon.conftest import free_port

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Consoles]:
    """Nothing runs yet."""
    one = Consoles(tmp_path)
    yield one
    one.close()
    for site in (1, 2):
        if (tmp_path / f"log{site}").exists():
            print(one.log(site))


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_it_moves_with_an_edit_and_goes_with_the_setting(fresh: Consoles) -> None:
    fresh.begin(1, 2)
    port = free_port()
    fresh.edit("site2.yaml", str(fresh.console_port), str(port))
    until(lambda: answers(port) and not answers(fresh.console_port))
    fresh.edit("site2.yaml", f"  listen: 127.0.0.1:{port}\n", "")
    until(lambda: not answers(port))
    assert fresh.running[2].poll() is None


def test_a_primary_may_have_it_on_a_port_of_its_own_too(fresh: Consoles) -> None:
    port = free_port()
    fresh.edit("site1.yaml", "console:", f"console:\n  listen: 127.0.0.1:{port}")
    fresh.begin(1)
    until(lambda: answers(port))
    for there in (port, fresh.port):
        person = Person(f"http://127.0.0.1:{there}")
        assert person.log_in("cora").status_code == 200
    assert requests.get(f"http://127.0.0.1:{port}/openapi.json", timeout=5).status_code == 404
    assert requests.post(f"http://127.0.0.1:{port}/sync/v1/hello", timeout=5).status_code in (404, 405)


def test_a_taken_port_costs_only_the_console_until_it_is_free(fresh: Consoles) -> None:
    with socket.create_server(("127.0.0.1", fresh.console_port)):
        fresh.start(1, 2)
        fresh.item("i1")
        until(lambda: fresh.has(2, "item", "i1"), 30)
        until(lambda: "is another msyncd running" in fresh.log(2))
    until(lambda: fresh.shows(2), 30)


def test_what_keeps_the_site_from_beginning_can_be_seen(fresh: Consoles) -> None:
    fresh.edit("site2.yaml", "sqlite:///site2.db", "sqlite:///nowhere.db")
    fresh.start(2)
    until(lambda: answers(fresh.console_port))
    assert requests.get(f"{fresh.url(2)}/readyz", timeout=5).status_code == 503
    person = Person(fresh.url(2))
    assert person.log_in("amara").status_code == 503
    assert "msyncd cannot go on" in person.text
    assert "there is no database" in person.text
    assert "msyncd_database_up 0.0" in requests.get(f"{fresh.url(2)}/metrics", timeout=5).text
    assert person.get("/activity").status_code == 200
    assert person.get("/preferences").status_code == 200
    fresh.edit("site2.yaml", "sqlite:///nowhere.db", "sqlite:///site2.db")
    until(lambda: person.get("/sites").status_code == 200, 30)


def test_a_server_that_stands_alone_gets_its_first_site_in_the_console(fresh: Consoles) -> None:
    port = free_port()
    text = fresh.config(1).read_text()
    start, end = text.index("sync_with:"), text.index("record_types:")
    fresh.write("site1.yaml", text[:start] + text[end:].replace("console:", f"console:\n  listen: 127.0.0.1:{port}"))
    fresh.start(1)
    until(lambda: answers(port))
    person = Person(f"http://127.0.0.1:{port}")
    person.log_in("amara")
    assert "This site stands alone" in person.text
    fill_in(person, "/preferences/sites/new", sync_id="2", name="Bumban", active_stores="BUM", copies_of="CMS")
    confirm(person)
    until(lambda: "2 Bumban never" in (person.get("/sites") and person.text), 30)
    until(lambda: fresh.shows(1), 30)
    fresh.start(2)
    until(lambda: "2 Bumban ok" in (person.get("/sites") and person.text), 30)


def test_how_sites_stood_is_kept_soon_after_the_start_and_survives_it(fresh: Consoles) -> None:
    fresh.begin(1, 2)
    history = History(Book(fresh.state(1)), lambda: 4e9)
    until(lambda: sorted(history.all(40_000)) == [2, 3], 30)
    fresh.signal(1, 15)
    assert fresh.ended(1) == 0
    assert len(history.of(2, 40_000)) == 1
    fresh.begin(1)
    until(lambda: len(history.of(2, 40_000)) == 2, 30)
    person = Person(fresh.url(1))
    person.log_in("cora")
    person.get("/activity")
    assert person.text.count("msyncd this machine start version 0.1.0") == 2
    assert person.text.count("msyncd this machine stop") == 1
