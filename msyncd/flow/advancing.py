"""Store facts are settled by what the YAML wishes, and hand-overs advanced, on the primary (P31, P34).

Every step is one transaction with all that follows from it, and is decided from what stands in the database under the
lock: killed anywhere, or done by two workers at once, the next look goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.errors import Problem
from msyncd.flow.adopting import adopt, has_records
from msyncd.flow.conversation import Handing
from msyncd.flow.facts import declared_stores, renewed, settle
from msyncd.flow.handover import Moved, moves, stepped, with_stores
from msyncd.flow.handover_waits import is_filled, waits_for
from msyncd.flow.here import Here
from msyncd.flow.ledger import handovers, sites
from msyncd.flow.wishes import in_force
from msyncd.flow.world import FlowWorld
from msyncd.model import Cursor
from msyncd.plugins import seeing


@dataclass(frozen=True, slots=True)
class Settlement:
    """This site with the facts as they are now; which wishes cannot be fulfilled; which stores have moved."""

    here: Here
    problems: tuple[Problem, ...] = ()
    moved: tuple[Moved, ...] = ()

    def tell(self) -> None:
        """Tell the plugins, once it is committed."""
        tell_moved(self.here, self.moved)


def settle_facts(writer: Writer, here: Here) -> Settlement:
    """Make facts of what is wished and the stores' table says, and take the steps of hand-overs that are due.

    What is wished was heard when the files were read (see wishes.py).
    """
    here = renewed(writer, here)  # another worker may have changed them
    old, settings = here.facts, in_force(writer, here)
    stores = declared_stores(writer, settings, here.types)
    forced = handovers.forced(writer)
    settled = settle(
        settings,
        stores,
        old,
        holds=lambda store: has_records(writer, here, store),
        unheard=lambda site: sites.may_have_written(writer, site),
        forced=forced,
    )
    if settled.changed:
        here = adopt(writer, here, settled.facts)
    here = advance(writer, here)
    for store, site in forced.items():
        fact = here.facts.stores.get(store)
        if fact is not None and (fact.active_site == site or (fact.hand_over is not None and fact.hand_over.forced)):
            handovers.forget_forced(writer, store)
    problems = settled.problems if settings is here.settings else ()  # else they are another machine's
    return Settlement(here, problems, moves(old, here.facts))


def advance(writer: Writer, here: Here) -> Here:
    """Take every step of every hand-over for which nothing is waited any more."""
    while due := {
        store: stepped(fact)
        for store, fact in here.facts.stores.items()
        if fact.hand_over is not None and waits_for(writer, here, fact) is None
    }:
        here = adopt(writer, here, with_stores(here.facts, due))
    return here


def step(here: Here) -> int:
    """A look without a message: what admins have done here may be what was waited for. How many steps were taken."""
    with here.database.read() as reader:
        if not handovers.forced(reader) and not any(_is_due(reader, renewed(reader, here))):
            return 0
    with here.database.write() as writer:
        settled = settle_facts(writer, here)
    settled.tell()
    return max(0, settled.here.facts.number - here.facts.number)


def _is_due(reader: Reader, here: Here) -> list[bool]:
    under_way = [fact for fact in here.facts.stores.values() if fact.hand_over is not None]
    return [waits_for(reader, here, fact) is None for fact in under_way]


def hear_ends(writer: Writer, here: Here, site: int, told: Sequence[Handing], cursor: Cursor) -> Here:
    """Note what an end of hand-overs tells with its pull, and take the steps that are due then."""
    for one in told:
        fact = here.facts.stores.get(one.store)
        if fact is None or fact.hand_over is None or fact.epoch != one.epoch:
            continue
        noted = handovers.noted(writer, one.store)
        if fact.hand_over.step == "draining" and fact.hand_over.from_site == site:
            if (noted.drained, noted.kept_there) != (one.drained, one.kept):
                handovers.note(writer, one.store, drained=int(one.drained), kept_there=one.kept)
        elif fact.hand_over.step == "filling" and fact.hand_over.to_site == site:
            # what it has not received yet may have to wait there
            kept = one.kept if cursor >= noted.upto and is_filled(writer, one.store, site) else None
            if noted.kept_here != kept:
                handovers.note(writer, one.store, kept_here=kept)
    return advance(writer, here)


def tell_moved(here: Here, moved: Sequence[Moved]) -> None:
    """Tell the plugins of this site that stores are active elsewhere now."""
    with seeing(FlowWorld(lambda: here)):
        for one in moved:
            here.plugins.store_moved(one.store, one.old_site, one.new_site, one.epoch)
