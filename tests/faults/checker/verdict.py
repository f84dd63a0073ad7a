"""What must be true when everything has come to rest, computed from what the programs were told was committed."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from msyncd.testing.application import Connection
from tests.faults.checker.clients import TORN, Journal, Wrote
from tests.faults.checker.country import PATIENCE, Country, store_of
from tests.faults.checker.ownership import Edit, Move, second_owner

Contents = dict[str, dict[str, tuple[Any, ...]]]
"""Rows by table and key."""

OF_STORE = ("register", "stock", "doc", "doc_line")


def contents(db: Connection) -> Contents:
    """Every record of every table, by key; lines with their store behind."""
    found = {}
    for table in ("store", "item", "register", "stock", "doc"):
        found[table] = {str(row[0]): tuple(row) for row in db.execute(f"SELECT * FROM {table}")}
    rows = db.execute("SELECT l.*, d.store_ID FROM doc_line l LEFT JOIN doc d ON d.ID = l.doc_ID")
    found["doc_line"] = {str(row[0]): tuple(row) for row in rows}
    return found


def store_in(table: str, row: tuple[Any, ...]) -> str:
    """The store of a record."""
    return str(row[-1] if table == "doc_line" else row[1])


class Verdict:
    """`wrong` says everything that is not as it must be; empty if all is well."""

    def __init__(
        self, country: Country, journal: Journal, moves: list[tuple[str, Move]], patience: float = PATIENCE
    ) -> None:
        self._country, self._journal, self._moves, self._patience = country, journal, moves, patience
        self.wrong: list[str] = []

    def reach(self, *, hurry: bool = False) -> "Verdict":
        """Wait until all is level, then look at everything. `hurry`: not if the history alone shows something."""
        if hurry:
            self.wrong += [*self._two_owners(), *self._journal.seen[:5]]
            if self.wrong:
                return self
        level = self._until_level()
        held = {}
        for site in self._country.sites:
            with closing(self._country.connect(site)) as db:
                held[site] = contents(db)
                self.wrong += [f"site {site} holds a torn document: {row}" for row in db.execute(TORN)]
        if level is not None:
            self.wrong.append(f"not level after {self._patience:g} s: {level}")
        self.wrong += self._journal.seen[:5]
        self.wrong += self._not_equal(held)
        self.wrong += self._lost(held[1])
        self.wrong += self._two_owners()
        return self

    # --- at rest ------------------------------------------------------------------------------------------------------

    def _until_level(self) -> str | None:
        """None as soon as nothing is left to send or to receive anywhere; else what keeps it from being so."""
        end = time.monotonic() + self._patience
        calm = 0
        why = ""
        while time.monotonic() < end:
            why = "; ".join(self._restless())
            calm = 0 if why else calm + 1
            if calm == 3:
                return None
            time.sleep(0.3)
        return why

    def _restless(self) -> Iterator[str]:
        held = {}
        for site in self._country.sites:
            status = self._country.status(site)
            if not status:
                yield f"site {site} does not answer"
                continue
            for peer in status["peers"]:
                left = (peer["to_send"], peer["to_receive"], peer["waiting"])
                if site != 1 and any(left):
                    yield f"site {site}: to send, to receive, waiting: {left} {peer['problem'] or ''}"
            with closing(self._country.connect(site)) as db:
                held[site] = contents(db)
        if 1 in held:
            yield from list(self._not_equal(held))[:2]

    def _not_equal(self, held: dict[int, Contents]) -> Iterator[str]:
        """Every satellite holds just what the primary holds of what is for it."""
        for site, tables in held.items():
            stores = {store for store, at in self._country.wishes.items() if at == site} | {*self._country.copies[site]}
            for table, rows in tables.items():
                due = held[1][table]
                if site != 1 and table in OF_STORE:
                    due = {key: row for key, row in due.items() if store_in(table, row) in stores}
                if rows != due:
                    lacks, more = sorted(due.keys() - rows.keys()), sorted(rows.keys() - due.keys())
                    other = sorted(key for key in due.keys() & rows.keys() if due[key] != rows[key])
                    yield f"site {site}, {table}: lacks {lacks[:3]}, has beyond {more[:3]}, differs in {other[:3]}"

    # --- nothing lost, nothing doubled --------------------------------------------------------------------------------

    def _lost(self, held: Contents) -> Iterator[str]:
        """What was committed last, or may have been since, is what stands at the primary."""
        by_record = self._journal.by_record()
        for (table, key), wrote in by_record.items():
            allowed = allowed_states(wrote)
            stands = state_of(held, table, key)
            if stands not in allowed:
                last = wrote[-1]
                yield f"{table} {key}: stands as {stands}, and site {last.site} committed {allowed[:3]}"
        for table in ("register", "doc"):
            yield from (f"nobody wrote {table} {key}" for key in held[table] if (table, key) not in by_record)
        for key, row in held["stock"].items():
            store = str(row[1])
            lines = sum(int(one[3]) for one in held["doc_line"].values() if store_in("doc_line", one) == store)
            apart = self._journal.apart.get(store, 0)
            if apart is not None and int(row[2]) != lines + apart:
                yield f"stock {key} says {row[2]}, and the documents of its store make {lines + apart}"

    def _two_owners(self) -> Iterator[str]:
        """At every moment only the site at which a store was active edited it."""
        by_store: dict[str, list[Edit]] = defaultdict(list)
        for one in self._journal.wrote:
            if one.sure and one.store and not one.beside:
                by_store[one.store].append(Edit(one.site, one.began, one.ended))
        for store, edits in by_store.items():
            home = next(site for site in self._country.sites if store_of(site) == store)
            moves = [move for moved, move in self._moves if moved == store]
            if (second := second_owner(home, moves, edits)) is not None:
                others = [one for one in edits if one.site != second.site]
                beside = sorted(others, key=lambda one: abs(one.ended - second.began))[:3]
                yield f"store {store} of site {home} had a second owner: {second}, beside {beside}, with {moves}"


def allowed_states(wrote: list[Wrote]) -> list[object]:
    """The states in which a record may stand: the last that is sure, or any unsure one after it."""
    sure = [at for at, one in enumerate(wrote) if one.sure]
    start = sure[-1] if sure else 0
    allowed = [one.state for one in wrote[start:]]
    return allowed if sure else [*allowed, None]


def state_of(held: Contents, table: str, key: str) -> object:
    """A record as it stands, in the journal's words: an amount, the lines of a document; None if it is not there."""
    row = held[table].get(key)
    if row is None:
        return None
    if table == "doc":
        return tuple(sorted((line, int(one[3])) for line, one in held["doc_line"].items() if one[1] == key))
    return int(row[-1])
