"""A postgresql:// URL, taken apart: what libpq is told, and the schemas that are the application's."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from msyncd.errors import WrongUsage

SCHEMA = "schema"
"""The one option in the URL's query that is msyncd's own; all others are libpq's, such as sslmode."""

KEPT_ALIVE: dict[str, str | int] = {
    "connect_timeout": 10,
    # a line that has died is noticed within a minute, also while nothing is sent
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "msyncd",
    "client_encoding": "UTF8",
}


@dataclass(frozen=True)
class Address:
    """Where a database is. `options` are libpq's, with the password; `shown` may stand in a message.

    `schemas` are those whose tables are the application's; None: those of the role's own search path.
    """

    options: dict[str, Any]
    schemas: tuple[str, ...] | None
    shown: str


def address_of(url: str) -> Address:
    """What a URL says. Raises WrongUsage where it cannot be understood."""
    where, _, written = url.partition("?")
    query = parse_qsl(written, keep_blank_values=True)
    named = [value for name, value in query if name == SCHEMA]
    rest = "&".join(f"{quote(name)}={quote(value)}" for name, value in query if name != SCHEMA)
    try:
        options = conninfo_to_dict(f"{where}?{rest}")
    except ProgrammingError as error:
        raise WrongUsage(
            f"this_site.database cannot be understood: {str(error).strip()}",
            hint="write it as postgresql://USER@HOST/NAME",
        ) from error
    schemas = tuple(one.strip() for one in ",".join(named).split(",") if one.strip())
    where = f"{options.get('host') or 'localhost'}/{options.get('dbname') or ''}"
    return Address({**KEPT_ALIVE, **options}, schemas or None, f"postgresql://{where}")
