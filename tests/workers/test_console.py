"""The console at several workers: a log-in at one is one at all, and so is a log-out."""

import psycopg
import pytest

from tests.console.conftest import PASSWORDS, Person, users_yaml
from tests.workers.conftest import Country, until


@pytest.fixture
def consoles(country: Country) -> Country:
    """Two workers whose console lets people in."""
    text = (country.folder / "site1.yaml").read_text()
    (country.folder / "site1.yaml").write_text(f"{text}console:\n{users_yaml()}\n")
    country.start(1, 2)
    return country


def at(country: Country, person: Person, worker: int) -> Person:
    """The next request goes to this worker."""
    person.url = f"http://127.0.0.1:{country.ports[worker - 1]}"
    return person


def logged_in(country: Country, name: str = "amara") -> Person:
    person = at(country, Person(""), 1)
    assert person.log_in(name).status_code == 200
    return person


def asks_for_log_in(person: Person, path: str = "/sites") -> bool:
    return "/login" in person.get(path).url


def test_a_log_in_at_one_worker_holds_at_the_other_and_so_does_the_log_out(consoles: Country) -> None:
    person = logged_in(consoles)
    for worker in (2, 1, 2):
        assert not asks_for_log_in(at(consoles, person, worker))
    cookies = person.http.cookies.get_dict()
    assert at(consoles, person, 1).post("/logout").url.endswith("/login")  # with the form of a page of the other
    stale = at(consoles, Person(""), 2)
    stale.http.cookies.update(cookies)
    assert asks_for_log_in(stale)


def test_a_plan_that_one_worker_showed_is_saved_by_the_other(consoles: Country) -> None:
    person = logged_in(consoles)
    at(consoles, person, 1).get("/preferences/sites/2")
    at(consoles, person, 2).post(
        "/preferences/sites/2", sync_id=2, name="Bumban", active_stores="S2", password="new12345"
    )
    key = person.page.split('name="pending" value="')[1].split('"')[0]
    with psycopg.connect(consoles.url) as database:
        (stands,) = database.execute("SELECT pending FROM msyncd.msyncd_console_session").fetchone() or (b"",)
    assert b"new12345" not in bytes(stands)
    at(consoles, person, 1).post("/preferences/save", pending=key)
    assert "name: Bumban" in (consoles.folder / "site1.yaml").read_text()
    assert "saved, and in force" in person.text.lower()
    again = at(consoles, person, 2).post("/preferences/save", pending=key)
    assert (again.status_code, "nothing to save any more" in person.text) == (409, True)


def test_wrong_passwords_count_at_all_workers_together(consoles: Country) -> None:
    person = Person("")
    answers = [at(consoles, person, 1 + number % 2).log_in("dora", "wrong").status_code for number in range(7)]
    assert answers == [403] * 6 + [429]


def test_another_worker_goes_on_with_who_was_logged_in_at_one_that_died(consoles: Country) -> None:
    person = logged_in(consoles)
    consoles.kill(1)
    assert not asks_for_log_in(at(consoles, person, 2))


def test_while_the_database_is_away_the_console_is_there_and_lets_people_in(consoles: Country) -> None:
    person = logged_in(consoles)
    name = psycopg.conninfo.conninfo_to_dict(consoles.url)["dbname"]
    with psycopg.connect(consoles.url, autocommit=True, dbname="postgres") as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            admin.execute(sql, (name,))
            assert not asks_for_log_in(at(consoles, person, 1), "/preferences")
            other = at(consoles, Person(""), 2)
            other.log_in("ben", PASSWORDS["ben"])
            assert not asks_for_log_in(other, "/activity")
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    until("the log-in is known everywhere", lambda: _known_at_both(consoles, other))


def _known_at_both(consoles: Country, person: Person) -> bool:
    return not any(asks_for_log_in(at(consoles, person, worker), "/activity") for worker in (2, 1))
