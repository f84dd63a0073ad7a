"""The property test of hand-overs: random ones, with writes, cuts and crashes, several at once and turned on the way.

At no time do the guards of two sites let a store be edited; what a guard let through is never lost; and at rest every
store is active where it was last wished, and every site holds what it should, computed from what was written.

MSYNCD_MODEL_EXAMPLES=1000 MSYNCD_MODEL_STEPS=60 runs many more, at random.
"""

import os
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from msyncd.errors import MsyncdError
from msyncd.model import Row
from msyncd.testing import Crashed
from tests.flow.pairs import current, on
from tests.flow.support import STOCK_COLUMNS, invoice, put, stock, stock_sites, swift_folder

ACTIVE: dict[int, list[str]] = {1: ["CMS"], 2: ["BUM"], 3: ["KAL"], 4: ["LAB"]}
STORES = st.sampled_from([store for stores in ACTIVE.values() for store in stores])
SITES = st.sampled_from(list(ACTIVE))
SATELLITES = st.sampled_from([2, 3, 4])
NUMBERS = st.integers(0, 1)
FAULTS = st.sampled_from(["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"])


class HandOvers(RuleBasedStateMachine):
    """A primary and three satellites; beside them the wishes, and each record as it was last let through."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="msyncd-", dir=swift_folder())
        self.databases = ExitStack()
        if (pair := current.get()) is not None:
            self.databases.enter_context(on(f"{pair.primary}-{pair.satellite}", pair.databases))
        self.wish = {store: site for site, stores in ACTIVE.items() for store in stores}
        self.stock: dict[str, Row] = {}
        self.invoice: dict[str, Row] = {}
        self.line: dict[str, Row] = {}

    @initialize(
        request_size=st.sampled_from([1, 3, 20]),
        copies=st.sampled_from([{1: ["CMS", "BUM", "KAL", "LAB"]}, {1: ["BUM"], 2: ["CMS"], 4: ["KAL", "BUM"]}, {}]),
    )
    def open(self, request_size: int, copies: dict[int, list[str]]) -> None:
        folder = Path(self.folder.name)
        self.copies = copies
        self.sites = stock_sites(folder, active_stores=ACTIVE, copies_of=copies, request_size=request_size)
        for store, site in self.wish.items():  # a store without any record just moves: that story has a test of its own
            stock(self.sites[site], f"{store}-first", store)
            self.stock[f"{store}-first"] = (f"{store}-first", f"s-{store}", "i-1", None, 1)
            invoice(self.sites[site], f"{store}-seed", store, lines=1)
            self.invoice[f"{store}-seed"] = (f"{store}-seed", f"s-{store}", "n-x", "new", None)
            self.line[f"{store}-seed-0"] = (f"{store}-seed-0", f"{store}-seed", "i-1", None, 0)
        self.sites.sync()

    # --- what the applications try, on any site ---

    @rule(site=SITES, store=STORES, number=NUMBERS, quantity=st.integers(0, 9))
    def write_stock(self, site: int, store: str, number: int, quantity: int) -> None:
        row: Row = (f"{store}-{number}", f"s-{store}", "i-1", None, quantity)
        with self._trying(site):
            put(self.sites[site].connection, "stock", STOCK_COLUMNS, row)
            self.stock[str(row[0])] = row

    @rule(site=SITES, store=STORES, number=NUMBERS)
    def delete_stock(self, site: int, store: str, number: int) -> None:
        with self._trying(site):
            here = self.sites[site]
            if here.connection.execute("SELECT 1 FROM stock WHERE id = ?", (f"{store}-{number}",)):
                here.write("DELETE FROM stock WHERE id = ?", f"{store}-{number}")
                self.stock.pop(f"{store}-{number}")

    @rule(site=SITES, store=STORES, number=NUMBERS, to=st.sampled_from(["x", "CMS", "BUM", "KAL", "LAB"]))
    def write_invoice(self, site: int, store: str, number: int, to: str) -> None:
        """A header with a line; to another store it is a transfer."""
        key = f"{store}-v{number}"
        header: Row = (key, f"s-{store}", f"n-{to}", "new", None)
        line: Row = (f"{key}-0", key, "i-1", None, number)
        with self._trying(site):
            connection = self.sites[site].connection
            put(connection, "invoice", "id, store_id, name_id, status, original_id", header)
            put(connection, "line", "id, invoice_id, item_id, stock_id, quantity", line)
            self.invoice[key], self.line[f"{key}-0"] = header, line

    def _trying(self, site: int) -> ExitStack:
        """One transaction; what the guard refuses is undone, in the model too."""
        model = [dict(self.stock), dict(self.invoice), dict(self.line)]
        trying = ExitStack()

        def undone(kind: type[BaseException] | None, error: BaseException | None, _at: object) -> bool:
            if kind is None:
                return False
            self.stock, self.invoice, self.line = model
            return isinstance(error, self.sites[site].connection.errors)

        trying.push(undone)
        trying.enter_context(self.sites[site].transaction())
        return trying

    # --- stores move ---

    @rule(store=STORES, site=SITES)
    def move(self, store: str, site: int) -> None:
        self.wish[store] = site
        with suppress(Crashed, MsyncdError):
            self.sites.primary.reload(active_stores=self._lists())

    @rule(first=STORES, second=STORES)
    def exchange(self, first: str, second: str) -> None:
        self.wish[first], self.wish[second] = self.wish[second], self.wish[first]
        with suppress(Crashed, MsyncdError):
            self.sites.primary.reload(active_stores=self._lists())

    def _lists(self) -> dict[int, list[str]]:
        return {site: [store for store, at in self.wish.items() if at == site] for site in ACTIVE}

    # --- what befalls them ---

    @rule(site=SATELLITES)
    def cycle(self, site: int) -> None:
        with suppress(MsyncdError, Crashed):
            self.sites[site].cycle()

    @rule(site=SATELLITES, kind=st.sampled_from(["push", "pull", "hello"]), fault=FAULTS, after=st.integers(0, 3))
    def fault(self, site: int, kind: str, fault: str, after: int) -> None:
        self.sites[site].line.fail(kind, fault, after=after)  # type: ignore[arg-type]  # literals, drawn
        self.cycle(site)

    @rule(site=SITES, point=st.sampled_from(["before commit", "after commit"]), nth=st.integers(1, 6))
    def crash(self, site: int, point: str, nth: int) -> None:
        self.sites[site].crash_at(point, nth)  # type: ignore[arg-type]  # literals, drawn
        for satellite in (2, 3, 4) if site == 1 else (site,):
            self.cycle(satellite)
        self.sites[site].calm()

    @rule(site=SATELLITES)
    def deliver_late(self, site: int) -> None:
        self.sites[site].line.deliver_late()

    @rule(site=SITES)
    def restart(self, site: int) -> None:
        self.sites[site].restart()

    # --- what must hold ---

    @precondition(lambda self: hasattr(self, "sites"))
    @invariant()
    def no_store_is_edited_on_two_sites(self) -> None:
        open_at: dict[object, list[int]] = {}
        for site in self.sites:
            for (store,) in site.connection.execute(
                f"SELECT store FROM {self._prefix(site.url)}msyncd_store WHERE active_site = ?", (site.sync_id,)
            ):
                open_at.setdefault(store, []).append(site.sync_id)
        assert [(store, sites) for store, sites in open_at.items() if len(sites) > 1] == []

    def _prefix(self, url: str) -> str:
        return "msyncd." if url.startswith("postgresql") else ""

    @precondition(lambda self: hasattr(self, "sites"))
    @rule()
    def come_to_rest(self) -> None:
        """No more faults: what is on its way arrives, and every store ends where it was wished."""
        for site in self.sites:
            site.calm()
            site.line.deliver_late()
        self.sites.primary.reload(active_stores=self._lists())  # in case that the edit was not taken in
        self.sites.sync()
        facts = self.sites.primary.here.facts
        assert {store: facts.stores[f"s-{store}"].edited_at for store in self.wish} == self.wish
        for site in self.sites:
            assert (site.quarantine, site.waiting) == ([], [])
            mine = {store for store, at in self.wish.items() if at == site.sync_id}
            held = {f"s-{store}" for store in (*mine, *self.copies.get(site.sync_id, ()))}
            names = {f"n-{store}" for store in mine}
            invoices = {key: row for key, row in self.invoice.items() if row[1] in held or row[2] in names}
            expected = {
                "stock": [row for row in self.stock.values() if row[1] in held],
                "invoice": list(invoices.values()),
                "line": [row for row in self.line.values() if row[1] in invoices],
            }
            for table, rows in expected.items():
                columns = STOCK_COLUMNS if table == "stock" else "*"
                stands = site.rows(table, columns)
                assert (site.sync_id, table, stands) == (site.sync_id, table, sorted(rows, key=repr))

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
def test_p34_never_two_active_sites_and_nothing_lost(pair: str) -> None:
    many = os.environ.get("MSYNCD_MODEL_EXAMPLES")
    run_machine(
        HandOvers,
        settings=settings(
            max_examples=int(many or (20 if pair == "sqlite-sqlite" else 2)),
            stateful_step_count=int(os.environ.get("MSYNCD_MODEL_STEPS", "30")),
            derandomize=many is None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
