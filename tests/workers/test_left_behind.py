"""A worker on a machine whose YAML was left behind: what newer ones made facts of stays (P31)."""

import json

from msyncd.testing.application import Connection
from tests import warm
from tests.workers.conftest import Country, until

WORDS = "are older than those that were taken in from another machine"


def _writes(connection: Connection, key: str) -> bool:
    """Whether a line of stock of site 2's store can be written there."""
    try:
        connection.execute("INSERT INTO stock VALUES (?, 's2', NULL, 1)", (key,))
    except connection.errors:
        return False
    return True


def _problems(country: Country) -> list[str]:
    told = warm.run("status", "-c", country.folder / "b/site1.yaml", "--json")
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
