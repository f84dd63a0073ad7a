"""The application's own triggers while msyncd applies (P12, P23): they fire, as this site's own; or they are silent."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from msyncd.databases.interface import RowRejected
from msyncd.model import ApplicationTriggers
from tests.databases.contract.application import Application
from tests.databases.contract.stock import LINE, SCHEMA, TYPES, MakeStock, Stock

# when a transaction is written, a copy of it is made and its store's stock is counted down
BODY = """
  INSERT INTO transact SELECT 'copy of t1', NEW.store_ID, NULL, 99, 'auto' FROM item WHERE NEW.ID = 't1';
  UPDATE item_line SET quantity = quantity - 1 WHERE store_ID = NEW.store_ID;
"""
TRIGGERS: dict[str, Sequence[str]] = {
    "sqlite": [f"CREATE TRIGGER own_ai AFTER INSERT ON transact BEGIN {BODY} END"],
    "mariadb": [
        # a trigger of MariaDB may not write to its own table
        (
            "CREATE TRIGGER own_ai AFTER INSERT ON transact FOR EACH ROW"
            " UPDATE item_line SET quantity = quantity - 1 WHERE store_ID = NEW.store_ID"
        ),
    ],
    "postgresql": [
        f"CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {BODY} RETURN NULL; END $$",
        "CREATE TRIGGER own_ai AFTER INSERT ON transact FOR EACH ROW EXECUTE FUNCTION own()",
    ],
}
STANDS = "INSERT INTO item_line VALUES ('s1', 'b', NULL, 10, NULL), ('s2', 'k', NULL, 10, NULL);"


def make(
    make_stock: MakeStock, application: Application, how: ApplicationTriggers, *, guard: bool, item: bool = True
) -> Stock:
    application.make(SCHEMA + STANDS)
    if item:
        application.execute("INSERT INTO item VALUES ('i1', NULL, NULL, NULL)")
    for statement in TRIGGERS[application.kind]:
        application.execute(statement)
    types = [replace(one, application_triggers=how if one.name == "transact" else None) for one in TYPES]
    return make_stock(schema="", types=types, guard=guard)


def test_they_are_described(make_stock: MakeStock, application: Application) -> None:
    stock = make(make_stock, application, "fire", guard=False)
    tables = stock.database.describe()
    assert tables["transact"].triggers == ("own_ai",)
    assert tables["item"].triggers == ()


def test_what_they_write_is_this_site_s_own_change(make_stock: MakeStock, application: Application) -> None:
    stock = make(make_stock, application, "fire", guard=False)
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"), ("t2", "h", "n1", 1, "nw"))
    expected = {("item_line", "s1"), ("transact", "copy of t1")}
    if application.kind == "mariadb":
        expected = {("item_line", "s1")}
    entries = stock.entries()
    assert {entry[2] for entry in entries} == {2}
    assert {(stock.name_of(entry[0]), entry[9]) for entry in entries} == expected
    # PostgreSQL fires it for the copy too, as it does for the application
    left = 8.0 if application.kind == "postgresql" else 9.0
    assert stock.fetch("SELECT quantity FROM item_line ORDER BY ID") == [(left,), (10.0,)]
    stock.apply("transact", ("t1", "b", "n1", 1, "fn"))
    stock.take_away("transact", ("t2",))
    assert stock.entries() == []


def test_what_they_write_is_guarded(make_stock: MakeStock, application: Application) -> None:
    stock = make(make_stock, application, "fire", guard=True, item=False)
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"))
    with stock.database.write() as writer:
        writer.begin_applying(1)
        with pytest.raises(RowRejected, match="store KAL is active on site 3, not here"):
            writer.upsert(stock.types["transact"], stock.types["transact"].columns, [("t2", "k", "n1", 1, "nw")])
        writer.end_applying()
    assert stock.fetch("SELECT ID FROM transact") == [("t1",)]


def test_they_fire_for_the_application_as_ever(make_stock: MakeStock, application: Application) -> None:
    stock = make(make_stock, application, "fire", guard=False)
    stock.run("INSERT INTO transact VALUES ('t9', 'b', NULL, 1, 'nw')")
    assert stock.logged() == {("transact", "t9"), ("item_line", "s1")}


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_p23_silent_ones_do_not_fire_while_msyncd_applies_and_references_are_checked_all_the_same(
    make_stock: MakeStock, application: Application
) -> None:
    stock = make(make_stock, application, "silent", guard=False)
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"))
    assert stock.fetch("SELECT quantity FROM item_line WHERE ID = 's1'") == [(10.0,)]
    assert stock.entries() == []
    with pytest.raises(RowRejected):
        stock.apply("trans_line", ("l1", "gone", None, 1.0))
    stock.run(LINE)
    stock.forget()
    stock.take_away("transact", ("t1",))
    assert stock.fetch("SELECT * FROM trans_line") == []
    assert stock.logged() == {("trans_line", "l1")}
    # for the application they are there again
    stock.run("INSERT INTO transact VALUES ('t9', 'b', NULL, 1, 'nw')")
    assert stock.fetch("SELECT quantity FROM item_line WHERE ID = 's1'") == [(9.0,)]
    assert stock.database.describe()["transact"].triggers == ("own_ai",)


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_silent_ones_are_there_again_after_a_transaction_that_fails(
    make_stock: MakeStock, application: Application
) -> None:
    stock = make(make_stock, application, "silent", guard=False)
    with pytest.raises(InterruptedError):
        _apply_and_fail(stock)
    stock.run("INSERT INTO transact VALUES ('t9', 'b', NULL, 1, 'nw')")
    assert stock.fetch("SELECT quantity FROM item_line WHERE ID = 's1'") == [(9.0,)]


def _apply_and_fail(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["transact"], stock.types["transact"].columns, [("t1", "b", "n1", 1, "nw")])
        raise InterruptedError
