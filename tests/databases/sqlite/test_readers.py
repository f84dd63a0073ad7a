"""Reading connections that are kept: a few, of which one keeps the pages that it has read."""

from contextlib import ExitStack
from pathlib import Path

from msyncd.databases.sqlite.database import MOST_READERS, SQLiteDatabase
from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.testing import connect


def test_readers_that_wait_behind_another_hold_no_pages(tmp_path: Path) -> None:
    """Each would keep up to eight megabytes of the same pages, as often as a daemon reads in several threads."""
    url = f"sqlite:///{tmp_path / 'site.db'}"
    connection = connect(url)
    connection.script("CREATE TABLE item (id TEXT PRIMARY KEY)")
    database = SQLiteDatabase(url)
    said: list[tuple[int, str]] = []
    with ExitStack() as stack:
        readers = [stack.enter_context(database.read()) for _ in range(MOST_READERS + 2)]
        for at, reader in enumerate(readers):
            assert isinstance(reader, SQLiteReader)
            reader.connection.set_trace_callback(lambda sql, at=at: said.append((at, sql)))  # type: ignore[misc]  # at: an int
    shrunk = [at for at, sql in said if sql == "PRAGMA shrink_memory"]
    last = MOST_READERS + 1  # the one that is given back first
    assert shrunk == [last - 1, last - 2, last - 3]
    said.clear()
    with database.read() as reader:
        reader.execute("SELECT 1")
    assert {at for at, _ in said} == {last}, "the one that kept its pages is taken first"
    assert not any("shrink" in sql for _, sql in said)
    try:
        with database.read():
            raise ValueError("what is not known to be whole is closed")
    except ValueError:
        said.clear()
    with database.read():
        pass
    assert {at for at, _ in said} <= {last - 1, last - 2, last - 3}
    assert not any("shrink" in sql for _, sql in said), "another takes its place"
    database.close()
    connection.close()
