"""What `msyncd doctor` asks of a database."""

from msyncd.databases.health import bearing_tables, settings_of
from tests.databases.contract.stock import MakeStock


def test_its_settings_are_told(make_stock: MakeStock) -> None:
    found = {one.name: one for one in settings_of(make_stock().database)}
    assert found["version"].value
    assert [one for one in found.values() if not one.value] == []


def test_tables_bear_triggers_until_they_are_rebuilt(make_stock: MakeStock) -> None:
    stock = make_stock()
    assert bearing_tables(stock.database) == {"item", "item_line", "transact", "trans_line", "line_note"}
    stock.run("DROP TABLE line_note")
    stock.run("CREATE TABLE line_note (ID VARCHAR(40) PRIMARY KEY, line_ID VARCHAR(40), note VARCHAR(200))")
    assert bearing_tables(stock.database) == {"item", "item_line", "transact", "trans_line"}
    stock.database.remove()
    assert bearing_tables(stock.database) == frozenset()
