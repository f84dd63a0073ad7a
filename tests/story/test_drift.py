"""A table is altered at one end while daemons run: it is said in words, and all goes on by itself when corrected."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.conftest import free_port
from tests.servers import Databases
from tests.workers.conftest import Country, until

PAIRS = ("sqlite-sqlite", "sqlite-postgresql", "postgresql-mariadb", "mariadb-sqlite")
pytestmark = pytest.mark.timeout(300)
SITE = 2


@pytest.fixture(params=PAIRS)
def country(request: pytest.FixtureRequest, tmp_path: Path, databases: Databases) -> Iterator[Country]:
    """A primary on one kind of database and a satellite on another, which run and are level."""
    primary, satellite = request.param.split("-")
    with ExitStack() as stack:
        url = stack.enter_context(databases.fresh(primary, tmp_path))
        its = stack.enter_context(databases.fresh(satellite, tmp_path))
        one = Country(tmp_path, url, [free_port()], {SITE: its})
        try:
            one.start(1)
            one.start_satellites()
            until("the satellite is filled", lambda: one.rows(SITE, "store"))
            until("its store is active there", lambda: one.may_write(SITE))
            yield one
        finally:
            one.close()
            print(one.logs())  # shown if the test fails


def said(country: Country, *words: str) -> bool:
    """Whether both ends have said that in one line of their logs."""
    return all(
        any(all(word in line for word in words) for line in country.log(name).splitlines())
        for name in ("worker1", f"site{SITE}")
    )


def arrived(country: Country, table: str, key: str, site: int = 1) -> list[tuple[object, ...]]:
    return country.rows(site, table, f"id = '{key}'")


def asked(country: Country, site: int, *command: str) -> str:
    """What a command of msyncd's says there."""
    line = [sys.executable, "-m", "msyncd", *command, "-c", str(country.folder / f"site{site}.yaml")]
    environment = {**os.environ, "WORKER_PORT": str(country.ports[0])}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False, timeout=60).stdout


def test_a_column_that_is_called_otherwise(country: Country) -> None:
    near, far = country.db[1], country.db[SITE]
    near.execute("INSERT INTO item VALUES ('i', 'amoxicillin')")
    until("it arrives", lambda: arrived(country, "item", "i", SITE))
    near.execute("ALTER TABLE item RENAME COLUMN name TO label")
    near.execute("UPDATE item SET label = 'ampicillin' WHERE id = 'i'")
    until("it is said at both ends", lambda: said(country, "item", "label"))
    country.stock(SITE, "beside")
    until("stock travels", lambda: arrived(country, "stock", "beside"))
    assert arrived(country, "item", "i", SITE) == [("i", "amoxicillin")]

    far.execute("ALTER TABLE item RENAME COLUMN name TO label")
    until("it goes on by itself", lambda: arrived(country, "item", "i", SITE) == [("i", "ampicillin")])


def test_one_side_has_a_column_more(country: Country) -> None:
    """Who edits stock gets the column first, and writes at once; then the primary does; then both lose it again."""
    near, far = country.db[1], country.db[SITE]
    far.execute("ALTER TABLE stock ADD COLUMN note VARCHAR(40)")
    far.execute(f"INSERT INTO stock VALUES ('k', 's{SITE}', NULL, 5, 'top shelf')")
    until("it is said at both ends", lambda: said(country, "stock", "column note"))
    near.execute("INSERT INTO item VALUES ('i', 'amoxicillin')")
    until("items travel", lambda: arrived(country, "item", "i", SITE))
    assert "stock is stopped: site 1 has no column note" in asked(country, SITE, "status")
    assert f"there is no column note here, as site {SITE} has" in asked(country, 1, "status")
    assert arrived(country, "stock", "k") == []

    near.execute("ALTER TABLE stock ADD COLUMN note VARCHAR(40)")
    until("it arrives whole", lambda: arrived(country, "stock", "k") == [("k", f"s{SITE}", None, 5, "top shelf")])

    far.execute("ALTER TABLE stock DROP COLUMN note")
    near.execute("ALTER TABLE stock DROP COLUMN note")
    country.stock(SITE, "later", 7)
    until("it goes on", lambda: arrived(country, "stock", "later") == [("later", f"s{SITE}", None, 7)])
    assert arrived(country, "stock", "k") == [("k", f"s{SITE}", None, 5)]


WIDER = {
    "postgresql": "ALTER TABLE stock ALTER COLUMN quantity TYPE BIGINT",
    "mariadb": "ALTER TABLE stock MODIFY quantity BIGINT",
}


@pytest.mark.parametrize("country", ["postgresql-mariadb", "mariadb-sqlite"], indirect=True)
def test_one_side_holds_more(country: Country, request: pytest.FixtureRequest) -> None:
    """A number that only the satellite's column holds is kept aside by name, until the primary's holds it too."""
    near, far = (request.node.callspec.params["country"]).split("-")
    if far in WIDER:
        country.db[SITE].execute(WIDER[far])
    country.stock(SITE, "many", 3_000_000_000)
    country.stock(SITE, "few", 3)
    until("the others travel", lambda: arrived(country, "stock", "few"))
    listed = asked(country, 1, "quarantine", "list")
    assert "stock many" in listed
    assert "quantity" in listed
    until("it is told to its site", lambda: "stock many" in asked(country, SITE, "quarantine", "list"))

    country.db[1].execute(WIDER[near])
    until("it arrives", lambda: arrived(country, "stock", "many") == [("many", f"s{SITE}", None, 3_000_000_000)])
    assert "stock many" not in asked(country, 1, "quarantine", "list")
    until("nothing of it is left", lambda: "stock many" not in asked(country, SITE, "quarantine", "list"))
