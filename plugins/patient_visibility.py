"""Patient visibility: a patient is sent only to sites that hold a store which a join table joins to the patient.

    plugins:
      - module: patient_visibility
        settings: {patients: name, only: {type: patient}, join: name_store_join}

List it on the primary. The record type of the join says by which store (`store`), and in which column it names the
patient: `also_sent_to: {by_plugins: name_ID}`. When a join is added, the patient goes to that store's sites in the same
batch, with the records in `along`; when the last one is taken away, or moved, the patient leaves there, silently.

A patient stays where there are records of it: a store's own prescriptions (`kept_by`) count like a join. The primary
sees only records that it keeps itself. Where a site refers to a patient nonetheless, the patient stays there, and the
leave is in that site's quarantine with the reason.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from msyncd import Changes, RecordType, Route, Value, hookimpl
from msyncd.errors import Problem
from msyncd.hookspecs import Context
from msyncd.model import PRIMARY, Row

AT_ONCE = 500
"""Values in one question to the database."""


class Settings(BaseModel):
    """Record types, and columns of theirs; the defaults are those of an mSupply database."""

    patients: str = "name"
    only: dict[str, str | int] = {"type": "patient"}
    """Which of these records are patients: those with all of these values. {} for all."""
    join: str = "name_store_join"
    along: dict[str, str] = {"name_tag_join": "name_ID", "list_master_name_join": "name_ID"}
    """Records that go wherever their patient goes, by the column that names it."""
    kept_by: dict[str, str] = {"transact": "name_ID"}
    """Records of a store that refer to a patient, by the column that names it."""


@hookimpl
def msyncd_config_checked(new: Any, context: Context) -> list[Problem]:
    """A misspelt name would send every patient everywhere; and nobody would know whose join was deleted."""
    settings: Settings = context.settings
    declared = {one.name: one for one in new.record_types}
    if not new.is_primary:
        return []
    for name in (settings.patients, settings.join):
        if name not in declared:
            at = next(one.place for one in new.plugins if Path(one.module).stem == Path(__file__).stem)
            what = f"patient_visibility needs the record type {name}, which is not declared"
            return [Problem(at.file, at.line, at.column, what, "correct its settings patients and join")]
    join = declared[settings.join]
    if join.also_sent_to is not None and join.also_sent_to.kind == "by_plugins" and isinstance(join.store, str):
        return []
    what = f"patient_visibility cannot tell which patient and store a {settings.join} joins"
    hint = "give it store: COLUMN and also_sent_to: {by_plugins: COLUMN}"
    return [Problem(join.place.file, join.place.line, join.place.column, what, hint)]


@hookimpl
def msyncd_route(record_type: RecordType, changes: Changes, context: Context) -> Sequence[Route | None] | None:
    """Take the sites away that hold no store joined to the patient. What is deleted, goes everywhere."""
    settings: Settings = context.settings
    if record_type.name == settings.patients:
        column = record_type.key[0]
    elif record_type.name in settings.along:
        column = _spelt(record_type, settings.along[record_type.name])
    else:
        return None
    if not changes:  # only asked whether it routes these at all
        return []
    at = record_type.index(column)
    named = [row[at] if row is not None else None for row in changes.rows]
    routes = _routes(context, _patients(context, set(named) - {None}))
    return [routes.get(patient) for patient in named]


@hookimpl
def msyncd_touched(
    record_type: RecordType, keys: Sequence[Row], named: Sequence[frozenset[Value]], context: Context
) -> Mapping[str, Iterable[Row]] | None:
    """A join touches its patient; so does a store's record of one who is not joined to it, or one that was deleted."""
    settings: Settings = context.settings
    if record_type.name == settings.patients:
        return dict(_along(context, [key[0] for key in keys]))  # perhaps it became a patient, or no longer is one
    values = set[Value]().union(*named)
    if record_type.name in settings.kept_by:
        values = _unjoined(context, record_type, keys, named)
    elif record_type.name != settings.join:
        return None
    return {settings.patients: [(value,) for value in values], **dict(_along(context, values))}


def _unjoined(
    context: Context, record_type: RecordType, keys: Sequence[Row], named: Sequence[frozenset[Value]]
) -> set[Value]:
    """The patients whom no join gives to a store that has a record of theirs, and those of deleted records."""
    stands = set(_distinct(context, record_type, record_type.key, record_type.key[0], [key[0] for key in keys], {}))
    patients = _patients(context, set[Value]().union(*named))
    gone = patients & set[Value]().union(*(some for key, some in zip(keys, named, strict=True) if key not in stands))
    kept = _stores(context, record_type.name, context.settings.kept_by[record_type.name], patients - gone)
    joined = _joined(context, kept)
    return gone | {patient for patient, stores in kept.items() if stores - joined.get(patient, set())}


def _routes(context: Context, patients: Collection[Value]) -> dict[Value, Route]:
    """For each patient: not to the sites that hold none of its stores. One object for all that go the same way."""
    stores_of = _joined(context, patients)
    for name, column in context.settings.kept_by.items():
        for patient, stores in _stores(context, name, column, patients).items():
            stores_of.setdefault(patient, set()).update(stores)
    routes: dict[frozenset[Value], Route] = {}
    return {
        patient: routes.setdefault(stores, _elsewhere(context, stores))
        for patient in patients
        for stores in (frozenset(stores_of.get(patient, ())),)
    }


def _elsewhere(context: Context, stores: frozenset[Value]) -> Route:
    """Not to the satellites that hold none of these stores, be it as a copy."""
    homes = {store: context.stores[str(store)].home for store in stores if str(store) in context.stores}
    return Route(
        remove_sites=frozenset(
            number
            for number, site in context.sites.items()
            if number != PRIMARY
            and not any(number in homes.get(one, ()) or site.holds_copy(str(one)) for one in stores)
        )
    )


def _patients(context: Context, values: Iterable[Value]) -> set[Value]:
    """Those of these records that are patients."""
    settings: Settings = context.settings
    patients = context.record_types[settings.patients]
    only = {_spelt(patients, column): value for column, value in settings.only.items()}
    return {key for (key,) in _distinct(context, patients, [patients.key[0]], patients.key[0], values, only)}


def _joined(context: Context, patients: Iterable[Value]) -> dict[Value, set[Value]]:
    """The stores to which patients are joined."""
    join = context.record_types[context.settings.join]
    assert join.also_sent_to is not None  # or the configuration was refused
    return _stores(context, join.name, join.also_sent_to.column, patients)


def _stores(context: Context, name: str, column: str, patients: Iterable[Value]) -> dict[Value, set[Value]]:
    """The stores in which there are records of a type about patients. Another database's record types may lack it."""
    record_type = context.record_types.get(name)
    found: dict[Value, set[Value]] = {}
    if record_type is not None and record_type.store_column is not None:
        by = _spelt(record_type, column)
        for patient, store in _distinct(context, record_type, [by, record_type.store_column], by, patients, {}):
            found.setdefault(patient, set()).add(store)
    return found


def _along(context: Context, patients: Iterable[Value]) -> Iterator[tuple[str, list[Row]]]:
    """The keys of the records that go with patients, by record type."""
    patients = list(patients)
    for name, column in context.settings.along.items():
        record_type = context.record_types.get(name)
        if record_type is not None:
            by = _spelt(record_type, column)
            yield name, list(_distinct(context, record_type, record_type.key, by, patients, {}))


def _distinct(
    context: Context,
    record_type: RecordType,
    columns: Sequence[str],
    by: str,
    values: Iterable[Value],
    only: Mapping[str, Value],
) -> Iterator[Row]:
    """The different values of some columns where the column `by` has one of the values."""
    wanted = list(values)
    for at in range(0, len(wanted), AT_ONCE):
        filters: dict[str, Any] = {**only, by: wanted[at : at + AT_ONCE]}
        for row in context.db[record_type.table].distinct(*columns, **filters):
            yield tuple(row[column] for column in columns)


def _spelt(record_type: RecordType, column: str) -> str:
    """A column as the database here spells it."""
    return next((one for one in record_type.columns if one.casefold() == column.casefold()), column)
