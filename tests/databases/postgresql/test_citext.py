"""Columns of the extension citext, whose type is not one of PostgreSQL's own."""

import pytest

from msyncd.model import RecordType
from tests.databases.contract.application import Application
from tests.databases.contract.stock import MakeStock


def test_p16_values_of_citext_are_written_read_and_found_in_any_case(
    make_stock: MakeStock, application: Application
) -> None:
    if not application.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this server has no citext")
    schema = """CREATE EXTENSION citext;
    CREATE TABLE unit (id VARCHAR(40) PRIMARY KEY, code citext NOT NULL UNIQUE, note VARCHAR(40));"""
    unit = RecordType("unit", "unit", ("id",), ("id", "code", "note"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[unit])
    stock.apply("unit", ("1", "Amox", "n"), ("2", "PARA", "n"))
    with stock.database.write() as writer:
        assert writer.existing("unit", ("code",), [("AMOX",), ("x",)]) == {("AMOX",)}
        held = writer.holders("unit", ("code",), [("AMOX",), ("para",), ("ibu",)], ("id",))
        assert sorted(held) == [(("AMOX",), ("1",)), (("para",), ("2",))]
        writer.begin_applying(1)
        writer.park(unit, ["code"], ("1",))
        writer.upsert(unit, unit.columns, [("2", "amox", "n"), ("1", "Para", "n")])
        writer.end_applying()
    with stock.database.read() as reader:
        assert sorted(reader.rows(unit, [("1",), ("2",)]).values()) == [("1", "Para", "n"), ("2", "amox", "n")]
