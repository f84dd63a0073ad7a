"""A restored primary asks its satellites for what it lost, and is fenced until they have answered (P35).

An admin begins it, since that a primary is an older copy is only known from what satellites claim. From then on the
primary takes no changes, hands none out, and its own application edits neither central records nor its stores. Each
satellite is asked when it says hello: for the store facts first (regained.py), then for records (given.py). When
all have answered who were not left out, the fence opens, and the satellites begin anew at what is there then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from msyncd.databases.fence import ASKING
from msyncd.databases.interface import Reader, Writer
from msyncd.errors import BundleRefused, FactsChanged, TryLater, WrongUsage
from msyncd.flow.adopting import adopt
from msyncd.flow.advancing import Settlement, settle_facts
from msyncd.flow.conversation import Asks, Hello, Standpoint
from msyncd.flow.facts import renewed
from msyncd.flow.fill import begin_anew
from msyncd.flow.handover import with_stores
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, asked, bundles, fills, marks, meta, sites
from msyncd.flow.ledger.aside import OFFERED
from msyncd.flow.ledger.asked import Asked
from msyncd.flow.outcome import Outcome
from msyncd.flow.regained import regained
from msyncd.flow.restoring import REPORT
from msyncd.flow.settle import quarantine_waiting
from msyncd.flow.wishes import in_force
from msyncd.model import PRIMARY, START, Facts, HandOver

HINT = "see docs/restore.md"


@dataclass(frozen=True, slots=True)
class AskedSite:
    """How one satellite stands, for people. `problem`: why what it knows is not taken in, or that it cannot answer."""

    site: int
    name: str
    state: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """The asking under way, or the last one. `waits_for`: the satellites that have not answered."""

    under_way: bool
    sites: tuple[AskedSite, ...]

    @property
    def waits_for(self) -> tuple[int, ...]:
        return tuple(one.site for one in self.sites if self.under_way and one.state == "asked")

    def words(self) -> str:
        """One line of it."""
        return (
            f"this database was restored, and asks its satellites for what it lost; waits for {_named(self.waits_for)}"
        )


def ask(here: Here, without: Sequence[int] = ()) -> Settlement:
    """Begin to ask, if that is not under way; nobody waits for `without`. Raises WrongUsage.

    Done again it changes nothing, but that more may be left out.
    """
    check_askable(here, without)
    with here.database.write() as writer:
        here = renewed(writer, here)
        if not asked.asking(writer):
            here = _begin(writer, here)
        settled = _leave_out(writer, here, without)
    settled.tell()
    return settled


def check_askable(here: Here, without: Sequence[int] = ()) -> None:
    """Raises WrongUsage on a satellite, or for a site that is not configured."""
    if not here.is_primary:
        raise WrongUsage("the primary asks its satellites", hint="run this command there")
    for site in without:
        if site not in {one.sync_id for one in here.settings.sync_with}:
            raise WrongUsage(f"site {site} is not in sync_with", hint="see `msyncd sites list`")


def progress(reader: Reader, here: Here) -> Asking | None:
    """How far the asking has come; None if nobody was ever asked."""
    everyone = asked.everyone(reader)
    if not everyone:
        return None
    known = sites.known_all(reader)
    found = [
        AskedSite(
            one.site,
            here.peer(one.site).name,
            one.state,
            known[one.site].problem if one.state == "asked" and one.site in known else None,
        )
        for one in everyone
    ]
    return Asking(bool(asked.asking(reader)), tuple(found))


def holds_up(reader: Reader, site: int) -> bool:
    """Nothing travels while the satellites are asked, nor with one that has still to give."""
    one = asked.of(reader, site)
    return bool(asked.asking(reader)) or (one is not None and one.state == "left_out")


def refuse_meanwhile(reader: Reader, site: int) -> None:
    """Raises FactsChanged where nothing may travel: whoever says hello again is told what is asked."""
    if holds_up(reader, site):
        raise FactsChanged("the primary was restored and asks for what it lost", hint="say hello again")


def refuse_bundles(reader: Reader, site: int) -> None:
    """What is carried by hand cannot tell where a site stands. Raises BundleRefused."""
    if holds_up(reader, site):
        raise BundleRefused(
            f"the primary was restored and asks for what it lost, which site {site} can give by the line only",
            hint="see docs/restore.md; let it call once, then export there again",
        )


def turn_of(writer: Writer, here: Here, hello: Hello, *, resumed: bool) -> tuple[Here, Asks] | None:
    """What a satellite that says hello is asked for; None: nothing, it may sync. Raises TryLater.

    `resumed`: a record type travels again that was stopped between the two.
    """
    site, under_way = hello.sync_id, bool(asked.asking(writer))
    one = asked.of(writer, site)
    if one is not None and hello.restored and not under_way:
        asked.forget(writer, site)  # it has nothing of its own yet, and is filled as it takes back
        one = None
    late = one is not None and one.state == "left_out" and not under_way
    if not under_way and (one is None or one.state == "given"):
        return None
    if one is None:
        raise _later(writer)
    if hello.restored or (one.state != "asked" and not late):
        raise _later(writer)
    if not hello.gives:
        words = f"the primary was restored and asks for what it lost, which msyncd {hello.version} cannot answer"
        sites.note(writer, site, problem=f"{words}: upgrade it, or leave it out")
        return here, Asks(one.asking, problem=f"{words}; upgrade msyncd here")
    told = hello.standpoint
    if told is None or told.asking != one.asking:
        return here, Asks(one.asking)
    if not late:
        found = regained(replace(here, settings=in_force(writer, here)), site, told)
        sites.note(writer, site, problem=found.problem or None)
        if found.problem:
            return here, Asks(one.asking, problem=found.problem)
        here = _adopt(writer, here, found.facts, told, moved=found.moved)
    one = _placed(writer, replace(one, anew=one.anew or resumed), told)
    asked.put(writer, one)
    wanted = one.ahead and not late
    return here, Asks(one.asking, heard=True, records=wanted, stores=wanted_stores(writer, here) if wanted else ())


def renewal_of(reader: Reader, site: int) -> str:
    """The asking since which a satellite begins anew; "" if there is none."""
    one = asked.of(reader, site)
    return one.asking if one is not None and one.anew and one.state == "given" else ""


def offer(writer: Writer, outcome: Outcome) -> None:
    """What was given and could not be applied is kept so that `retry` applies it: it is no edit of this site's own."""
    refused = [replace(one, detail=OFFERED) for one in outcome.of("refused")]
    aside.quarantine(writer, refused, upto=writer.log_written())


def has_given(writer: Writer, here: Here, one: Asked) -> Settlement:
    """A satellite has given all that it was asked for. If it was the last one, the fence opens."""
    asked.put(writer, replace(one, state="given"))
    if one.state == "left_out":
        if one.anew:
            _begin_anew(writer, here, one.site)
        return Settlement(here)
    return _open_if_all(writer, here)


# --- the steps --------------------------------------------------------------------------------------------------------


def _begin(writer: Writer, here: Here) -> Here:
    asked.close(writer, token_hex(8), [one.sync_id for one in in_force(writer, here).sync_with])
    meta.put(writer, "generation", str(meta.generation(writer) + 1))
    meta.put(writer, REPORT, "")
    mine = {
        store: replace(fact, hand_over=HandOver(PRIMARY, PRIMARY))
        for store, fact in here.facts.stores.items()
        if fact.edited_at == PRIMARY
    }
    return adopt(writer, here, with_stores(here.facts, mine))  # with another number, so that everybody says hello


def _leave_out(writer: Writer, here: Here, without: Sequence[int]) -> Settlement:
    for site in without:
        one = asked.of(writer, site) or Asked(site, asked.asking(writer))
        if one.state == "asked":
            asked.put(writer, replace(one, state="left_out"))
            if here.facts.stores_at(site):
                asked.ask_again(writer)  # their copies of its stores are wanted now
                here = adopt(writer, here, with_stores(here.facts, {}))  # those who are giving say hello again
    return _open_if_all(writer, here)


def _open_if_all(writer: Writer, here: Here) -> Settlement:
    everyone = asked.everyone(writer)
    expected = {one.sync_id for one in in_force(writer, here).sync_with}
    if not asked.asking(writer) or any(one.state == "asked" and one.site in expected for one in everyone):
        return Settlement(here)
    outcome = Outcome(PRIMARY)
    quarantine_waiting(writer, PRIMARY, outcome)
    offer(writer, outcome)
    for one in everyone:
        if one.state == "given" and one.anew:
            _begin_anew(writer, here, one.site)
    for store, fact in here.facts.stores.items():
        if not here.holds(store) and fact.active_site not in (None, PRIMARY):
            fills.want(writer, store)  # the keys of what passes through are known anew (P30)
    meta.put(writer, ASKING, "")
    return settle_facts(writer, here)


def _begin_anew(writer: Writer, here: Here, site: int) -> None:
    sites.note_confirmed(writer, site, writer.log_end(), held_mark=None)
    writer.execute("DELETE FROM msyncd_held WHERE site = ?", (site,))
    bundles.forget(writer, site)
    begin_anew(writer, here, here.peer(site), "the primary was restored from a backup")


def _adopt(writer: Writer, here: Here, facts: Facts, told: Standpoint, *, moved: bool) -> Here:
    generation = max(meta.generation(writer), told.generation + 1)
    if generation != meta.generation(writer):
        meta.put(writer, "generation", str(generation))
    if facts is here.facts:
        return here
    if moved:
        asked.ask_again(writer)
    return adopt(writer, here, facts, regained=True)


def _placed(reader: Reader, one: Asked, told: Standpoint) -> Asked:
    """Where a satellite stands: ahead of this database, if it holds a mark that this one does not know (P8)."""
    strange = not (told.mark and marks.knows(reader, marks.SHARED, told.mark))
    held = sites.known(reader, one.site).mark
    reach = marks.reach(reader, marks.SHARED, held) if held else START
    return replace(
        one,
        ahead=strange and bool(told.mark),
        anew=strange or one.anew,
        filling=told.filling,
        place=told.cursor,
        reach=reach,
    )


def wanted_stores(reader: Reader, here: Here) -> tuple[str, ...]:
    """The stores of which a satellite's copy may be taken, since nobody else can be asked for them."""
    left_out = {one.site for one in asked.everyone(reader) if one.state == "left_out"}
    return tuple(
        sorted(
            store
            for store, fact in here.facts.stores.items()
            if here.holds(store) and (fact.active_site in (None, PRIMARY) or fact.active_site in left_out)
        )
    )


def _later(reader: Reader) -> TryLater:
    waiting = [one.site for one in asked.everyone(reader) if one.state == "asked"]
    return TryLater(
        f"the primary was restored and asks its satellites for what it lost; it waits for {_named(waiting)}",
        hint="this goes on by itself then",
    )


def _named(sites_: Sequence[int]) -> str:
    shown = ", ".join(map(str, sites_))
    return f"site {shown}" if len(sites_) == 1 else f"sites {shown}" if sites_ else "nobody"
