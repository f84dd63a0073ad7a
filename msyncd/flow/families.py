"""Families: a header with its lines. What is applied or kept aside together."""

from msyncd.flow.ledger.aside import Record
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.types import TypeSet
from msyncd.model import Row, Value


def family_of(types: TypeSet, work: Batchwork) -> dict[Record, Record]:
    """The header of each change in the work, itself if it has none there."""
    families: dict[Record, Record] = {}
    for name, one in work.items():
        through = types.types[name].through
        parents: dict[Row, Value] = {}
        if through is not None and through.column in one.record_type.columns:
            parents = dict(zip(one.writes.keys, one.writes.column(through.column), strict=True))
        for key in one.all_keys():
            record: Record = (name, key)
            header = (through.parent, (parents[key],)) if through is not None and key in parents else record
            families[record] = families.get(header, header)
    return families


def whole(types: TypeSet, work: Batchwork) -> bool:
    """Whether the work is a single family, which cannot be divided."""
    return len(set(family_of(types, work).values())) <= 1


def halves(types: TypeSet, work: Batchwork) -> tuple[Batchwork, Batchwork]:
    """The work in two halves, no family torn."""
    families = family_of(types, work)
    distinct = list(dict.fromkeys(families.values()))
    first = set(distinct[: len(distinct) // 2])
    return _some(work, {r for r, f in families.items() if f in first}), _some(
        work, {r for r, f in families.items() if f not in first}
    )


def _some(work: Batchwork, records: set[Record]) -> Batchwork:
    chosen: Batchwork = {}
    for name, one in work.items():
        part = Work(
            one.record_type,
            one.writes.select(at for at, key in enumerate(one.writes.keys) if (name, key) in records),
            one.deletes.select(at for at, key in enumerate(one.deletes.keys) if (name, key) in records),
            [key for key in one.leaves if (name, key) in records],
            one.numbers,
            one.stands,
            one.above,
        )
        if len(part):
            chosen[name] = part
    return chosen
