"""The primary greets a satellite: recognises or registers it, and says where both stand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from msyncd import __version__
from msyncd.databases.interface import Reader, Writer
from msyncd.errors import CloneRefused, PeerRefused, RestoredBackup
from msyncd.flow.adopting import adopt
from msyncd.flow.asking import renewal_of, turn_of
from msyncd.flow.conversation import PROTOCOL_VERSION, Hello, Welcome
from msyncd.flow.facts import renewed
from msyncd.flow.fill import begin_anew, scope_of
from msyncd.flow.handover import with_stores
from msyncd.flow.here import Here
from msyncd.flow.keys import other_key
from msyncd.flow.ledger import fills, handovers, meta, owed, receipts, refusals, replaced, sites
from msyncd.flow.ledger.receipts import Receipt
from msyncd.flow.ledger.sites import Known
from msyncd.flow.link import disagreements, spoken_facts, spoken_site, spoken_types, stopped_between
from msyncd.flow.replacing import refuse_replaced
from msyncd.model import START, HandOver, Site


def greet(here: Here, hello: Hello) -> Welcome:
    """Register a satellite, or recognise it; tell it where both stand. Raises CloneRefused, PeerRefused."""
    if hello.protocol != PROTOCOL_VERSION:
        raise PeerRefused(
            f"site {hello.sync_id} speaks protocol {hello.protocol}, the primary {PROTOCOL_VERSION}",
            hint="upgrade the older of the two",
        )
    _listed(here, hello)
    stopped = stopped_between(here.types, hello.record_types, peer=hello.sync_id)
    if hello.probe:
        with here.database.read() as reader:
            known = sites.known(reader, hello.sync_id)
            recognise(reader, known, hello)
            return _welcome(reader, here, hello, _listed(here, hello), known, stopped)
    with here.database.write() as writer:
        here = renewed(writer, here)  # a hand-over may have taken a step since
        site = _listed(here, hello)
        known = sites.known(writer, hello.sync_id)
        refuse_strangers(writer, known, hello)
        if known.generation > hello.generation and known.database_id is not None:
            return _welcome(writer, here, hello, site, known, stopped)  # an older copy: it will call as another one
        turn = turn_of(writer, here, hello, resumed=bool((known.stopped or {}).keys() - stopped.keys()))
        if turn is not None:
            here, asks = turn
            _note_caller(writer, here, hello, stopped)
            told = _welcome(writer, here, hello, here.peer(hello.sync_id), sites.known(writer, hello.sync_id), stopped)
            return msgspec.structs.replace(told, asks=asks)
        _register(writer, here, hello, stopped)
        # what the satellite is told to correct is shown here too; stopped record types are listed by themselves
        sites.note(writer, hello.sync_id, problem="; ".join(disagreements(here, hello)) or None)
        if hello.restored:
            here = _let_take_back(writer, here, hello)
            site = here.peer(hello.sync_id)
        refusals.forget(writer, hello.sync_id, hello.heard)
        known = sites.known(writer, hello.sync_id)
        return _welcome(writer, here, hello, site, known, stopped)


def _listed(here: Here, hello: Hello) -> Site:
    site = here.facts.sites.get(hello.sync_id)
    if site is None or hello.sync_id == here.site:
        raise PeerRefused(
            f"sync ID {hello.sync_id} is not in the primary's sync_with",
            hint="add it there, or correct sync_id here",
        )
    return site


def recognise(reader: Reader, known: Known, hello: Hello) -> None:
    """Who speaks must be who is known here, and no older copy of itself. Raises CloneRefused, RestoredBackup."""
    refuse_strangers(reader, known, hello)
    if known.database_id is not None and known.generation > hello.generation:
        raise RestoredBackup(
            f"site {hello.sync_id} shows generation {hello.generation}, older than {known.generation}",
            hint="an older copy of its database runs there; by the line it takes back what it lacks",
        )


def refuse_strangers(reader: Reader, known: Known, hello: Hello) -> None:
    """A known sync ID with another database or installation is a clone (P8, P35); a replaced one is told so."""
    if (known.database_id, known.installation_id) != (hello.database_id, hello.installation_id):
        refuse_replaced(reader, known, hello.database_id, hello.installation_id)
    for mine, theirs, what in (
        (known.database_id, hello.database_id, "database"),
        (known.installation_id, hello.installation_id, "installation"),
    ):
        if mine is not None and mine != theirs:
            raise CloneRefused(
                f"another {what} already syncs as site {hello.sync_id}",
                hint=f"if this one is to take over, run `msyncd sites replace {hello.sync_id}` on the primary",
            )


def _note_caller(writer: Writer, here: Here, hello: Hello, stopped: Mapping[str, str]) -> Known:
    """Who calls; returns what was known before."""
    before = sites.known(writer, hello.sync_id)
    sites.note(
        writer,
        hello.sync_id,
        database_id=hello.database_id,
        installation_id=hello.installation_id,
        generation=hello.generation,
        public_key=before.public_key or hello.public_key or None,  # the first one stands (P37)
        version=hello.version,
        heard=hello.heard,
        last_contact=here.now(),
        record_types=msgspec.json.encode(stopped).decode(),
    )
    return before


def _register(writer: Writer, here: Here, hello: Hello, stopped: Mapping[str, str]) -> None:
    before = _note_caller(writer, here, hello, stopped)
    if hello.restored:
        return
    if receipts.receipt_of(writer, hello.sync_id, hello.database_id, hello.generation) is None:
        # the same database as a new generation, restored from a dump, goes on where it stood; the mark tells if it is
        # an older copy
        was = receipts.receipt_of(writer, hello.sync_id, hello.database_id, before.generation)
        new = was or Receipt(hello.sync_id, hello.database_id, hello.generation)
        receipts.put_receipt(writer, replace(new, generation=hello.generation))
    if before.database_id is None:
        moved = receipts.receipt_of(writer, hello.sync_id, hello.database_id, hello.generation) is not None
        sites.note_confirmed(writer, hello.sync_id, writer.log_end(), held_mark=before.mark if moved else None)
        begin_anew(writer, here, here.peer(hello.sync_id), "joined")
    filling = bool(fills.fills(writer, hello.sync_id))
    again = sorted(set(before.stopped or {}) - set(stopped))
    for name in again:
        # what did not travel while the type was stopped is filled in now (P7)
        _pay(writer, here, hello.sync_id, name)
        if filling and name in here.types.types:  # a fill may have passed it over
            _fill(writer, here, hello.sync_id, name)
    for fact in here.facts.stores.values() if again else ():
        way = fact.hand_over
        if way is not None and way.step == "filling" and way.to_site == hello.sync_id:
            handovers.begin_filling(writer, fact.store)  # what was paid lies beyond what it has received


def _let_take_back(writer: Writer, here: Here, hello: Hello) -> Here:
    """A site that was restored from a backup begins anew, once for each generation; its stores are fenced (P35).

    That is a hand-over from the site to itself: its guard closes, what it wrote since is accepted, it is filled, and
    only then its application edits again (P34).
    """
    if receipts.receipt_of(writer, hello.sync_id, hello.database_id, hello.generation) is not None:
        return here
    receipts.put_receipt(writer, Receipt(hello.sync_id, hello.database_id, hello.generation))
    sites.note_confirmed(writer, hello.sync_id, writer.log_end(), held_mark=None)
    begin_anew(writer, here, here.peer(hello.sync_id), "was restored from a backup")
    mine = {
        store: replace(fact, hand_over=HandOver(hello.sync_id, hello.sync_id))
        for store, fact in here.facts.stores.items()
        if fact.edited_at == hello.sync_id
    }
    return adopt(writer, here, with_stores(here.facts, mine)) if mine else here


def _pay(writer: Writer, here: Here, site: int, name: str) -> None:
    debts = [one for one in owed.owed(writer) if (one.site, one.record_type, one.because) == (site, name, "schema")]
    for one in debts:
        owed.settled(writer, site, name, one.because)
        if name in here.types.ids and one.is_in_log(writer.log_start()):
            writer.log_again(here.types.ids[name], one.since, here.site, site)
        elif name in here.types.types:
            _fill(writer, here, site, name)


def _fill(writer: Writer, here: Here, site: int, name: str) -> None:
    root = here.types.root(name)
    fills.begin(writer, site, because=f"{name} syncs again", now=here.now(), record_type=root)


def _welcome(reader: Reader, here: Here, hello: Hello, site: Site, known: Known, stopped: Mapping[str, str]) -> Welcome:
    problems = (*disagreements(here, hello), *other_key(here, known, hello.public_key))
    speaker = replace(known, database_id=hello.database_id, generation=hello.generation, heard=hello.heard)
    told = _told(reader, here, site, speaker, stopped, problems)
    return msgspec.structs.replace(told, site_generation=known.generation)  # later than the caller's: it is older


def welcome_again(reader: Reader, here: Here, known: Known) -> Welcome:
    """What a site would be told if it said hello again as it did last time."""
    return _told(reader, here, here.peer(known.sync_id), known, known.stopped or {}, ())


def _told(
    reader: Reader, here: Here, site: Site, known: Known, stopped: Mapping[str, str], problems: Sequence[str]
) -> Welcome:
    database_id = known.database_id or ""
    receipt = receipts.receipt_of(reader, site.sync_id, database_id, known.generation)
    stores, all_sites = spoken_facts(here.facts)
    return Welcome(
        protocol=PROTOCOL_VERSION,
        version=__version__,
        token="",
        token_seconds=0.0,
        site=spoken_site(site),
        primary_name=here.settings.this_site.name,
        database_id=meta.get(reader, "database_id") or "",
        generation=meta.generation(reader),
        record_types=spoken_types(here.types, _holds_rows(reader, here, site) if not known.joined else None),
        facts_number=here.facts.number,
        stores=stores,
        sites=all_sites,
        pushed=receipt.cursor if receipt else START,
        pushed_mark=receipt.mark if receipt else "",
        joined=known.joined,
        public_key=here.public_key,
        renewed=renewal_of(reader, site.sync_id),
        anew=replaced.came_between(reader, site.sync_id, database_id),
        problems=(*problems, *(f"{name}: {reason}" for name, reason in stopped.items())),
        refusals=refusals.unheard(reader, site.sync_id, known.heard),
        now=here.now(),
        site_generation=known.generation,
        filled=fills.filled(reader, site.sync_id),
    )


def _holds_rows(reader: Reader, here: Here, site: Site) -> dict[str, bool]:
    """Which types hold rows here that could go to the site: asked when joining."""
    scope = scope_of(here, site, None)
    return {name: bool(reader.page(one.keys_only, None, 1, scope)) for name, one in here.types.types.items()}
