"""One contract for every database: each test here runs on all of them, unchanged."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from msyncd.databases import Database, open_database
from msyncd.model import ZeroDates
from tests.databases.contract.application import Application
from tests.databases.contract.stock import MakeStock, Stock
from tests.servers import KINDS, Databases

MakeApplication = Callable[[str], Application]
OpenMsyncd = Callable[..., Database]


@pytest.fixture(params=KINDS, ids=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database on which a test runs: each of them in turn."""
    return str(request.param)


@pytest.fixture
def make_application(databases: Databases, tmp_path: Path) -> Iterator[MakeApplication]:
    """Makes applications of any kind, with databases of their own that are dropped at the end."""
    with ExitStack() as stack:

        def make(kind: str) -> Application:
            url = stack.enter_context(databases.fresh(kind, tmp_path))
            return stack.enter_context(closing(Application(kind, url)))

        yield make


@pytest.fixture
def application(database_kind: str, make_application: MakeApplication) -> Application:
    """An application with a fresh, empty database."""
    return make_application(database_kind)


@pytest.fixture
def open_msyncd(make_application: MakeApplication) -> Iterator[OpenMsyncd]:
    """Opens databases as msyncd does, and closes them at the end, before they are dropped."""
    with ExitStack() as stack:

        def opening(url: str, *, zero_dates: ZeroDates = "null") -> Database:
            return stack.enter_context(closing(open_database(url, zero_dates=zero_dates)))

        yield opening


@pytest.fixture
def database(application: Application, open_msyncd: OpenMsyncd) -> Database:
    """The application's database as msyncd has it; nothing is installed."""
    return open_msyncd(application.url)


@pytest.fixture
def make_stock(application: Application, database: Database, open_msyncd: OpenMsyncd) -> MakeStock:
    """Captures and guards the application's database as a site would have it; see Stock."""
    return partial(Stock, application, database, open_another=open_msyncd)
