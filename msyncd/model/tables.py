"""Tables, as a database describes them."""

from dataclasses import dataclass
from typing import Literal

from msyncd.model.values import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `declared` is its type as the database spells it; `generated` cannot be written.

    `kind` says how its values are written when they leave the database: see databases/kinds.py. `unfit_key` says why it
    cannot be in a key, if it cannot. `padding`: the collation to which blanks at a value's end are nothing, if they are
    and all else counts.
    """

    name: str
    declared: str = ""
    nullable: bool = True
    has_default: bool = False
    collation: str | None = None
    generated: bool = False
    kind: Kind = "any"
    unfit_key: str = ""
    padding: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference that the database declares. `on_delete`: NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT.

    `deferrable`: whether msyncd can put its check off to the commit. `on_update` is like `on_delete`, where the
    database's triggers do not see what it does; else NO ACTION.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    deferrable: bool = True
    on_update: str = "NO ACTION"


@dataclass(frozen=True, slots=True)
class UniqueIndex:
    """A unique index that its columns alone do not tell: on expressions, on a part of the rows or values, or collated.

    `terms` together are unique among the rows for which `where` holds ("": all), both in the database's own SQL.
    `columns` are all that they name, `held` those of the terms.
    """

    name: str
    terms: tuple[str, ...]
    where: str
    columns: tuple[str, ...]
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the application: names as the database spells them.

    `uniques` holds the columns of every unique constraint or plain unique index but the primary key, `odd_uniques` the
    other unique indexes. `triggers` are the
    application's own, and `silenceable` says whether they can be silenced. `kind` "table" can be captured; "view" and
    "virtual" cannot. `unfit` says why a table cannot be captured, and `remedy` what to do, if it cannot.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()
    kind: Literal["table", "view", "virtual"] = "table"
    silenceable: bool = True
    unfit: str = ""
    remedy: str = ""
    odd_uniques: tuple[UniqueIndex, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, whatever its case; None if there is none."""
        folded = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == folded), None)
