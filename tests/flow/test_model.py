"""The property test: whatever is written where, and whatever befalls the messages, in the end every site holds what it
should. What it should is computed from what was written, never from another site.

MSYNCD_MODEL_EXAMPLES=1000 MSYNCD_MODEL_STEPS=60 runs many more, at random.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from msyncd.errors import MsyncdError
from msyncd.flow.fill import begin_anew
from msyncd.flow.ledger import fills
from msyncd.flow.trimming import trim
from msyncd.model import Row, Value
from msyncd.testing import Connection, Crashed, OneSite
from tests.flow.pairs import current, on
from tests.flow.support import STOCK_COLUMNS, put, stock_sites, swift_folder

ACTIVE: dict[int, list[str]] = {1: ["CMS"], 2: ["BUM"], 3: ["KAL", "KDI"], 4: ["LAB"]}
SITE_OF = {store: site for site, stores in ACTIVE.items() for store in stores}
COPIES: dict[int, list[str]] = {1: ["BUM"], 2: ["CMS"], 4: ["KAL", "BUM"]}
"""The primary keeps no copy of KAL, KDI and LAB: their records are relayed through it."""

SATELLITES = st.sampled_from([2, 3, 4])
STORES = st.sampled_from(list(SITE_OF))
NUMBERS = st.integers(0, 1)
FAULTS = st.sampled_from(["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"])

Step = Callable[[Connection], object]
"""One thing that an application does, in SQL that every database takes."""


def run(sql: str, *values: Value) -> Step:
    return lambda connection: connection.execute(sql, values)


def write(table: str, columns: str, *row: Value, only: str = "") -> Step:
    return lambda connection: put(connection, table, columns, row, only=only)


class Everywhere(RuleBasedStateMachine):
    """A primary and three satellites, and beside them the model: each record as its owner wrote it last."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="msyncd-", dir=swift_folder())
        self.databases = ExitStack()
        if (pair := current.get()) is not None:  # databases of its own for each example
            self.databases.enter_context(on(f"{pair.primary}-{pair.satellite}", pair.databases))
        self.copies = {site: list(stores) for site, stores in COPIES.items()}
        self.item: dict[str, Row] = {"i-1": ("i-1", "AMO", "amoxicillin"), "i-2": ("i-2", "PAR", "paracetamol")}
        self.patient: dict[str, Row] = {}
        self.stock: dict[str, Row] = {}
        self.invoice: dict[str, Row] = {}
        self.line: dict[str, Row] = {}

    @initialize(request_size=st.sampled_from([1, 3, 20]))
    def open(self, request_size: int) -> None:
        folder = Path(self.folder.name)
        self.sites = stock_sites(folder, active_stores=ACTIVE, copies_of=self.copies, request_size=request_size)

    def _as_application(self, site: OneSite, *steps: Step) -> bool:
        """Take steps in one transaction; False if the application's own constraints forbid it."""
        try:
            with site.transaction() as connection:
                for step in steps:
                    step(connection)
        except site.connection.errors:
            return False
        return True

    # --- central records, written on the primary ---

    @rule(number=NUMBERS, name=st.sampled_from("abc"))
    def write_item(self, number: int, name: str) -> None:
        row = (f"i-{number}", self.item.get(f"i-{number}", (0, f"C{number}"))[1], name)
        if self._as_application(self.sites.primary, write("item", "id, code, name", *row, only="name")):
            self.item[f"i-{number}"] = row

    @rule(number=st.integers(2, 3))
    def delete_item(self, number: int) -> None:
        key = f"i-{number}"
        if any(key == row[2] for row in (*self.stock.values(), *self.line.values())):
            return  # a site that still needs it: that story has a test of its own (P22)
        if self._as_application(self.sites.primary, run("DELETE FROM item WHERE id = ?", key)):
            self.item.pop(key, None)

    @rule()
    def swap_item_codes(self) -> None:
        first, second = self.item["i-1"], self.item.get("i-2")
        if second is None:
            return
        update = "UPDATE item SET code = ? WHERE id = ?"
        swapped = ((None, "i-1"), (first[1], "i-2"), (second[1], "i-1"))
        assert self._as_application(self.sites.primary, *(run(update, *values) for values in swapped))
        self.item |= {"i-1": ("i-1", second[1], first[2]), "i-2": ("i-2", first[1], second[2])}

    @rule(site=st.sampled_from([1, 2, 3, 4]), name=st.sampled_from("abc"), gone=st.booleans())
    def write_patient(self, site: int, name: str, gone: bool) -> None:
        key = f"p-{site}"
        if gone:
            self.sites[site].write("DELETE FROM patient WHERE id = ?", key)
            self.patient.pop(key, None)
        else:
            assert self._as_application(self.sites[site], write("patient", "id, name", key, name))
            self.patient[key] = (key, name)

    # --- records of stores, written where the store is active ---

    @rule(store=STORES, number=NUMBERS, item=NUMBERS, quantity=st.integers(0, 9))
    def write_stock(self, store: str, number: int, item: int, quantity: int) -> None:
        """A key may be written in another store of the same site: the record moves."""
        site = SITE_OF[store]
        key = f"{site}-{number}"
        barcode = self.stock[key][3] if key in self.stock else f"b{site}{number}"
        row = (key, f"s-{store}", f"i-{item}", barcode, quantity)
        if row[2] not in self.item:
            return
        only = "store_id, item_id, quantity"
        if self._as_application(self.sites[site], write("stock", STOCK_COLUMNS, *row, only=only)):
            self.stock[key] = row

    @rule(site=st.sampled_from([1, 2, 3, 4]), number=NUMBERS)
    def delete_stock(self, site: int, number: int) -> None:
        key = f"{site}-{number}"
        if self._as_application(self.sites[site], run("DELETE FROM stock WHERE id = ?", key)):
            self.stock.pop(key, None)

    @rule(site=st.sampled_from([1, 2, 3, 4]), one=NUMBERS, other=NUMBERS)
    def swap_barcodes(self, site: int, one: int, other: int) -> None:
        first, second = self.stock.get(f"{site}-{one}"), self.stock.get(f"{site}-{other}")
        if first is None or second is None or first == second:
            return
        update = "UPDATE stock SET barcode = ? WHERE id = ?"
        swapped = ((None, first[0]), (first[3], second[0]), (second[3], first[0]))
        assert self._as_application(self.sites[site], *(run(update, *values) for values in swapped))
        self.stock[str(first[0])] = (*first[:3], second[3], first[4])
        self.stock[str(second[0])] = (*second[:3], first[3], second[4])

    @rule(store=STORES, number=NUMBERS, to=st.sampled_from(["x", *SITE_OF]), lines=st.integers(0, 3), item=NUMBERS)
    def write_invoice(self, store: str, number: int, to: str, lines: int, item: int) -> None:
        """A header and its lines in one transaction; to another store it is a transfer. It may move between stores."""
        site = SITE_OF[store]
        key = f"v{site}-{number}"
        header: Row = (key, f"s-{store}", f"n-{to}", "new", None)
        stock_key = f"{site}-{number}"
        taken = stock_key if stock_key in self.stock else None
        new: dict[str, Row] = {f"{key}-{n}": (f"{key}-{n}", key, f"i-{item}", taken, n) for n in range(lines)}
        if lines and f"i-{item}" not in self.item:
            return
        columns = "id, store_id, name_id, status, original_id"
        steps = [write("invoice", columns, *header, only="store_id, name_id")]
        columns = "id, invoice_id, item_id, stock_id, quantity"
        steps += [write("line", columns, *row, only="item_id, stock_id") for row in new.values()]
        if self._as_application(self.sites[site], *steps):
            self.invoice[key] = header
            self.line |= new

    @rule(site=st.sampled_from([1, 2, 3, 4]), number=NUMBERS)
    def delete_invoice(self, site: int, number: int) -> None:
        key = f"v{site}-{number}"
        self.sites[site].write("DELETE FROM invoice WHERE id = ?", key)
        self.invoice.pop(key, None)
        self.line = {name: row for name, row in self.line.items() if row[1] != key}

    @rule(site=st.sampled_from([1, 2, 3, 4]), number=NUMBERS, line=st.integers(0, 2))
    def delete_line(self, site: int, number: int, line: int) -> None:
        key = f"v{site}-{number}-{line}"
        self.sites[site].write("DELETE FROM line WHERE id = ?", key)
        self.line.pop(key, None)

    # --- what befalls them ---

    @rule(site=SATELLITES)
    def cycle(self, site: int) -> None:
        with suppress(MsyncdError, Crashed):
            self.sites[site].cycle()

    @rule(site=SATELLITES, kind=st.sampled_from(["push", "pull", "hello"]), fault=FAULTS, after=st.integers(0, 2))
    def fault(self, site: int, kind: str, fault: str, after: int) -> None:
        self.sites[site].line.fail(kind, fault, after=after)  # type: ignore[arg-type]  # literals, drawn
        self.cycle(site)

    @rule(
        site=st.sampled_from([1, 2, 3, 4]),
        point=st.sampled_from(["before commit", "after commit"]),
        nth=st.integers(1, 4),
    )
    def crash(self, site: int, point: str, nth: int) -> None:
        self.sites[site].crash_at(point, nth)  # type: ignore[arg-type]  # literals, drawn
        for satellite in (2, 3, 4) if site == 1 else (site,):
            self.cycle(satellite)
        self.sites[site].calm()

    @rule(site=SATELLITES)
    def deliver_late(self, site: int) -> None:
        self.sites[site].line.deliver_late()

    @rule(site=st.sampled_from([1, 2, 3, 4]))
    def restart(self, site: int) -> None:
        self.sites[site].restart()

    @rule(site=st.sampled_from([1, 2, 4]), store=STORES)
    def change_copies(self, site: int, store: str) -> None:
        """An edit of copies_of is taken in while all run: a copy is widened or narrowed."""
        held = self.copies[site]
        self.copies[site] = [one for one in held if one != store] if store in held else [*held, store]
        self.sites.reload(copies_of=dict(self.copies))

    @rule(site=SATELLITES, family=st.sampled_from(["item", "patient", "stock", "invoice", None]))
    def fill_again(self, site: int, family: str | None) -> None:
        """As after a table was rebuilt at the primary; or as if the site had been away for too long."""
        here = self.sites.primary.here
        with suppress(Crashed), here.database.write() as writer:
            if family is None:
                begin_anew(writer, here, here.peer(site), "a test")
            else:
                fills.begin(writer, site, because="a test", now=here.now(), record_type=family)

    @rule(days=st.integers(1, 8))
    def trim(self, days: int) -> None:
        self.sites.clock.advance(days=days)
        for site in self.sites:
            trim(site.here)

    @precondition(lambda self: hasattr(self, "sites"))
    @rule()
    def come_to_rest(self) -> None:
        """No more faults: all that was on its way arrives, everything moves until nothing does, and is compared."""
        for site in self.sites:
            site.calm()
            site.line.deliver_late()
        self.sites.sync()
        for site in self.sites:
            assert site.quarantine == []
            assert site.waiting == []
            for table, expected in self._expected(site.sync_id).items():
                columns = "id, store_id, item_id, barcode, quantity" if table == "stock" else "*"
                assert (site.sync_id, table, site.rows(table, columns)) == (site.sync_id, table, expected)

    def _expected(self, site: int) -> dict[str, list[Row]]:
        """What a site is to hold, by the model alone."""
        stores = {f"s-{store}" for store in (*ACTIVE[site], *self.copies.get(site, ()))}
        names = {f"n-{store}" for store in ACTIVE[site]}
        stock = {key: row for key, row in self.stock.items() if row[1] in stores}
        invoices = {key: row for key, row in self.invoice.items() if row[1] in stores or row[2] in names}
        lines = [
            (*row[:3], row[3] if row[3] in stock else None, row[4])  # cleared where the stock is not held
            for row in self.line.values()
            if row[1] in invoices
        ]
        found: dict[str, list[Row]] = {
            "item": list(self.item.values()),
            "patient": list(self.patient.values()),
            "stock": list(stock.values()),
            "invoice": list(invoices.values()),
            "line": lines,
        }
        return {table: sorted(rows, key=repr) for table, rows in found.items()}

    def teardown(self) -> None:
        try:
            if hasattr(self, "sites"):
                self.come_to_rest()
        finally:
            if hasattr(self, "sites"):
                self.sites.close()
            self.databases.close()
            self.folder.cleanup()


@pytest.mark.everywhere
@pytest.mark.timeout(900)
def test_every_site_ends_with_what_was_written_for_it(pair: str) -> None:
    _run(30 if pair == "sqlite-sqlite" else 2)


@pytest.mark.usefixtures("odd_cursors")
def test_nothing_is_known_of_a_cursor_but_its_order() -> None:
    """The same with cursors of which nothing else holds: what a database has that orders commits in its own way."""
    _run(10)


def _run(examples: int) -> None:
    many = os.environ.get("MSYNCD_MODEL_EXAMPLES")
    run_state_machine_as_test(
        Everywhere,
        settings=settings(
            max_examples=int(many or examples),
            stateful_step_count=int(os.environ.get("MSYNCD_MODEL_STEPS", "30")),
            derandomize=many is None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
