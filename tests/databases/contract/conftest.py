"""One contract for every database: each test here runs on all of them, unchanged."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from msyncd.databases import Database, open_database
from msyncd.errors import WrongUsage
from msyncd.model import ZeroDates
from tests.databases.contract.application import Application
from tests.databases.contract.servers import KINDS, Databases, NoServer
from tests.databases.contract.stock import MakeStock, Stock

MakeApplication = Callable[[str], Application]
OpenMsyncd = Callable[..., Database]


@pytest.fixture(params=KINDS, ids=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database on which a test runs: each of them in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Where every test gets its databases from."""
    with closing(Databases()) as made:
        yield made


@pytest.fixture
def make_application(databases: Databases, tmp_path: Path) -> Iterator[MakeApplication]:
    """Makes applications of any kind, with databases of their own that are dropped at the end."""
    with ExitStack() as stack:

        def make(kind: str) -> Application:
            try:
                url = stack.enter_context(databases.fresh(kind, tmp_path))
            except NoServer as missing:
                _absent(str(missing))
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
            return stack.enter_context(closing(_opened(url, zero_dates)))

        yield opening


@pytest.fixture
def database(application: Application, open_msyncd: OpenMsyncd) -> Database:
    """The application's database as msyncd has it; nothing is installed."""
    return open_msyncd(application.url)


@pytest.fixture
def make_stock(application: Application, database: Database, open_msyncd: OpenMsyncd) -> MakeStock:
    """Captures and guards the application's database as a site would have it; see Stock."""
    return partial(Stock, application, database, open_another=open_msyncd)


def _opened(url: str, zero_dates: ZeroDates) -> Database:
    try:
        return open_database(url, zero_dates=zero_dates)
    except WrongUsage as missing:
        # the one place that forgives a dialect that is still being written: whoever lands the last one removes it
        if "can sync yet" not in str(missing):
            raise
        pytest.skip(f"not there yet: {missing}")


def _absent(reason: str) -> NoReturn:
    """Without a server its tests cannot run: skipped on anyone's machine, a failure where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
