"""The store facts, as the guard reads them."""

import json
from typing import Any

from msyncd.databases.handing import renew_hand_overs
from msyncd.databases.interface import Reader, Writer
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import literals, tuples
from msyncd.model import Facts, Row, StoreFact, Value


def renew_facts(facts: Facts, writer: Writer) -> None:
    """Write what differs, and no more: whoever edits a store's records holds its row until the commit (P33)."""
    standing = {str(row[0]): row for row in _standing(writer)}
    for store in sorted(standing.keys() - facts.stores.keys()):
        writer.execute("DELETE FROM msyncd_store WHERE store = ?", (store,))
    for store, fact in sorted(facts.stores.items()):
        row = _row(fact)
        if store not in standing:
            writer.insert("msyncd_store", [dict(zip(_COLUMNS, row, strict=True))])
        elif standing[store] != row:
            writer.put("msyncd_store", {"store": store}, dict(zip(_COLUMNS[1:], row[1:], strict=True)))
    renew_hand_overs(facts, writer)


def write_first_facts(session: Session, facts: Facts) -> None:
    """The facts of a first installation; where there are any, they are the truth."""
    if facts.stores and not session.fetch("SELECT 1 FROM msyncd_store LIMIT 1"):
        rows = tuples([literals(column) for column in zip(*map(_row, facts.stores.values()), strict=True)])
        session.run(f"INSERT INTO msyncd_store ({', '.join(_COLUMNS)}) VALUES {','.join(rows)}")


_COLUMNS = ("store", "code", "active_site", "epoch", "name")


def _row(fact: StoreFact) -> Row:
    return (fact.store, fact.code, fact.edited_at, fact.epoch, written(fact.name))


def _standing(reader: Reader) -> list[Row]:
    rows = reader.execute(f"SELECT {', '.join(_COLUMNS)} FROM msyncd_store")
    return [(*row[:-1], written(row[-1])) for row in rows]


def written(value: Value) -> str:
    """A value of any kind as one column can hold it: {any} in ledger/."""
    return json.dumps({"hex": value.hex()} if isinstance(value, bytes) else value)


def read(text: Value) -> Value:
    """The value that was written."""
    value: Any = json.loads(str(text))
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
