"""The application's tables as MariaDB describes them."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from msyncd.databases.mariadb.details import Detail, kind_of
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import quoted
from msyncd.databases.references import cascading_in_a_circle, circular, emptied
from msyncd.model import Column, ForeignKey, Row, Table, UniqueIndex, Value

OURS: Final = "msyncd_"
"""What msyncd itself puts into the database begins so."""

_JSON_CHECK: Final = re.compile(r'json_valid\("(.*)"\)')
_CASCADES: Final = frozenset({"CASCADE", "SET NULL"})
Details = Mapping[str, Detail]
"""By casefolded name."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables by casefolded name, and what the dialect must know of their columns besides."""

    tables: dict[str, Table] = field(default_factory=dict)
    details: dict[str, Details] = field(default_factory=dict)
    unique_indexes: dict[str, dict[frozenset[str], str]] = field(default_factory=dict)
    """By casefolded table: the names of its unique indexes by their casefolded columns."""

    def detail(self, table: str, column: str) -> Detail:
        """What is known of a column; of one that is not known, nothing."""
        found = self.details.get(table.casefold(), {}).get(column.casefold())
        return found or Detail(column, "", "", "any")

    def unique_index(self, table: str, columns: Sequence[str]) -> str | None:
        """The name of the unique index on just these columns, if there is one."""
        return self.unique_indexes.get(table.casefold(), {}).get(_folded(columns))


def describe(session: Session) -> Catalogue:
    """Every table and view of the application; msyncd's own are left out."""
    found = Catalogue()
    json = _json_columns(session)
    triggers = _grouped(session, _TRIGGERS)
    columns = _grouped(session, _COLUMNS)
    indexes = _grouped(session, _UNIQUE_INDEXES)
    for name, kind, engine in session.fetch(_TABLES):
        table = str(name)
        if table.casefold().startswith(OURS):
            continue
        details = [_detail(row, (table, str(row[0])) in json) for row in columns[table]]
        found.details[table.casefold()] = {one.name.casefold(): one for one in details}
        uniques = _uniques(indexes[table])
        # of two on the same columns the primary key, which comes last here
        by_name = sorted(uniques.items(), key=lambda one: one[0] == "PRIMARY")
        found.unique_indexes[table.casefold()] = {_folded(names): index for index, names in by_name}
        found.tables[table.casefold()] = Table(
            table,
            tuple(map(_column, columns[table], details)),
            uniques.pop("PRIMARY", ()),
            tuple(uniques.values()),
            triggers=tuple(str(row[0]) for row in triggers[table] if not str(row[0]).casefold().startswith(OURS)),
            kind=_kind(str(kind)),
            silenceable=False,
            odd_uniques=_prefixed(indexes[table]),
            unfit=(unfit := _unfit(table, str(kind), engine))[0],
            remedy=unfit[1],
        )
    return replace(found, tables=_with_foreign_keys(session, found.tables))


_TABLES: Final = (
    "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'SEQUENCE' ORDER BY TABLE_NAME"
)
_TRIGGERS: Final = (
    "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS"
    " WHERE EVENT_OBJECT_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME"
)
_COLUMNS: Final = (
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_MAXIMUM_LENGTH,"
    " CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME,"
    " EXTRA, GENERATION_EXPRESSION FROM information_schema.COLUMNS"
    " WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION"
)
_UNIQUE_INDEXES: Final = (
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS"
    " WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
)
_REFERENCES: Final = (
    "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME"
    " FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE()"
    " AND REFERENCED_TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION"
)
_RULES: Final = (
    "SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA = DATABASE()"
)


def _grouped(session: Session, sql: str) -> defaultdict[str, list[Row]]:
    """Rows by their first column, which is left out."""
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in session.fetch(sql):
        grouped[str(row[0])].append(row[1:])
    return grouped


def _json_columns(session: Session) -> set[tuple[str, str]]:
    """JSON is LONGTEXT with a check of its own."""
    rows = session.fetch(
        "SELECT TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"
        " WHERE CONSTRAINT_SCHEMA = DATABASE() AND CHECK_CLAUSE LIKE 'json\\_valid(%'"
    )
    found = ((str(table), _JSON_CHECK.fullmatch(str(clause))) for table, clause in rows)
    return {(table, check[1].replace('""', '"')) for table, check in found if check is not None}


def _kind(kind: str) -> Literal["table", "view", "virtual"]:
    return "view" if kind.endswith("VIEW") else "table"


def _unfit(table: str, kind: str, engine: Value) -> tuple[str, str]:
    """Why a table cannot be captured, and what to do: outside InnoDB a write stands, whatever becomes of it."""
    if kind.endswith("VIEW") or engine == "InnoDB":
        return "", ""
    return f"is kept by {engine!s}, which has no transactions", f"ALTER TABLE {table} ENGINE=InnoDB"


def _detail(row: Row, json: bool) -> Detail:
    (
        name,
        declared,
        type_name,
        nullable,
        _,
        length,
        octets,
        precision,
        scale,
        fraction,
        charset,
        collation,
        extra,
        _,
    ) = row
    spelled, its_type = str(declared).lower(), str(type_name).lower()
    return Detail(
        str(name),
        str(declared) if its_type in {"enum", "set"} else spelled,
        its_type,
        kind_of(its_type, spelled, json=json),
        nullable == "YES",
        _number(length),
        _number(octets),
        _number(precision),
        _number(scale),
        _number(fraction) or 0,
        None if charset is None else str(charset),
        None if collation is None else str(collation),
        "on update" in str(extra).lower(),
    )


def _column(row: Row, detail: Detail) -> Column:
    default, extra, generation = row[4], str(row[12]).lower(), row[13]
    return Column(
        detail.name,
        detail.declared,
        detail.nullable,
        has_default=(default is not None and default != "NULL") or "auto_increment" in extra,
        collation=None if detail.bytewise else detail.collation,
        generated=generation is not None or "generated" in extra,
        kind=detail.kind,
        unfit_key=detail.unfit_key,
        padding=str(detail.collation) if detail.bytewise and not detail.exact else "",
    )


def _folded(columns: Sequence[str]) -> frozenset[str]:
    return frozenset(column.casefold() for column in columns)


def _uniques(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """The columns of each unique index by its name; those on the beginnings of values are left out."""
    columns: defaultdict[str, list[str]] = defaultdict(list)
    for index, column, _ in rows:
        columns[str(index)].append(str(column))
    partial = {str(index) for index, _, part in rows if part is not None}
    return {index: tuple(names) for index, names in columns.items() if index not in partial}


def _prefixed(rows: Sequence[Row]) -> tuple[UniqueIndex, ...]:
    """The unique indexes on the beginnings of values."""
    parts: defaultdict[str, list[tuple[str, Value]]] = defaultdict(list)
    for index, column, part in rows:
        parts[str(index)].append((str(column), part))
    return tuple(
        UniqueIndex(
            index,
            tuple(quoted(name) if part is None else f"LEFT({quoted(name)}, {int(str(part))})" for name, part in some),
            "",
            tuple(name for name, _ in some),
            tuple(name for name, _ in some),
        )
        for index, some in parts.items()
        if any(part is not None for _, part in some)
    )


def _with_foreign_keys(session: Session, tables: Mapping[str, Table]) -> dict[str, Table]:
    references: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in session.fetch(_REFERENCES):
        references[str(row[0]), str(row[1])].append(row[2:])
    keys: defaultdict[str, list[ForeignKey]] = defaultdict(list)
    rules = {
        (str(table), str(name)): (str(delete), str(update)) for table, name, delete, update in session.fetch(_RULES)
    }
    for (child, name), parts in references.items():
        parent = tables.get(str(parts[0][1]).casefold())
        if parent is not None:
            keys[child.casefold()].append(_foreign_key(parts, parent, *rules.get((child, name), ("", ""))))
    found = {folded: replace(table, foreign_keys=tuple(keys[folded])) for folded, table in tables.items()}
    return _with_circles(found)


def _with_circles(found: dict[str, Table]) -> dict[str, Table]:
    """What references in a circle mean for each table."""
    circles, cascading = circular(found), cascading_in_a_circle(found)
    for folded, table in found.items():
        own = circles.get(folded, ())
        put_off = [replace(one, deferrable=one in own and bool(emptied(table, one))) for one in table.foreign_keys]
        found[folded] = replace(table, foreign_keys=tuple(put_off))
        if folded in cascading and not table.unfit:
            found[folded] = replace(
                found[folded],
                unfit="goes by ON DELETE CASCADE in a circle through other tables, which no trigger can follow",
                remedy="take ON DELETE CASCADE from one of the references in the circle",
            )
    return found


def _foreign_key(parts: Sequence[Row], parent: Table, on_delete: str, on_update: str) -> ForeignKey:
    named = [column.name if (column := parent.column(str(part[2]))) else str(part[2]) for part in parts]
    return ForeignKey(
        tuple(str(part[0]) for part in parts),
        parent.name,
        tuple(named),
        # RESTRICT is what InnoDB makes of NO ACTION: what must be put off, the writer puts off
        on_delete if on_delete in _CASCADES else "NO ACTION",
        on_update=on_update if on_update in _CASCADES else "NO ACTION",
    )


def _number(value: Value) -> int | None:
    return None if value is None else int(str(value))


def cascades(
    tables: Mapping[str, Table], parent: Table, rule: Literal["delete", "update"]
) -> Iterator[tuple[Table, ForeignKey]]:
    """The tables whose rows InnoDB alters by itself when a row of `parent` is deleted, or its key is changed."""
    for table in tables.values():
        for one in table.foreign_keys:
            does = one.on_delete if rule == "delete" else one.on_update
            if one.parent == parent.name and does in _CASCADES:
                yield table, one
