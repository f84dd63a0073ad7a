"""What a database rejected is tried again by itself when its table has been altered (P18, P21)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.flow.ledger import aside
from msyncd.flow.retry import Retried, retry_altered
from msyncd.testing import Crashed, OneSite, Sites
from tests.flow.support import stock, stock_sites


def rebuild(site: OneSite, table: str, columns: str) -> None:
    """Make a table anew with other columns and the same rows, as docs/databases.md says."""
    site.connection.script(
        f"""PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; BEGIN;
        CREATE TABLE anew ({columns}); INSERT INTO anew SELECT * FROM {table};
        DROP TABLE {table}; ALTER TABLE anew RENAME TO {table}; COMMIT;
        PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON;"""
    )
    site.reload()


STRICT = "id TEXT PRIMARY KEY, store_id TEXT NOT NULL, item_id TEXT NOT NULL, barcode TEXT NOT NULL, quantity, note"
WIDE = STRICT.replace("barcode TEXT NOT NULL", "barcode TEXT").replace("quantity", "quantity CHECK (quantity < 100)")


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    with stock_sites(tmp_path) as found:
        yield found


@pytest.fixture
def rejecting(sites: Sites) -> Sites:
    """The primary does not take stock without a barcode; `a` and `b` came without one, `c` was refused otherwise."""
    rebuild(sites.primary, "stock", STRICT)
    assert retry_altered(sites.primary.here) == Retried()
    stock(sites[2], "a", "BUM", 5)
    stock(sites[2], "b", "BUM", 500)
    sites.sync(2)
    assert [(one.key, one.plugin) for one in sites.primary.quarantine] == [(("a",), "database"), (("b",), "database")]
    with sites.primary.here.database.write() as writer:
        aside.quarantine(writer, [replace(sites.primary.quarantine[0], key=("c",), plugin="no_negative_stock")])
    return sites


def test_what_the_database_rejected_is_applied_once_its_table_may_hold_it(rejecting: Sites) -> None:
    primary = rejecting.primary
    rebuild(primary, "stock", WIDE)
    retried = retry_altered(primary.here)
    assert (len(retried.applied), [one.reason for one in retried.still]) == (
        1,
        ["CHECK constraint failed: quantity < 100"],
    )
    assert primary.rows("stock", "id, quantity") == [("a", 5)]
    assert [one.key for one in primary.quarantine] == [("c",), ("b",)]
    rejecting.sync(2)
    assert [one.key for one in rejecting[2].quarantine] == [("b",)]


def test_each_is_tried_once_per_alteration_and_after_a_restart_too(rejecting: Sites) -> None:
    primary = rejecting.primary
    assert retry_altered(primary.here) == Retried()
    primary.write("CREATE INDEX beside ON stock (item_id)")
    primary.write("ALTER TABLE item ADD COLUMN dose TEXT")
    primary.reload()
    assert retry_altered(primary.here) == Retried(), "another table was altered"
    rebuild(primary, "stock", WIDE)
    primary.restart()
    assert len(retry_altered(primary.here).applied) == 1
    assert retry_altered(primary.here) == Retried()


def test_a_later_change_is_not_overwritten(rejecting: Sites) -> None:
    rejecting[2].write("UPDATE stock SET barcode = 'x', quantity = 7 WHERE id = 'a'")
    rejecting.sync(2)
    rebuild(rejecting.primary, "stock", WIDE)
    retry_altered(rejecting.primary.here)
    assert rejecting.primary.rows("stock", "id, barcode, quantity") == [("a", "x", 7)]


def test_killed_between_trying_and_noting_it_tries_again(rejecting: Sites) -> None:
    primary = rejecting.primary
    rebuild(primary, "stock", WIDE)
    primary.crash_at("before commit", 4)
    with pytest.raises(Crashed):
        retry_altered(primary.here)
    primary.restart()
    assert primary.rows("stock", "id") == [("a",)]
    assert [one.key for one in primary.quarantine] == [("c",), ("b",)]
    assert [one.reason for one in retry_altered(primary.here).still] == ["CHECK constraint failed: quantity < 100"]
