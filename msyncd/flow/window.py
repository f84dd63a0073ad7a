"""Capture: which records changed beyond a cursor, so cut that no family is torn apart."""

from dataclasses import dataclass

from msyncd.databases.interface import KEY, PARENT, TYPE, Entry, Interest, Reader
from msyncd.flow.fold import Folded, fold
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor, Value


@dataclass(frozen=True, slots=True)
class Window:
    """The changes in (after, upto] of a change log, folded by record type. `end` is the log's own end."""

    after: Cursor
    upto: Cursor
    end: Cursor
    folded: dict[str, Folded]
    entries: int

    @property
    def more(self) -> bool:
        """Whether the log goes on."""
        return self.upto < self.end


def read_window(reader: Reader, types: TypeSet, after: Cursor, limit: int, interest: Interest | None = None) -> Window:
    """Read up to `limit` entries, and with each header or line all that changed in its family up to now (P9).

    What is taken in ahead of the cursor is read again in its turn: sending a record's present state twice does no harm.
    """
    page = reader.log_page(after, limit, interest)
    entries = page.entries
    if page.upto < page.end and entries:
        entries = entries + _families(reader, types, entries, page.upto, page.end)
    widths = {types.ids[name]: len(one.key) for name, one in types.types.items()}
    names = types.names
    folded = {names[type_id]: one for type_id, one in fold(entries, widths).items()}
    return Window(after, page.upto, page.end, folded, len(page.entries))


def _families(reader: Reader, types: TypeSet, entries: list[Entry], upto: Cursor, end: Cursor) -> list[Entry]:
    """Later entries of the families that the entries touch, header by header and line by line."""
    extra: list[Entry] = []
    seen: dict[str, set[Value]] = {}
    fresh = _headers(types, entries)
    while fresh:
        for name, keys in fresh.items():
            seen.setdefault(name, set()).update(keys)
        headers = {types.ids[name]: keys for name, keys in fresh.items()}
        lines: dict[int, set[Value]] = {}
        for name, keys in fresh.items():
            for child in types.children[name]:
                lines.setdefault(types.ids[child], set()).update(keys)
        later = reader.log_families(upto, end, headers, lines)
        extra += later
        found = _headers(types, later)
        fresh = {name: keys - seen.get(name, set()) for name, keys in found.items() if keys - seen.get(name, set())}
    return extra


def _headers(types: TypeSet, entries: list[Entry]) -> dict[str, set[Value]]:
    """The keys of the headers, by record type, whose families these entries belong to."""
    headers: dict[str, set[Value]] = {}
    for name, type_id in types.ids.items():
        record_type = types.types.get(name)
        if record_type is None:
            continue
        if types.children[name]:
            headers.setdefault(name, set()).update(entry[KEY] for entry in entries if entry[TYPE] == type_id)
        if record_type.through:
            parents = {entry[PARENT] for entry in entries if entry[TYPE] == type_id}
            headers.setdefault(record_type.through.parent, set()).update(parents - {None})
    return {name: keys for name, keys in headers.items() if keys}
