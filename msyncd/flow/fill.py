"""Filling a site from the primary's tables, piece by piece, family by family (P27).

A piece is every record of one root type that goes to the site, in a range of keys, with its lines. What the site holds
in that range beyond the piece leaves there. Pieces and batches move the same cursor row, one after the other, so that a
piece never overwrites what the change log brought later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from msyncd.databases.interface import Reader, Scope, Writer
from msyncd.flow.conversation import Piece, TypeChanges
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, spool
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.outbound import LeftOut
from msyncd.flow.route import audiences, routing_values
from msyncd.flow.values import packed_key
from msyncd.model import Changes, RecordType, Row, Site, Value
from msyncd.plugins import Failed


@dataclass(frozen=True, slots=True)
class Poured:
    """A piece, and what must be noted before it leaves."""

    piece: Piece
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[tuple[Changes, Failed], ...] = ()


def read_piece(
    reader: Reader,
    here: Here,
    site: Site,
    fill: Fill,
    at: tuple[str, Row | None],
    limit: int,
    *,
    stopped: Mapping[str, str],
    digests: bool = False,
    include: Sequence[tuple[str, Row]] = (),
) -> Poured:
    """The piece of a fill behind a place: a root type ("" before the first) and its last key (None: from its start).

    `include` names records to take in besides: they hold unique values that the piece gives to others (P16).
    """
    roots = [name for name in here.types.roots() if name not in stopped and (fill.record_type in (None, name))]
    name, after = at
    if not roots:
        return Poured(Piece(fill.id, "", None, None, last=True, digests=digests))
    if name not in roots:
        name, after = roots[0], None
    root = here.types.types[name]
    scope = scope_of(here, site, fill.stores)
    rows = reader.page(root, after, limit, scope)
    upto = root.key_of(rows[-1]) if len(rows) == limit else None
    left_out: list[LeftOut] = []
    failed: list[tuple[Changes, Failed]] = []
    wanted = {tuple(key) for its_type, key in include if its_type == name} - {root.key_of(row) for row in rows}
    rows = [*rows, *reader.rows(root, wanted).values()] if wanted else rows
    spoken = [_spoken(one, digests) for one in _family(reader, here, site, root, rows, stopped, left_out, failed)]
    if wanted:
        brought = {root.key_of(row) for row in spoken[0].rows}
        spoken[0] = msgspec.structs.replace(spoken[0], leaves=list(wanted - brought))
    position = roots.index(name)
    return Poured(
        Piece(
            fill.id,
            name,
            after,
            upto,
            types=tuple(one for one in spoken if len(one)),
            stores=None if fill.stores is None else tuple(sorted(fill.stores)),
            family=fill.record_type,
            following="" if upto is not None else next(iter(roots[position + 1 :]), ""),
            last=upto is None and position == len(roots) - 1,
            digests=digests,
            done=position,
            of=len(roots),
        ),
        tuple(left_out),
        tuple(failed),
    )


def stopped_of(here: Here, fill: Fill, stopped: Mapping[str, str]) -> tuple[LeftOut, ...]:
    """What a fill does not bring since the types are stopped between the two: it is owed when the fill ends (P7)."""
    return tuple(
        LeftOut(name, 0, "schema")
        for name in here.types.order
        if name in stopped and fill.record_type in (None, here.types.root(name))
    )


def begin_anew(writer: Writer, here: Here, site: Site, because: str) -> None:
    """Owe a site everything, from the beginning. What only passes through here is asked of where it is active (P29)."""
    fills.begin(writer, site.sync_id, because=because, now=here.now(), initial=True)
    elsewhere = {store for store in here.facts.stores if not here.holds(store)}
    wanted = {store for store in elsewhere if site.holds_copy(store)}
    wanted |= spool.stores_with(writer, routing_values(here, site)) & elsewhere
    for store in sorted(wanted):
        if here.facts.active_site(store) not in (None, site.sync_id):
            fills.want(writer, store)


def next_place(piece: Piece) -> tuple[str, Row | None]:
    """Where the fill goes on behind a piece: as the primary has it, whose types may stand in another order."""
    return (piece.type, tuple(piece.upto)) if piece.upto is not None else (piece.following, None)


def scope_of(here: Here, site: Site, stores: frozenset[str] | None) -> Scope:
    """The rows that can go to a site at all, of some stores or of all."""
    if here.plugins.routed_by_plugins:
        return Scope(stores)
    if stores is not None:
        return Scope(stores)
    if site.copies_of == "all":
        return Scope()
    return Scope(frozenset(site.active_stores | site.copies_of), routing_values(here, site))


def _family(
    reader: Reader,
    here: Here,
    site: Site,
    root: RecordType,
    rows: Sequence[Row],
    stopped: Mapping[str, str],
    left_out: list[LeftOut],
    failed: list[tuple[Changes, Failed]],
) -> list[Changes]:
    """The records of a piece that go to the site: of the root type, then of the types through it."""
    chosen = _chosen(reader, here, site, root, rows, left_out, failed)
    family = [chosen]
    for child_name in here.types.children[root.name]:
        if child_name not in stopped:
            child = here.types.types[child_name]
            lines = reader.children_of(child, [key[0] for key in chosen.keys]) if len(chosen) else []
            family += _family(reader, here, site, child, lines, stopped, left_out, failed)
    return family


def _chosen(
    reader: Reader,
    here: Here,
    site: Site,
    record_type: RecordType,
    rows: Sequence[Row],
    left_out: list[LeftOut],
    failed: list[tuple[Changes, Failed]],
) -> Changes:
    changes = standing_changes(reader, here, record_type, rows)
    sets, failures = audiences(reader, here, changes)
    failed += [(changes, one) for one in failures]
    changes = changes.select(at for at, sites in enumerate(sets) if site.sync_id in sites)
    if here.plugins.implemented("filter") and len(changes):
        filtered = here.plugins.filter(record_type, changes, site, "pull")
        failed += [(changes, one) for one in filtered.failed]
        left_out += [LeftOut(record_type.name, count, plugin) for plugin, count in filtered.left_out_by.items()]
        changes = filtered.changes
    return changes


def standing_changes(reader: Reader, here: Here, record_type: RecordType, rows: Sequence[Row]) -> Changes:
    """Rows that stand in a table, as changes: with store and routing value, and what was cleared put back."""
    by_key = restored(reader, record_type, {record_type.key_of(row): row for row in rows})
    stands = reader.stores_of(record_type, by_key.keys()) if record_type.store is not None else {}
    nowhere: tuple[str | None, Value] = (None, None)
    return Changes(
        record_type,
        list(by_key),
        list(by_key.values()),
        stores=[stands.get(key, nowhere)[0] for key in by_key],
        routes=[stands.get(key, nowhere)[1] for key in by_key],
        origins=[here.site] * len(by_key),
    )


def _spoken(changes: Changes, digests: bool) -> TypeChanges:
    record_type = changes.record_type
    if digests:
        rows: list[Row] = [
            (*key, digest(row)) for key, row in zip(changes.keys, changes.rows, strict=True) if row is not None
        ]
        return TypeChanges(record_type.name, (*record_type.key, "digest"), rows=rows)
    return TypeChanges(record_type.name, record_type.columns, rows=list(changes.rows))  # type: ignore[arg-type]  # all are rows


def digest(row: Row) -> bytes:
    """Sixteen bytes that tell two rows apart."""
    return blake2b(packed_key(row), digest_size=16).digest()
