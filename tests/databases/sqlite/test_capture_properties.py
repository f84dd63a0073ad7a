"""The same as ../contract/test_capture_properties.py, whatever the settings of the application's connection."""

import sqlite3
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from msyncd.databases.lineage import CapturedType, Lineage, lineages
from msyncd.model import Table, Value
from tests.databases.sqlite.capturing import TYPES, Captured, Logged

Record = tuple[str, Value]
State = dict[Record, tuple[tuple[Value, ...], Value, Value]]
"""Of every record: its row, its store, its routing value."""

STORE = st.sampled_from(["b", "h", "k", None])
TRANSACTS = st.sampled_from(["t1", "t2", "t3"])
LINES = st.sampled_from(["l1", "l2", "l3"])
ITEMS = st.sampled_from(["i1", "i2", None])
FEW = st.integers(1, 2)
COLUMNS: dict[str, dict[str, st.SearchStrategy[Value]]] = {
    "item": {
        "ID": st.sampled_from(["i1", "i2"]),
        "code": st.sampled_from(["amox", "para", None]),
        "item_name": st.sampled_from(["a", "A", None]),
        "local_note": FEW,
    },
    "item_line": {
        "ID": st.sampled_from(["s1", "s2"]),
        "store_ID": STORE,
        "item_ID": ITEMS,
        "quantity": FEW,
        "local_note": st.sampled_from(["1", "2", None]),
    },
    "transact": {
        "ID": TRANSACTS,
        "store_ID": STORE,
        "name_ID": st.sampled_from(["n1", "n2", None]),
        "number": FEW,
        "status": st.sampled_from(["nw", "fn"]),
    },
    "trans_line": {"ID": LINES, "transaction_ID": TRANSACTS, "item_ID": ITEMS, "quantity": FEW},
    "line_note": {"ID": st.sampled_from(["o1", "o2"]), "line_ID": LINES, "note": st.sampled_from(["a", "b"])},
}
Write = tuple[str, tuple[Value, ...]]

STANDS = """
INSERT INTO item VALUES ('i1', 'amox', 'a', 1), ('i2', 'para', 'a', 1);
INSERT INTO item_line VALUES ('s1', 'b', 'i1', 1, '1'), ('s2', 'k', 'i1', 1, '2');
INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'k', 'n1', 1, 'nw');
INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 1), ('l2', 't2', 'i1', 1);
INSERT INTO line_note VALUES ('o1', 'l1', 'a'), ('o2', 'l2', 'a');
"""


@st.composite
def writes(draw: st.DrawFn) -> Write:
    """One statement of an application."""
    table = draw(st.sampled_from([*COLUMNS, "transact", "trans_line", "transact"]))
    columns = COLUMNS[table]
    where, key = draw(st.sampled_from([(" WHERE ID = ?", (draw(columns["ID"]),)), ("", ())]))
    match draw(st.sampled_from(["insert", "insert", "upsert", "update", "update", "delete"])):
        case "delete":
            return f"DELETE FROM {table}{where}", key
        case "update":
            changed = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=3, unique=True))
            how = draw(st.sampled_from(["", "OR REPLACE ", "OR IGNORE "]))
            sets = ", ".join(f"{column} = ?" for column in changed)
            return f"UPDATE {how}{table} SET {sets}{where}", (*(draw(columns[column]) for column in changed), *key)
        case kind:
            how = "" if kind == "upsert" else draw(st.sampled_from(["", "OR REPLACE ", "OR IGNORE "]))
            changed = draw(st.sampled_from(list(columns)[1:]))
            end = f" ON CONFLICT (ID) DO UPDATE SET {changed} = excluded.{changed}" if kind == "upsert" else ""
            values = tuple(draw(one) for one in columns.values())
            return f"INSERT {how}INTO {table} VALUES ({', '.join('?' * len(values))}){end}", values


LINEAGES: dict[str, Lineage] = {
    one.record_type.name: one
    for one in lineages([CapturedType(n, one, Table(one.table, (), ("ID",))) for n, one in enumerate(TYPES, 1)])
}


def state(app: Captured) -> State:
    found: State = {}
    for name, one in LINEAGES.items():
        columns = ", ".join(f"t.{column}" for column in one.record_type.columns)
        for *row, store, route in app.fetch(f"SELECT {columns}, {one.store('t')}, {one.route('t')} FROM {name} AS t"):
            found[name, row[0]] = (tuple(row), store, route)
    return found


class Log:
    """The entries since a state, as whoever reads them sees them."""

    def __init__(self, entries: list[Logged], now: State) -> None:
        self.now = now
        self.by_record: defaultdict[Record, list[Logged]] = defaultdict(list)
        for entry in entries:
            self.by_record[entry[0], entry[7]].append(entry)

    def places(self, record: Record) -> tuple[set[Value], set[Value]]:
        """Every store and route under which a record was logged; unknown ones are its parent's, standing or deleted."""
        stores, routes = set[Value](), set[Value]()
        for name, _, store, store_before, route, route_before, parent, _ in self.by_record[record]:
            stores |= {store, store_before}
            routes |= {route, route_before}
            ancestors = LINEAGES[name].ancestors
            if store is None and ancestors and parent is not None:
                above = (ancestors[0].record_type.name, parent)
                its_stores, its_routes = self.places(above)
                standing = self.now.get(above)
                stores |= its_stores | ({standing[1]} if standing else set())
                routes |= its_routes | ({standing[2]} if standing else set())
        return stores - {None}, routes - {None}


def check(before: State, now: State, entries: list[Logged]) -> None:
    log = Log(entries, now)
    for record in before.keys() | now.keys():
        then, stands = before.get(record), now.get(record)
        if then == stands:
            continue
        rewritten = then is None or stands is None or then[0] != stands[0]
        if not rewritten and (then is None or stands is None or None in {then[1], stands[1]}):
            continue  # its header came or went alone, which only happens without foreign keys; the line was not touched
        assert log.by_record[record], f"{record} is not in the log"
        stores, routes = log.places(record)
        assert {one[1] for one in (then, stands) if one} - {None} <= stores
        assert {one[2] for one in (then, stands) if one} - {None} <= routes


def run(app: Captured, write: Write) -> None:
    try:
        app.run(*write)
    except sqlite3.IntegrityError:
        event("refused by the database")


@pytest.mark.parametrize(("foreign_keys", "recursive"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_every_statement_logs_what_it_changed(foreign_keys: int, recursive: int) -> None:
    pragmas: dict[str, str | int] = {
        "journal_mode": "memory", "foreign_keys": foreign_keys, "recursive_triggers": recursive
    }  # fmt: skip

    @settings(max_examples=60, deadline=None)
    @given(st.lists(writes(), min_size=5, max_size=40))
    def holds(statements: list[Write]) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            Captured(Path(folder) / "store.db", guard=False, before=STANDS, pragmas=pragmas) as app,
        ):
            before = state(app)
            for statement in statements:
                run(app, statement)
                now = state(app)
                check(before, now, app.log())
                before = now

    holds()
