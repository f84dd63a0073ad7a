"""An admin says that a store is not to wait for the site where it was active, since that one is dead (P34)."""

from dataclasses import dataclass

from msyncd.errors import MsyncdError, WrongUsage
from msyncd.flow.adopting import has_records
from msyncd.flow.facts import held_elsewhere
from msyncd.flow.ledger import handovers, sites
from msyncd.flow.looking import Look
from msyncd.model import PRIMARY, StoreFact


class OnlyThere(MsyncdError):
    """Nobody but the dead site holds the store's records: without it they would be gone."""


@dataclass(frozen=True, slots=True)
class Abandoning:
    """A store, the site that is not to be waited for, and where the store goes instead."""

    found: Look
    fact: StoreFact
    dead: int
    goal: int

    def words(self) -> tuple[str, ...]:
        """What that means, for whoever is asked."""
        return (
            f"site {self.dead} is not waited for: what it has not sent goes to quarantine, should it come back",
            f"until it hears of it, the application on site {self.dead} can go on editing store {self.fact.code} there",
        )

    def note(self) -> None:
        """Note it; it counts as soon as the YAML wishes the store at the goal."""
        with self.found.here.database.write() as writer:
            handovers.force(writer, self.fact.store, self.goal)


def abandoning(found: Look, fact: StoreFact, goal: int) -> Abandoning | None:
    """None if there is nobody to be waited for, since nobody can have written. Raises OnlyThere, WrongUsage."""
    way = fact.hand_over
    dead = way.from_site if way is not None and way.step == "draining" else fact.edited_at
    if dead is None or dead == goal:
        return None
    if dead == PRIMARY:
        raise WrongUsage("the primary cannot be left behind", hint="without --force it is handed over at once")
    if not found.installed:
        return None
    with found.here.database.read() as reader:
        records = has_records(reader, found.here, fact.store)
        if not records and not sites.may_have_written(reader, dead):
            return None
    if records and not held_elsewhere(found.here.facts, fact.store, goal):
        raise OnlyThere(
            f"only site {dead} holds the records of store {fact.code}: neither the primary nor site {goal} has a copy",
            hint=f"bring site {dead} back; nothing was written",
        )
    return Abandoning(found, fact, dead, goal)
