"""A primary on a database server is restored from a dump, and asks its satellites for what it lost (P35).

Dumps are made and put back by the server's own tools.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from msyncd.testing import OneSite, connect
from tests.flow.lost import COPIES, TABLES, all_alike, ask, lose, settle
from tests.flow.support import keys, stock, stock_sites
from tests.flow.test_handover import may_write, writers

TOOLS = {"postgresql": ("pg_dump", "psql"), "mariadb": ("mariadb-dump", "mariadb")}


def dumped(site: OneSite) -> Callable[[], None]:
    """Dump the database of a site; what is returned puts the dump back in its place, and starts msyncd anew."""
    kind = urlsplit(site.url).scheme
    dump, load = (_postgresql if kind == "postgresql" else _mariadb)(site.url)
    text = subprocess.run(dump, check=True, capture_output=True).stdout

    def put_back() -> None:
        site.close()
        site.connection.close()
        _empty(kind, site.url)
        subprocess.run(load, check=True, input=text, stdout=subprocess.DEVNULL)
        site.connection = connect(site.url)
        site.restart()

    return put_back


def _postgresql(url: str) -> tuple[list[str], list[str]]:
    return ["pg_dump", url], ["psql", "--quiet", "--set", "ON_ERROR_STOP=1", url]


def _mariadb(url: str) -> tuple[list[str], list[str]]:
    parts = urlsplit(url)
    where = ["--protocol=tcp", f"--host={parts.hostname}", f"--port={parts.port}", f"--user={parts.username}"]
    where += [f"--password={parts.password}"] if parts.password else []
    name = parts.path.strip("/")
    return (
        ["mariadb-dump", *where, "--single-transaction", "--triggers", "--routines", name],
        ["mariadb", *where, name],
    )


def _empty(kind: str, url: str) -> None:
    connection = connect(url)
    if kind == "mariadb":
        name = urlsplit(url).path.strip("/")
        connection.execute(f"DROP DATABASE {name}")
        connection.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
    else:
        for (trigger,) in connection.execute("SELECT quote_ident(evtname) FROM pg_event_trigger"):
            connection.execute(f"DROP EVENT TRIGGER {trigger}")
        for schema in ("msyncd", "public"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
        connection.execute("CREATE SCHEMA public")
    connection.close()


@pytest.mark.parametrize("pair", ["postgresql-sqlite", "mariadb-sqlite", "postgresql-mariadb"], indirect=True)
def test_p35_a_primary_on_a_server_gets_back_what_it_lost(tmp_path: Path, pair: str) -> None:
    kind = pair.partition("-")[0]
    if any(shutil.which(one) is None for one in TOOLS[kind]):
        pytest.skip(f"{', '.join(TOOLS[kind])} are not there")
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'gone since')")
        sites.primary.write("INSERT INTO patient VALUES ('p', 'one')")
        stock(sites.primary, "c", "CMS", 1)
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        put_back = dumped(sites.primary)
        lose(sites)
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        sites[2].write("UPDATE patient SET name = 'two' WHERE id = 'p'")
        sites[2].write("DELETE FROM stock WHERE id = 'b'")
        sites.sync()
        before = {table: sites.primary.rows(table) for table in TABLES}
        stock(sites[2], "unsent", "BUM", 3)
        put_back()
        assert keys(sites.primary, "stock") == ["b", "c"]
        sites.primary.write("UPDATE item SET name = 'on the older copy' WHERE id = 'i-1'")
        ask(sites)
        for sql in (
            "INSERT INTO item VALUES ('i-x', 'X', 'x')",
            "UPDATE item SET name = 'x' WHERE id = 'i-1'",
            "UPDATE item SET name = name",
            "DELETE FROM patient WHERE id = 'p'",
        ):
            with pytest.raises(Exception, match="is being taken back from the satellites after a restore"):
                sites.primary.write(sql)
        with pytest.raises(Exception, match="store CMS is being taken back from the satellites after a restore"):
            stock(sites.primary, "c", "CMS", 9)
        sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-nowhere'")
        settle(sites)
        stands = {table: sites.primary.rows(table) for table in TABLES}
        assert {**stands, "stock": [row for row in stands["stock"] if row[0] != "unsent"]} == before
        assert "unsent" in keys(sites.primary, "stock")
        all_alike(sites)
        quarantined = {one.key[0]: one.operation for one in sites.primary.quarantine}
        assert quarantined["i-1"] == quarantined["i-3"] == "write"
        assert may_write(sites.primary, "CMS")
        assert writers(sites, "BUM") == [2]
        sites.primary.write("UPDATE item SET name = 'later' WHERE id = 'i-1'")
        sites.sync()
        all_alike(sites)
