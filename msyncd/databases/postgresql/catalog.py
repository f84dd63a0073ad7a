"""What the catalogs say of the application's tables, in a handful of queries."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msyncd.databases.postgresql.connection import Connection
from msyncd.databases.postgresql.names import Qualified
from msyncd.model import UniqueIndex

SCHEMAS: Final = "array_remove(pg_catalog.current_schemas(false), 'msyncd')"
"""The application's own schemas, nearest first: msyncd's connections have them in their search path."""

_TABLES: Final = f"""
SELECT array_position({SCHEMAS}, n.nspname) IS NOT NULL, c.oid, n.nspname, c.relname, c.relkind::text,
    EXISTS (SELECT FROM pg_inherits i WHERE c.relkind = 'r' AND c.oid IN (i.inhparent, i.inhrelid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname <> 'information_schema' AND n.nspname <> 'msyncd' AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY array_position({SCHEMAS}, n.nspname), n.nspname, c.relname
"""
_COLUMNS: Final = """
SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod, a.attnotnull,
    a.atthasdef AND a.attgenerated = '', a.attidentity::text, a.attgenerated <> '',
    CASE WHEN NOT l.collisdeterministic THEN l.collname END, l.collname, l.collprovider::text
FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
_TYPES: Final = "SELECT oid, typname, typtype::text, typbasetype, typtypmod, typcategory::text FROM pg_type"
_INDEXES: Final = """
SELECT i.indrelid, i.indisprimary, i.indimmediate,
    ARRAY(SELECT k FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u (k, place)
        WHERE place <= i.indnkeyatts ORDER BY place)
FROM pg_index i WHERE i.indrelid = ANY (%s) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
ORDER BY i.indrelid, (SELECT relname FROM pg_class WHERE oid = i.indexrelid)
"""
_ODD_INDEXES: Final = """
SELECT i.indrelid, x.relname::text,
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, k::integer, false) FROM generate_series(1, i.indnkeyatts) k ORDER BY k),
    COALESCE(pg_get_expr(i.indpred, i.indrelid), ''),
    ARRAY(SELECT DISTINCT d.refobjsubid::integer FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = i.indrelid AND d.refobjsubid > 0 ORDER BY 1)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = ANY (%s) AND i.indisunique AND i.indisvalid
    AND (i.indpred IS NOT NULL OR 0 = ANY (i.indkey::int2[]))
ORDER BY i.indrelid, x.relname
"""
_REFERENCES: Final = """
SELECT r.conrelid, r.conkey, r.confrelid, r.confkey, r.confdeltype::text, r.condeferrable, r.confupdtype::text
FROM pg_constraint r WHERE r.contype = 'f' AND r.conrelid = ANY (%s) AND r.conparentid = 0 ORDER BY r.conrelid, r.oid
"""
_TRIGGERS: Final = """
SELECT t.tgrelid, t.tgname, t.tgenabled::text, t.tgtype::integer FROM pg_trigger t
WHERE t.tgrelid = ANY (%s) AND NOT t.tgisinternal AND t.tgname NOT LIKE 'msyncd\\_%%' ORDER BY t.tgrelid, t.tgname
"""


@dataclass(frozen=True, slots=True)
class TypeName:
    """A column's type below any domains: its base type's name, its modifier, and PostgreSQL's kind and category."""

    name: str
    modifier: int
    kind: str
    category: str


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """A column as pg_attribute has it. `loose` names a collation that does not compare byte for byte."""

    number: int
    name: str
    declared: str
    type: TypeName
    not_null: bool
    has_default: bool
    identity: str
    generated: bool
    loose: str | None
    bytewise: bool


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A unique index over whole rows; `columns` by number, 0 for an expression."""

    primary: bool
    immediate: bool
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReferenceEntry:
    """A foreign key, by the numbers of columns."""

    columns: tuple[int, ...]
    parent: int
    parent_columns: tuple[int, ...]
    on_delete: str
    deferrable: bool
    on_update: str


@dataclass(frozen=True, slots=True)
class TriggerEntry:
    """A trigger of the application. `type` holds pg_trigger's bits."""

    name: str
    type: int
    always: bool


@dataclass(slots=True)
class TableEntry:
    """A table as pg_class has it. `inherits`: its rows and another table's mix, and it is no partition.

    `known_as` is how it is declared: by its bare name in the application's own schemas, else with its schema.
    """

    known_as: str
    oid: int
    schema: str
    name: str
    kind: str
    inherits: bool
    columns: list[ColumnEntry] = field(default_factory=list)
    indexes: list[IndexEntry] = field(default_factory=list)
    references: list[ReferenceEntry] = field(default_factory=list)
    triggers: list["TriggerEntry"] = field(default_factory=list)
    odd_uniques: list[UniqueIndex] = field(default_factory=list)

    @property
    def lasting(self) -> bool:
        """Whether a trigger of the application fires whatever the session's role in replication."""
        return any(one.always for one in self.triggers)

    def fired_by(self, event: str) -> bool:
        """Whether the application has a trigger for INSERT, UPDATE or DELETE."""
        bit = {"INSERT": 4, "DELETE": 8, "UPDATE": 16}[event]
        return any(one.type & bit for one in self.triggers)

    def column(self, name: str) -> ColumnEntry:
        """The column of exactly that name."""
        return next(one for one in self.columns if one.name == name)

    def arbitrates(self, key: Sequence[str]) -> bool:
        """Whether a unique index on just these columns is checked at once, as ON CONFLICT needs it."""
        return any(one.immediate and set(self.named(one.columns)) == set(key) for one in self.indexes)

    def named(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """The names of columns by their numbers."""
        by_number = {one.number: one.name for one in self.columns}
        return tuple(by_number.get(number, "") for number in numbers)


def read_catalog(connection: Connection) -> dict[str, TableEntry]:
    """The tables and views by the casefolded name under which they are declared; of two alike the nearer one."""
    tables: dict[str, TableEntry] = {}
    for nearby, oid, schema, name, kind, inherits in connection.execute(_TABLES).fetchall():
        known_as = name if nearby else f"{schema}.{name}"
        tables.setdefault(known_as.casefold(), TableEntry(known_as, oid, schema, name, kind, inherits))
    by_oid = {one.oid: one for one in tables.values()}
    oids = list(by_oid)
    types = _types(connection)
    default_is_bytewise = _default_is_bytewise(connection)
    for (
        oid,
        number,
        name,
        declared,
        type_oid,
        modifier,
        not_null,
        default,
        identity,
        generated,
        loose,
        collation,
        how,
    ) in connection.execute(_COLUMNS, (oids,)).fetchall():
        bytewise = default_is_bytewise if how == "d" else collation in BYTEWISE
        type_name = _below_domains(types, type_oid, modifier)
        by_oid[oid].columns.append(
            ColumnEntry(number, name, declared, type_name, not_null, default, identity, generated, loose, bytewise)
        )
    for oid, primary, immediate, columns in connection.execute(_INDEXES, (oids,)).fetchall():
        by_oid[oid].indexes.append(IndexEntry(primary, immediate, tuple(columns)))
    for oid, name, terms, where, numbers in connection.execute(_ODD_INDEXES, (oids,)).fetchall():
        columns = by_oid[oid].named(numbers)
        words = _words(" ".join(terms))
        held = tuple(column for column in columns if column in words)
        by_oid[oid].odd_uniques.append(UniqueIndex(name, tuple(terms), where, columns, held))
    for oid, columns, parent, parent_columns, on_delete, deferrable, on_update in connection.execute(
        _REFERENCES, (oids,)
    ).fetchall():
        by_oid[oid].references.append(
            ReferenceEntry(tuple(columns), parent, tuple(parent_columns), on_delete, deferrable, on_update)
        )
    for oid, name, enabled, kind in connection.execute(_TRIGGERS, (oids,)).fetchall():
        if enabled != "D":
            by_oid[oid].triggers.append(TriggerEntry(name, kind, enabled in {"A", "R"}))
    return tables


def spelling_of(catalog: Mapping[str, TableEntry]) -> Qualified:
    """How these tables are spelled."""
    return Qualified({name: (entry.schema, entry.name) for name, entry in catalog.items()})


BYTEWISE: Final = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8", "ucs_basic", "pg_c_utf8"})
"""Collations that sort text by its bytes in UTF-8."""


def _default_is_bytewise(connection: Connection) -> bool:
    found = connection.execute("SELECT to_jsonb(d) FROM pg_database d WHERE d.datname = current_database()").fetchall()[
        0
    ][0]
    provider = found.get("datlocprovider", "c")  # since version 15
    locale = found.get("datlocale") if provider == "b" else found.get("datcollate")
    return provider in {"c", "b"} and locale in BYTEWISE


def _types(connection: Connection) -> dict[int, tuple[str, str, int, int, str]]:
    return {
        oid: (name, kind, base, modifier, category)
        for oid, name, kind, base, modifier, category in connection.execute(_TYPES).fetchall()
    }


def _below_domains(types: dict[int, tuple[str, str, int, int, str]], oid: int, modifier: int) -> TypeName:
    name, kind, base, base_modifier, category = types[oid]
    while kind == "d":
        oid, modifier = base, base_modifier
        name, kind, base, base_modifier, category = types[oid]
    return TypeName(name, modifier, kind, category)


def _words(sql: str) -> set[str]:
    """Every word that may be a column's name; more than these."""
    return {*re.findall(r"[\w$]+", sql), *(one.replace('""', '"') for one in re.findall(r'"((?:[^"]|"")*)"', sql))}
