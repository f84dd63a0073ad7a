"""Record types in force: what was declared, held against the tables that are there, in the order of dependence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msyncd.errors import Problem
from msyncd.flow.pointing import place_of_column, place_of_table
from msyncd.model import Column, ForeignKey, RecordType, Table, Through
from msyncd.settings.values import DeclaredType, Place, Settings


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a record type that must find a record: a foreign key of the database, or a `through`.

    `parent_type` None: the parent's table is not synced. `clear`: a target that is missing here is
    cleared, not waited for.
    """

    columns: tuple[str, ...]
    table: str
    parent_columns: tuple[str, ...]
    parent_type: str | None
    on_delete: str
    clear: bool


@dataclass(frozen=True)
class TypeSet:
    """The record types in force. `order` has parents before children; `stopped` says why a type does not sync."""

    types: Mapping[str, RecordType]
    tables: Mapping[str, Table]
    order: tuple[str, ...]
    references: Mapping[str, tuple[Reference, ...]]
    children: Mapping[str, tuple[str, ...]]
    stopped: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> dict[int, str]:
        """The record types' names by their number in the change log."""
        return {number: name for name, number in self.ids.items()}

    @property
    def parent_ids(self) -> dict[int, int]:
        """The number of the header's type for each type of lines, by its number."""
        return {self.ids[name]: self.ids[one.through.parent] for name, one in self.types.items() if one.through}

    @property
    def header_ids(self) -> frozenset[int]:
        """The numbers of the types that have lines."""
        return frozenset(self.ids[name] for name in self.types if self.children[name])

    def root(self, name: str) -> str:
        """The header of a line's family; the type itself if it has no parent."""
        while (through := self.types[name].through) is not None:
            name = through.parent
        return name

    def roots(self) -> tuple[str, ...]:
        """The types without a parent, so ordered that every family comes after what any of its members refers to."""
        members: dict[str, list[str]] = {}
        for name in self.order:
            members.setdefault(self.root(name), []).append(name)
        needs = {
            root: {
                self.root(one.parent_type)
                for name in family
                for one in self.references[name]
                if one.parent_type is not None
            }
            - {root}
            for root, family in members.items()
        }
        return _ordered(tuple(members), needs)

    def descendants(self, name: str) -> tuple[str, ...]:
        """The types whose store is known through this one, nearest first."""
        below: list[str] = []
        for child in self.children[name]:
            below += [child, *self.descendants(child)]
        return tuple(below)

    def table_of(self, name: str) -> Table:
        """The table of a record type as the database describes it."""
        return self.tables[self.types[name].table.casefold()]


def resolve(settings: Settings, tables: Mapping[str, Table]) -> tuple[TypeSet, tuple[Problem, ...]]:
    """Hold what was declared against the tables. A type with an error is stopped; its lines stop with it."""
    problems: list[Problem] = []
    types: dict[str, RecordType] = {}
    stopped: dict[str, str] = {}
    for declared in settings.record_types:
        found, errors = _resolve_one(declared, tables)
        problems += errors
        fatal = [error for error in errors if error.severity == "error"]
        if found is None or fatal:
            stopped[declared.name] = fatal[0].message.removeprefix(f"{declared.name}: ")
        else:
            types[declared.name] = found
    _stop_lines(settings.record_types, types, stopped)
    references = {name: _references(one, types, tables) for name, one in types.items()}
    children = {
        name: tuple(other.name for other in types.values() if other.through and other.through.parent == name)
        for name in types
    }
    problems += _stores_problems(settings, tables)
    order = _ordered(tuple(types), _needs(types, references, tables))
    return TypeSet(types, tables, order, references, children, stopped), tuple(problems)


def _resolve_one(declared: DeclaredType, tables: Mapping[str, Table]) -> tuple[RecordType | None, list[Problem]]:
    name, named_at = declared.name, place_of_table(declared)
    problems: list[Problem] = []

    def wrong(message: str, hint: str, place: Place = declared.place) -> None:
        problems.append(Problem(place.file, place.line, place.column, message, hint))

    table = tables.get(declared.table.casefold())
    if table is None:
        hint = "correct the name, or take the record type out"
        wrong(f"{name}: the database has no table {declared.table}", hint, named_at)
        return None, problems
    if table.kind != "table":
        wrong(
            f"{name}: {table.name} is a {table.kind}, which cannot be captured", "declare the table behind it", named_at
        )
        return None, problems
    if table.unfit:
        wrong(f"{name}: {table.name} {table.unfit}", table.remedy, named_at)
        return None, problems
    key = _spelled(declared.key or table.primary_key, table)
    if not key:
        wrong(f"{name}: table {table.name} has no primary key", "give `key:` the columns that tell its records apart")
        return None, problems
    wanted = [*key, *_mentioned(declared)]
    missing = [
        column for column in [*wanted, *(declared.include or ()), *declared.exclude] if table.column(column) is None
    ]
    for column in dict.fromkeys(missing):
        wrong(
            f"{name}: table {table.name} has no column {column}",
            f"its columns are {', '.join(c.name for c in table.columns)}",
            place_of_column(declared, column),
        )
    if missing:
        return None, problems
    if not _unique(key, table):
        wrong(f"{name}: {', '.join(key)} is neither the primary key nor unique", "declare the key that the table has")
    for column in key:
        found = _column(table, column)
        if found.collation is not None and found.collation.upper() != "BINARY":
            hint = "keys must compare byte for byte (BINARY)"
            wrong(f"{name}: key column {column} has collation {found.collation}", hint)
        if found.unfit_key:
            wrong(f"{name}: key column {column} {found.unfit_key}", "declare another key that the table has")
    if table.triggers and declared.application_triggers is None:
        wrong(
            f"{name}: the application has triggers on {table.name}: {', '.join(table.triggers)}",
            "say `application_triggers: fire` or `silent`; what fires at both ends is done twice",
        )
    if table.triggers and declared.application_triggers == "silent" and not table.silenceable:
        wrong(
            f"{name}: the application's triggers on {table.name} cannot be silenced: {', '.join(table.triggers)}",
            'say `fire`, or see "The application\'s own triggers" in docs/databases.md for what it needs',
        )
    return _record_type(declared, table, key), problems


def _record_type(declared: DeclaredType, table: Table, key: tuple[str, ...]) -> RecordType:
    included = {c.casefold() for c in declared.include} if declared.include is not None else None
    excluded = {c.casefold() for c in declared.exclude}
    always = {c.casefold() for c in [*key, *_mentioned(declared)]}
    writable = [column.name for column in table.columns if not column.generated]
    travels = [
        column
        for column in writable
        if column not in key
        and (column.casefold() in always or (included is None or column.casefold() in included))
        and column.casefold() not in excluded
    ]
    spell = {column.name.casefold(): column.name for column in table.columns}
    store = declared.store
    if isinstance(store, Through):
        store = Through(spell[store.column.casefold()], store.parent)
    elif store is not None:
        store = spell[store.casefold()]
    also = declared.also_sent_to
    return RecordType(
        name=declared.name,
        table=table.name,
        key=key,
        columns=(*key, *travels),
        edited_on=declared.edited_on,
        sent_to=declared.sent_to,
        store=store,
        also_sent_to=type(also)(also.kind, spell[also.column.casefold()]) if also else None,
        clear_missing=frozenset(
            spell[column.casefold()] for column, what in declared.when_missing.items() if what == "clear"
        ),
        guard=declared.guard,
        application_triggers=declared.application_triggers,
        excludes_columns=len(key) + len(travels) < len(writable),
    )


def _mentioned(declared: DeclaredType) -> list[str]:
    store = declared.store.column if isinstance(declared.store, Through) else declared.store
    also = declared.also_sent_to.column if declared.also_sent_to else None
    return [column for column in (store, also, *declared.when_missing) if column is not None]


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    assert column is not None, f"{table.name}.{name} was looked for before"
    return column


def _spelled(key: Sequence[str], table: Table) -> tuple[str, ...]:
    return tuple(column.name if (column := table.column(name)) else name for name in key)


def _unique(key: tuple[str, ...], table: Table) -> bool:
    folded = {column.casefold() for column in key}
    return any({c.casefold() for c in one} == folded for one in (table.primary_key, *table.uniques))


def _stop_lines(declared: Iterable[DeclaredType], types: dict[str, RecordType], stopped: dict[str, str]) -> None:
    """A line cannot travel without its header: while one is stopped, so is the other."""
    changed = True
    while changed:
        changed = False
        for one in declared:
            parent = one.store.parent if isinstance(one.store, Through) else None
            if parent is not None and one.name in types and parent not in types:
                del types[one.name]
                stopped[one.name] = f"its parent {parent} is stopped"
                changed = True


def _references(
    record_type: RecordType, types: Mapping[str, RecordType], tables: Mapping[str, Table]
) -> tuple[Reference, ...]:
    by_table = {one.table.casefold(): one.name for one in types.values()}
    travels = set(record_type.columns)
    keys: list[ForeignKey] = [
        one for one in tables[record_type.table.casefold()].foreign_keys if set(one.columns) <= travels
    ]
    through = record_type.through
    if through is not None and not any(one.columns == (through.column,) for one in keys):
        parent = types[through.parent]
        keys.append(ForeignKey((through.column,), parent.table, parent.key))
    return tuple(
        Reference(
            one.columns,
            one.parent,
            one.parent_columns,
            by_table.get(one.parent.casefold()),
            one.on_delete,
            len(one.columns) == 1 and one.columns[0] in record_type.clear_missing,
        )
        for one in keys
    )


def _needs(
    types: Mapping[str, RecordType], references: Mapping[str, tuple[Reference, ...]], tables: Mapping[str, Table]
) -> dict[str, set[str]]:
    """The types that must come before each: its parents, but not one in a circle whose reference can be put off.

    So a circle is cut where it can be: a record that cannot do without its parent comes after it.
    """
    needs = {
        name: {one.parent_type for one in references[name] if one.parent_type is not None} - {name} for name in types
    }

    def reached(start: str) -> set[str]:
        seen, ahead = set[str](), [start]
        while ahead:
            for name in needs[ahead.pop()] - seen:
                seen.add(name)
                ahead.append(name)
        return seen

    def can_be_put_off(name: str, parent: str) -> bool:
        wanted = types[parent].table.casefold()
        keys = [one for one in tables[types[name].table.casefold()].foreign_keys if one.parent.casefold() == wanted]
        through = types[name].through
        return all(one.deferrable for one in keys) and not (through is not None and through.parent == parent)

    leads_to = {name: reached(name) for name in types}
    return {
        name: {one for one in parents if name not in leads_to[one] or not can_be_put_off(name, one)}
        for name, parents in needs.items()
    }


def _stores_problems(settings: Settings, tables: Mapping[str, Table]) -> list[Problem]:
    stores = settings.stores
    if stores is None:
        return []

    def problem(setting: str, what: str) -> Problem:
        place = stores.places.get(setting) or Place(settings.file.name, 1, 1)
        return Problem(place.file, place.line, place.column, f"stores: {what}", "correct the name")

    table = tables.get(stores.table.casefold())
    if table is None:
        return [problem("table", f"the database has no table {stores.table}")]
    return [
        problem(setting, f"table {table.name} has no column {column}")
        for setting, column in (("key", stores.key), ("code", stores.code), ("name", stores.name))
        if column is not None and table.column(column) is None
    ]


def _ordered(names: tuple[str, ...], needs: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Names so that what each needs comes before it; a cycle is cut where it was entered."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(name: str) -> None:
        if name in state:
            return
        state[name] = False
        for other in sorted(needs.get(name, ())):
            if other in names:
                visit(other)
        state[name] = True
        order.append(name)

    for name in names:
        visit(name)
    return tuple(order)
