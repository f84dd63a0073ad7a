"""Programs at every site, as applications are: registers that only grow, documents with lines, balances of stock.

What was acknowledged, that is committed, is noted; what may or may not have been is noted as such.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from msyncd.testing.application import Connection
from tests.faults.checker.country import ITEMS, Country

TORN = """
SELECT d.ID, d.line_count, count(l.ID) FROM doc d LEFT JOIN doc_line l ON l.doc_ID = d.ID
GROUP BY d.ID, d.line_count HAVING count(l.ID) <> d.line_count
"""
"""Documents without all their lines: nobody may ever see one."""


REFUSED = ("active on site", "edited on the primary", "handed over", "taken back")
"""Words of a guard that keeps a program from writing what is not its own, or not now."""


class WroteNothing(Exception):
    """Raised in a transaction that changes no row: no guard was asked, so it tells of nobody's right to write."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """A write that was tried. `state` is the record as it then stands: an amount, lines, None if deleted.

    `sure`: it was committed for certain. Times are monotonic seconds, before its beginning and after its end.
    `beside`: no transaction of its own, but a stock that changed with a document, or what a restored backup left.
    """

    site: int
    store: str
    table: str
    key: str
    state: object
    sure: bool
    began: float
    ended: float
    beside: bool = False


@dataclass
class Journal:
    """What all programs wrote, and what they saw that must not be.

    `apart`: by store, how far its stock stands from its documents since a backup was restored; None: not known.
    """

    wrote: list[Wrote] = field(default_factory=list)
    refused: int = 0
    seen: list[str] = field(default_factory=list)
    apart: dict[str, int | None] = field(default_factory=dict)

    @property
    def acknowledged(self) -> int:
        """How many transactions were committed for certain."""
        return sum(one.sure and not one.beside for one in self.wrote)

    def by_record(self) -> dict[tuple[str, str], list[Wrote]]:
        """The writes of each record, by table and key, in the order in which they began."""
        found: dict[tuple[str, str], list[Wrote]] = defaultdict(list)
        for one in sorted(self.wrote, key=lambda one: one.began):
            found[one.table, one.key].append(one)
        return found


class Program(threading.Thread):
    """Writes at one site until it is told to stop, and looks at what it can see."""

    def __init__(self, country: Country, site: int, seed: int, journal: Journal) -> None:
        super().__init__(name=f"program {site}", daemon=True)
        self._country, self._site, self._journal = country, site, journal
        self._random = random.Random(seed * 100 + site)
        self._stop_asked = threading.Event()
        self._number = 0
        self._docs: dict[str, list[str]] = defaultdict(list)
        self._db: Connection | None = None
        self._stocks: list[int] = []

    def stop(self) -> None:
        """Finish what is under way."""
        self._stop_asked.set()

    def run(self) -> None:
        """Until it is stopped. A database that is away is tried again."""
        look, gate = time.monotonic(), self._country.gates[self._site]
        while not self._stop_asked.wait(self._random.uniform(0.0, 0.015)):
            if gate.closed:
                self._forget()
                gate.wait()
                continue
            try:
                if self._db is None:
                    self._db = self._country.connect(self._site)
                self._write(self._db)
                if time.monotonic() - look > 0.2:
                    look = time.monotonic()
                    self._look(self._db)
            except Exception:  # noqa: BLE001 - whatever the driver raises when its server goes
                self._forget()
        self._forget()

    def _forget(self) -> None:
        if self._db is not None:
            with suppress(Exception):
                self._db.close()
        self._db = None

    def _look(self, db: Connection) -> None:
        torn = db.execute(TORN)
        if torn:
            self._journal.seen.append(f"site {self._site} showed documents without all their lines: {torn[:3]}")

    def _write(self, db: Connection) -> None:
        kind = self._random.random()
        if self._site == 1 and kind < 0.2:
            self._bump(db, "item", "", f"i{self._random.randrange(ITEMS)}")
            return
        own = [store for store, at in self._country.wishes.items() if at == self._site]
        # now and then, what may not be is tried
        store = self._random.choice(own if own and self._random.random() < 0.95 else sorted(self._country.wishes))
        if kind < 0.5:
            self._bump(db, "register", store, f"r-{store}-{self._random.randrange(3)}")
        elif kind < 0.8 or not self._docs[store]:
            self._new_document(db, store)
        elif kind < 0.93:
            self._edit_document(db, store, self._random.choice(self._docs[store]))
        else:
            key = self._random.choice(self._docs[store])
            self._docs[store].remove(key)
            self._delete_document(db, store, key)

    # --- transactions -------------------------------------------------------------------------------------------------

    def _transaction(self, db: Connection, table: str, store: str, key: str, work: Callable[[], object]) -> bool:
        """One transaction; `work` does it and says how the record then stands. Whether it was committed for sure."""
        began = time.monotonic()
        sure = False
        self._stocks.clear()
        try:
            db.begin()
            state = work()
        except WroteNothing:
            db.rollback()
            return False
        except db.errors as error:
            with suppress(db.errors):
                db.rollback()
            if any(words in str(error) for words in REFUSED):
                self._journal.refused += 1
                return False
            raise
        try:
            db.commit()
            sure = True
        finally:
            wrote = Wrote(self._site, store, table, key, state, sure, began, time.monotonic())
            self._journal.wrote.append(wrote)
            for stands in self._stocks[-1:]:
                stock = replace(wrote, table="stock", key=f"b-{store}", state=stands, beside=True)
                self._journal.wrote.append(stock)
        return sure

    def _bump(self, db: Connection, table: str, store: str, key: str) -> None:
        def work() -> object:
            found = db.execute(f"SELECT amount FROM {table} WHERE ID = ?", (key,))
            if not found:
                db.execute(f"INSERT INTO {table} VALUES (?, ?, 1)", (key, store))
                return 1
            db.execute(f"UPDATE {table} SET amount = ? WHERE ID = ?", (int(found[0][0]) + 1, key))
            if db.changed != 1:  # on a server the row may leave with its store between the two statements
                raise WroteNothing
            return int(found[0][0]) + 1

        self._transaction(db, table, store, key, work)

    def _new_document(self, db: Connection, store: str) -> None:
        self._number += 1
        key = f"d-{self._site}-{self._number}"
        lines = {f"{key}-{number}": self._random.randrange(1, 9) for number in range(self._random.randint(1, 4))}

        def work() -> object:
            db.execute("INSERT INTO doc VALUES (?, ?, ?)", (key, store, len(lines)))
            for line, quantity in lines.items():
                item = f"i{self._random.randrange(ITEMS)}"
                db.execute("INSERT INTO doc_line VALUES (?, ?, ?, ?)", (line, key, item, quantity))
            self._balance(db, store, sum(lines.values()))
            return tuple(sorted(lines.items()))

        if self._transaction(db, "doc", store, key, work):
            self._docs[store].append(key)

    def _edit_document(self, db: Connection, store: str, key: str) -> None:
        """One line more, or another quantity; of a document that left with its store, nothing."""

        def work() -> object:
            lines = self._lines(db, key)
            if not lines:
                raise WroteNothing
            if len(lines) < 6 and self._random.random() < 0.5:
                line, quantity = f"{key}-{max(int(one.rsplit('-')[-1]) for one in lines) + 1}", 3
                db.execute("INSERT INTO doc_line VALUES (?, ?, NULL, ?)", (line, key, quantity))
                db.execute("UPDATE doc SET line_count = line_count + 1 WHERE ID = ?", (key,))
                self._balance(db, store, quantity)
            else:
                line = self._random.choice(sorted(lines))
                db.execute("UPDATE doc_line SET quantity = quantity + 1 WHERE ID = ?", (line,))
                self._balance(db, store, 1)
            return tuple(sorted(self._lines(db, key).items()))

        self._transaction(db, "doc", store, key, work)

    def _delete_document(self, db: Connection, store: str, key: str) -> None:
        def work() -> None:
            self._balance(db, store, -sum(self._lines(db, key).values()))
            db.execute("DELETE FROM doc WHERE ID = ?", (key,))
            if db.changed != 1:
                raise WroteNothing

        self._transaction(db, "doc", store, key, work)

    def _lines(self, db: Connection, key: str) -> dict[str, int]:
        rows = db.execute("SELECT ID, quantity FROM doc_line WHERE doc_ID = ?", (key,))
        return {str(line): int(quantity) for line, quantity in rows}

    def _balance(self, db: Connection, store: str, by: int) -> None:
        """The stock of the store changes with its documents, in one transaction."""
        key = f"b-{store}"
        if not db.execute("SELECT 1 FROM stock WHERE ID = ?", (key,)):
            db.execute("INSERT INTO stock VALUES (?, ?, 0)", (key, store))
        db.execute("UPDATE stock SET on_hand = on_hand + ? WHERE ID = ?", (by, key))
        stands = db.execute("SELECT on_hand FROM stock WHERE ID = ?", (key,))
        if not stands:
            raise WroteNothing
        self._stocks.append(int(stands[0][0]))
