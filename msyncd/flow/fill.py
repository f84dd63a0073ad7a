"""Filling a site from the primary's tables, piece by piece, family by family (P27).

A piece is every record of one root type that goes to the site, in a range of keys, with its lines; it is as large as a
batch (see portion.py). What the site holds
in that range beyond the piece leaves there. Pieces and batches move the same cursor row, one after the other, so that a
piece never overwrites what the change log brought later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.databases.values import Scope
from msyncd.flow.conversation import Piece, TypeChanges
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, spool
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.outbound import LeftOut
from msyncd.flow.portion import Look, Stride, gather, portion_of
from msyncd.flow.readable import rows_of
from msyncd.flow.route import routing_values, values_of
from msyncd.model import Changes, Row, Site
from msyncd.plugins import Failed


@dataclass(frozen=True, slots=True)
class Poured:
    """A piece, and what must be noted before it leaves. `stride` is of use for the next piece."""

    piece: Piece
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[tuple[Changes, Failed], ...] = ()
    stride: Stride = field(default_factory=Stride)


def read_piece(
    reader: Reader,
    here: Here,
    site: Site,
    fill: Fill,
    at: tuple[str, Row | None],
    limit: int,
    *,
    stopped: Mapping[str, str],
    include: Sequence[tuple[str, Row]] = (),
    stride: Stride | None = None,
) -> Poured:
    """The piece of a fill behind a place: a root type ("" before the first) and its last key (None: from its start).

    It has about `limit` records, lines included, and no more bytes than a batch. `include` names records to take in
    besides: they hold unique values that the piece gives to others (P16). `stride` is the last piece's.
    """
    roots = [name for name in here.types.roots() if name not in stopped and (fill.record_type in (None, name))]
    name, after = at
    if not roots:
        return Poured(Piece(fill.id, "", None, None, last=True))
    if name not in roots:
        name, after = roots[0], None
    root = here.types.types[name]
    look = Look(reader, here, site, scope_of(here, site, fill.stores), stopped)
    got = gather(look, root, after, limit, stride or Stride())
    wanted = {tuple(key) for its_type, key in include if its_type == name} - set(got.keys)
    besides = portion_of(look, root, list(rows_of(reader, root, wanted)[0].values()), None) if wanted else None
    portions = [*got.portions, *([besides] if besides is not None else [])]
    spoken = [_spoken(of_type) for of_type in zip(*(one.family for one in portions), strict=True)]
    if besides is not None:
        spoken[0] = msgspec.structs.replace(spoken[0], leaves=list(wanted - set(besides.family[0].keys)))
    position = roots.index(name)
    return Poured(
        Piece(
            fill.id,
            name,
            after,
            got.upto,
            types=tuple(one for one in spoken if len(one)),
            stores=None if fill.stores is None else tuple(sorted(fill.stores)),
            family=fill.record_type,
            following="" if got.upto is not None else next(iter(roots[position + 1 :]), ""),
            last=got.upto is None and position == len(roots) - 1,
            done=position,
            of=len(roots),
        ),
        tuple(left for one in portions for left in one.left_out),
        tuple(failed for one in portions for failed in one.failed),
        got.stride,
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
    wanted = {store for store in elsewhere if here.facts.holds(site.sync_id, store)}
    wanted |= spool.stores_with(writer, routing_values(here, site)) & elsewhere
    for store in sorted(wanted):
        if here.facts.active_site(store) not in (None, site.sync_id):
            fills.want(writer, store)


def next_place(piece: Piece) -> tuple[str, Row | None]:
    """Where the fill goes on behind a piece: as the primary has it, whose types may stand in another order."""
    return (piece.type, tuple(piece.upto)) if piece.upto is not None else (piece.following, None)


def scope_of(here: Here, site: Site, stores: frozenset[str] | None) -> Scope:
    """The rows that can go to a site at all, of some stores or of all."""
    if stores is not None:
        return scope_of_stores(here, stores)
    if here.plugins.routed_by_plugins:
        return Scope()
    if site.copies_of == "all":
        return Scope()
    return Scope(here.facts.stores_at(site.sync_id) | site.copies_of, routing_values(here, site))


def scope_of_stores(here: Here, stores: Iterable[str]) -> Scope:
    """The rows of some stores, and those of others that are sent to them."""
    chosen = frozenset(stores)
    return Scope(chosen, values_of(here, chosen))


def _spoken(of_type: Sequence[Changes]) -> TypeChanges:
    """The changes of one type, from every portion."""
    record_type = of_type[0].record_type
    rows = [row for changes in of_type for row in changes.rows if row is not None]
    return TypeChanges(record_type.name, record_type.columns, rows=rows)
