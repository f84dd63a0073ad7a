"""A worker on a machine whose YAML was left behind: what newer ones made facts of stays (P31)."""

import json
from subprocess import CompletedProcess

import requests

from msyncd.testing.application import Connection
from tests import warm
from tests.console.conftest import Person, users_yaml
from tests.console.test_preferences import fill_in
from tests.workers.conftest import Country, until

WORDS = "are older than those that were taken in from another machine"


def _writes(connection: Connection, key: str) -> bool:
    """Whether a line of stock of site 2's store can be written there."""
    try:
        connection.execute("INSERT INTO stock VALUES (?, 's2', NULL, 1)", (key,))
    except connection.errors:
        return False
    return True


def _there(country: Country, *words: str) -> "CompletedProcess[str]":
    """A command on the other machine."""
    file = country.folder / "b/site1.yaml"
    return warm.run(*words, "-c", file, environment={"WORKER_PORT": str(country.ports[1])})


def _problems(country: Country) -> list[str]:
    told = _there(country, "status", "--json")
    return [one["message"] for one in json.loads(told.stdout)["configuration"]["problems"]]


def _facts(country: Country) -> list[tuple[object, ...]]:
    stores = country.db[1].execute("SELECT store, active_site, epoch FROM msyncd.msyncd_store ORDER BY store")
    return [*stores, *country.db[1].execute("SELECT value FROM msyncd.msyncd_meta WHERE name = 'facts_number'")]


def test_p31_a_worker_that_starts_with_an_older_file_undoes_nothing(country: Country) -> None:
    country.on_another_machine("b")
    country.start(2, machine="b")
    country.kill(2)
    country.start(1)
    country.start_satellites()
    for site in (2, 3):
        until(f"site {site} syncs", lambda site=site: country.may_write(site))  # type: ignore[misc]
    until("both have sent", lambda: len(country.rows(1, "stock")) == 2)

    country.configure(active={2: "", 3: "S2, S3"})
    until("the store is handed over", lambda: _writes(country.db[3], "moved"))
    until("what is written there arrives", lambda: len(country.rows(1, "stock")) == 3)
    facts = _facts(country)

    country.start(2, machine="b")
    country.kill(1)
    country.balancer.ports = country.ports[1:2]
    until("it is said in the log", lambda: WORDS in country.log("worker2"))
    assert any(WORDS in one for one in _problems(country))
    assert _writes(country.db[3], "through the other")
    until("satellites sync on", lambda: len(country.rows(1, "stock")) == 4)
    assert not _writes(country.db[2], "refused")
    assert _facts(country) == facts

    country.on_another_machine("b")
    until("it is said to be over", lambda: "are the newest again" in country.log("worker2"))
    assert country.log("worker2").count(WORDS) == 1
    assert _problems(country) == []
    assert _facts(country) == facts
    country.db[1].execute("INSERT INTO item VALUES ('i', 'new')")
    until("satellites sync on", lambda: len(country.rows(2, "item")) == len(country.rows(3, "item")) == 1)


def _log_in(country: Country) -> int:
    """The status with which the other machine's worker answers a password that it does not know."""
    body = (
        b'{"protocol": 1, "version": "", "sync_id": 2, "name": "", "database_id": "", "generation": 1,'
        b' "installation_id": "", "record_types": []}'
    )
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{country.ports[1]}/sync/v1/hello"
    return requests.post(url, data=body, headers=headers, auth=("sync", "papayas"), timeout=30).status_code


def test_p31_commands_on_a_machine_that_is_behind_change_nothing_and_say_so(country: Country) -> None:
    country.on_another_machine("b")
    assert WORDS not in _there(country, "init").stderr
    country.configure(active={2: "", 3: "S2, S3"})
    country.start(1)
    facts = _facts(country)
    file = country.folder / "b/site1.yaml"
    written = file.read_text()
    assert WORDS in _there(country, "init").stderr
    assert any(WORDS in one for one in _problems(country))
    checked = _there(country, "check")
    assert (checked.returncode, WORDS in checked.stdout) == (0, True)
    plan = json.loads(_there(country, "plan", "--json").stdout)
    assert any(WORDS in one for one in plan["warnings"])
    assert plan["stores"] == []
    moved = _there(country, "stores", "move", "S3", "2", "--yes")
    assert (moved.returncode, WORDS in moved.stderr) == (2, True), moved
    assert (file.read_text(), _facts(country)) == (written, facts)

    country.start(2, machine="b")
    until("it is behind", lambda: WORDS in country.log("worker2"))
    assert _log_in(country) == 503
    country.on_another_machine("b")
    until("it is said to be over", lambda: "are the newest again" in country.log("worker2"))
    assert _log_in(country) == 401
    assert _there(country, "stores", "move", "S3", "2", "--yes").returncode == 0
    until("worker 1 has not, and says so", lambda: WORDS in country.log("worker1"))
    goes = "SELECT store, to_site FROM msyncd.msyncd_hand_over UNION SELECT store, active_site FROM msyncd.msyncd_store"
    assert ("s3", 2) in country.db[1].execute(goes)


def test_p31_the_console_of_a_worker_that_is_behind_says_so_and_saves_no_lists(country: Country) -> None:
    country.on_another_machine("b")
    file = country.folder / "b/site1.yaml"
    with file.open("a") as more:
        more.write(f"console:\n{users_yaml()}\n")
    written = file.read_text()
    assert WORDS not in _there(country, "init").stderr
    country.configure(active={2: "", 3: "S2, S3"})
    country.start(1)
    country.start(2, machine="b")
    until("it is behind", lambda: WORDS in country.log("worker2"))
    person = Person(f"http://127.0.0.1:{country.ports[1]}")
    assert person.log_in("amara").status_code == 200
    person.get("/")
    assert WORDS in person.text
    fill_in(person, "/preferences/sites/3", active_stores="S3, S4")
    assert WORDS in person.text
    assert 'name="pending"' not in person.page
    fill_in(person, "/preferences/sites/3", url="http://127.0.0.1:9")
    assert 'name="pending"' in person.page, "what is no wish may be edited"
    assert file.read_text() == written
