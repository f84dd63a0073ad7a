"""Who stands in a row's way by a unique index that its columns alone do not tell (P16)."""

import pytest

from msyncd.model import RecordType, Row
from tests.databases.contract.stock import MakeStock

ODD = {
    "sqlite": "CREATE UNIQUE INDEX odd ON unit (substr(code, 1, 3), bin)",
    "postgresql": "CREATE UNIQUE INDEX odd ON unit (substr(code, 1, 3), bin)",
    "mariadb": "CREATE UNIQUE INDEX odd ON unit (code(3), bin)",
}


def test_p16_who_stands_in_the_way_by_an_index_that_its_columns_do_not_tell(
    make_stock: MakeStock, database_kind: str
) -> None:
    schema = "CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY, code VARCHAR(40) NOT NULL, bin INTEGER, note VARCHAR(9));"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "note", "bin", "code"), "primary", "every_site")
    stock = make_stock(schema=f"{schema}\n{ODD[database_kind]};", types=[unit])
    unit = stock.types["unit"]
    (unique,) = stock.database.describe()["unit"].odd_uniques
    assert [name.casefold() for name in unique.columns] == [name.casefold() for name in unique.held] == ["code", "bin"]
    assert stock.database.describe()["unit"].uniques == ()
    stock.apply("unit", ("1", "n", 1, "abc1"), ("2", "n", 1, "abd1"), ("3", "n", 2, "abc1"), ("4", "n", None, "abc1"))
    rows: list[Row] = [("7", "n", 1, "abc9"), ("2", None, 2, "abc"), ("8", "n", 3, "abc"), ("9", "n", None, "abc")]
    many: list[Row] = [(f"m{number}", "n", number, "abz") for number in range(1000)]
    with stock.database.write() as writer:
        writer.begin_applying(1)
        assert sorted(writer.in_the_way(unit, unique, [*many, *rows])) == [(("2",), ("3",)), (("7",), ("1",))]
        assert writer.in_the_way(unit, unique, many) == writer.in_the_way(unit, unique, []) == []
        for key in ("1", "3"):
            writer.park(unit, unique.held, (key,))
        writer.upsert(unit, unit.columns, [*rows, ("1", "n", 5, "abc"), ("3", "n", 1, "abe")])
        writer.end_applying()
    with stock.database.read() as reader:
        stands = reader.rows(unit, [(str(number),) for number in range(1, 10)])
        assert sorted(stands.values(), key=str) == sorted(
            [*rows, ("1", "n", 5, "abc"), ("3", "n", 1, "abe"), ("4", "n", None, "abc1")], key=str
        )


PARTIAL = {
    "lower(code)": ("ABC", "abc", 1, 0),
    "(note || code)": ("b", "b", 1, 0),
    "code": ("x", "x", 1, 0),
    "code COLLATE {folded}": ("ABC", "abc", 1, 0),
}


@pytest.mark.parametrize("term", PARTIAL)
def test_p16_who_stands_in_the_way_by_a_part_of_the_rows(make_stock: MakeStock, database_kind: str, term: str) -> None:
    if database_kind == "mariadb":
        pytest.skip("has neither")
    if "folded" in term and database_kind == "postgresql":
        pytest.skip("a collation of the index alone counts nothing there that a deterministic one does not")
    schema = f"""CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY, code VARCHAR(40), live INTEGER, note VARCHAR(9));
    CREATE UNIQUE INDEX odd ON unit ({term.format(folded="NOCASE")}) WHERE live > 0 AND note IS NOT NULL;"""
    unit = RecordType("unit", "unit", ("ID",), ("ID", "code", "live", "note"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[unit])
    unit = stock.types["unit"]
    (unique,) = stock.database.describe()["unit"].odd_uniques
    one, other, lives, dead = PARTIAL[term]
    assert {name.casefold() for name in unique.columns} == {"code", "live", "note"}
    assert {name.casefold() for name in unique.held} == ({"code", "note"} if "note" in term else {"code"})
    stock.apply("unit", ("1", one, lives, "n"), ("2", one, dead, "n"), ("3", one, lives, None))
    with stock.database.write() as writer:
        rows: list[Row] = [("7", other, lives, "n"), ("8", other, dead, "n"), ("9", None, lives, "n")]
        assert writer.in_the_way(unit, unique, rows) == [(("7",), ("1",))]
