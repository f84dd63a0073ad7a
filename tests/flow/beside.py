"""Another program that writes just before msyncd is given the locks of rows, as it can where rows have locks.

SQLite has one writer, so this never happens there; what the flow makes of it is the same on every database.
"""

from collections.abc import Iterable

import pytest

from msyncd.databases.sqlite.writer import SQLiteWriter
from msyncd.model import RecordType, Row
from msyncd.testing import OneSite


class Beside:
    """What the application of a site commits while msyncd waits for locks, each once: told by `before_lock`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pending: list[tuple[str, str, Row, str]] = []
        pending = self._pending

        def lock_rows(writer: SQLiteWriter, record_type: RecordType, keys: Iterable[Row]) -> None:
            file = str(writer.execute("SELECT file FROM pragma_database_list")[0][0])
            wanted = set(keys)
            for one in list(pending):
                if one[:2] == (file, record_type.name) and one[2] in wanted:
                    pending.remove(one)
                    writer.execute(one[3])

        monkeypatch.setattr(SQLiteWriter, "lock_rows", lock_rows)

    def before_lock(self, site: OneSite, record_type: str, key: str, sql: str) -> None:
        """The application of a site runs a statement just before msyncd is given the lock of this row."""
        self._pending.append((str((site.folder / "site.db").resolve()), record_type, (key,), sql))

    @property
    def came(self) -> bool:
        """Whether everything has happened."""
        return not self._pending


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Beside:
    """See Beside."""
    return Beside(monkeypatch)
