"""What is MariaDB's own; what it has in common with the others stands in tests/databases/contract/."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.mariadb.session import Session
from tests.databases.contract.application import Application
from tests.databases.contract.conftest import (
    application,
    database,
    make_application,
    make_stock,
    open_msyncd,
)
from tests.flow.support import swift_folder
from tests.mariadb_server import PrivateServer

PASSWORD = "geheim"

__all__ = ["application", "database", "make_application", "make_stock", "open_msyncd"]


@pytest.fixture
def database_kind() -> str:
    """Only here."""
    return "mariadb"


@pytest.fixture
def maria(database: MariaDBDatabase) -> MariaDBDatabase:
    """The database under its own type."""
    assert isinstance(database, MariaDBDatabase)
    return database


@pytest.fixture
def session(application: Application, maria: MariaDBDatabase) -> Iterator[Session]:
    """A connection of msyncd's for writing."""
    made = Session(maria.address, "write")
    yield made
    made.close()


@pytest.fixture
def make_user(application: Application, maria: MariaDBDatabase) -> Iterator[Callable[..., str]]:
    """Makes users with rights on the application's database, and on the server; the URL as which each logs in."""
    made: list[str] = []

    def make(rights: str, on_server: str = "") -> str:
        made.append(f"'msyncd_{token_hex(6)}'@'%'")
        application.execute(f"CREATE USER {made[-1]} IDENTIFIED BY '{PASSWORD}'")
        application.execute(f"GRANT {rights} ON `{maria.address.database}`.* TO {made[-1]}")
        if on_server:
            application.execute(f"GRANT {on_server} ON *.* TO {made[-1]}")
        user = made[-1].split("'")[1]
        return f"mariadb://{user}:{PASSWORD}@{maria.address.host}:{maria.address.port}/{maria.address.database}"

    yield make
    for user in made:
        application.execute(f"DROP USER {user}")


@pytest.fixture
def private_server() -> Iterator[PrivateServer]:
    """A server that belongs to one test, which may stop and start it, or set what it wants."""
    if not PrivateServer.can_run():
        pytest.skip("mariadbd and mariadb-install-db are not installed here")
    with (
        tempfile.TemporaryDirectory(prefix="msyncd-", dir=swift_folder()) as folder,
        PrivateServer(Path(folder)) as server,
    ):
        yield server
