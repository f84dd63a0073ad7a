"""Where a captured row belongs, and how it is logged: the expressions and statements that the triggers are made of.

A trigger first sets variables about one row (`place`), then asks the guard, then logs. What it reads of other rows it
reads under a shared lock: a header that is being moved to another store, or a store that is being fenced, is waited for
(P33). A plain read would show an older state to a transaction that began before.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.databases.lineage import Lineage
from msyncd.databases.mariadb.describe import Catalogue
from msyncd.databases.mariadb.details import LOGGED_CHARACTERS, Detail
from msyncd.databases.mariadb.sql import EXACT, quoted
from msyncd.model import RecordType

_TEXT: Final = f"VARCHAR({LOGGED_CHARACTERS}) CHARACTER SET utf8mb4 COLLATE {EXACT}"
_NAME: Final = re.compile(r"\bv_\w+")
VARIABLES: Final = {
    **dict.fromkeys(("v_store", "v_store_old", "v_route", "v_route_old", "v_code", "v_words"), _TEXT),
    **dict.fromkeys(("v_found", "v_found_old", "v_known", "v_active", "v_to", "v_back"), "INT"),
}
"""What a trigger may set: the row's store and routing value, now and before an update; what the guard asks."""

APPLYING: Final = "@msyncd_applying"
"""The number of the record type that this connection applies; NULL for everybody else."""

Override = Mapping[str, str]
"""Expressions that stand for a row's columns, by casefolded name: what a cascade is about to write there."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A captured type's expressions about a row under some alias. `site` is this one."""

    lineage: Lineage
    catalogue: Catalogue
    site: int

    @property
    def record_type(self) -> RecordType:
        """The record type."""
        return self.lineage.record_type

    def detail(self, column: str) -> Detail:
        """What is known of a column of its table."""
        return self.catalogue.detail(self.record_type.table, column)

    def text(self, alias: str, column: str, override: Override | None = None) -> str:
        """A column as the log holds it."""
        given = (override or {}).get(column.casefold())
        return given or self.detail(column).logged(f"{alias}.")

    def parent(self, alias: str, override: Override | None = None) -> str:
        """The key of its parent as the log holds it."""
        through = self.record_type.through
        return self.text(alias, through.column, override) if through else "NULL"

    def store_of(self, root: str) -> str:
        """The store, of the root's row under an alias."""
        column = self.lineage.root.store_column
        return self.catalogue.detail(self.lineage.root.table, column).logged(f"{root}.") if column else "NULL"

    def route_of(self, alias: str, root: str) -> str:
        """The routing value, of the root's row or else of its own."""
        if (also := self.lineage.root.also_sent_to) is not None:
            return self.catalogue.detail(self.lineage.root.table, also.column).logged(f"{root}.")
        own = self.record_type.also_sent_to
        return self.text(alias, own.column) if own else "NULL"

    @property
    def is_placed(self) -> bool:
        """Whether rows of this type have a store or a routing value at all."""
        return bool(self.lineage.placing_columns()) or self.lineage.root.store_column is not None

    def place(self, alias: str, old: str = "") -> list[str]:
        """Statements that set the variables about a row; `old` is "_old" for those about what was before."""
        if not self.is_placed:
            return []
        if not self.lineage.ancestors:
            return [
                (
                    f"SET v_found{old} = 1, v_store{old} = {self.store_of(alias)}, v_route{old} = "
                    f"{self.route_of(alias, alias)};"
                )
            ]
        tables, conditions, root = self.lineage.chain(alias)
        inherited = self.lineage.root.also_sent_to is not None
        route = f"min({self.route_of(alias, root)})" if inherited else self.route_of(alias, root)
        return [
            (
                f"SELECT count(*), min({self.store_of(root)}), {route} INTO v_found{old}, v_store{old}, v_route{old}"
                f" FROM {', '.join(tables)} WHERE {' AND '.join(conditions)} LOCK IN SHARE MODE;"
            )
        ]

    def joined(self, alias: str) -> tuple[str, tuple[str, str, str]]:
        """Joins from a row to its ancestors; then whether they are there, its store and its routing value."""
        if not self.lineage.ancestors:
            return "", ("1", self.store_of(alias), self.route_of(alias, alias))
        tables, conditions, root = self.lineage.chain(alias)
        joins = "".join(f" LEFT JOIN {table} ON {on}" for table, on in zip(tables, conditions, strict=True))
        found = f"{root}.{quoted(self.lineage.root.key[0])} IS NOT NULL"
        return joins, (found, self.store_of(root), self.route_of(alias, root))

    def differ(self, columns: Sequence[str], one: str = "NEW", other: str = "OLD") -> str:
        """A condition that two rows hold different values in one of these columns, byte for byte; in parentheses."""
        return "(" + " OR ".join(self.detail(column).differs(one, other) for column in columns) + ")"

    def log(self, operation: int | str, keys: Sequence[str], parent: str, **values: str) -> str:
        """A statement that appends an entry. `values` by the log's columns; those that are always NULL are left out."""
        given = {
            "type": str(self.lineage.id),
            "operation": str(operation),
            "origin": str(self.site),
            **{name: value for name, value in values.items() if value != "NULL" and self.is_placed},
            **({} if parent == "NULL" else {"parent": parent}),
            **{f"key{number}": key for number, key in enumerate(keys, 1)},
        }
        return f"INSERT INTO msyncd_change_log ({', '.join(given)}) VALUES ({', '.join(given.values())});"

    def keys(self, alias: str, override: Override | None = None) -> list[str]:
        """The key of a row as the log holds it."""
        return [self.text(alias, column, override) for column in self.record_type.key]


def block(statements: Sequence[str]) -> str:
    """The body of a trigger. It declares what it uses, and no more: each variable costs time at each row."""
    used = set(_NAME.findall("\n".join(statements)))
    declared = [f"DECLARE {name} {kind};" for name, kind in VARIABLES.items() if name in used]
    return "\n".join(["BEGIN", *(f"  {one}" for one in (*declared, *statements)), "END"])


def unless_applying(type_id: int, statements: Sequence[str], also: str = "") -> list[str]:
    """These statements, but not while the applier writes that record type."""
    condition = f"NOT ({APPLYING} <=> {type_id})"
    return [f"IF {condition}{f' AND {also}' if also else ''} THEN", *(f"  {one}" for one in statements), "END IF;"]
