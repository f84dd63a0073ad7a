"""A piece of a fill is gathered in portions: some records of a root type, in key order, with all their lines.

What is read at once is bounded in records and in bytes, whatever the tables hold; only a family that is larger by
itself exceeds it. How many roots are read at once is a guess from the last ones; a wrong one costs a second look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from msyncd.databases.interface import Reader
from msyncd.databases.values import Scope
from msyncd.flow.here import Here
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.outbound import MOST_BYTES, LeftOut, fitting
from msyncd.flow.readable import read_apart
from msyncd.flow.route import audiences
from msyncd.model import Changes, RecordType, Row, Site, Value
from msyncd.plugins import Failed

FIRST_ROOTS = 16
"""Roots in the first look at a type of which nothing is known."""
MOST_ROOTS = 1024
"""Roots in one look: as many parents as one statement asks for, so that more of them would save nothing."""
MOST_LOOKED_AT = 20_000
"""Roots for one piece, also where next to none of them goes to the site."""
GROWTH = 4
ROOM = 0.9
"""How full a piece should be, so that one whose records vary a little still fits."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who reads what for whom: the rows of a scope for a site, in one consistent look."""

    reader: Reader
    here: Here
    site: Site
    scope: Scope
    stopped: Mapping[str, str]


@dataclass(slots=True)
class Portion:
    """What goes to the site, by type: the root's first, then the types through it; and what must be noted.

    `size`: bytes of the rows before compression.
    """

    family: list[Changes] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    failed: list[tuple[Changes, Failed]] = field(default_factory=list)
    size: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.family))


@dataclass(frozen=True, slots=True)
class Stride:
    """What the last piece of a root type brought: so many roots with so many records and bytes, their lines' too."""

    root: str = ""
    roots: int = 0
    records: int = 0
    size: int = 0

    def fits(self, records: float, size: float) -> int:
        """How many more roots are likely to bring that many records and bytes."""
        by_records = records * self.roots / max(self.records, 1)
        return max(0, int(min(by_records, size * self.roots / max(self.size, 1))))

    def first(self, root: str, limit: int) -> int:
        """How many roots to begin a piece of so many records with."""
        if self.root != root or not self.roots:
            return min(FIRST_ROOTS, limit)
        most = min(MOST_ROOTS, GROWTH * self.roots, self.fits(ROOM * limit, ROOM * MOST_BYTES))
        return max(1, min(most, limit))


@dataclass(slots=True)
class Gathered:
    """The portions of a piece. `keys`: of the roots looked at; `upto`: the last of them, None at the table's end."""

    root: RecordType
    portions: list[Portion] = field(default_factory=list)
    keys: list[Row] = field(default_factory=list)
    upto: Row | None = None

    @property
    def stride(self) -> Stride:
        """What it came to."""
        size = sum(one.size for one in self.portions)
        return Stride(self.root.name, len(self.keys), sum(map(len, self.portions)), size)

    def further(self, limit: int, last: int) -> int:
        """How many roots the piece has room for after a look at `last`; 0 if they are not worth one more."""
        stride = self.stride
        room = stride.fits(ROOM * limit - stride.records, ROOM * MOST_BYTES - stride.size)
        more = min(room, MOST_ROOTS, GROWTH * last, MOST_LOOKED_AT - len(self.keys))
        return more if more * GROWTH >= len(self.keys) else 0


def gather(look: Look, root: RecordType, after: Row | None, limit: int, stride: Stride) -> Gathered:
    """The roots behind a key with their lines: about `limit` records that go to the site, one family at the least."""
    got = Gathered(root)
    roots = stride.first(root.name, limit)
    while True:
        read = read_apart(look.reader, root, partial(look.reader.page, after=after, limit=roots, scope=look.scope))
        alone = len(read.keys) <= 1 and not got.keys
        before = got.stride
        portion = portion_of(look, root, read.rows, None if alone else limit - before.records)
        if portion is None or (before.size + portion.size > MOST_BYTES and not alone):
            if got.keys:  # what was gathered is piece enough
                return got
            roots = max(1, len(read.keys) // GROWTH)
            continue
        portion.failed += read.failed
        got.portions.append(portion)
        got.keys += read.keys
        got.upto = got.keys[-1] if len(read.keys) == roots else None
        if got.upto is None or not (roots := got.further(limit, len(read.keys))):
            return got
        after = got.upto


def portion_of(look: Look, root: RecordType, rows: Sequence[Row], most: int | None) -> Portion | None:
    """Some rows of a root type with their lines, as they go to the site; None if that is more than `most` records."""
    portion = Portion()
    return portion if _add_family(look, portion, root, rows, most) else None


def _add_family(look: Look, portion: Portion, record_type: RecordType, rows: Sequence[Row], most: int | None) -> bool:
    """Add rows, and the lines of those that go to the site. False as soon as it is too much."""
    chosen = _chosen(look, portion, record_type, rows)
    portion.family.append(chosen)
    for name in look.here.types.children[record_type.name]:
        if name in look.stopped:
            continue
        line, left = look.here.types.types[name], None if most is None else most - len(portion)
        parents = [key[0] for key in chosen.keys]
        read = read_apart(look.reader, line, partial(_lines, look, parents, left))
        if left is not None and len(read.keys) > left:
            return False
        portion.failed += read.failed
        if not _add_family(look, portion, line, read.rows, most):
            return False
    return most is None or len(portion) <= most


def _lines(look: Look, parents: Sequence[Value], left: int | None, line: RecordType) -> list[Row]:
    most = None if left is None else max(left, 0) + 1
    return look.reader.children_of(line, parents, most) if parents else []


def _chosen(look: Look, portion: Portion, record_type: RecordType, rows: Sequence[Row]) -> Changes:
    """Those of these rows that go to the site, and that can."""
    changes = standing_changes(look.reader, look.here, record_type, rows)
    sets, failures = audiences(look.reader, look.here, changes)
    portion.failed += [(changes, one) for one in failures]
    changes = changes.select(at for at, sites in enumerate(sets) if look.site.sync_id in sites)
    plugins = look.here.plugins
    if plugins.implemented("filter") and len(changes):
        filtered = plugins.filter(record_type, changes, look.site, "pull")
        portion.failed += [(changes, one) for one in filtered.failed]
        portion.left_out += [LeftOut(record_type.name, count, plugin) for plugin, count in filtered.left_out_by.items()]
        changes = filtered.changes
    changes, size, failed = fitting(changes)
    portion.size += size
    portion.failed += failed
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
