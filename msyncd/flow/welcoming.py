"""A satellite takes in the primary's welcome, whether it came by line or in a bundle."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from msyncd.databases.interface import Writer
from msyncd.errors import RestoredBackup
from msyncd.flow import restoring
from msyncd.flow.advancing import tell_moved
from msyncd.flow.conversation import Pull, PullReply, Welcome
from msyncd.flow.facts import read_facts, write_facts
from msyncd.flow.handover import moves
from msyncd.flow.hearing import hear
from msyncd.flow.here import Here
from msyncd.flow.joining import Meeting, join, joined_anew
from msyncd.flow.ledger import bundles, marks, meta, owed, receipts, sites
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.flow.link import Link, heard_facts, stopped_between
from msyncd.model import PRIMARY, START, Facts

RENEWED = "renewed"
"""In msyncd_meta of a satellite: the last asking of its restored primary since which it has begun anew there."""


@dataclass(frozen=True, slots=True)
class Heard:
    """This site with the facts that it heard, what was agreed, and what is still to be done before anything moves.

    `taking_back`: this database was restored. `joins`: the two have not met yet; `anew`: they did, and others have had
    this site's place since.
    """

    here: Here
    link: Link
    welcome: Welcome
    taking_back: bool
    joins: bool
    anew: int


def hear_welcome(here: Here, welcome: Welcome, *, by_bundle: bool = False) -> Heard:
    """Note what a welcome says. One that comes by a bundle may be older than what is known here: that then stands.

    Raises RestoredBackup.
    """
    stopped = stopped_between(here.types, welcome.record_types, peer=PRIMARY)
    facts = heard_facts(welcome.facts_number, welcome.stores, welcome.sites)
    with here.database.write() as writer:
        known = sites.known(writer, PRIMARY)
        if by_bundle and int(meta.get(writer, "facts_number") or 0) > facts.number:
            facts = read_facts(writer)
        _begin_anew(writer, welcome)
        older = by_bundle and welcome.pushed < known.confirmed
        if not older:
            _recognise(writer, welcome, known)
        _hear_facts(writer, here, facts)
        _pay_schema(writer, here, [name for name in known.stopped or {} if name not in stopped])
        sites.note(
            writer,
            PRIMARY,
            name=welcome.primary_name,
            database_id=welcome.database_id,
            generation=welcome.generation,
            version=welcome.version,
            public_key=known.public_key or welcome.public_key or None,
            record_types=msgspec.json.encode(dict(stopped)).decode(),
            problem="; ".join(welcome.problems) or None,
            last_contact=here.now(),
        )
        if not older:
            if welcome.pushed_mark:
                marks.confirm(writer, PRIMARY, welcome.pushed_mark)
            sites.note_confirmed(writer, PRIMARY, welcome.pushed)
        hear(writer, here, welcome.refusals)
        anew = welcome.anew if welcome.anew > joined_anew(writer) and known.joined else 0
        taking_back = restoring.is_taking_back(writer)
    now = replace(here, facts=facts)
    if here.facts.number:
        tell_moved(now, moves(here.facts, facts))
    link = Link(stopped, {one.name: one for one in welcome.record_types}, welcome.problems)
    return Heard(now, link, welcome, taking_back, not known.joined, anew)


def hear_facts_of(here: Here, welcome: Welcome) -> tuple[Here, Link]:
    """The facts of a restored primary that asks, and the record types as it speaks them; nothing else counts yet."""
    stopped = stopped_between(here.types, welcome.record_types, peer=PRIMARY)
    facts = heard_facts(welcome.facts_number, welcome.stores, welcome.sites)
    with here.database.write() as writer:
        _hear_facts(writer, here, facts)
    now = replace(here, facts=facts)
    if here.facts.number:
        tell_moved(now, moves(here.facts, facts))
    return now, Link(stopped, {one.name: one for one in welcome.record_types}, welcome.problems)


def meet(heard: Heard, ask: Callable[[Pull], PullReply], trust: Mapping[str, str]) -> None:
    """Take back what a restored database lacks, and join if this is the first time. Raises JoiningUndecided, TryLater.

    `ask` gets digests of what the primary holds. What was heard counts only once this is done.
    """
    meeting = Meeting(heard.here, heard.link, ask, trust)
    if heard.taking_back:
        restoring.take_back(meeting)
    if heard.joins or heard.anew:
        join(meeting, heard.welcome, anew=heard.anew)
        with heard.here.database.write() as writer:
            sites.note(writer, PRIMARY, joined=1)


def _begin_anew(writer: Writer, welcome: Welcome) -> None:
    """The primary was restored: its log and its numbers are others from now on. Once for each asking."""
    if welcome.renewed and meta.get(writer, RENEWED) != welcome.renewed:
        writer.execute("DELETE FROM msyncd_meta WHERE name LIKE 'given:%'")  # what it asked for by its old numbers
        bundles.forget(writer, PRIMARY)
        receipts.put_pulled(writer, PRIMARY, Pulled())
        meta.put(writer, RENEWED, welcome.renewed)


def _recognise(writer: Writer, welcome: Welcome, known: Known) -> None:
    """Either end may be an older copy of itself: the marks tell (P8)."""
    if known.database_id is not None and known.database_id != welcome.database_id:
        raise RestoredBackup(
            "the primary's database is not the one that this site has synced with",
            hint="if the primary was set up anew on purpose, run `msyncd remove` and `msyncd init` here",
        )
    strange = welcome.pushed_mark and not marks.knows(writer, PRIMARY, welcome.pushed_mark)
    forgotten = not welcome.pushed_mark and known.confirmed != START
    if strange or welcome.pushed > writer.log_end():
        raise RestoredBackup(
            "the primary has received changes that this database does not know",
            hint="an older copy of this site's database runs: see docs/restore.md before anything is edited",
        )
    if forgotten:
        raise RestoredBackup(
            "the primary does not know what this site has sent it",
            hint="an older copy of the primary's database runs there: see docs/restore.md",
        )


def _hear_facts(writer: Writer, here: Here, facts: Facts) -> None:
    if facts != here.facts:
        write_facts(writer, facts)
        here.database.renew_guard(facts, writer, here.site)


def _pay_schema(writer: Writer, here: Here, names: Iterable[str]) -> None:
    """Record types that sync again: what was not pushed meanwhile is pushed now (P7)."""
    for one in owed.owed(writer):
        if one.because == "schema" and one.record_type in names:
            writer.log_again(here.types.ids[one.record_type], one.since, here.site, None)
            owed.settled(writer, one.site, one.record_type, one.because)
