"""Numbers that change when somebody else has committed, or changed a table: cheap, as they are asked for often."""

from typing import Final
from zlib import crc32

from msyncd.databases.mariadb.session import Session
from msyncd.errors import DatabaseUnavailable

_DATA: Final = (
    "SELECT (SELECT max(seq) FROM msyncd_change_log), (SELECT value FROM msyncd_meta WHERE name = 'facts_number'),"
    " (SELECT max(id) FROM msyncd_fill), (SELECT count(*) FROM msyncd_fill), (SELECT max(number) FROM msyncd_wanted),"
    " (SELECT max(id) FROM msyncd_quarantine)"
)
_OURS: Final = "LIKE REPLACE(REPLACE(DATABASE(), '_', '\\_'), '%', '\\%') || '/%'"
_SCHEMA: Final = (
    f"SELECT NAME, TABLE_ID, N_COLS FROM information_schema.INNODB_SYS_TABLES WHERE NAME {_OURS} ORDER BY NAME"
)
_COLUMNS: Final = (  # a table stays the same one when a column is called otherwise, or holds more
    "SELECT sum(crc32(concat_ws('/', c.TABLE_ID, c.POS, c.NAME, c.MTYPE, c.PRTYPE, c.LEN)))"
    # no join: that looks at every column once for each table
    " FROM information_schema.INNODB_SYS_COLUMNS c WHERE c.TABLE_ID IN"
    f" (SELECT t.TABLE_ID FROM information_schema.INNODB_SYS_TABLES t WHERE t.NAME {_OURS})"
)
_TRIGGERS: Final = (
    "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, CREATED FROM information_schema.TRIGGERS"
    " WHERE EVENT_OBJECT_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME"
)


def data_version(session: Session, settled: int) -> int:
    """Of the change log, and of what the primary owes its satellites; 0 before anything is installed."""
    try:
        rows = session.fetch(_DATA)
    except DatabaseUnavailable:
        if session.lost or session.fetch("SHOW TABLES LIKE 'msyncd\\_meta'"):
            raise
        return 0
    return crc32(repr((rows, settled)).encode())


def schema_version(session: Session) -> int:
    """Of tables, columns and triggers: the same again when what was made is dropped."""
    return crc32(repr([session.fetch(one) for one in (_SCHEMA, _COLUMNS, _TRIGGERS)]).encode())
