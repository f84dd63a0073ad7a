"""Capture: which records changed beyond a cursor, so cut that no family is torn apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msyncd.databases.interface import KEY, PARENT, TYPE, Entry, Interest, LogPage, Reader
from msyncd.flow.fold import Folded, fold
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor, Row, Value

MOST_AHEAD = 100_000
"""Records that are remembered to have gone before their turn."""


@dataclass(frozen=True, slots=True)
class Window:
    """The changes in (after, upto] of a change log, folded by record type. `end` is the log's own end."""

    after: Cursor
    upto: Cursor
    end: Cursor
    folded: dict[str, Folded]
    entries: int
    ahead: frozenset[tuple[int, Row]] = frozenset()
    """Records, by type number and key, that are taken in before their own turn."""
    passed: frozenset[tuple[int, Row]] = frozenset()
    """Records whose turn this was and that had gone before."""

    @property
    def more(self) -> bool:
        """Whether the log goes on."""
        return self.upto < self.end


class Ahead:
    """What went ahead of its turn, so that it is not sent a second time when its turn comes.

    It holds for one unbroken run of batches: after anything else than "applied", begin with a new one. Each record is
    kept with the log's end when it was read: what was logged since is news.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[int, Row], Cursor] = {}

    def fresh(self, page: LogPage, widths: Mapping[int, int]) -> list[Entry]:
        """The entries of a page that have not gone."""
        if not self._until:
            return page.entries
        fresh = []
        for entry in page.entries:
            record = (entry[TYPE], entry[KEY : KEY + widths.get(entry[TYPE], 1)])
            until = self._until.get(record)
            if until is None or page.upto > until:
                fresh.append(entry)
        return fresh

    def went(self, window: "Window") -> None:
        """The window is being sent: remember what goes with it before its turn, forget whose turn is over."""
        for record in window.passed:
            self._until.pop(record, None)
        if len(self._until) > MOST_AHEAD:  # memory is bounded; what is forgotten is sent twice, which does no harm
            self._until.clear()
        self._until.update(dict.fromkeys(window.ahead, window.end))


def read_window(
    reader: Reader, types: TypeSet, after: Cursor, limit: int, interest: Interest | None, ahead: Ahead
) -> Window:
    """Read up to `limit` entries, and with each header or line all that changed in its family up to now (P9).

    What went before its turn, as `ahead` remembers, is passed over.
    """
    page = reader.log_page(after, limit, interest)
    widths = {types.ids[name]: len(one.key) for name, one in types.types.items()}
    entries = ahead.fresh(page, widths)
    passed = _records(page.entries, widths) if len(entries) < len(page.entries) else frozenset()
    going_ahead: frozenset[tuple[int, Row]] = frozenset()
    if page.upto < page.end and entries:
        later = _families(reader, types, entries, page.upto, page.end)
        going_ahead = _records(later, widths)
        entries = entries + later
    names = types.names
    folded = {names[type_id]: one for type_id, one in fold(entries, widths).items()}
    return Window(after, page.upto, page.end, folded, len(page.entries), going_ahead, passed - going_ahead)


def _records(entries: Iterable[Entry], widths: Mapping[int, int]) -> frozenset[tuple[int, Row]]:
    return frozenset((one[TYPE], one[KEY : KEY + widths.get(one[TYPE], 1)]) for one in entries)


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
