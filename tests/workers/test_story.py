"""A national primary: three workers, sixteen satellites on three kinds of databases, and what dies under load."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from msyncd.testing.application import connect
from tests import postgresql_server
from tests.daemon.conftest import free_port
from tests.servers import Databases, absent
from tests.workers.conftest import Country, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
SATELLITES = dict(zip(range(2, 18), 6 * ["sqlite"] + 5 * ["postgresql"] + 5 * ["mariadb"], strict=True))
KEPT = ("msyncd_quarantine", "msyncd_waiting")


class Work:
    """The applications' work: each site writes lines of stock of its own store, the primary items too."""

    def __init__(self, country: Country) -> None:
        self.country, self.written = country, dict.fromkeys((1, *country.satellites), 0)
        self.items, self._dice, self._next = 0, random.Random(1), count()

    def do(self, rounds: int) -> None:
        """A line and an edit of an earlier one at each site, and an item, so many times."""
        for _ in range(rounds):
            self.country.db[1].execute("INSERT INTO item VALUES (?, ?)", (f"i{self.items}", f"item {self.items}"))
            self.items += 1
            for site in self.written:
                self.country.stock(site, f"{site}-{self.written[site]}", next(self._next))
                self.written[site] += 1
                earlier = f"{site}-{self._dice.randrange(self.written[site])}"
                edit = "UPDATE stock SET quantity = ? WHERE id = ?"
                self.country.db[site].execute(edit, (next(self._next), earlier))


@pytest.fixture
def server() -> Iterator[postgresql_server.PrivateServer]:
    if not postgresql_server.PrivateServer.can_run():
        absent("a PostgreSQL server of its own: initdb, postgres and setpriv are needed")
    with postgresql_server.PrivateServer() as primary:
        yield primary


@pytest.fixture
def nation(tmp_path: Path, databases: Databases, server: postgresql_server.PrivateServer) -> Iterator[Country]:
    with ExitStack() as stack:
        others = stack.enter_context(postgresql_server.PrivateServer())
        urls = {}
        for site, kind in SATELLITES.items():
            if kind == "postgresql":
                with closing(connect(others.url())) as administrator:
                    administrator.execute(f"CREATE DATABASE site{site}")
                urls[site] = others.url(f"site{site}")
            else:
                urls[site] = stack.enter_context(databases.fresh(kind, tmp_path))
        one = Country(tmp_path, server.url(), [free_port() for _ in range(3)], urls)
        try:
            yield one
        finally:
            one.close()
            print(one.logs())  # shown if the test fails


def test_a_worker_and_the_database_are_killed_under_load_and_all_end_equal(
    nation: Country, server: postgresql_server.PrivateServer
) -> None:
    nation.configure(site2="S17", site12="S2, S3", site17="S12")
    nation.start(1, 2, 3)
    nation.start_satellites()
    for site in nation.satellites:
        until(f"site {site} is filled", lambda site=site: nation.rows(site, "store"), 180)  # type: ignore[misc]
        until(f"its store is active there: {site}", lambda site=site: nation.may_write(site), 180)  # type: ignore[misc]
    work = Work(nation)
    work.do(30)
    nation.kill(2)
    work.do(30)
    nation.start(2)
    work.do(30)

    nation.db[1].close()
    server.kill()
    for site in nation.satellites:  # the country works on while the primary has no database
        nation.stock(site, f"{site}-dark", 1)
    server.start()
    nation.db[1] = connect(nation.url)
    work.do(30)
    nation.kill(1)
    nation.kill(3)  # one is left
    work.do(30)

    assert all(daemon.poll() is None for daemon in nation.running.values()), nation.logs()
    _ends_equal(nation, work)


def _ends_equal(nation: Country, work: Work) -> None:
    for site in nation.satellites:
        mine = f"store_id = 's{site}'"
        until(
            f"all of site {site} is at the primary",
            lambda site=site, mine=mine: nation.rows(1, "stock", mine) == nation.rows(site, "stock", mine),  # type: ignore[misc]
            240,
        )
        assert len(nation.rows(1, "stock", mine)) == work.written[site] + 2, "its work, mine and dark"
        items = lambda site=site: len(nation.rows(site, "item")) == work.items  # noqa: E731 - binds the site
        until(f"all items are at site {site}", items, 120)
        assert nation.rows(site, "item") == nation.rows(1, "item")
    assert len(nation.rows(1, "stock", "store_id = 's1'")) == work.written[1]
    for site, copies in {2: ["s17"], 12: ["s2", "s3"], 17: ["s12"]}.items():
        for store in copies:
            held = f"store_id = '{store}'"
            until(
                f"site {site} has its copy of {store}",
                lambda site=site, held=held: nation.rows(site, "stock", held) == nation.rows(1, "stock", held),  # type: ignore[misc]
                120,
            )
    for site, holds in {3: [3], 2: [2, 17], 12: [12, 2, 3]}.items():
        assert {row[1] for row in nation.rows(site, "stock")} == {f"s{one}" for one in holds}
    for site, kind in {1: "postgresql", **SATELLITES}.items():
        for table in KEPT:
            name = f"msyncd.{table}" if kind == "postgresql" else table
            assert nation.db[site].execute(f"SELECT count(*) FROM {name}") == [(0,)], (site, table)
