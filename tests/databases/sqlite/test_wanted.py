"""Looking for many values at once: few statements, by index, and exactly what was asked for."""

import sqlite3
from collections.abc import Iterator, Sequence

import pytest

from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.databases.sqlite.wanted import LENGTHS, SCANNED, matching, portions
from msyncd.model import RecordType, Row, Value

LINE = RecordType("line", "line", ("ID",), ("ID", "note"), "active_site", "every_site")
JOIN = RecordType("pair", "pair", ("a", "b"), ("a", "b", "note"), "active_site", "every_site")


class Heard(SQLiteReader):
    """A reader that notes the text of every statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection, {"line": LINE, "pair": JOIN}, {"line": 1, "pair": 2}, 2)
        self.said: set[str] = set()

    def _fetch(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        self.said.add(sql)
        return super()._fetch(sql, parameters)


@pytest.fixture
def reader() -> Iterator[Heard]:
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    connection.executescript(
        "CREATE TABLE line (ID TEXT PRIMARY KEY, note TEXT);"
        "CREATE TABLE pair (a TEXT, b INTEGER, note TEXT, PRIMARY KEY (a, b));"
        "CREATE TABLE msyncd_change_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, type, operation, origin, store,"
        " store_before, route, route_before, only_site, parent, key1, key2);"
    )
    connection.executemany("INSERT INTO line VALUES (?, 'n')", [(f"l{n}",) for n in range(3000)])
    connection.executemany("INSERT INTO pair VALUES (?, ?, 'n')", [(f"p{n % 7}", n) for n in range(3000)])
    yield Heard(connection)
    connection.close()


@pytest.mark.parametrize("lengths", [LENGTHS, SCANNED])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 256, 257, 1024, 1025, 5000])
def test_every_value_is_asked_for_once(lengths: Sequence[int], count: int) -> None:
    lists = list(portions(range(count), None, lengths))
    assert {len(one) for one in lists} <= set(lengths)
    assert [value for one in lists for value in one if value is not None] == list(range(count))


def test_batches_of_any_size_need_few_statements_and_little_memory(reader: Heard) -> None:
    """One statement for each size would stay prepared, of 200 bytes for each value in it."""

    def read(sizes: Iterator[int]) -> None:
        for size in sizes:
            assert len(reader.rows(LINE, [(f"l{n}",) for n in range(size)])) == size
            assert len(reader.rows(JOIN, [(f"p{n % 7}", n) for n in range(size)])) == size
            reader.log_families(reader.log_start(), reader.log_beyond(reader.log_end(), 9), {1: range(size)}, {})

    read(iter(range(1, 3000, 151)))
    few = len(reader.said)
    held = _held(reader)
    read(iter(range(2, 3000, 37)))
    assert len(reader.said) <= few + len(LENGTHS) + len(SCANNED)
    assert _held(reader) <= held + (64 << 10)


def _held(reader: Heard) -> int:
    """Bytes that prepared statements take, if this SQLite can tell."""
    if not reader.execute("SELECT 1 FROM pragma_module_list WHERE name = 'sqlite_stmt'"):
        return 0
    return int(str(reader.execute("SELECT sum(mem) FROM sqlite_stmt WHERE NOT busy")[0][0] or 0))


def test_a_key_of_several_columns_is_found_by_its_index(reader: Heard) -> None:
    """SQLite would read the whole table for "(a, b) IN (VALUES …)"."""
    sql = f"EXPLAIN QUERY PLAN SELECT t.note {matching('pair', JOIN.key, 256)}"
    plan = [str(row[-1]) for row in reader.execute(sql, ["x", 1] * 256)]
    assert not [step for step in plan if step.startswith("SCAN t")], plan
    assert [step for step in plan if "SEARCH t USING" in step and "(a=? AND b=?)" in step], plan


def test_an_empty_value_is_nobodys(reader: Heard) -> None:
    """The places that are filled up with NULL find no row that holds NULL."""
    reader.execute("INSERT INTO line VALUES (NULL, NULL)")
    reader.execute("INSERT INTO pair VALUES ('only', NULL, NULL)")
    assert set(reader.rows(LINE, [("l1",), ("l2",), ("gone",)])) == {("l1",), ("l2",)}
    assert set(reader.rows(JOIN, [("p1", 1), ("p2", 2), ("only", 9)])) == {("p1", 1), ("p2", 2)}
    assert reader.existing("pair", ("a", "b"), {("p3", 3), ("p3", 4)}) == {("p3", 3)}
    held = reader.holders("line", ("ID",), {("l1",), ("l9",)}, ("ID",))
    assert sorted(held) == [(("l1",), ("l1",)), (("l9",), ("l9",))]
