"""Whose YAML is the wish, where several machines serve one primary: a file that was left behind undoes nothing (P31).

What of the YAML becomes facts is kept in the primary's database, numbered; and each installation remembers which number
it heard last. A file is heard when it is read, at a start or a reload. Who differs from the newest wishes has edited
them only if the newest are remembered here, or if nobody has ever had these.

Only where several installations can serve a database; elsewhere the file at hand is the wish.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from msyncd.databases import serves_several
from msyncd.databases.interface import Reader, Writer
from msyncd.errors import Problem
from msyncd.flow.here import Here
from msyncd.flow.ledger import meta
from msyncd.flow.ledger import wishes as ledger
from msyncd.flow.ledger.wishes import Newest
from msyncd.model import PRIMARY
from msyncd.settings.remembered import Mark, Remembered, remember, remembered
from msyncd.settings.values import PeerSite, Settings, StoresTable

FORMER: Final = 100
"""So many former wishes are known again by an installation that never heard them."""

Standing = Literal["newest", "edited", "behind"]


def hear(writer: Writer, here: Here) -> Problem | None:
    """The files were read: take in what they wish, or say that they are behind. Raises MsyncdError, StateUnreadable."""
    if not _is_shared(here):
        return None
    newest, known = ledger.newest(writer), _remembered(writer, here)
    mine = wishes_of(here.settings)
    digest = digest_of(mine)
    standing = compared(digest, newest, known)
    if standing == "behind":
        return _problem(here, newest)
    if standing == "edited":
        newest = _next(here, mine, newest, known)
        _remember(here, replace(known, taking=Mark(newest.number, digest)))
        ledger.put(writer, newest)
    elif newest is not None and known.last != (mark := Mark(newest.number, digest)):
        _remember(here, Remembered(known.database, mark))
    return None


def behind(reader: Reader, here: Here) -> Problem | None:
    """What is to be said of a configuration whose wishes are not heard, since newer ones were taken in elsewhere."""
    if not _is_shared(here) or meta.get(reader, "database_id") is None:
        return None
    newest = ledger.newest(reader)
    standing = compared(digest_of(wishes_of(here.settings)), newest, _remembered(reader, here))
    return _problem(here, newest) if standing == "behind" else None


def in_force(reader: Reader, here: Here) -> Settings:
    """The settings with the wishes that were taken in last, whatever this file says."""
    newest = ledger.newest(reader) if _is_shared(here) else None
    if newest is None or newest.digest == digest_of(wishes_of(here.settings)):
        return here.settings
    return with_wishes(here.settings, newest.wishes)


def wish_differs(old: Settings, new: Settings) -> bool:
    """Whether an edit of the one into the other would wish something else."""
    return wishes_of(old) != wishes_of(new)


def compared(digest: str, newest: Newest | None, known: Remembered) -> Standing:
    """How a file with this digest stands to the wishes that were taken in last."""
    if newest is None:
        return "edited"
    last = known.last
    if last is not None and last.number > newest.number:
        return "edited"  # the database is an older copy of itself
    if digest == newest.digest:
        return "newest"
    if last == Mark(newest.number, newest.digest):
        return "edited"
    was_heard = last is not None and last.digest == digest
    return "behind" if was_heard or digest in newest.former else "edited"


def _is_shared(here: Here) -> bool:
    return here.is_primary and serves_several(here.settings.this_site.database)


def _remembered(reader: Reader, here: Here) -> Remembered:
    """What is remembered here. What was being taken in is, if the database has it."""
    known = remembered(here.settings.state_directory, meta.get(reader, "database_id") or "")
    newest = ledger.newest(reader)
    if newest is not None and known.taking == Mark(newest.number, newest.digest):
        return replace(known, last=known.taking)
    return known


def _remember(here: Here, known: Remembered) -> None:
    remember(here.settings.state_directory, known)


def _next(here: Here, mine: dict[str, Any], newest: Newest | None, known: Remembered) -> Newest:
    """The number never goes back, also where the database did: else others would hold theirs for the newer one."""
    highest = max(one.number if one else 0 for one in (newest, known.last, known.taking))
    digest = digest_of(mine)
    former = (newest.digest, *newest.former) if newest else ()
    kept = [one for one in dict.fromkeys(former) if one != digest]
    return Newest(highest + 1, digest, here.now(), mine, tuple(kept[:FORMER]))


def _problem(here: Here, newest: Newest | None) -> Problem:
    since = f" on {newest.at[:16].replace('T', ' ')} UTC" if newest else ""
    return Problem(
        str(here.settings.file),
        1,
        1,
        f"the sites and stores of this file are older than those that were taken in from another machine{since}, and"
        " change nothing",
        "put the newest file here; to go back to older ones, edit the file where it is the newest",
        "warning",
    )


# --- wishes as a value ------------------------------------------------------------------------------------------------


def wishes_of(settings: Settings) -> dict[str, Any]:
    """What of a primary's settings becomes facts, in one order, however it is written.

    `sites`: sync ID, name, active stores, copies. `stores`: table, key, code and name of the table of stores, or None.
    """
    mine = settings.this_site
    first = [PRIMARY, mine.name, sorted(mine.active_stores or ()), _copies(mine.copies_of or ())]
    others = [
        [one.sync_id, one.name, sorted(one.active_stores), _copies(one.copies_of)]
        for one in sorted(settings.sync_with, key=lambda one: one.sync_id)
    ]
    table = settings.stores
    return {"sites": [first, *others], "stores": [table.table, table.key, table.code, table.name] if table else None}


def _copies(stores: Iterable[str]) -> str | list[str]:
    return stores if isinstance(stores, str) else sorted(stores)


def digest_of(wishes: dict[str, Any]) -> str:
    """A digest of wishes: 32 hexadecimal digits."""
    return sha256(msgspec.json.encode(wishes)).hexdigest()[:32]


def with_wishes(settings: Settings, wishes: Any) -> Settings:
    """The settings with other wishes. They are not this file's, so nothing in them has a place."""
    peers = {one.sync_id: one for one in settings.sync_with}
    (_, name, active, copies), *others = wishes["sites"]
    return replace(
        settings,
        this_site=replace(settings.this_site, name=name, active_stores=tuple(active), copies_of=_given(copies)),
        sync_with=tuple(
            replace(
                peers.get(sync_id) or PeerSite(sync_id, name, None),
                name=name,
                active_stores=tuple(active),
                copies_of=_given(copies),
            )
            for sync_id, name, active, copies in others
        ),
        stores=StoresTable(*wishes["stores"]) if wishes["stores"] else None,
        places={},
    )


def _given(copies: str | list[str]) -> tuple[str, ...] | Literal["all"]:
    return "all" if copies == "all" else tuple(copies)
