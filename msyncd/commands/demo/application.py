"""The stock application of the demo: what a storekeeper does, each in one transaction of its own.

It knows nothing of msyncd: it writes its tables, as any application does. A store is called by its code, as people do.
Quantities count packs. A draft (status `nw`) takes stock out of `available` only; finalising it (status `fn`) takes it
out of `quantity`. The same `random` and `clock` on the same database make the same records.
"""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from msyncd.commands.demo.central import create_central_data
from msyncd.commands.demo.database import (
    Clock,
    day,
    insert,
    name_key,
    new_database,
    new_id,
    open_database,
    sample_file,
    store_key,
    transaction,
)
from msyncd.commands.demo.invoices import (
    CUSTOMER_INVOICE,
    DRAFT,
    FINALISED,
    SUPPLIER_INVOICE,
    OutOfStockError,
    Stock,
    add_header,
    add_line,
    add_stock,
    some_key,
    some_stock,
)
from msyncd.commands.demo.stocktake import stocktake

__all__ = [
    "Clock",
    "NotADraftError",
    "OutOfStockError",
    "create_central_data",
    "delete_draft",
    "edit_item",
    "finalise",
    "issue_goods",
    "new_database",
    "open_database",
    "open_store",
    "receive_goods",
    "request_goods",
    "sample_file",
    "stocktake",
    "transfer",
]

_SHELVES = ("A1", "A2", "B1", "B2")


class NotADraftError(ValueError):
    """Only a draft can be finalised or deleted."""


def open_store(connection: sqlite3.Connection, store: str, *, random: Random, clock: Clock) -> None:
    """Furnish a store: its shelves, a cold room with a sensor, and the first entry of its log."""
    with transaction(connection):
        place, now = store_key(connection, store), clock()
        types = dict(connection.execute("SELECT description, ID FROM location_type").fetchall())
        for shelf in _SHELVES:
            warm = types["Room temperature"]
            insert(connection, "location", ID=new_id(random), store_ID=place, code=shelf, type_ID=warm)
        cold = new_id(random)
        insert(connection, "location", ID=cold, store_ID=place, code="COLD", type_ID=types["Refrigerator"])
        insert(connection, "sensor", ID=new_id(random), storeID=place, location_ID=cold, name=f"{store} cold room")
        entry = {"type": "store", "record_ID": place, "event": "opened", "log_date": day(now), "log_time": 0}
        insert(connection, "activity_log", ID=new_id(random), store_ID=place, **entry)


def receive_goods(
    connection: sqlite3.Connection,
    store: str,
    *,
    random: Random,
    clock: Clock,
    lines: int = 3,
    supplier: str | None = None,
) -> str:
    """Enter what a supplier (by its code, else any) delivered: a finalised invoice and new stock. Gives its key."""
    with transaction(connection):
        place = store_key(connection, store)
        name = name_key(connection, supplier) if supplier else _any_party(connection, "supplier", random)
        header = add_header(connection, place, name, SUPPLIER_INVOICE, FINALISED, random=random, clock=clock)
        for number, stock in enumerate(_delivered(connection, place, lines, random=random, clock=clock), start=1):
            quantity = random.randint(5, 60)
            on_shelf = add_stock(connection, place, name, stock, quantity, random=random)
            line = add_line(connection, header, number, stock, quantity, random=random)
            connection.execute("UPDATE trans_line SET item_line_ID = ? WHERE ID = ?", (on_shelf, line))
    return header


def issue_goods(
    connection: sqlite3.Connection,
    store: str,
    *,
    random: Random,
    clock: Clock,
    lines: int = 3,
    customer: str | None = None,
) -> str:
    """Issue goods to a customer (by its code, else any): a finalised invoice, never more than there is. Gives its key.

    Raises OutOfStockError if the store has nothing available.
    """
    with transaction(connection):
        place = store_key(connection, store)
        name = name_key(connection, customer) if customer else _any_party(connection, "customer", random)
        header = _take(connection, place, name, lines, random=random, clock=clock)
        _finalise(connection, header, random=random, clock=clock)
    return header


def transfer(
    connection: sqlite3.Connection, store: str, to_store: str, *, random: Random, clock: Clock, lines: int = 3
) -> str:
    """Draft an invoice to another store: the goods are set aside until `finalise` sends them. Gives its key.

    Raises OutOfStockError if the store has nothing available.
    """
    with transaction(connection):
        place = store_key(connection, store)
        (name,) = connection.execute("SELECT name_ID FROM store WHERE code = ?", (to_store,)).fetchone()
        return _take(connection, place, name, lines, random=random, clock=clock)


def finalise(connection: sqlite3.Connection, transact: str, *, random: Random, clock: Clock) -> None:
    """Finalise a draft: an outgoing one takes its goods off the shelf, an incoming one puts them there."""
    with transaction(connection):
        _expect_draft(connection, transact)
        _finalise(connection, transact, random=random, clock=clock)


def delete_draft(connection: sqlite3.Connection, transact: str) -> None:
    """Throw a draft away; its lines go with it, and what it had set aside is available again."""
    with transaction(connection):
        _expect_draft(connection, transact)
        if _kind(connection, transact) == CUSTOMER_INVOICE:
            for item_line, quantity in _lines(connection, transact):
                connection.execute("UPDATE item_line SET available = available + ? WHERE ID = ?", (quantity, item_line))
        # The foreign key takes the lines along.
        connection.execute("DELETE FROM transact WHERE ID = ?", (transact,))


def request_goods(
    connection: sqlite3.Connection,
    store: str,
    from_store: str,
    *,
    random: Random,
    clock: Clock,
    items: Sequence[str] = (),
    lines: int = 3,
) -> str:
    """Ask another store for goods (items by code, else any): a finalised requisition with lines. Gives its key."""
    with transaction(connection):
        place, key, today = store_key(connection, store), new_id(random), day(clock())
        (name,) = connection.execute("SELECT name_ID FROM store WHERE code = ?", (from_store,)).fetchone()
        (last,) = connection.execute(
            "SELECT COALESCE(MAX(serial_number), 0) FROM requisition WHERE store_ID = ?", (place,)
        ).fetchone()
        header = {"ID": key, "name_ID": name, "store_ID": place, "type": "request", "status": FINALISED}
        dates = {"date_entered": today, "finalised_date": today}
        insert(connection, "requisition", **header, serial_number=last + 1, days_to_supply=90, **dates)
        codes = items or random.sample([str(code) for (code,) in connection.execute("SELECT code FROM item")], lines)
        for number, code in enumerate(codes, start=1):
            (item,) = connection.execute("SELECT ID FROM item WHERE code = ?", (code,)).fetchone()
            (on_hand,) = connection.execute(
                "SELECT COALESCE(SUM(quantity), 0) FROM item_line WHERE store_ID = ? AND item_ID = ?", (place, item)
            ).fetchone()
            line = {"ID": new_id(random), "requisition_ID": key, "item_ID": item, "line_number": number}
            asked = random.randint(5, 40)
            insert(connection, "requisition_line", **line, stock_on_hand=on_hand, requested_quantity=asked)
    return key


def edit_item(
    connection: sqlite3.Connection, code: str, *, item_name: str | None = None, sell_price: float | None = None
) -> None:
    """Change an item's name or price. Where items may not be edited, the database refuses it and nothing changes."""
    with transaction(connection):
        changed = connection.execute(
            "UPDATE item SET item_name = COALESCE(?, item_name), default_sell_price = COALESCE(?, default_sell_price)"
            " WHERE code = ?",
            (item_name, sell_price, code),
        )
        if changed.rowcount != 1:
            raise LookupError(f"no item here has the code {code}")


def _any_party(connection: sqlite3.Connection, role: str, random: Random) -> str:
    """The key of any outside supplier or customer; `role` is the column that says so."""
    key = some_key(
        connection, f"SELECT ID FROM name WHERE {role} = 1 AND type = 'facility' ORDER BY code", random=random
    )
    if key is None:
        raise LookupError(f"there is no {role} here yet")
    return key


def _delivered(connection: sqlite3.Connection, store: str, lines: int, *, random: Random, clock: Clock) -> list[Stock]:
    """What a delivery may hold: batches of different items, with an expiry date, each for some shelf."""
    query = "SELECT ID, item_name, default_pack_size, default_cost_price, default_sell_price FROM item ORDER BY code"
    catalogue, shelves = (
        connection.execute(query).fetchall(),
        "SELECT ID FROM location WHERE store_ID = ? ORDER BY code",
    )
    return [
        Stock(
            item=item,
            item_name=item_name,
            batch=f"{random.choice('ABCDEFGHJK')}{random.randint(1000, 99999)}",
            expiry_date=day(clock() + timedelta(days=random.randint(120, 1000))),
            pack_size=pack_size,
            cost_price=cost_price,
            sell_price=sell_price,
            location=some_key(connection, shelves, store, random=random),
        )
        for item, item_name, pack_size, cost_price, sell_price in random.sample(catalogue, min(lines, len(catalogue)))
    ]


def _take(connection: sqlite3.Connection, store: str, name: str, lines: int, *, random: Random, clock: Clock) -> str:
    """Draft an outgoing invoice over some of the store's stock and set the goods aside; gives its key."""
    stocks = some_stock(connection, store, lines, random=random)
    header = add_header(connection, store, name, CUSTOMER_INVOICE, DRAFT, random=random, clock=clock)
    for number, stock in enumerate(stocks, start=1):
        quantity = random.randint(1, max(1, int(stock.available) // 4))
        add_line(connection, header, number, stock, quantity, random=random)
        connection.execute("UPDATE item_line SET available = available - ? WHERE ID = ?", (quantity, stock.item_line))
    return header


def _finalise(connection: sqlite3.Connection, transact: str, *, random: Random, clock: Clock) -> None:
    if _kind(connection, transact) == CUSTOMER_INVOICE:
        for item_line, quantity in _lines(connection, transact):
            connection.execute("UPDATE item_line SET quantity = quantity - ? WHERE ID = ?", (quantity, item_line))
    else:
        _put_on_shelf(connection, transact, random=random)
    today = day(clock())
    connection.execute(
        "UPDATE transact SET status = ?, confirm_date = ?, finalised_date = ? WHERE ID = ?",
        (FINALISED, today, today, transact),
    )


def _put_on_shelf(connection: sqlite3.Connection, transact: str, *, random: Random) -> None:
    """Make stock of the lines of an incoming draft, such as the one that a transfer made at the receiving store."""
    store, name = connection.execute("SELECT store_ID, name_ID FROM transact WHERE ID = ?", (transact,)).fetchone()
    shelf = some_key(connection, "SELECT ID FROM location WHERE store_ID = ? ORDER BY code", store, random=random)
    arrived = connection.execute(
        """SELECT ID, quantity, item_ID, item_name, batch, expiry_date, pack_size, cost_price, sell_price, ?
        FROM trans_line WHERE transaction_ID = ? AND item_line_ID IS NULL ORDER BY line_number""",
        (shelf, transact),
    ).fetchall()
    for line, quantity, *stock in arrived:
        on_shelf = add_stock(connection, store, name, Stock(*stock), quantity, random=random)
        connection.execute(
            "UPDATE trans_line SET item_line_ID = ?, location_ID = ? WHERE ID = ?", (on_shelf, shelf, line)
        )


def _expect_draft(connection: sqlite3.Connection, transact: str) -> None:
    found = connection.execute("SELECT status FROM transact WHERE ID = ?", (transact,)).fetchone()
    if found is None or found[0] != DRAFT:
        raise NotADraftError(f"transaction {transact} is not a draft")


def _kind(connection: sqlite3.Connection, transact: str) -> str:
    (kind,) = connection.execute("SELECT type FROM transact WHERE ID = ?", (transact,)).fetchone()
    return str(kind)


def _lines(connection: sqlite3.Connection, transact: str) -> list[tuple[str, float]]:
    """The stock lines that a transaction's lines name, with their quantities."""
    return connection.execute(
        "SELECT item_line_ID, quantity FROM trans_line WHERE transaction_ID = ?", (transact,)
    ).fetchall()
