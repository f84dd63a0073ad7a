"""What a finalised transfer becomes at the other store, by the rule that the plugin `transfers` documents.

The rule is said a second time here, so that the demo can tell what should be there without looking.
"""

import uuid
from collections.abc import Iterable
from typing import Final

from msyncd.commands.demo.invoices import CUSTOMER_INVOICE, DRAFT, FINALISED, SUPPLIER_INVOICE
from msyncd.commands.demo.witness import Record, Scalar

FINALISED_INVOICE: Final = (CUSTOMER_INVOICE, FINALISED)

_NAMESPACE: Final = uuid.UUID("6f0d6a52-54a3-4c1c-9b0e-0a6f8f3c2d11")  # the plugin's; it never changes
_COPIED: Final = frozenset({"mode", "currency_ID", "total", "comment", "entry_date"})
_COPIED_IN_LINES: Final = frozenset(
    {"item_ID", "item_name", "line_number", "batch", "expiry_date", "pack_size", "quantity", "cost_price", "sell_price"}
)


class OwnNumber(int):
    """The number that the receiving store gave: the next of its own, which the sender cannot know. Equals any."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other >= 1

    def __hash__(self) -> int:
        return 0


def receiving_half(
    sent: Record, lines: Iterable[Record], *, sender_name: Scalar, receiver: Scalar
) -> tuple[Record, list[Record]]:
    """The header and the lines that stand at the receiving store for what was sent, before anybody touches them."""
    own = _derived(sent["ID"])
    header = {column: value if column in _COPIED else None for column, value in sent.items()}
    header |= {
        "ID": own,
        "name_ID": sender_name,
        "store_ID": receiver,
        "type": SUPPLIER_INVOICE,
        "status": DRAFT,
        "invoice_num": OwnNumber(),
        "entry_time": 0,
        "their_ref": " / ".join(str(part) for part in (sent["invoice_num"], sent["their_ref"]) if part),
        "linked_transaction_ID": sent["ID"],
    }
    return header, [_line(line, own) for line in lines]


def _line(sent: Record, own: str) -> Record:
    """Neither the sender's stock nor its shelf is meant at the receiving store."""
    line = {column: value if column in _COPIED_IN_LINES else None for column, value in sent.items()}
    kind = "stock_in" if sent["type"] == "stock_out" else sent["type"]
    return line | {"ID": _derived(sent["ID"]), "transaction_ID": own, "type": kind}


def _derived(sent: Scalar) -> str:
    return uuid.uuid5(_NAMESPACE, str(sent)).hex.upper()
