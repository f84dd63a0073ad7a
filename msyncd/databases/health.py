"""How a database is set up, as far as syncing depends on it: for `msyncd doctor`, a dialect each. Only reads."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msyncd.databases.interface import Database, Reader

LARGE_WAL: Final = 64 * 2**20
"""Bytes from which a write-ahead log tells of a reader that never ends."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the database and its value; `advice` says what is wrong with it, empty if nothing is."""

    name: str
    value: str
    advice: str = ""


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None where a server has it."""
    scheme, _, rest = url.partition(":///")
    return Path(rest) if scheme == "sqlite" else None


def unwritable(file: Path) -> Iterator[Path]:
    """What this user may not write of a SQLite database: file, those beside it, folder. Nothing if none is there."""
    if not os.access(file, os.F_OK):
        return
    for one in (file, *(file.with_name(f"{file.name}{ending}") for ending in ("-wal", "-shm", "-journal"))):
        if os.access(one, os.F_OK) and not os.access(one, os.R_OK | os.W_OK):
            yield one
    if not os.access(file.parent, os.W_OK | os.X_OK):
        yield file.parent


UNWRITABLE_HINT: Final = "give the user of msyncd the application's group; SQLite writes beside its file too"


def settings_of(database: Database) -> tuple[Setting, ...]:
    """The settings on which it depends what a commit is worth, and who waits for whom. Raises DatabaseUnavailable."""
    with database.read() as reader:
        return _SETTINGS[database.dialect](reader)


def bearing_tables(database: Database) -> frozenset[str]:
    """The casefolded names of the application's tables that bear triggers of msyncd. Raises DatabaseUnavailable."""
    with database.read() as reader:
        return frozenset(str(name).casefold() for (name,) in reader.execute(_BEARING[database.dialect]))


_BEARING: Final[Mapping[str, str]] = {
    "sqlite": (
        "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'msyncd_*'"
        " AND tbl_name NOT GLOB 'msyncd_*'"
    ),
    # regclass names the schema where it is not the usual one, as describe() does
    "postgresql": (
        "SELECT DISTINCT replace(t.tgrelid::regclass::text, '\"', '') FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'msyncd' AND t.tgenabled IN ('O', 'A')"
    ),
    "mariadb": (
        "SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
        " WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'msyncd\\_%'"
    ),
}


def _one(reader: Reader, sql: str) -> str:
    return str(reader.execute(sql)[0][0])


def _sqlite(reader: Reader) -> tuple[Setting, ...]:
    journal = _one(reader, "PRAGMA journal_mode")
    # the application's own choice: worth knowing, nothing to mend
    means = "" if journal == "wal" else " (readers and the writer wait for each other; they do not in WAL)"
    return (
        Setting("version", _one(reader, "SELECT sqlite_version()")),
        Setting("journal mode", f"{journal}{means}"),
    )


def _postgresql(reader: Reader) -> tuple[Setting, ...]:
    def shown(name: str) -> str:
        return _one(reader, f"SELECT current_setting('{name}')")

    most, used = int(shown("max_connections")), int(_one(reader, "SELECT count(*) FROM pg_stat_activity"))
    return (
        Setting("version", shown("server_version")),
        Setting("fsync", shown("fsync"), _unless(shown("fsync"), "on", "a power cut may destroy the database")),
        Setting(
            "synchronous_commit",
            shown("synchronous_commit"),
            _unless(shown("synchronous_commit"), "on", "a power cut may lose the application's last changes"),
        ),
        Setting("encoding", shown("server_encoding"), _unless(shown("server_encoding"), "UTF8", "not every text fits")),
        Setting(
            "connections",
            f"{used} of {most}",
            "nearly all are in use: raise max_connections" if used > most * 0.9 else "",
        ),
    )


def _mariadb(reader: Reader) -> tuple[Setting, ...]:
    flush = _one(reader, "SELECT @@innodb_flush_log_at_trx_commit")
    most = int(_one(reader, "SELECT @@max_connections"))
    used = int(_one(reader, "SELECT count(*) FROM information_schema.PROCESSLIST"))
    return (
        Setting("version", _one(reader, "SELECT VERSION()")),
        Setting(
            "innodb_flush_log_at_trx_commit",
            flush,
            _unless(flush, "1", "a power cut may lose changes that were reported as written"),
        ),
        Setting(
            "connections",
            f"{used} of {most}",
            "nearly all are in use: raise max_connections" if used > most * 0.9 else "",
        ),
    )


_SETTINGS: Final = {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}


def _unless(value: str, good: str, advice: str) -> str:
    return "" if value == good else advice
