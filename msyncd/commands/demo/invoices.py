"""Invoices as the application writes them: a header, its lines, and the stock that the lines took or made."""

import sqlite3
from dataclasses import dataclass
from random import Random
from typing import Final

from msyncd.commands.demo.database import Clock, day, insert, new_id, second_of_day

SUPPLIER_INVOICE: Final = "si"
SUPPLIER_CREDIT: Final = "sc"
CUSTOMER_INVOICE: Final = "ci"
DRAFT: Final = "nw"
FINALISED: Final = "fn"


class OutOfStockError(LookupError):
    """The store has nothing left that a draft has not spoken for."""


@dataclass(frozen=True, slots=True)
class Stock:
    """One batch of one item; `item_line` is the key of the stock itself, None where it is not on a shelf yet."""

    item: str
    item_name: str
    batch: str | None
    expiry_date: str | None
    pack_size: float
    cost_price: float
    sell_price: float
    location: str | None
    item_line: str | None = None
    available: float = 0


_STOCK_COLUMNS: Final = """item_line.item_ID, item.item_name, item_line.batch, item_line.expiry_date,
    item_line.pack_size, item_line.cost_price, item_line.sell_price, item_line.location_ID,
    item_line.ID, item_line.available"""


def add_header(
    connection: sqlite3.Connection,
    store: str,
    name: str,
    kind: str,
    status: str,
    *,
    random: Random,
    clock: Clock,
    **more: object,
) -> str:
    """Begin an invoice of this kind, numbered by its store; gives its key."""
    key, now = new_id(random), clock()
    (last,) = connection.execute(
        "SELECT COALESCE(MAX(invoice_num), 0) FROM transact WHERE store_ID = ? AND type = ?", (store, kind)
    ).fetchone()
    dates = {"confirm_date": day(now), "finalised_date": day(now)} if status == FINALISED else {}
    insert(
        connection,
        "transact",
        ID=key,
        name_ID=name,
        store_ID=store,
        type=kind,
        status=status,
        invoice_num=last + 1,
        entry_date=day(now),
        entry_time=second_of_day(now),
        **dates,
        **more,
    )
    return key


def add_line(
    connection: sqlite3.Connection, transact: str, number: int, stock: Stock, quantity: float, *, random: Random
) -> str:
    """Add a line to an invoice, and its worth to the total; the stock itself is the caller's. Gives the line's key."""
    key = new_id(random)
    (kind,) = connection.execute("SELECT type FROM transact WHERE ID = ?", (transact,)).fetchone()
    goes_in = kind == SUPPLIER_INVOICE
    insert(
        connection,
        "trans_line",
        ID=key,
        transaction_ID=transact,
        item_ID=stock.item,
        item_line_ID=stock.item_line,
        line_number=number,
        type="stock_in" if goes_in else "stock_out",
        item_name=stock.item_name,
        batch=stock.batch,
        expiry_date=stock.expiry_date,
        pack_size=stock.pack_size,
        quantity=quantity,
        cost_price=stock.cost_price,
        sell_price=stock.sell_price,
        location_ID=stock.location,
    )
    worth = quantity * (stock.cost_price if goes_in else stock.sell_price)
    connection.execute("UPDATE transact SET total = ROUND(total + ?, 2) WHERE ID = ?", (worth, transact))
    return key


def add_stock(
    connection: sqlite3.Connection, store: str, supplier: str, stock: Stock, quantity: float, *, random: Random
) -> str:
    """Put a new batch on the shelf; gives the key of its stock line."""
    key = new_id(random)
    insert(
        connection,
        "item_line",
        ID=key,
        item_ID=stock.item,
        store_ID=store,
        name_ID=supplier,
        location_ID=stock.location,
        batch=stock.batch,
        expiry_date=stock.expiry_date,
        pack_size=stock.pack_size,
        quantity=quantity,
        available=quantity,
        cost_price=stock.cost_price,
        sell_price=stock.sell_price,
    )
    return key


def some_stock(connection: sqlite3.Connection, store: str, count: int, *, random: Random) -> list[Stock]:
    """Up to `count` batches of the store that still have something available, picked at random."""
    # A random place in the order of the keys and on from there, around the end: no count and no scan of a large table.
    # The + keeps SQLite from sorting all of the store's stock for it.
    query = f"""SELECT {_STOCK_COLUMNS} FROM item_line JOIN item ON item.ID = item_line.item_ID
        WHERE +item_line.store_ID = ? AND item_line.available >= 1 AND item_line.ID {{}} ?
        ORDER BY item_line.ID LIMIT ?"""
    start = new_id(random)
    found = connection.execute(query.format(">="), (store, start, count)).fetchall()
    found += connection.execute(query.format("<"), (store, start, count - len(found))).fetchall()
    if not found:
        raise OutOfStockError(f"store {store} has no stock available")
    return [Stock(*row) for row in found]


def some_key(connection: sqlite3.Connection, query: str, *values: object, random: Random) -> str | None:
    """One of the keys that a short query finds, picked at random; None if it finds none."""
    keys = [str(key) for (key,) in connection.execute(query, values)]
    return random.choice(keys) if keys else None
