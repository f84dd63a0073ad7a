"""The store facts that the guard reads. Only what has changed is written: the application's writes lock the rest."""

import json

from msyncd.databases.handing import renew_hand_overs
from msyncd.databases.interface import Writer
from msyncd.model import Facts, Row

_COLUMNS = "store, code, active_site, epoch, name"


def renew_facts(facts: Facts, writer: Writer) -> None:
    """Bring msyncd_store to these facts. It waits for transactions that have written a store's records (P33)."""
    there = {row[0]: row for row in writer.execute(f"SELECT {_COLUMNS} FROM msyncd_store")}
    wanted: dict[str, Row] = {
        one.store: (one.store, one.code, one.edited_at, one.epoch, one.name) for one in facts.stores.values()
    }
    for store in there.keys() - wanted.keys():
        writer.execute("DELETE FROM msyncd_store WHERE store = ?", (store,))
    for store, row in wanted.items():
        if there.get(store) == row:
            continue
        _, code, active_site, epoch, name = row
        values = {"code": code, "active_site": active_site, "epoch": epoch}
        writer.put("msyncd_store", {"store": store}, values | {"name": None if name is None else json.dumps(name)})
    renew_hand_overs(facts, writer)
