"""What is PostgreSQL's own: the same fresh databases as for the contract, all of one kind."""

import pytest

from tests.databases.contract.conftest import (
    application,
    database,
    make_application,
    make_stock,
    open_msyncd,
)

__all__ = ["application", "database", "make_application", "make_stock", "open_msyncd"]


@pytest.fixture
def database_kind() -> str:
    """The only kind of database here."""
    return "postgresql"
