"""Roles with just the rights that docs/databases.md lists, and none besides."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from tests.databases.contract.application import Application

GRANTS = (
    "GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}",
    "GRANT {owner} TO {role}",
)


@contextmanager
def plain_role(application: Application) -> Iterator[tuple[str, str]]:
    """A role for msyncd beside one that owns the application's tables: its name, and the URL by which it connects."""
    tail = f"{os.getpid()}_{secrets.token_hex(4)}"
    owner, role, password = f"msyncd_test_owner_{tail}", f"msyncd_test_role_{tail}", secrets.token_hex(8)
    (database,) = (row[0] for row in application.execute("SELECT current_database()"))
    application.execute(f"CREATE ROLE {owner}")
    application.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    try:
        application.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}")
        for (table,) in application.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            application.execute(f"ALTER TABLE {table} OWNER TO {owner}")
        for one in GRANTS:
            application.execute(one.format(database=database, role=role, owner=owner))
        parts = urlsplit(application.url)
        place = f"{role}:{password}@{parts.hostname}:{parts.port or 5432}"
        yield role, urlunsplit(parts._replace(netloc=place))
    finally:
        for one in (role, owner):
            application.execute(f"REASSIGN OWNED BY {one} TO CURRENT_USER")
            application.execute(f"DROP OWNED BY {one}")
            application.execute(f"DROP ROLE {one}")
