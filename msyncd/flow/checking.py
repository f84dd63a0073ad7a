"""What `msyncd check` finds in the database: tables, triggers, references and stores. Nothing is written."""

from collections.abc import Iterator, Mapping

from msyncd.databases.interface import Reader
from msyncd.databases.unindexed import unindexed
from msyncd.databases.values import Scope
from msyncd.errors import Problem
from msyncd.flow.facts import declared_stores, read_facts, settle
from msyncd.flow.here import Here
from msyncd.flow.ledger import sites
from msyncd.flow.looking import Look
from msyncd.flow.opening import another_site
from msyncd.flow.types import Reference, TypeSet
from msyncd.flow.wishes import behind
from msyncd.settings.values import Place


def check_site(found: Look) -> tuple[Problem, ...]:
    """Every problem of a site whose files are in order."""
    here = found.here
    problems = [*found.problems, *_another_site(found), *_cycles(here), *_slow_references(here), *_padded(here)]
    problems += _half_travelling(here)
    if here.is_primary:
        with here.database.read() as reader:
            problems += _stores(reader, here, installed=found.installed)
    return tuple(problems)


def _another_site(found: Look) -> Iterator[Problem]:
    if found.was_site not in (None, found.here.site):
        yield another_site(found.here.settings, found.was_site)


def _stores(reader: Reader, here: Here, *, installed: bool) -> tuple[Problem, ...]:
    """What the primary would say of its own lists of stores; only that they are behind, if they are."""
    late = behind(reader, here) if installed else None
    if late is not None:
        return (late,)
    old = read_facts(reader) if installed else settle(here.settings, {}, here.facts, holds=lambda _store: False).facts
    stores = declared_stores(reader, here.settings, here.types)
    return settle(
        here.settings,
        stores,
        old,
        holds=lambda store: _has_records(reader, here, store, installed=installed),
        unheard=lambda site: installed and sites.may_have_written(reader, site),
    ).problems


def _has_records(reader: Reader, here: Here, store: str, *, installed: bool) -> bool:
    scope = Scope(frozenset({store}))
    for one in here.types.types.values():
        if one.edited_on == "active_site" and one.store_column and reader.page(one.keys_only, None, 1, scope):
            return True
    relayed = "SELECT 1 FROM msyncd_relayed WHERE store = ? LIMIT 1"
    return installed and bool(reader.execute(relayed, (store,)))


# --- references -------------------------------------------------------------------------------------------------------


def _cycles(here: Here) -> Iterator[Problem]:
    """P16: references in a circle that the database will not defer to the end of a batch."""
    for name in here.types.order:
        for one in here.types.references[name]:
            if one.on_delete == "RESTRICT" and one.parent_type is not None and _leads_to(here, one.parent_type, name):
                columns = ", ".join(one.columns)
                circle = "itself" if one.parent_type == name else f"{one.parent_type}, which leads back to it,"
                yield _at(
                    _place_of_type(here, name),
                    f"{name}: {columns} refers to {circle} by ON DELETE RESTRICT, which is checked at once",
                    "declare it NO ACTION: else records that refer to each other cannot be deleted in one batch",
                    "warning",
                )


def _leads_to(here: Here, start: str, goal: str) -> bool:
    """Whether references lead from one record type to another."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            ahead += [one.parent_type for one in here.types.references[name] if one.parent_type is not None]
    return False


def _slow_references(here: Here) -> Iterator[Problem]:
    """References without an index: each delete of a parent reads the whole table."""
    types = here.types
    wanted = {name: _referring(types, name) for name in types.order}
    by_table = {types.types[name].table: {one.columns for one in some} for name, some in wanted.items() if some}
    bare = unindexed(here.database, by_table)
    for name, references in wanted.items():
        table = types.types[name].table
        lacking = [one for one in references if one.columns in bare.get(table, ())]
        if lacking:
            yield _slow(_place_of_type(here, name), name, table, lacking)


def _referring(types: TypeSet, name: str) -> list[Reference]:
    return [one for one in types.references[name] if one.parent_type is not None]


def _slow(place: Place, name: str, table: str, lacking: list[Reference]) -> Problem:
    columns = "; ".join(dict.fromkeys(", ".join(one.columns) for one in lacking))
    parents = ", ".join(dict.fromkeys(str(one.parent_type) for one in lacking))
    return _at(
        place,
        f"{name}: table {table} has no index on {columns}, so each delete of {parents} reads all of it",
        "create an index on each, in the application's own way",
        "warning",
    )


def _padded(here: Here) -> Iterator[Problem]:
    """P36: keys to which a blank at the end is nothing. Most never have one, so their types need not stop for it."""
    for name in here.types.order:
        table = here.types.table_of(name)
        for key in here.types.types[name].key:
            column = table.column(key)
            if column is not None and column.padding:
                better = column.padding.removesuffix("_bin") + "_nopad_bin"
                yield _at(
                    _place_of_type(here, name),
                    f"{name}: key column {key} has collation {column.padding}, to which 'a' and 'a ' are one key",
                    f"give it, and what refers to it, {better}; a record whose key is held to be another's goes to"
                    " quarantine",
                    "warning",
                )


def _half_travelling(here: Here) -> Iterator[Problem]:
    """P16: who takes a unique value from whom cannot be told where a part of it is each site's own."""
    for name in here.types.order:
        table, travels = here.types.table_of(name), set(here.types.types[name].columns)
        generated = {column.name for column in table.columns if column.generated}
        columns = {", ".join(one): set(one) for one in table.uniques}
        columns |= {one.name: set(one.columns) for one in table.odd_uniques}
        for unique, named in columns.items():
            if named - travels and named & (travels | generated):
                yield _at(
                    _place_of_type(here, name),
                    f"{name}: {', '.join(sorted(named - travels))} does not travel, and is a part of what is unique in"
                    f" table {table.name} ({unique})",
                    "let it travel: else records that pass such a value on may be kept aside",
                    "warning",
                )


# --- places -----------------------------------------------------------------------------------------------------------


def _place(here: Here, path: str) -> Place:
    places: Mapping[str, Place] = here.settings.places
    return places.get(path) or Place(here.settings.file.name, 1, 1)


def _place_of_type(here: Here, name: str) -> Place:
    return next(one.place for one in here.settings.record_types if one.name == name)


def _at(place: Place, message: str, hint: str, severity: str = "error") -> Problem:
    return Problem(place.file, place.line, place.column, message, hint, severity)
