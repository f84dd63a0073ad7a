"""A SQLite database whose cursors are strange: the flow may know nothing of them but their order.

They are ordered by a major number, their sequence runs backwards, and in a write transaction the log's end lies before
what the transaction itself has logged, as it does where transactions commit out of order.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from msyncd.databases.sqlite import database
from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.databases.sqlite.writer import SQLiteWriter
from msyncd.databases.values import Entry, Interest, LogPage
from msyncd.model import START, Cursor, Row, Value

_TOP = 1_000_000


def _odd(cursor: Cursor) -> Cursor:
    return START if cursor == START else Cursor(cursor.seq, _TOP - cursor.seq)


def _even(cursor: Cursor) -> Cursor:
    assert cursor == START or cursor.major + cursor.seq == _TOP, f"{cursor} was made by arithmetic"
    return Cursor(0, cursor.major)


class OddReader(SQLiteReader):
    """Turns every cursor on its way in and out."""

    def log_end(self) -> Cursor:
        return _odd(super().log_end())

    def log_start(self) -> Cursor:
        return _odd(_Even(self).log_start())

    def log_page(self, after: Cursor, limit: int, interest: Interest | None = None) -> LogPage:
        page = _Even(self).log_page(_even(after), limit, interest)
        return LogPage(page.entries, _odd(page.upto), _odd(page.end))

    def log_families(
        self,
        after: Cursor,
        upto: Cursor,
        headers: Mapping[int, Collection[Value]],
        lines: Mapping[int, Collection[Value]],
        most: int | None = None,
    ) -> list[Entry]:
        return super().log_families(_even(after), _even(upto), headers, lines, most)

    def log_left(self, after: Cursor) -> int:
        return _Even(self).log_left(_even(after))

    def log_beyond(self, cursor: Cursor, entries: int) -> Cursor:
        return _odd(super().log_beyond(_even(cursor), entries))

    def log_wide_families(
        self, after: Cursor, upto: Cursor, lines: Mapping[int, int], wider_than: int, most: int
    ) -> list[tuple[int, Value]]:
        return super().log_wide_families(_even(after), _even(upto), lines, wider_than, most)

    def log_count(self, after: Cursor, interest: Interest | None = None, origin: int | None = None) -> int:
        return super().log_count(_even(after), interest, origin)

    def log_keys(self, after: Cursor, type_id: int, origin: int) -> set[Row]:
        return super().log_keys(_even(after), type_id, origin)

    def changed_since(self, type_id: int, key: Row, after: Cursor) -> bool:
        return super().changed_since(type_id, key, _even(after))


class _Even(SQLiteReader):
    """The same look without the turning, for methods that call one another."""

    def __init__(self, odd: SQLiteReader) -> None:
        super().__init__(odd._connection, odd._types, odd._ids, odd._width)


class OddWriter(OddReader, SQLiteWriter):
    """What this very transaction has logged cannot be read before it is committed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._end = _odd(_Even(self).log_end())

    def log_end(self) -> Cursor:
        return self._end

    def log_written(self) -> Cursor:
        return _odd(_Even(self).log_end())

    def trim_log(self, upto: Cursor) -> int:
        return super().trim_log(_even(upto))

    def log_again(self, type_id: int, after: Cursor, origin: int, only_site: int | None) -> int:
        return super().log_again(type_id, _even(after), origin, only_site)


@pytest.fixture
def odd_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every database that is opened from now on has them."""
    monkeypatch.setattr(database, "SQLiteReader", OddReader)
    monkeypatch.setattr(database, "SQLiteWriter", OddWriter)
