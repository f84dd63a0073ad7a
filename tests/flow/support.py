"""A small stock application for the flow's tests: items and names are central, stock and invoices belong to a store."""

import os
from pathlib import Path
from typing import Any

from msyncd.model import Row
from msyncd.testing import Connection, OneSite, Sites
from tests.flow.pairs import current

SCHEMA = """
CREATE TABLE item (id TEXT PRIMARY KEY, code TEXT UNIQUE, name TEXT NOT NULL);
CREATE TABLE name (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE store (id TEXT PRIMARY KEY, code TEXT NOT NULL, name_id TEXT REFERENCES name);
CREATE TABLE patient (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE stock (
    id TEXT PRIMARY KEY, store_id TEXT NOT NULL, item_id TEXT NOT NULL REFERENCES item,
    barcode TEXT UNIQUE, quantity INTEGER CHECK (quantity >= 0), note TEXT
);
CREATE TABLE invoice (
    id TEXT PRIMARY KEY, store_id TEXT NOT NULL, name_id TEXT REFERENCES name, status TEXT,
    original_id TEXT REFERENCES invoice
);
CREATE TABLE line (
    id TEXT PRIMARY KEY, invoice_id TEXT NOT NULL REFERENCES invoice ON DELETE CASCADE,
    item_id TEXT NOT NULL REFERENCES item, stock_id TEXT REFERENCES stock, quantity INTEGER
);
"""

TYPES = """
stores: {table: store, key: id, code: code, name: name_id}
record_types:
  item: {table: item, edited_on: primary, sent_to: every_site}
  name: {table: name, edited_on: primary, sent_to: every_site}
  store: {table: store, edited_on: primary, sent_to: every_site}
  patient: {table: patient, edited_on: any_site, sent_to: every_site}
  stock:
    {table: stock, edited_on: active_site, sent_to: sites_of_store, store: store_id, columns: {exclude: [note]}}
  invoice:
    table: invoice
    edited_on: active_site
    sent_to: sites_of_store
    store: store_id
    also_sent_to: {store_of_name: name_id}
  line:
    table: line
    edited_on: active_site
    sent_to: sites_of_store
    store: {through: invoice_id, of: invoice}
    when_missing: {stock_id: clear}
"""

STOCK_COLUMNS = "id, store_id, item_id, barcode, quantity"
STORES = ("CMS", "BUM", "KAL", "KDI")
ACTIVE: dict[int, list[str]] = {1: ["CMS"], 2: ["BUM"], 3: ["KAL", "KDI"]}


def stock_sites(folder: Path, **more: Any) -> Sites:
    """A primary (CMS), a satellite (BUM) and another (KAL, KDI), with stores, their names, and two items, all level.

    A store's value is "s-" and its code, the name that stands for it "n-" and its code.
    """
    more.setdefault("copies_of", {1: "all"})
    more.setdefault("active_stores", ACTIVE)
    stores = [code for codes in more["active_stores"].values() for code in codes]
    values = ", ".join(f"('s-{code}', '{code}', 'n-{code}')" for code in stores)
    names = ", ".join(f"('n-{code}', 'store {code}')" for code in stores)
    more.setdefault("schema", SCHEMA)
    more.setdefault("record_types", TYPES)
    joined = more.pop("joined", True)
    sites = sites_on_pair(folder, joined=False, **more)
    primary = sites.primary
    primary.write("INSERT INTO name VALUES ('n-x', 'a supplier'), " + names)
    primary.write("INSERT INTO store VALUES " + values)
    primary.write("INSERT INTO item VALUES ('i-1', 'AMO', 'amoxicillin'), ('i-2', 'PAR', 'paracetamol')")
    primary.reload()  # the stores are there now, so their codes mean their values
    if joined:
        sites.sync()
    return sites


def sites_on_pair(folder: Path, **more: Any) -> Sites:
    """Sites on the databases on which the test runs (see pairs.py)."""
    pair = current.get()
    if pair is not None:
        sync_ids = {1, *more.get("active_stores", ()), *more.get("copies_of", ())}
        more["databases"] = pair.urls(sorted(sync_ids), folder)
        more["schema"] = pair.schemas(more["schema"], sync_ids)
    return Sites(folder=folder, **more)


def put(connection: Connection, table: str, columns: str, row: Row, *, only: str = "") -> None:
    """Write a record whether it stands or not, in SQL that every database takes. `columns` begin with the key.

    Of one that stands, `only` these columns are written.
    """
    names = columns.split(", ")
    changed = only.split(", ") if only else names[1:]
    if connection.execute(f"SELECT 1 FROM {table} WHERE {names[0]} = ?", row[:1]):
        sets = ", ".join(f"{name} = ?" for name in changed)
        values = [row[names.index(name)] for name in changed]
        connection.execute(f"UPDATE {table} SET {sets} WHERE {names[0]} = ?", (*values, row[0]))
    else:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)


def stock(
    site: OneSite, key: str, store: str, quantity: int = 1, item: str = "i-1", barcode: str | None = None
) -> None:
    """Write a line of stock as the application does."""
    put(site.connection, "stock", STOCK_COLUMNS, (key, f"s-{store}", item, barcode, quantity))


def invoice(site: OneSite, key: str, store: str, lines: int = 2, name: str | None = "n-x") -> None:
    """Write an invoice with lines in one transaction."""
    with site.transaction():
        site.write(
            "INSERT INTO invoice (id, store_id, name_id, status) VALUES (?, ?, ?, 'new')", key, f"s-{store}", name
        )
        site.connection.executemany(
            "INSERT INTO line (id, invoice_id, item_id, quantity) VALUES (?, ?, 'i-1', ?)",
            [(f"{key}-{number}", key, number) for number in range(lines)],
        )


def keys(site: OneSite, table: str) -> list[object]:
    """The keys that a site holds of a table."""
    return [row[0] for row in site.rows(table, "id")]


def logged(site: OneSite) -> list[Row]:
    """The change log: sequence, type number, operation, origin."""
    return site.rows("msyncd_change_log", "seq, type, operation, origin")


def swift_folder() -> Path | None:
    """A folder in memory, where there is one: a property test makes hundreds of databases."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None
