"""Whether a server is one that msyncd can sync, and lets it."""

import re
from typing import Final

from msyncd.databases.mariadb.holes import open_transactions
from msyncd.databases.mariadb.session import Session
from msyncd.errors import WrongUsage

OLDEST: Final = (10, 6)


def check_server(session: Session) -> None:
    """Raises WrongUsage for a server that cannot be synced, DatabaseUnavailable where a right is missing."""
    version, log_bin, binlog_format, flush, cluster = session.fetch(
        "SELECT VERSION(), @@log_bin, @@binlog_format, @@innodb_flush_log_at_trx_commit,"
        " (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME = 'WSREP_ON')"
    )[0]
    found = re.search(r"(\d+)\.(\d+)\.\d+-MariaDB", str(version))
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise WrongUsage(
            f"the server is {version!s}, which msyncd cannot sync",
            hint=f"it needs MariaDB {OLDEST[0]}.{OLDEST[1]} or later",
        )
    if cluster == "ON":
        raise WrongUsage(
            "the server is a node of a Galera cluster, which numbers the change log on several nodes at once",
            hint="sync with a server that stands alone",
        )
    if flush not in {1, 3}:
        raise WrongUsage(
            f"innodb_flush_log_at_trx_commit is {flush!s}: what was committed, and said to be applied, can be lost in a"
            " power cut",
            hint="set it to 1, which is the default; no connection can do so for itself",
        )
    if log_bin and binlog_format == "STATEMENT":
        raise WrongUsage(
            "the server's binlog_format is STATEMENT, which cannot repeat what triggers write",
            hint="set it to MIXED, which is the default, or ROW",
        )
    open_transactions(session)
