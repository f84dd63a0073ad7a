"""Joining (P28): what stood in the tables before the two ends first met.

An empty site is filled from the other end, without a question. Where both hold records, they are compared first; if
they differ, nothing is changed until an admin has said which side stands.

A database that comes back to a place where others have worked meanwhile (P35) joins anew, by the same question.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msyncd.databases.interface import Reader, Writer
from msyncd.databases.values import Scope
from msyncd.errors import JoiningUndecided
from msyncd.flow.compare.digests import common, digest, written
from msyncd.flow.conversation import Piece, Pull, PullReply, Welcome
from msyncd.flow.fill import next_place
from msyncd.flow.here import Here
from msyncd.flow.ledger import meta, receipts
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.link import Link, spoken_types
from msyncd.flow.log import log_rows
from msyncd.model import PRIMARY, START, Cursor, RecordType, Row

PIECE = 5000

TRUSTED = "primary_stands"
"""Where it is noted of which record types the primary's side stands, until the first fill is complete."""

ANEW = "joined_anew"
"""Under which number of the primary's this database has last joined anew."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """This site, and what it compares itself with.

    `ask` gets digests, from the primary or from a bundle of it; `trust` says which side stands where both hold records,
    by record type, "*" for all.
    """

    here: Here
    link: Link
    ask: Callable[[Pull], PullReply]
    trust: Mapping[str, str]

    def decision(self, name: str) -> str | None:
        """Which side stands of a record type; None: nobody has said so."""
        return self.trust.get(name) or self.trust.get("*")


@dataclass(slots=True)
class Difference:
    """How the two ends differ in one record type, in records. `differing` holds the keys that are not the same."""

    same: int = 0
    changed: int = 0
    only_here: int = 0
    only_there: int = 0
    differing: list[Row] | None = None
    alone: list[Row] = field(default_factory=list)
    """Of those, the keys that are only here."""

    @property
    def differs(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self.changed or self.only_here or self.only_there)


def join(meeting: Meeting, welcome: Welcome, *, anew: int = 0) -> None:
    """Bring what stood here before into the first cycle. Raises JoiningUndecided, with nothing changed.

    `anew` not 0: this database has joined before, and comes back. Central records are the primary's then, whatever
    stands here; of all others every difference is a question, since either end may have gone on from the other.
    """
    here = meeting.here
    theirs = {one.name for one in welcome.record_types if one.rows}
    with here.database.read() as reader:
        mine = {name for name, one in here.types.types.items() if reader.page(one.keys_only, None, 1, Scope())}
        compared_from = reader.log_end()
    both = {here.types.root(name) for name in (_travelling(here) if anew else mine & theirs)}
    differences = compare(meeting, both) if both else {}
    # an item that only this site has can be made nowhere but on the primary: that is a question as well
    alone = {name for name in mine - theirs if here.types.types[name].edited_on == "primary" and not anew}
    _refuse_central(meeting, [*(name for name, one in differences.items() if one.differs), *alone])
    undecided = {
        name: one
        for name, one in differences.items()
        if one.differs and meeting.decision(name) is None and (anew or not _only_adds(here, name, one))
    }
    homeless = {name for name in alone if name not in differences and meeting.decision(name) is None}
    if undecided or homeless:
        why = "others have worked in this site's place, and " if anew else ""
        raise JoiningUndecided(
            f"{why}both ends hold records and differ: " + "; ".join(_words(undecided, homeless)),
            hint="say which side stands: `msyncd sync --trust primary`, or --trust site, or --trust TYPE=primary",
        )
    with here.database.write() as writer:
        if anew:
            _begin_anew(writer, anew, compared_from)
        for name in here.types.order:
            _bring(writer, here, name, differences.get(name), mine, meeting.decision(name))
        trusted = [name for name, one in differences.items() if one.differs and meeting.decision(name) == "primary"]
        meta.put(writer, TRUSTED, "\n".join(trusted))


def joined_anew(reader: Reader) -> int:
    """The number under which this database has last joined anew."""
    return int(meta.get(reader, ANEW) or 0)


def _begin_anew(writer: Writer, number: int, compared_from: Cursor) -> None:
    """What had still to be sent when the comparison began is decided with it; what was written since is still sent."""
    writer.trim_log(compared_from)
    meta.note_trimmed(writer, compared_from)
    receipts.put_pulled(writer, PRIMARY, Pulled())  # the fill begins at the beginning
    meta.put(writer, ANEW, str(number))


def _travelling(here: Here) -> list[str]:
    """The record types that a site may edit and that come back to it."""
    types = here.types.types
    return [name for name, one in types.items() if one.edited_on != "primary" and one.sent_to != "primary_only"]


def _refuse_central(meeting: Meeting, names: Iterable[str]) -> None:
    """What is edited on the primary cannot stand as this site has it: the fill would take it away. Raises."""
    types = meeting.here.types.types
    central = sorted({one for one in names if types[one].edited_on == "primary" and meeting.decision(one) == "site"})
    if central:
        raise JoiningUndecided(
            f"{', '.join(central)}: edited on the primary only, so this site's cannot stand; nothing was changed",
            hint="import them on the primary first; or give these types `--trust TYPE=primary`",
        )


def _only_adds(here: Here, name: str, one: Difference) -> bool:
    """Whether the difference asks nothing: what is only there is filled, what is only here is this site's to send."""
    if one.changed:
        return False
    record_type = here.types.types[name]
    return not one.only_here or record_type.edited_on != "primary"


def _bring(
    writer: Writer, here: Here, name: str, difference: Difference | None, mine: set[str], decision: str | None
) -> None:
    """Log what this site is to send of what stood here: all of it, or what differs and is to stand."""
    record_type, type_id = here.types.types[name], here.types.ids[name]
    if name not in mine and (difference is None or not difference.differs):
        return
    own = (
        Scope(frozenset(here.facts.sites[here.site].active_stores))
        if here.site in here.facts.sites
        else Scope(frozenset())
    )
    if record_type.edited_on == "primary":
        return
    if record_type.edited_on == "any_site":
        own = Scope()
    if difference is None:
        writer.log_all(type_id, record_type, here.site, own)
    elif decision != "primary":
        stores = writer.stores_of(record_type, difference.differing or [])
        keys = [
            key
            for key in difference.differing or []
            if own.stores is None or stores.get(key, (None, None))[0] in own.stores or key not in stores
        ]
        log_rows(writer, here, record_type, keys)


def compare(meeting: Meeting, roots: set[str]) -> dict[str, Difference]:
    """Compare with the primary by digests, piece by piece, both ends in key order."""
    here = meeting.here
    found: dict[str, Difference] = {}
    place: tuple[str, Row | None] = ("", None)
    while True:
        with here.database.read() as reader:
            request = Pull(
                START,
                "",
                PIECE,
                meta.get(reader, "database_id") or "",
                meta.generation(reader),
                here.facts.number,
                fill=(0, *place),
                digests=True,
                types=spoken_types(here.types),
                installation_id=here.installation_id,
            )
        piece = meeting.ask(request).piece
        if piece is None or not piece.type:
            return found
        if piece.type in roots:
            with here.database.read() as reader:
                _compare_piece(reader, meeting, piece, found)
        if piece.last:
            return found
        place = next_place(piece)


def _compare_piece(reader: Reader, meeting: Meeting, piece: Piece, found: dict[str, Difference]) -> None:
    here, root = meeting.here, meeting.here.types.types[piece.type]
    after = tuple(piece.after) if piece.after is not None else None
    upto = tuple(piece.upto) if piece.upto is not None else None
    rows: list[Row] = []
    while some := reader.page(root, after, PIECE, Scope(), upto):
        rows += some
        after = root.key_of(some[-1])
    there = {one.type: {tuple(row[:-1]): row[-1] for row in one.rows} for one in piece.types}
    _compare_type(reader, meeting, root, rows, there.get(root.name, {}), found)
    parents = [root.key_of(row)[0] for row in rows]
    for name in here.types.children[root.name]:
        if name in meeting.link.stopped:
            continue
        child = here.types.types[name]
        _compare_type(reader, meeting, child, reader.children_of(child, parents), there.get(name, {}), found)


def _compare_type(
    reader: Reader,
    meeting: Meeting,
    record_type: RecordType,
    rows: list[Row],
    there: Mapping[Row, object],
    found: dict[str, Difference],
) -> None:
    one = found.setdefault(record_type.name, Difference(differing=[]))
    assert one.differing is not None
    here = _digests(reader, meeting, record_type, rows)
    for key, mine in here.items():
        if key not in there:
            one.only_here += 1
            one.differing.append(key)
            one.alone.append(key)
        elif there[key] != mine:
            one.changed += 1
            one.differing.append(key)
        else:
            one.same += 1
    only_there = [key for key in there if key not in here]
    one.only_there += len(only_there)
    one.differing += only_there


def _digests(reader: Reader, meeting: Meeting, record_type: RecordType, rows: list[Row]) -> dict[Row, bytes]:
    """The records here, as the primary digests its own: what was cleared here counts as what it is to hold (P24)."""
    theirs = meeting.link.spoken[record_type.name]
    shared = common(meeting.here.types, record_type, theirs.columns, theirs.kinds)
    by_key = restored(reader, record_type, {record_type.key_of(row): row for row in rows})
    return dict(zip(by_key, map(digest, written(list(by_key.values()), shared)), strict=True))


def _words(undecided: dict[str, Difference], homeless: set[str]) -> list[str]:
    words = [
        f"{name}: {one.same} the same, {one.changed} different, {one.only_here} only here, {one.only_there} only there"
        for name, one in sorted(undecided.items())
    ]
    return words + [f"{name}: records only here, which are made on the primary only" for name in sorted(homeless)]
