"""Another machine takes over a sync ID (P35): on the primary, the old database's registration is let go."""

from collections.abc import Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.errors import CloneRefused, MsyncdError, WrongUsage
from msyncd.flow.here import Here
from msyncd.flow.ledger import asked, bundles, fills, replaced, sites
from msyncd.flow.ledger.replaced import Replaced
from msyncd.flow.ledger.sites import Known
from msyncd.flow.outcome import Outcome
from msyncd.flow.settle import quarantine_waiting

SHOWN = 12
"""So many characters of an ID are shown, and are enough to name it."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What was done. `old`: the database that had the place, None if it was free; `readmitted`: those let back in.

    `not_held`: the site's stores, by their codes, of which the primary has no copy to fill the newcomer from.
    """

    site: int
    old: Replaced | None
    readmitted: tuple[Replaced, ...]
    not_held: tuple[str, ...]


def replace_site(here: Here, site: int, *, by: str | None = None) -> Replacement:
    """Let the next database that says hello as `site` take over; the one that had the place is refused from then on.

    What the old one had sent stays, and fills the new one. `by` names one that was replaced before, by the beginning of
    its installation or database ID: it is no longer refused. Raises WrongUsage on a satellite or for a site that is not
    configured, MsyncdError if `by` names none.
    """
    check_replaceable(here, site)
    with here.database.write() as writer:
        back = _named(writer, site, by) if by is not None else []
        known = sites.known(writer, site)
        replaced.readmit(writer, back)  # first: what had the place until now is none of them
        old = replaced.remember(writer, known, here.now()) if known.database_id is not None else None
        if old is not None:
            _let_go(writer, site)
    return Replacement(site, old, tuple(back), not_held(here, site))


def check_replaceable(here: Here, site: int) -> None:
    """Raises WrongUsage on a satellite, or for a site that is not configured."""
    if not here.is_primary:
        raise WrongUsage("a site is replaced on the primary", hint="run this command there")
    if site == here.site:
        raise WrongUsage(f"site {site} is the primary itself", hint="a satellite can be replaced; see docs/restore.md")
    if site not in {*here.facts.sites, *(one.sync_id for one in here.settings.sync_with)}:
        raise WrongUsage(f"site {site} is not in sync_with", hint="see `msyncd sites list`")


def not_held(here: Here, site: int) -> tuple[str, ...]:
    """The codes of the site's stores whose records the primary cannot give to a newcomer, since it has no copy."""
    return tuple(sorted(here.facts.code(one) for one in here.facts.stores_at(site) if not here.holds(one)))


def words_of(old: Replaced, known: Known) -> CloneRefused:
    """What the replaced database is told, whenever it calls."""
    now = "another one syncs in its place" if known.database_id is not None else "the next new one takes its place"
    return CloneRefused(
        f"this database was replaced as site {old.site} on {old.at[:10]}: {now}",
        hint="stop msyncd here; what it has not sent is still in it, see docs/restore.md; to take it back, run"
        f" `msyncd sites replace {old.site} --by {old.installation_id[:SHOWN]}` on the primary",
    )


def refuse_replaced(reader: Reader, known: Known, database_id: str, installation_id: str) -> None:
    """Raises CloneRefused, in words of its own, for a database that was replaced."""
    old = replaced.refused(reader, known.sync_id, database_id, installation_id)
    if old is not None:
        raise words_of(old, known)


def _named(reader: Reader, site: int, by: str) -> Sequence[Replaced]:
    known = replaced.replaced(reader, site)
    found = [one for one in known if by and (one.installation_id.startswith(by) or one.database_id.startswith(by))]
    if not found:
        raise MsyncdError(
            f"no database that was replaced as site {site} has an ID that begins with {by!r}",
            hint="the refused machine's log and `msyncd status` there say it; a new machine needs no --by",
        )
    return found


def _let_go(writer: Writer, site: int) -> None:
    """Free the place. The receipt stays: it belongs to the old database, and the new one begins with its own (P14)."""
    for table in ("msyncd_refusal", "msyncd_fill", "msyncd_staged", "msyncd_held", "msyncd_turned", "msyncd_owed"):
        writer.execute(f"DELETE FROM {table} WHERE site = ?", (site,))
    for table in ("msyncd_compared", "msyncd_difference"):  # a comparison was of the old one's records
        writer.execute(f"DELETE FROM {table} WHERE peer = ?", (site,))
    if not asked.asking(writer):
        asked.forget(writer, site)
    bundles.forget(writer, site)
    fills.forget_filled(writer, site)
    quarantine_waiting(writer, site, Outcome(site))  # nothing will bring now what it waits for
    # held_mark stays until a newcomer registers: if it is the same database, moved, its mark must still be known (P8)
    sites.note(
        writer,
        site,
        database_id=None,
        installation_id=None,
        generation=1,
        public_key=None,
        joined=0,
        heard=0,
        record_types=None,
        last_contact=None,
        last_success=None,
        problem=None,
    )
