"""Columns that begin to travel: what was written into them before the triggers knew of them is sent now (P5, P7).

Where some columns are left out, an update of those alone is not logged. A column that was just added is such a one
until the triggers are made anew; one that `columns` left out until now has been all the time.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msyncd.databases.interface import RowRejected, Writer
from msyncd.databases.values import Scope
from msyncd.flow.here import Here
from msyncd.flow.ledger import meta
from msyncd.flow.log import log_rows
from msyncd.model import RecordType

WATCHED: Final = "watched_columns"
"""Under this name the columns are noted at whose changes the triggers look, of the types where some are left out."""
PAGE: Final = 5000


def log_gained(writer: Writer, here: Here) -> None:
    """Log the records that this site may edit and that hold anything in columns which the triggers did not watch.

    Called once the triggers are those of now, and in the transaction of opening: killed before, it is done next time.
    """
    noted: dict[str, list[str]] = json.loads(meta.get(writer, WATCHED) or "{}")
    for name in here.types.order:
        one = here.types.types[name]
        watched = noted.get(name, one.columns)
        gained = [column for column in one.columns if column not in watched]
        if gained:
            _log(writer, here, one, gained)
    # of a type that is stopped the triggers are gone: it is looked after as one whose table was rebuilt
    now = {name: list(one.columns) for name, one in here.types.types.items() if one.excludes_columns}
    if now != noted:
        meta.put(writer, WATCHED, json.dumps(now))


def _log(writer: Writer, here: Here, one: RecordType, gained: Sequence[str]) -> None:
    scope = _own(here, one)
    if scope is None:
        return
    shape, width, after = replace(one, columns=(*one.key, *gained)), len(one.key), None
    try:
        while rows := writer.page(shape, after, PAGE, scope):
            after = shape.key_of(rows[-1])
            full = [row[:width] for row in rows if any(value is not None for value in row[width:])]
            log_rows(writer, here, one, full)
    except RowRejected:  # a value that cannot be read is told of when its own record is sent
        writer.log_all(here.types.ids[one.name], one, here.site, scope)


def _own(here: Here, one: RecordType) -> Scope | None:
    """The rows of which this site has the word; None if it has none."""
    if one.edited_on == "primary":
        return Scope() if here.is_primary else None
    return Scope(here.facts.stores_at(here.site)) if one.edited_on == "active_site" else Scope()
