"""Transfers: what one store finalised for another becomes an incoming record there.

    plugins:
      - module: transfers
        settings: {finalised_status: fn}

List it on every site whose stores receive. A customer invoice of store A, made out to the name that stands for store
B, reaches B's site through `also_sent_to`. Once it is finalised, this plugin writes there, in the same transaction, B's
half: a supplier invoice with the same lines, open for B to check and confirm. It is B's own record from then on.

It is made once: its ID is derived from A's, and it is looked up by its link to A's before it is made. Between two
stores of one site nothing travels, so the application makes both halves itself.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from msyncd import Changes, Value, hookimpl
from msyncd.hookspecs import Context, Transaction
from msyncd.model import AppliedBatch

# Any fixed value would do; it must never change, or what was made once would be made again.
NAMESPACE: Final = uuid.UUID("6f0d6a52-54a3-4c1c-9b0e-0a6f8f3c2d11")


class Columns(BaseModel):
    """How the tables call what this plugin reads and writes."""

    id: str = "ID"
    name: str = "name_ID"
    store: str = "store_ID"
    type: str = "type"
    status: str = "status"
    number: str = "invoice_num"
    reference: str = "their_ref"
    date: str = "entry_date"
    link: str = "linked_transaction_ID"
    header: str = "transaction_ID"
    line_type: str = "type"


class Settings(BaseModel):
    """What may be set in the YAML; the defaults are those of an mSupply database."""

    finalised_status: str = "fn"
    outgoing_type: str = "ci"
    incoming_type: str = "si"
    incoming_status: str = "nw"
    transactions: str = "transact"
    lines: str = "trans_line"
    columns: Columns = Columns()
    copied: tuple[str, ...] = ("mode", "currency_ID", "total", "comment")
    copied_in_lines: tuple[str, ...] = (
        "item_ID",
        "item_name",
        "line_number",
        "batch",
        "expiry_date",
        "pack_size",
        "quantity",
        "cost_price",
        "sell_price",
    )
    line_types: dict[str, str] = {"stock_out": "stock_in"}


@hookimpl
def msyncd_applied(transaction: Transaction, batch: AppliedBatch, context: Context) -> None:
    """Make the incoming half of every finalised transfer in the batch to a store that is active here."""
    settings: Settings = context.settings
    stores_here: dict[Value, str] = {
        fact.name: store
        for store, fact in context.stores.items()
        if fact.active_site == context.site and fact.name is not None
    }
    for kind in (batch.new, batch.changed):
        for sender, receiver in _transfers(kind.get(settings.transactions), stores_here, settings):
            _receive(transaction, context, sender, receiver)


def _transfers(
    changes: Changes | None, stores_here: Mapping[Value, str], settings: Settings
) -> Iterator[tuple[Value, str]]:
    """The ID of each finalised transfer, and the store here that is to receive it."""
    if changes is None or not stores_here:
        return
    columns = settings.columns
    wanted = (settings.outgoing_type, settings.finalised_status)
    facts = zip(*(changes.column(name) for name in (columns.type, columns.status)), strict=True)
    rows = zip(facts, changes.column(columns.id), changes.column(columns.name), changes.stores, strict=True)
    for fact, sender, name, store in rows:
        receiver = stores_here.get(name)
        if fact == wanted and receiver is not None and receiver != store:
            yield sender, receiver


def _receive(transaction: Transaction, context: Context, sender: Value, receiver: str) -> None:
    """Write the incoming record and its lines, unless they are there already."""
    settings: Settings = context.settings
    columns = settings.columns
    transactions = transaction.db[settings.transactions]
    if transactions.find_one(**{columns.link: sender, columns.store: receiver}) is not None:
        return
    sent = transactions.find_one(**{columns.id: sender})
    if sent is None:  # it went again within the same batch
        return
    own_id = _derived(sender)
    with transaction.as_application():
        transactions.insert(_header(transaction, context, sent, own_id, receiver))
        lines = transaction.db[settings.lines]
        of_sender: dict[str, Any] = {columns.header: sender}
        for line in list(lines.find(**of_sender)):
            lines.insert(_line(settings, line, own_id))
    context.log.info("transfer received", transaction=own_id, sent_as=sender, store=receiver)


def _header(
    transaction: Transaction, context: Context, sent: Mapping[str, Any], own_id: str, receiver: str
) -> dict[str, Any]:
    """The incoming record: from the sender's name, with a number of the receiving store."""
    settings: Settings = context.settings
    columns = settings.columns
    reference = " / ".join(str(part) for part in (sent[columns.number], sent[columns.reference]) if part)
    return {
        **{name: sent[name] for name in settings.copied},
        columns.id: own_id,
        columns.name: context.stores[sent[columns.store]].name,
        columns.store: receiver,
        columns.type: settings.incoming_type,
        columns.status: settings.incoming_status,
        columns.number: _next_number(transaction, settings, receiver),
        columns.reference: reference,
        columns.date: sent[columns.date],
        columns.link: sent[columns.id],
    }


def _next_number(transaction: Transaction, settings: Settings, store: str) -> int:
    """Each store counts each type of transaction by itself."""
    columns = settings.columns
    of_store = {columns.store: store, columns.type: settings.incoming_type}
    last = transaction.db[settings.transactions].find_one(order_by=f"-{columns.number}", **of_store)
    return int(last[columns.number]) + 1 if last is not None else 1


def _line(settings: Settings, sent: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    """An incoming line. Neither the sender's stock line nor its shelf is meant here, so they are left empty."""
    columns = settings.columns
    line_type = sent[columns.line_type]
    return {
        **{name: sent[name] for name in settings.copied_in_lines},
        columns.id: _derived(sent[columns.id]),
        columns.header: own_id,
        columns.line_type: settings.line_types.get(line_type, line_type),
    }


def _derived(sender: Value) -> str:
    """The ID of the half that belongs to the receiver: always the same for the same record of the sender."""
    return uuid.uuid5(NAMESPACE, str(sender)).hex.upper()
