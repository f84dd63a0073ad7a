"""Families across pages (P9): whole when they go, nothing passed over, nothing sent twice, little remembered."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.flow import ahead as remembered
from msyncd.flow import reach
from msyncd.flow import window as windows
from msyncd.flow.ahead import Ahead
from msyncd.flow.types import TypeSet
from msyncd.flow.window import Window, read_window
from msyncd.model import START, Cursor, RecordType, Through

ITEM, HEADER, LINE, PART = 1, 2, 3, 4
_KEY, _COLUMNS = ("ID",), ("ID", "parent")
TYPES = {
    "item": RecordType("item", "item", _KEY, _COLUMNS, "primary", "every_site"),
    "header": RecordType("header", "header", _KEY, _COLUMNS, "active_site", "sites_of_store", store="parent"),
    "line": RecordType(
        "line", "line", _KEY, _COLUMNS, "active_site", "sites_of_store", store=Through("parent", "header")
    ),
    "part": RecordType(
        "part", "part", _KEY, _COLUMNS, "active_site", "sites_of_store", store=Through("parent", "line")
    ),
}
IDS = {"item": ITEM, "header": HEADER, "line": LINE, "part": PART}
TYPE_SET = TypeSet(
    TYPES, {}, tuple(TYPES), {}, {"item": (), "header": ("line",), "line": ("part",), "part": ()}, ids=IDS
)
PARENT_TYPE = {LINE: HEADER, PART: LINE}


@dataclass(frozen=True)
class Logged:
    """An entry of the log, as the test knows it."""

    type_id: int
    key: str
    parent: str | None

    @property
    def record(self) -> tuple[int, str]:
        return self.type_id, self.key

    @property
    def family(self) -> tuple[int, str] | None:
        if self.parent is not None:
            return PARENT_TYPE[self.type_id], self.parent
        return None if self.type_id in (ITEM, PART) else self.record


class Log:
    """A change log in memory."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute(
            "CREATE TABLE msyncd_change_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, type, operation, origin, store,"
            " store_before, route, route_before, only_site, parent, key1)"
        )
        self.reader = SQLiteReader(self._connection, TYPES, IDS, 1)
        self.entries: list[Logged] = []

    def append(self, entries: list[Logged]) -> None:
        self.entries += entries
        self._connection.executemany(
            "INSERT INTO msyncd_change_log (type, operation, origin, parent, key1) VALUES (?, 1, 2, ?, ?)",
            [(one.type_id, one.parent, one.key) for one in entries],
        )

    def close(self) -> None:
        self._connection.close()


def moved(log: Log, after: Cursor, sizes: list[int], grow: list[list[Logged]], ahead: Ahead) -> Iterator[Window]:
    """The windows of one run, of changing sizes; the log may grow between them."""
    step = 0
    while step < len(grow) or after < log.reader.log_end():
        size = sizes[step % len(sizes)]
        window = read_window(log.reader, TYPE_SET, after, ahead.entries(size), size, None, ahead)
        ahead.went(window)
        yield window
        if step < len(grow):
            log.append(grow[step])
        step += 1
        after = window.upto


def records(window: Window) -> set[tuple[int, str]]:
    """What a window brings."""
    return {(IDS[name], str(key[0])) for name, folded in window.folded.items() for key in folded.records}


@contextmanager
def horizons(near: int, most: int, few: int) -> Iterator[None]:
    """The bounds in small."""
    with (
        mock.patch.object(reach, "NEAR", near),
        mock.patch.object(reach, "FAR", 3 * near),
        mock.patch.object(remembered, "MOST", most),
        mock.patch.object(windows, "FEW", few),
    ):
        yield


def entries(*, moving: bool, least: int = 0) -> st.SearchStrategy[list[Logged]]:
    """Headers, lines and their parts, in any order; `moving`: a line may stand under another header later."""
    header = st.builds(Logged, st.just(HEADER), st.sampled_from("ABCD"), st.none())
    item = st.builds(Logged, st.just(ITEM), st.sampled_from("xyz"), st.none())
    if moving:
        line = st.builds(Logged, st.just(LINE), st.sampled_from("abcdef"), st.sampled_from("ABCD"))
        part = st.builds(Logged, st.just(PART), st.sampled_from("1234"), st.sampled_from("abcdef"))
    else:
        line = st.sampled_from("abcdefgh").map(lambda key: Logged(LINE, key, "ABC"[ord(key) % 3]))
        part = st.sampled_from("1234").map(lambda key: Logged(PART, key, "abcd"[int(key) % 4]))
    return st.lists(st.one_of(header, line, line, part, item), min_size=least, max_size=60)


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=4)


NEARS = st.integers(2, 6)
MOST = st.sampled_from([0, 2, 1000])
FEW = st.sampled_from([0, 5])


def grown(*, moving: bool) -> st.SearchStrategy[list[list[Logged]]]:
    """What is logged between the windows."""
    return st.lists(entries(moving=moving, least=1), max_size=6)


def assert_nothing_passed_over(log: Log, went: list[tuple[Window, set[tuple[int, str]]]]) -> None:
    """Each record was read at least once when its last entry stood in the log."""
    for seq, entry in enumerate(log.entries, 1):
        assert [1 for window, some in went if entry.record in some and window.end.seq >= seq], (seq, entry)


@settings(max_examples=200, deadline=None)
@given(entries(moving=True, least=10), SIZES, grown(moving=True), NEARS, MOST, FEW)
def test_p09_nothing_is_passed_over(
    first: list[Logged], sizes: list[int], grow: list[list[Logged]], near: int, most: int, few: int
) -> None:
    """Whatever lies apart, however little is remembered, while the log grows, and also where lines change headers."""
    log = Log()
    log.append(first)
    with horizons(near, most, few):
        went = [(window, records(window)) for window in moved(log, START, sizes, grow, Ahead())]
    assert_nothing_passed_over(log, went)
    log.close()


@settings(max_examples=200, deadline=None)
@given(entries(moving=False, least=10), SIZES, grown(moving=False), NEARS, MOST, FEW)
def test_p09_a_family_goes_whole(
    first: list[Logged], sizes: list[int], grow: list[list[Logged]], near: int, most: int, few: int
) -> None:
    """With any record of it goes all that was logged of the family until then, if it has not gone before."""
    log = Log()
    log.append(first)
    with horizons(near, most, few):
        went = [(window, records(window)) for window in moved(log, START, sizes, grow, Ahead())]
    log.close()
    assert_nothing_passed_over(log, went)
    for number, (window, some) in enumerate(went, 1):
        here = {one.family for one in log.entries[: window.upto.seq] if one.record in some} - {None}
        for seq, one in enumerate(log.entries[: window.end.seq], 1):
            if seq > window.upto.seq and one.family in here:
                assert [1 for earlier, brought in went[:number] if one.record in brought and earlier.end.seq >= seq]


@settings(max_examples=200, deadline=None)
@given(entries(moving=False, least=10), SIZES, NEARS, FEW)
def test_p09_a_record_of_a_family_goes_once(first: list[Logged], sizes: list[int], near: int, few: int) -> None:
    log = Log()
    log.append(first)
    with horizons(near, 1000, few):
        went = [record for window in moved(log, START, sizes, [], Ahead()) for record in records(window)]
    log.close()
    of_families = [one for one in went if one[0] != ITEM]
    assert len(of_families) == len(set(of_families))


@pytest.mark.parametrize("apart", [False, True])
def test_p09_a_window_is_bounded_and_what_is_remembered_does_not_grow_with_the_log(*, apart: bool) -> None:
    """Also where every header was written before any line, as an import does it."""
    for headers in (40, 160):
        log = Log()
        some = [Logged(HEADER, f"h{n}", None) for n in range(headers)]
        lines = [[Logged(LINE, f"l{n}-{m}", f"h{n}") for m in range(10)] for n in range(headers)]
        if apart:
            log.append([*some, *(line for several in lines for line in several)])
        else:
            log.append([one for header, several in zip(some, lines, strict=True) for one in (header, *several)])
        ahead, most = Ahead(), 0
        with horizons(100, 1000, 50):
            for window in moved(log, START, [50], [], ahead):
                assert window.records <= 100
                most = max(most, ahead.remembered)
        log.close()
        # apart: one place for each family, not for each line
        assert most <= (headers if apart else 5)
