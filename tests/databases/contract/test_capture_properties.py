"""Whatever an application writes, what changed is in the log, under every store and route it had (P1, P4, P5, P10)."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from msyncd.databases.values import KEY, PARENT, ROUTE, ROUTE_BEFORE, STORE, STORE_BEFORE, TYPE, Entry
from msyncd.model import Row, Value
from tests.databases.contract.stock import MakeStock, Stock

Record = tuple[str, Value]
State = dict[Record, tuple[Row, Value, Value]]
"""Of every record: its row, its store, its routing value."""
Write = tuple[str, tuple[Value, ...]]

STORE_OF = st.sampled_from(["b", "h", "k", None])
TRANSACTS = st.sampled_from(["t1", "t2", "t3"])
LINES = st.sampled_from(["l1", "l2", "l3"])
ITEMS = st.sampled_from(["i1", "i2", None])
FEW = st.integers(1, 2)
COLUMNS: dict[str, dict[str, st.SearchStrategy[Value]]] = {
    "item": {
        "ID": st.sampled_from(["i1", "i2"]),
        "code": st.sampled_from(["amox", "para", None]),
        "item_name": st.sampled_from(["a", "A", None]),
        "local_note": st.sampled_from(["1", "2"]),
    },
    "item_line": {
        "ID": st.sampled_from(["s1", "s2"]),
        "store_ID": STORE_OF,
        "item_ID": ITEMS,
        "quantity": FEW,
        "local_note": st.sampled_from(["1", "2", None]),
    },
    "transact": {
        "ID": TRANSACTS,
        "store_ID": STORE_OF,
        "name_ID": st.sampled_from(["n1", "n2", None]),
        "number": FEW,
        "status": st.sampled_from(["nw", "fn"]),
    },
    "trans_line": {"ID": LINES, "transaction_ID": TRANSACTS, "item_ID": ITEMS, "quantity": FEW},
    "line_note": {"ID": st.sampled_from(["o1", "o2"]), "line_ID": LINES, "note": st.sampled_from(["a", "b"])},
}
STANDS: dict[str, list[Row]] = {
    "item": [("i1", "amox", "a"), ("i2", "para", "a")],
    "item_line": [("s1", "b", "i1", 1.0), ("s2", "k", "i1", 1.0)],
    "transact": [("t1", "b", "n1", 1, "nw"), ("t2", "k", "n1", 1, "nw")],
    "trans_line": [("l1", "t1", "i1", 1.0), ("l2", "t2", "i1", 1.0)],
    "line_note": [("o1", "l1", "a"), ("o2", "l2", "a")],
}
ABOVE = {"trans_line": "transact", "line_note": "trans_line"}
FOUND = {
    "item": "SELECT ID, code, item_name, NULL, NULL FROM item",
    "item_line": "SELECT ID, store_ID, item_ID, quantity, store_ID, NULL FROM item_line",
    "transact": "SELECT ID, store_ID, name_ID, number, status, store_ID, name_ID FROM transact",
    "trans_line": "SELECT l.ID, transaction_ID, item_ID, quantity, store_ID, name_ID FROM trans_line l"
    " LEFT JOIN transact t ON t.ID = transaction_ID",
    "line_note": "SELECT n.ID, line_ID, note, store_ID, name_ID FROM line_note n"
    " LEFT JOIN trans_line l ON l.ID = line_ID"
    " LEFT JOIN transact t ON t.ID = transaction_ID",
}
HOW: dict[str, tuple[list[str], list[str]]] = {
    # how an insert and an update may begin
    "sqlite": (
        ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"],
        ["UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE"],
    ),
    "postgresql": (["INSERT"], ["UPDATE"]),
    "mariadb": (["INSERT", "REPLACE", "INSERT IGNORE"], ["UPDATE", "UPDATE IGNORE"]),
}
EXAMPLES = {"sqlite": 50, "postgresql": 25, "mariadb": 12}  # each undone statement of MariaDB is a hole to wait for


@st.composite
def writes(draw: st.DrawFn, kind: str) -> Write:
    """One statement of an application of that database."""
    table = draw(st.sampled_from([*COLUMNS, "transact", "trans_line", "transact"]))
    columns = COLUMNS[table]
    where, key = draw(st.sampled_from([(" WHERE ID = ?", (draw(columns["ID"]),)), ("", ())]))
    inserts, updates = HOW[kind]
    match draw(st.sampled_from(["insert", "insert", "upsert", "update", "update", "delete"])):
        case "delete":
            return f"DELETE FROM {table}{where}", key
        case "update":
            changed = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=3, unique=True))
            sets = ", ".join(f"{column} = ?" for column in changed)
            values = tuple(draw(columns[column]) for column in changed)
            return f"{draw(st.sampled_from(updates))} {table} SET {sets}{where}", (*values, *key)
        case how:
            changed_one = draw(st.sampled_from(list(columns)[1:]))
            end, start = "", draw(st.sampled_from(inserts))
            if how == "upsert":
                start, end = "INSERT", f" ON CONFLICT (ID) DO UPDATE SET {changed_one} = excluded.{changed_one}"
                if kind == "mariadb":
                    end = f" ON DUPLICATE KEY UPDATE {changed_one} = VALUES({changed_one})"
            values = tuple(draw(one) for one in columns.values())
            return f"{start} INTO {table} VALUES ({', '.join('?' * len(values))}){end}", values


def begin_anew(stock: Stock) -> None:
    """The rows of STANDS and no others, unlogged."""
    for name in reversed(COLUMNS):
        stock.take_away(name, *[(row[0],) for row in stock.fetch(f"SELECT ID FROM {name}")])
    for name, rows in STANDS.items():
        stock.apply(name, *rows)
    stock.forget()


def state(stock: Stock) -> State:
    found: State = {}
    for name, sql in FOUND.items():
        for *row, store, route in stock.fetch(sql):
            found[name, row[0]] = (tuple(row), store, route)
    return found


class Log:
    """The entries since a state, as whoever reads them sees them."""

    def __init__(self, stock: Stock, now: State) -> None:
        self.now = now
        self.by_record: defaultdict[Record, list[Entry]] = defaultdict(list)
        for entry in stock.entries():
            self.by_record[stock.name_of(entry[TYPE]), entry[KEY]].append(entry)

    def places(self, record: Record) -> tuple[set[Value], set[Value]]:
        """Every store and route under which a record was logged; unknown ones are its parent's, standing or deleted."""
        stores, routes = set[Value](), set[Value]()
        for entry in self.by_record[record]:
            stores |= {entry[STORE], entry[STORE_BEFORE]}
            routes |= {entry[ROUTE], entry[ROUTE_BEFORE]}
            if entry[STORE] is None and record[0] in ABOVE and entry[PARENT] is not None:
                above = (ABOVE[record[0]], entry[PARENT])
                its_stores, its_routes = self.places(above)
                standing = self.now.get(above)
                stores |= its_stores | ({standing[1]} if standing else set())
                routes |= its_routes | ({standing[2]} if standing else set())
        return stores - {None}, routes - {None}


def check(stock: Stock, before: State, *, foreign_keys: bool = True) -> State:
    """Every record that changed is logged, under every store and route that it had; the state now."""
    now = state(stock)
    log = Log(stock, now)
    for record in before.keys() | now.keys():
        then, stands = before.get(record), now.get(record)
        if then == stands:
            continue
        untouched = then is not None and stands is not None and then[0] == stands[0]
        if not foreign_keys and untouched and None in {then and then[1], stands and stands[1]}:
            continue  # its header came or went alone
        assert log.by_record[record], f"{record} is not in the log"
        stores, routes = log.places(record)
        assert {one[1] for one in (then, stands) if one} - {None} <= stores, record
        assert {one[2] for one in (then, stands) if one} - {None} <= routes, record
    return now


def run(stock: Stock, write: Write) -> None:
    try:
        stock.run(*write)
    except stock.application.connection.errors:
        event("refused by the database")


def run_all(stock: Stock, statements: Iterable[Write]) -> None:
    """In one transaction; what is refused is undone alone."""
    stock.application.begin()
    for statement in statements:
        stock.run("SAVEPOINT one")
        with suppress(stock.application.connection.errors):
            stock.run(*statement)
            stock.run("RELEASE SAVEPOINT one")
            continue
        stock.run("ROLLBACK TO SAVEPOINT one")
    stock.application.commit()


def test_every_statement_logs_what_it_changed(database_kind: str, make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)

    @settings(max_examples=EXAMPLES[database_kind], deadline=None)
    @given(st.lists(writes(database_kind), min_size=3, max_size=15))
    def holds(statements: list[Write]) -> None:
        begin_anew(stock)
        before = state(stock)
        for statement in statements:
            run(stock, statement)
            before = check(stock, before)

    holds()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("foreign_keys", "recursive"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_whatever_an_application_s_connection_of_sqlite_is_set_to(
    make_stock: MakeStock, foreign_keys: int, recursive: int
) -> None:
    stock = make_stock(guard=False)
    stock.run("PRAGMA synchronous=0")
    stock.run(f"PRAGMA foreign_keys={foreign_keys}")
    stock.run(f"PRAGMA recursive_triggers={recursive}")

    @settings(max_examples=EXAMPLES["sqlite"] // 2, deadline=None)
    @given(st.lists(writes("sqlite"), min_size=5, max_size=40))
    def holds(statements: list[Write]) -> None:
        begin_anew(stock)
        before = state(stock)
        for statement in statements:
            run(stock, statement)
            before = check(stock, before, foreign_keys=bool(foreign_keys))

    holds()


def test_a_transaction_logs_what_it_changed(database_kind: str, make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)

    @settings(max_examples=EXAMPLES[database_kind], deadline=None)
    @given(st.lists(writes(database_kind), max_size=3), st.lists(writes(database_kind), min_size=1, max_size=25))
    def holds(stands: list[Write], statements: list[Write]) -> None:
        begin_anew(stock)
        for statement in stands:
            run(stock, statement)
        stock.forget()
        before = state(stock)
        run_all(stock, statements)
        check(stock, before)

    holds()


def test_the_guard_lets_nothing_of_another_site_change(database_kind: str, make_stock: MakeStock) -> None:
    """What this site may not edit stands as it stood, whatever the application tries."""
    stock = make_stock()

    @settings(max_examples=EXAMPLES[database_kind], deadline=None)
    @given(st.lists(writes(database_kind), min_size=1, max_size=25))
    def holds(statements: list[Write]) -> None:
        begin_anew(stock)
        before = state(stock)
        for statement in statements:
            run(stock, statement)
        now = state(stock)
        for record in before.keys() | now.keys():
            then, stand = before.get(record), now.get(record)
            for one in (then, stand):
                if one and (record[0] == "item" or one[1] not in {"b", "h"}):
                    assert then == stand, f"{record} was changed"

    holds()
