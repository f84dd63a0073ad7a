"""What a satellite's pull confirms, and what it is owed besides rows: looked up, then noted if it is news."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from msyncd.databases.interface import Reader
from msyncd.errors import DatabaseUnavailable, FactsChanged, RestoredBackup
from msyncd.flow import asking
from msyncd.flow.accepting import speaker
from msyncd.flow.advancing import hear_ends, tell_moved
from msyncd.flow.conversation import Pull, SpokenRefusal, Standing, Waiting
from msyncd.flow.fill import begin_anew
from msyncd.flow.handover import moves
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, bundles, fills, marks, meta, refusals, sites
from msyncd.flow.ledger.aside import REFERENCES, Aside
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.sites import Known
from msyncd.flow.receive import records_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What the ledger says to a pull. `pending`: fills that are still owed; `behind`: the log it needs is trimmed."""

    known: Known
    pending: tuple[Fill, ...]
    finished: tuple[Fill, ...]
    unheard: tuple[SpokenRefusal, ...]
    wanted: tuple[tuple[str, int], ...]
    given: tuple[tuple[str, int], ...]
    behind: bool
    bundles: tuple[str, ...]


def look_up(reader: Reader, here: Here, site: int, pull: Pull) -> Asked:
    """What the ledger says to a pull. Raises FactsChanged, CloneRefused, RestoredBackup."""
    known = speaker(reader, here, site, pull, pull.facts_number)
    asking.refuse_meanwhile(reader, site)
    if pull.mark and not marks.knows(reader, marks.SHARED, pull.mark):
        raise RestoredBackup(
            f"site {site} has seen changes of the primary that the primary's database does not know",
            hint="an older copy of the primary's database runs: see docs/restore.md before anything is edited",
        )
    pending = fills.fills(reader, site)
    asked = [(one.store, one.number) for one in fills.wanted(reader)]
    given = tuple(one for one in asked if one in pull.given)
    wanted = tuple(one for one in asked if here.facts.active_site(one[0]) == site and one not in given)
    behind = (
        bool(known.joined)
        and not any(one.initial for one in pending)
        and not pull.digests
        and pull.cursor < meta.trimmed(reader)
    )
    finished = tuple(
        one for one in pending if one.id in pull.filled or (pull.fill is not None and pull.fill[:2] == (one.id, ""))
    )
    return Asked(
        known,
        tuple(one for one in pending if one not in finished),
        finished,
        refusals.unheard(reader, site, pull.heard),
        wanted,
        given,
        behind,
        bundles.under_way(reader, site),
    )


def confirm(here: Here, site: int, pull: Pull, asked: Asked, batch_size: int | None) -> Here:
    """Note what the pull confirms; an idle one confirms nothing new and writes nothing.

    Returns this site, with new facts if what the pull tells of hand-overs has made some.
    """
    known = asked.known
    news = (
        pull.cursor > known.confirmed
        or pull.mark != known.mark
        or pull.heard > known.heard
        or asked.finished
        or pull.standing
        or asked.given
        or asked.behind
        or not known.joined
        or pull.handing
    )
    if not news or pull.digests:
        return here
    with here.database.write() as writer:
        speaker(writer, here, site, pull, pull.facts_number)  # it may have been replaced since it was looked at
        if pull.heard > known.heard:
            refusals.forget(writer, site, pull.heard)
        for one in asked.finished:
            fills.finish(writer, one)
        for store, number in asked.given:
            fills.given(writer, store, number)
        aside.quarantine(writer, _offered(writer, here, site, pull.standing))
        if asked.behind:
            begin_anew(writer, here, here.peer(site), "was away longer than the log is kept")
        sites.note_confirmed(
            writer,
            site,
            max(pull.cursor, known.confirmed),
            held_mark=pull.mark,
            heard=max(pull.heard, known.heard),
            joined=1,
            last_contact=here.now(),
            last_success=here.now(),
            batch_size=batch_size,
        )
        now = hear_ends(writer, here, site, pull.handing, max(pull.cursor, known.confirmed)) if pull.handing else here
    if not known.joined:
        here.plugins.site_joined(here.peer(site))
    tell_moved(now, moves(here.facts, now.facts))
    return now


def has_moved_on(reader: Reader, site: int, waiting: Waiting) -> bool:
    """Whether a site that waits is further than is known of it."""
    if not waiting.mark:
        return False  # it does not say who it is
    known = sites.known(reader, site)
    return bool(known.joined) and waiting.cursor > known.confirmed


def confirm_place(here: Here, site: int, waiting: Waiting) -> None:
    """Note what a site that waits has taken in since it last asked: nobody else tells it before the next change.

    Only a note: if the application holds the lock, or the facts have changed, the next pull makes it.
    Raises CloneRefused.
    """
    with suppress(DatabaseUnavailable, FactsChanged), here.database.write() as writer:
        known = speaker(writer, here, site, waiting, waiting.facts_number)
        if waiting.cursor > known.confirmed and marks.knows(writer, marks.SHARED, waiting.mark):
            now = here.now()
            sites.note_confirmed(
                writer, site, waiting.cursor, held_mark=waiting.mark, last_contact=now, last_success=now
            )


def _offered(reader: Reader, here: Here, site: int, told: Sequence[Standing]) -> list[Aside]:
    """Records that were deleted here and that a satellite still needs: kept, so that they can be put back (P22).

    One that stands here again was put back already: the pull that told of it was late.
    """
    records_of(here.types, [(one.type, one.key) for one in told])
    return [
        Aside(
            one.type,
            tuple(one.key),
            site,
            "write",
            None,
            tuple(one.columns),
            tuple(one.row),
            f"deleted here, but on site {site} {one.reason}; retry puts it back, discard leaves it there",
            REFERENCES,
            here.now(),
            detail=aside.OFFERED,
        )
        for one in told
        if one.type in here.types.types and not reader.rows(here.types.types[one.type], [tuple(one.key)])
    ]
