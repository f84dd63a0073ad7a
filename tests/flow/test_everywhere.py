"""Stories on every pair of databases: what the flow promises holds whatever stands at either end."""

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import MsyncdError
from msyncd.flow.compare.repair import compare
from msyncd.model import Row
from msyncd.testing import Crashed, CrashPoint, Fault, OneSite, Sites, connect
from tests.flow.support import SCHEMA, invoice, put, sites_on_pair, stock, stock_sites

pytestmark = pytest.mark.everywhere

TABLES = {"item": "*", "name": "*", "store": "*", "stock": "id, store_id, item_id, barcode, quantity"} | {
    "invoice": "*",
    "line": "*",
}


def held(site: OneSite, store: str = "") -> dict[str, list[Row]]:
    """What a site holds of everything, or of one store."""
    found = {table: site.rows(table, columns) for table, columns in TABLES.items()}
    if store:
        headers = {row[0] for row in found["invoice"] if row[1] == f"s-{store}"}
        found["stock"] = [row for row in found["stock"] if row[1] == f"s-{store}"]
        found["invoice"] = [row for row in found["invoice"] if row[0] in headers]
        found["line"] = [row for row in found["line"] if row[1] in headers]
    return found


def assert_level(sites: Sites) -> None:
    """Every satellite agrees with the primary by digests, and nothing is kept aside anywhere."""
    for site in sites:
        assert (site.sync_id, site.quarantine, site.waiting) == (site.sync_id, [], [])
    for site in sites.satellites:
        assert site.satellite is not None
        differing = {one.record_type: one.differing for one, _ in compare(site.satellite, site.cycle) if one.differing}
        assert (site.sync_id, differing) == (site.sync_id, {})


def test_a_day_in_three_stores(tmp_path: Path) -> None:
    """Central records out, stock and invoices in, a transfer, deletes, other keys, a copy that is widened."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("UPDATE item SET name = ? WHERE id = 'i-1'", "amoxicillin \u2013 ຢາ 💊 it's \\ 100 %")
        sites.primary.write("INSERT INTO item VALUES ('i-3', NULL, '')")
        for number in range(30):
            stock(sites[2], f"b{number}", "BUM", number, barcode=f"code {number}")
            stock(sites[3], f"k{number}", "KAL", number)
        invoice(sites[2], "v1", "BUM", lines=3)
        invoice(sites[2], "t1", "BUM", lines=2, name="n-KAL")  # a transfer
        invoice(sites[3], "v2", "KDI", lines=1)
        sites.sync()
        assert_level(sites)
        assert held(sites[2], "BUM") == held(sites.primary, "BUM")
        assert held(sites[3], "KAL")["stock"] == held(sites.primary, "KAL")["stock"]
        assert [row[0] for row in sites[3].rows("invoice")] == ["t1", "v2"]
        assert [row[0] for row in sites[3].rows("line")] == ["t1-0", "t1-1", "v2-0"]

        sites[2].write("DELETE FROM invoice WHERE id = 'v1'")  # its lines go with it
        sites[2].write("UPDATE stock SET quantity = quantity + 100 WHERE quantity < 10")
        sites[2].write("UPDATE stock SET id = 'other key' WHERE id = 'b20'")
        sites[2].write("DELETE FROM stock WHERE quantity > 105")
        sites[3].write("UPDATE invoice SET store_id = 's-KAL' WHERE id = 'v2'")  # it moves to the other store
        sites[2].write("UPDATE invoice SET name_id = 'n-x' WHERE id = 't1'")  # it is no transfer any more
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        sites.sync()
        assert_level(sites)
        assert held(sites[2], "BUM") == held(sites.primary, "BUM")
        assert held(sites[3], "KAL") == held(sites.primary, "KAL")
        assert [row[0] for row in sites[3].rows("invoice")] == ["v2"]
        assert sites[2].rows("item") == sites[3].rows("item") == sites.primary.rows("item")

        sites.reload(copies_of={1: "all", 3: ["BUM"]})
        sites.sync()
        assert held(sites[3], "BUM") == held(sites[2], "BUM")
        sites.reload(copies_of={1: "all"})
        sites.sync()
        assert held(sites[3], "BUM")["stock"] == []
        assert_level(sites)


def test_nothing_is_lost_or_doubled_whatever_befalls_a_message(tmp_path: Path) -> None:
    faults: list[Fault] = ["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"]
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        for number, fault in enumerate(faults):
            stock(sites[2], f"a{number}", "BUM", number)
            invoice(sites[2], f"v{number}", "BUM", lines=2)
            sites.primary.write("INSERT INTO item VALUES (?, ?, 'new')", f"n{number}", f"N{number}")
            for site, kind in ((2, "push"), (2, "pull"), (3, "pull")):
                sites[site].line.fail(kind, fault)  # type: ignore[arg-type]  # literals
                with suppress(MsyncdError, Crashed):
                    sites[site].cycle()
            sites[2].write("UPDATE stock SET quantity = quantity + 1")
            for one in sites.satellites:
                one.line.deliver_late()
        sites.sync()
        assert_level(sites)
        expected = [(f"a{number}", "s-BUM", "i-1", None, len(faults)) for number in range(len(faults))]
        assert sites.primary.rows("stock", TABLES["stock"]) == expected
        assert held(sites[3], "BUM") == held(sites[2], "BUM") == held(sites.primary, "BUM")


@pytest.mark.parametrize("point", ["before commit", "after commit"])
def test_a_site_that_dies_beside_a_commit_goes_on_from_what_is_on_its_disk(tmp_path: Path, point: CrashPoint) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        for dies in (1, 2, 3):
            for number in range(1, 4):
                key = f"{dies}-{number}"
                stock(sites[2], key, "BUM", number)
                invoice(sites[2], f"v{key}", "BUM")
                sites.primary.write("INSERT INTO item VALUES (?, ?, 'new')", f"n{key}", f"N{key}")
                sites[dies].crash_at(point, number)
                for site in (2, 3):
                    with suppress(MsyncdError, Crashed):
                        sites[site].cycle()
                sites[dies].calm()
        sites.sync()
        assert_level(sites)
        assert len(sites.primary.rows("stock")) == 9
        assert held(sites[3], "BUM") == held(sites[2], "BUM") == held(sites.primary, "BUM")


def test_what_a_site_may_not_edit_is_refused_there_in_the_same_words(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        for site, sql, words in (
            (2, "UPDATE item SET name = 'x'", "item is edited on the primary (sync ID 1) only"),
            (1, "UPDATE stock SET quantity = 2", "store BUM is active on site 2, not here"),
            (3, "DELETE FROM stock WHERE id = 'a'", "store BUM is active on site 2, not here"),
            (2, "UPDATE stock SET store_id = 's-KAL'", "store KAL is active on site 3, not here"),
        ):
            connection = sites[site].connection
            with pytest.raises(connection.errors) as refused:
                connection.execute(sql)
            assert connection.message(refused.value) == words
        sites.sync()
        assert_level(sites)


def test_a_row_that_the_other_database_cannot_take_is_set_apart_and_the_others_flow(tmp_path: Path) -> None:
    strict = SCHEMA.replace(
        "quantity INTEGER CHECK (quantity >= 0)", "quantity INTEGER CHECK (quantity BETWEEN 0 AND 99)"
    )
    schema = {1: strict, 2: SCHEMA, 3: SCHEMA}
    with stock_sites(tmp_path, schema=schema, request_size=20) as sites:
        for number in range(10):
            stock(sites[2], f"a{number}", "BUM", 1000 if number == 4 else number)
        sites.sync()
        assert [row[0] for row in sites.primary.rows("stock")] == [f"a{number}" for number in range(10) if number != 4]
        (kept,) = sites.primary.quarantine
        assert (kept.key, kept.plugin) == (("a4",), "database")
        assert len(sites[2].rows("stock")) == 10  # it stays as its owner wrote it (P20)
        sites[2].write("UPDATE stock SET quantity = 4 WHERE id = 'a4'")
        sites.sync()
        assert held(sites[2], "BUM") == held(sites.primary, "BUM")
        assert_level(sites)


CYCLE = """
CREATE TABLE person (id TEXT PRIMARY KEY, boss TEXT REFERENCES person);
CREATE TABLE hen (id TEXT PRIMARY KEY, egg TEXT);
CREATE TABLE egg (id TEXT PRIMARY KEY, hen TEXT NOT NULL REFERENCES hen);
ALTER TABLE hen ADD COLUMN first_egg TEXT REFERENCES egg (id);
"""
CYCLE_TYPES = """
record_types:
  person: {table: person, edited_on: primary, sent_to: every_site}
  hen: {table: hen, edited_on: primary, sent_to: every_site}
  egg: {table: egg, edited_on: primary, sent_to: every_site}
"""


@pytest.mark.parametrize("size", [1, 20])
def test_p16_self_references_and_cycles_arrive(tmp_path: Path, size: int) -> None:
    with sites_on_pair(
        tmp_path, schema=CYCLE, record_types=CYCLE_TYPES, active_stores={2: []}, request_size=size
    ) as sites:
        application = sites.primary.connection
        with sites.primary.transaction():
            for key in "abcd":
                application.execute("INSERT INTO person VALUES (?, NULL)", (key,))
            for key, boss in zip("abcd", "bcad", strict=True):
                application.execute("UPDATE person SET boss = ? WHERE id = ?", (boss, key))
            application.execute("INSERT INTO hen VALUES ('h', NULL, NULL)")
            application.execute("INSERT INTO egg VALUES ('e', 'h')")
            application.execute("UPDATE hen SET first_egg = 'e'")
        sites.sync()
        assert sites[2].rows("person") == [("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")]
        assert (sites[2].rows("hen"), sites[2].rows("egg")) == ([("h", None, "e")], [("e", "h")])
        with sites.primary.transaction():
            application.execute("UPDATE person SET boss = NULL WHERE id <> 'd'")
            application.execute("DELETE FROM person WHERE id <> 'd'")
            application.execute("UPDATE hen SET first_egg = NULL")
            application.execute("DELETE FROM egg")
            application.execute("DELETE FROM hen")
        sites.sync()
        assert (sites[2].rows("person"), sites[2].rows("hen"), sites[2].rows("egg")) == ([("d", "d")], [], [])
        assert sites[2].quarantine == sites[2].waiting == []


def test_p09_a_header_tells_of_no_line_that_waits_behind_an_open_transaction(tmp_path: Path) -> None:
    """The log goes as far as the open one, and rows are as of now: what they tell of beyond it travels with them."""
    with stock_sites(tmp_path) as sites:
        invoice(sites[2], "v", "BUM", lines=1)
        sites.sync()
        if sites[2].url.startswith("sqlite"):
            pytest.skip("one program writes at a time")
        sites[2].write("UPDATE invoice SET status = 'one line'")
        with closing(connect(sites[2].url)) as other:
            other.begin()
            other.execute("INSERT INTO stock (id, store_id, item_id, quantity) VALUES ('s', 's-BUM', 'i-1', 1)")
            with sites[2].transaction():
                sites[2].write("UPDATE invoice SET status = 'two lines'")
                sites[2].write("INSERT INTO line (id, invoice_id, item_id, quantity) VALUES ('v-1', 'v', 'i-1', 1)")
            sites[2].patient = False
            sites[2].cycle()
            sites[2].patient = True
            seen = sites.primary.rows("invoice", "status"), len(sites.primary.rows("line"))
            # on a server that others use too, the log may stand still before all of it
            assert seen in (([("new",)], 1), ([("one line",)], 1), ([("two lines",)], 2))
            other.commit()
        sites.sync()
        assert_level(sites)


def test_programs_write_while_msyncd_works(tmp_path: Path) -> None:
    """At both ends, all the while: what each wrote last stands everywhere in the end."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        programs = [
            Program(sites[2], lambda c, n: put(c, "stock", STOCK, (f"b{n % 7}", "s-BUM", "i-1", None, n))),
            Program(sites[3], lambda c, n: put(c, "stock", STOCK, (f"k{n % 7}", "s-KAL", "i-1", None, n))),
            Program(sites.primary, lambda c, n: put(c, "item", "id, code, name", (f"n{n % 7}", None, f"name {n}"))),
        ]
        for program in programs:
            program.start()
        for _ in range(6):
            for site in sites.satellites:
                site.patient = sites.primary.patient = False  # a program always has something open
                with suppress(MsyncdError):
                    site.cycle()
        for program in programs:
            program.finish()
        for site in sites:
            site.patient = True
        sites.sync()
        assert_level(sites)
        assert held(sites[2], "BUM") == held(sites.primary, "BUM") == held(sites[3], "BUM")
        assert held(sites[3], "KAL")["stock"] == held(sites.primary, "KAL")["stock"]
        assert sites[2].rows("item") == sites[3].rows("item") == sites.primary.rows("item")
        assert min(program.written for program in programs) > 0


STOCK = "id, store_id, item_id, barcode, quantity"


@dataclass
class Program:
    """An application that writes and writes, on a connection of its own."""

    site: OneSite
    write: Callable[[Any, int], object]
    written: int = 0

    def start(self) -> None:
        """Begin, beside all else."""
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def finish(self) -> None:
        """Come to an end; what went wrong is raised here."""
        self._stop.set()
        self._thread.join(60)
        if self._failed:
            raise self._failed[0]

    def _work(self) -> None:
        connection = connect(self.site.url)
        try:
            while not self._stop.wait(0.002):
                with connection.transaction():
                    self.write(connection, self.written)
                self.written += 1
        except BaseException as error:  # noqa: BLE001 - raised again in finish
            self._failed.append(error)
        finally:
            connection.close()
