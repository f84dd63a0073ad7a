"""A stocktake: count some shelves, and adjust the stock to what was counted."""

import sqlite3
from collections.abc import Sequence
from random import Random

from msyncd.commands.demo.central import ADJUSTMENTS_CODE
from msyncd.commands.demo.database import Clock, day, insert, name_key, new_id, store_key, transaction
from msyncd.commands.demo.invoices import (
    FINALISED,
    SUPPLIER_CREDIT,
    SUPPLIER_INVOICE,
    Stock,
    add_header,
    add_line,
    some_key,
    some_stock,
)

_REASON = "SELECT ID FROM options WHERE type = 'stocktake' ORDER BY title"

Counted = tuple[Stock, int]
"""A batch, and by how many packs the count differs from the books."""


def stocktake(connection: sqlite3.Connection, store: str, *, random: Random, clock: Clock, lines: int = 8) -> str:
    """Count up to `lines` batches of the store (by its code) and finalise the differences; gives the stocktake's key.

    What was found too much is added by a supplier invoice and what is missing taken by a supplier credit, both in the
    name of inventory adjustments. Raises OutOfStockError if there is nothing to count.
    """
    with transaction(connection):
        place = store_key(connection, store)
        # At most what is available goes missing: what drafts have spoken for is still there to be sent.
        counted = [
            (stock, random.randint(-min(3, int(stock.available)), 3))
            for stock in some_stock(connection, place, lines, random=random)
        ]
        key = _add_stocktake(connection, place, random=random, clock=clock)
        for number, (stock, difference) in enumerate(counted, start=1):
            _add_count(connection, key, number, stock, difference, random=random)
        more = [(stock, difference) for stock, difference in counted if difference > 0]
        fewer = [(stock, difference) for stock, difference in counted if difference < 0]
        additions = _adjust(connection, place, SUPPLIER_INVOICE, more, random=random, clock=clock)
        reductions = _adjust(connection, place, SUPPLIER_CREDIT, fewer, random=random, clock=clock)
        connection.execute(
            "UPDATE stock_take SET status = ?, invad_additions_ID = ?, invad_reductions_ID = ? WHERE ID = ?",
            (FINALISED, additions, reductions, key),
        )
    return key


def _add_stocktake(connection: sqlite3.Connection, store: str, *, random: Random, clock: Clock) -> str:
    key = new_id(random)
    (last,) = connection.execute(
        "SELECT COALESCE(MAX(serial_number), 0) FROM stock_take WHERE store_ID = ?", (store,)
    ).fetchone()
    insert(
        connection,
        "stock_take",
        ID=key,
        store_ID=store,
        serial_number=last + 1,
        description=f"Stocktake {last + 1}",
        status="sg",
        stock_take_date=day(clock()),
    )
    return key


def _add_count(
    connection: sqlite3.Connection, stock_take: str, number: int, stock: Stock, difference: int, *, random: Random
) -> None:
    (on_the_books,) = connection.execute("SELECT quantity FROM item_line WHERE ID = ?", (stock.item_line,)).fetchone()
    insert(
        connection,
        "stock_take_lines",
        ID=new_id(random),
        stock_take_ID=stock_take,
        item_ID=stock.item,
        item_line_ID=stock.item_line,
        line_number=number,
        snapshot_qty=on_the_books,
        stock_take_qty=on_the_books + difference,
        pack_size=stock.pack_size,
        batch=stock.batch,
        expiry_date=stock.expiry_date,
        option_ID=some_key(connection, _REASON, random=random) if difference else None,
    )


def _adjust(
    connection: sqlite3.Connection, store: str, kind: str, counted: Sequence[Counted], *, random: Random, clock: Clock
) -> str | None:
    """Enter the differences as one finalised transaction; None if there are none."""
    if not counted:
        return None
    adjustments = name_key(connection, ADJUSTMENTS_CODE)
    header = add_header(connection, store, adjustments, kind, FINALISED, random=random, clock=clock)
    for number, (stock, difference) in enumerate(counted, start=1):
        add_line(connection, header, number, stock, abs(difference), random=random)
        connection.execute(
            "UPDATE item_line SET quantity = quantity + ?, available = available + ? WHERE ID = ?",
            (difference, difference, stock.item_line),
        )
    return header
