"""What each site should hold: computed from what the application wrote, never from what stands at another site.

The rules of the sample record types are said here a second time, on purpose in other words than msyncd's own: who
receives what, which references are cleared where, and what a finalised transfer becomes at the other store.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msyncd.commands.demo.country import Place
from msyncd.commands.demo.halves import FINALISED_INVOICE, OwnNumber, receiving_half
from msyncd.commands.demo.witness import Record, Scalar, Written

EVERYWHERE: Final = frozenset(
    {
        "unit",
        "currency",
        "location_type",
        "options",
        "item_category",
        "name_tag",
        "period_schedule",
        "period",
        "ship_method",
        "diagnosis",
        "abbreviation",
        "item",
        "barcode",
        "item_direction",
        "name",
        "name_tag_join",
        "list_master",
        "list_master_line",
        "list_master_name_join",
        "store",
    }
)
"""Central data: on every site."""

BY_STORE: Final = {
    **dict.fromkeys(
        (
            "pref",
            "name_store_join",
            "item_store_join",
            "location",
            "item_line",
            "transact",
            "requisition",
            "purchase_order",
            "goods_received_line",
            "stock_take",
            "location_movement",
            "temperature_breach",
            "temperature_log",
            "activity_log",
        ),
        "store_ID",
    ),
    "sensor": "storeID",
}
"""Records of a store, and the column that says of which: on every site that holds the store."""

BY_HEADER: Final = {
    "trans_line": ("transact", "transaction_ID"),
    "requisition_line": ("requisition", "requisition_ID"),
    "purchase_order_line": ("purchase_order", "purchase_order_ID"),
    "stock_take_lines": ("stock_take", "stock_take_ID"),
}
"""Lines: wherever their header is."""

TO_OTHER_PARTY: Final = {"transact": "name_ID", "requisition": "name_ID"}
"""Also where the store is active for which this name stands, if it stands for one; its copies are not meant."""

CLEARED: Final = {
    "trans_line": {"item_line_ID": "item_line", "location_ID": "location"},
    "transact": {"requisition_ID": "requisition"},
}
"""References that are empty where what they refer to is not held."""

Key = Scalar
Held = Mapping[str, Mapping[Key, tuple[Scalar, ...]]]
"""For each record type its rows by their key."""


class Expected:
    """The one true version of every record, and the sites that are to hold it."""

    def __init__(self, places: Sequence[Place], columns: Mapping[str, tuple[str, ...]]) -> None:
        self._places = places
        self._columns = columns
        self._records: dict[str, dict[Key, Record]] = {name: {} for name in columns}
        self._known: dict[int, Held] = {}

    @property
    def record_types(self) -> tuple[str, ...]:
        """Every record type, in the order in which the tables were made: parents first."""
        return tuple(self._columns)

    def note(self, written: Iterable[Written]) -> None:
        """Take down what the application wrote at any site, and what follows from it elsewhere."""
        invoices = []
        for one in written:
            self._take_down(one)
            if one.record_type == "transact" and one.after is not None:
                invoices.append(one.after["ID"])
        for key in invoices:
            self._receive_at_other_store(key)
        self._known.clear()

    def at(self, place: Place) -> Held:
        """Every row that this site should hold."""
        known = self._known.get(place.sync_id)
        if known is None:
            known = self._known[place.sync_id] = self._computed(place)
        return known

    def _take_down(self, one: Written) -> None:
        records = self._records[one.record_type]
        if one.before is not None and (one.after is None or one.after["ID"] != one.before["ID"]):
            records.pop(one.before["ID"], None)
        if one.after is None:
            return
        record = records.setdefault(one.after["ID"], {})
        for column, value in one.after.items():
            # only what the application itself changed: what else stands in the row is held to what should stand there
            changed = one.before is None or one.before[column] != value
            if changed or column not in record or isinstance(record[column], OwnNumber):
                record[column] = value

    def _receive_at_other_store(self, key: Key) -> None:
        """The half of a finalised transfer that the plugin makes where the other store is active."""
        sent = self._records["transact"].get(key)
        if sent is None or (sent["type"], sent["status"]) != FINALISED_INVOICE:
            return
        receiver, sender = self._store_of_name(sent["name_ID"]), self._records["store"][sent["store_ID"]]
        if receiver is None or receiver is sender:
            return
        lines = [line for line in self._records["trans_line"].values() if line["transaction_ID"] == key]
        header, received = receiving_half(sent, lines, sender_name=sender["name_ID"], receiver=receiver["ID"])
        if header["ID"] in self._records["transact"]:  # it is made once, and is the receiver's own from then on
            return
        self._records["transact"][header["ID"]] = header
        self._records["trans_line"].update({line["ID"]: line for line in received})

    def _store_of_name(self, name: Scalar) -> Record | None:
        return next((store for store in self._records["store"].values() if store["name_ID"] == name), None)

    def _computed(self, place: Place) -> Held:
        """Headers come before their lines, and what is referred to before what refers, in the order of the tables."""
        codes = {key: str(store["code"]) for key, store in self._records["store"].items()}
        of_name = {store["name_ID"]: codes[key] for key, store in self._records["store"].items()}
        stores = frozenset(key for key, code in codes.items() if place.holds(code))
        names = frozenset(name for name, code in of_name.items() if code == place.store)
        held: dict[str, dict[Key, tuple[Scalar, ...]]] = {}
        for record_type in self._columns:
            keys = [
                key for key, one in self._records[record_type].items() if _is_for(record_type, one, stores, names, held)
            ]
            held[record_type] = {key: self._row(record_type, self._records[record_type][key], held) for key in keys}
        return held

    def _row(self, record_type: str, record: Record, held: Held) -> tuple[Scalar, ...]:
        cleared = CLEARED.get(record_type, {})
        return tuple(
            None if column in cleared and record[column] not in held[cleared[column]] else record[column]
            for column in self._columns[record_type]
        )


def _is_for(record_type: str, record: Record, stores: frozenset[Scalar], names: frozenset[Scalar], held: Held) -> bool:
    """Whether a site is to hold the record: one that holds these stores, where the stores of these names are active."""
    if record_type in EVERYWHERE:
        return True
    if record_type in BY_HEADER:
        header, column = BY_HEADER[record_type]
        return record[column] in held[header]
    to_other_party = record_type in TO_OTHER_PARTY and record[TO_OTHER_PARTY[record_type]] in names
    return record[BY_STORE[record_type]] in stores or to_other_party
