"""The primary accepts a batch: in one transaction the receipt is compared, rows applied, the receipt moved (P14)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.errors import CloneRefused, FactsChanged, MessageInvalid, PeerRefused
from msyncd.flow import asking
from msyncd.flow.conversation import Batch, Push, PushReply
from msyncd.flow.here import Here
from msyncd.flow.inbound import take_in
from msyncd.flow.ledger import aside, bundles, meta, receipts, refusals, sites, staged
from msyncd.flow.ledger.receipts import Receipt
from msyncd.flow.ledger.sites import Known
from msyncd.flow.log import log_rows
from msyncd.flow.outcome import Outcome
from msyncd.flow.receive import received, records_of
from msyncd.flow.replacing import refuse_replaced
from msyncd.flow.settle import quarantine_waiting
from msyncd.model import AppliedBatch, Refusal, Row

Accepted = tuple[PushReply, list[AppliedBatch], list[Refusal]]
"""The reply, and what hooks are told once it is committed."""


class Message(Protocol):
    """What every message says of its sender: which database on which machine. "" for the machine: it does not tell."""

    @property
    def database_id(self) -> str: ...
    @property
    def generation(self) -> int: ...
    @property
    def installation_id(self) -> str: ...


def accept(writer: Writer, here: Here, site: int, push: Push) -> Accepted:
    """Take in a batch, exactly once. Raises FactsChanged, CloneRefused, MessageInvalid, NeedsMoreError, TryLater."""
    batch = push.batch
    _refuse_malformed(batch)
    known = speaker(writer, here, site, push, batch.facts_number)
    asking.refuse_meanwhile(writer, site)
    receipt = receipts.receipt_of(writer, site, push.database_id, push.generation)
    assert receipt is not None, "a hello came first"
    if push.heard > known.heard:
        refusals.forget(writer, site, push.heard)
        sites.note(writer, site, heard=push.heard)
    if batch.after != receipt.cursor:
        return PushReply(False, receipt.cursor, receipt.mark, refusals.unheard(writer, site, push.heard)), [], []
    whole = staged.collect(writer, site, batch)
    if whole is None:
        return PushReply(False, receipt.cursor, receipt.mark), [], []
    if push.bundles:
        bundles.vouch(writer, site, push.bundles)
    return take_batch(writer, here, known, msgspec.structs.replace(push, batch=whole), batch.mark)


def _refuse_malformed(batch: Batch) -> None:
    """A batch goes on in its sender's log: one that did not would be applied again, or move the receipt back."""
    if batch.upto < batch.after or (len(batch) and batch.upto == batch.after):
        raise MessageInvalid("a batch ends where it begins, or before", hint="`to` lies behind `from`")
    if not 1 <= batch.part <= batch.parts <= staged.MOST_PARTS:
        raise MessageInvalid(f"part {batch.part} of {batch.parts}", hint="they are counted from 1")


def take_batch(writer: Writer, here: Here, known: Known, push: Push, mark: str) -> Accepted:
    """Apply a whole batch that goes on where the receipt ends, and move the receipt. `mark` is what it then shows."""
    site, batch = known.sync_id, push.batch
    check_epochs(here, batch)
    if any(one.leaves for one in batch.types):  # P11; and no rule is asked about them
        raise MessageInvalid("a satellite's batch says what leaves", hint="only the primary does")
    work = received(here.types, batch.types, site, known.stopped or {})
    outcome, told = take_in(writer, here, work, site, batch.mark, asked_for=records_of(here.types, push.included))
    if not batch.more:
        quarantine_waiting(writer, site, outcome)
    receipts.put_receipt(writer, Receipt(site, push.database_id, push.generation, batch.upto, mark))
    refused = _refuse(writer, here, site, outcome)
    sites.note(writer, site, last_success=here.now())
    reply = PushReply(
        True,
        batch.upto,
        mark,
        refusals.unheard(writer, site, push.heard),
        waiting=aside.count_waiting(writer, site),
        facts_number=here.facts.number,
    )
    return reply, told, refused


def speaker(reader: Reader, here: Here, site: int, message: Message, facts_number: int) -> Known:
    """The site as it is registered, checked under the lock of this very transaction (P31, P32, P35)."""
    known = sites.known(reader, site)
    told = message.installation_id
    registered = (known.database_id, known.generation) == (message.database_id, message.generation)
    if not registered or told != known.installation_id:
        # a token outlives a replacement: whoever bears it is known by its database and its machine
        refuse_replaced(reader, known, message.database_id, told)
    if known.database_id is None:
        raise FactsChanged(f"site {site} has not said hello here", hint="say hello again")
    if not registered or told not in ("", known.installation_id):
        raise CloneRefused(f"another database syncs as site {site} now", hint="say hello again")
    number = int(meta.get(reader, "facts_number") or 0)
    if number != here.facts.number or facts_number != number:
        raise FactsChanged("the stores or sites have changed", hint="say hello again")
    if site not in here.facts.sites:
        raise PeerRefused(f"site {site} is no longer in the primary's sync_with", hint="add it there again")
    return known


def check_epochs(here: Here, batch: Batch) -> None:
    """Raises FactsChanged if a store of the batch has been handed over since it was made (P32)."""
    for store, epoch in batch.epochs.items():
        if here.facts.epoch(store) != epoch:
            raise FactsChanged(f"store {here.facts.code(store)} is at another epoch", hint="say hello again")


def _refuse(writer: Writer, here: Here, site: int, outcome: Outcome) -> list[Refusal]:
    """Note the refusals for the site; put back there what it may not edit (P20)."""
    refused = outcome.refusals()
    refusals.add(writer, site, refused)
    for name in here.types.order:
        _put_back(writer, here, site, name, [r.key for r in refused if r.record_type == name and not r.may_edit])
    return refused


def _put_back(writer: Writer, here: Here, site: int, name: str, keys: Sequence[Row]) -> None:
    record_type = here.types.types[name]
    stand = writer.rows(record_type, keys) if keys else {}
    log_rows(writer, here, record_type, [key for key in keys if key in stand], only_site=site)
