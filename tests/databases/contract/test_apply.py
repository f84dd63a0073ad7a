"""The applier's hand on the application's tables: past the guard, unlogged, each row or none of a call."""

from collections.abc import Sequence

import pytest

from msyncd.databases.interface import CareNeeded, RowRejected, Writer
from msyncd.model import RecordType, Row
from tests.databases.contract.stock import LINE, MakeStock, Stock

ITEMS: list[Row] = [("i1", "amox", "Amoxicillin"), ("i2", "para", None), ("i3", None, "Ibuprofen")]


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, guarded."""
    return make_stock()


def test_rows_are_inserted_and_updated_past_the_guard_and_unlogged(stock: Stock) -> None:
    stock.apply("item", *ITEMS)
    stock.apply("item", ("i1", "amox", "Amoxicillin 250 mg"), ("i4", None, None))
    stock.apply("transact", ("t1", "k", "n1", 1, "nw"), ("t2", None, None, None, None))
    stock.apply("trans_line", ("l1", "t1", "i1", 5.5))
    assert stock.entries() == []
    assert stock.fetch("SELECT ID, code, item_name FROM item ORDER BY ID") == [
        ("i1", "amox", "Amoxicillin 250 mg"), *ITEMS[1:], ("i4", None, None),
    ]  # fmt: skip
    assert stock.fetch("SELECT * FROM trans_line") == [("l1", "t1", "i1", 5.5)]


def test_nothing_to_write_or_to_delete_is_nothing(stock: Stock) -> None:
    stock.apply("item")
    stock.take_away("item")
    stock.take_away("item", ("never",))
    assert stock.entries() == []


def test_columns_that_do_not_come_stay_as_they_are(stock: Stock) -> None:
    stock.apply("item", *ITEMS)
    stock.run("UPDATE item SET local_note = 'behind the door'")
    stock.forget()
    stock.apply("item", ("i1", "new name"), columns=["ID", "item_name"])
    assert stock.fetch("SELECT * FROM item WHERE ID = 'i1'") == [("i1", "amox", "new name", "behind the door")]
    stock.apply("item", ("i1",), ("i9",), columns=["ID"])
    assert stock.fetch("SELECT * FROM item WHERE ID IN ('i1', 'i9') ORDER BY ID") == [
        ("i1", "amox", "new name", "behind the door"),
        ("i9", None, None, None),
    ]


def test_a_row_is_updated_never_replaced(stock: Stock) -> None:
    """What refers to it must not notice: no delete, no cascade."""
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"))
    stock.run(LINE)
    stock.apply("transact", ("t1", "b", "n1", 1, "fn"))
    assert stock.fetch("SELECT ID FROM trans_line") == [("l1",)]


def test_many_rows_at_once(stock: Stock) -> None:
    rows: list[Row] = [(f"i{number}", f"c{number}", "name " * 20) for number in range(20_000)]
    stock.apply("item", *rows)
    stock.apply("item", *[(key, code, None) for key, code, _ in rows])
    assert stock.fetch("SELECT count(*), count(item_name) FROM item") == [(20_000, 0)]
    stock.take_away("item", *[row[:1] for row in rows[:19_990]])
    assert stock.fetch("SELECT count(*) FROM item") == [(10,)]
    assert stock.entries() == []


def test_keys_of_several_columns(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE pair (note VARCHAR(40), b INTEGER, a VARCHAR(40), PRIMARY KEY (a, b));"
    pair = RecordType("pair", "pair", ("a", "b"), ("a", "b", "note"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[pair])
    stock.apply("pair", ("x", 1, "n"), ("x", 2, "m"), ("y", 1, None))
    stock.apply("pair", ("x", 1, "changed"))
    stock.take_away("pair", ("x", 2), ("y", 9))
    assert stock.fetch("SELECT a, b, note FROM pair ORDER BY a, b") == [("x", 1, "changed"), ("y", 1, None)]


# --- what the database will not take ----------------------------------------------------------------------------------

STRICT = """
CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, size INTEGER CHECK (size > 0),
  above VARCHAR(40) REFERENCES unit (ID));
"""
UNIT = RecordType("unit", "unit", ("ID",), ("ID", "name", "size", "above"), "primary", "every_site")
GOOD: list[Row] = [("u1", "ml", 1, None), ("u2", "mg", 2, "u1")]


@pytest.mark.parametrize(
    "bad",
    [
        [("u3", None, 1, None)],
        [("u3", "kg", 0, None)],
        [("u3", "ml", 1, None)],  # another record's unique value: it must neither take nor change that record
        [("u2", "ml", 2, None)],
        [("u3", "kg", 1, None), ("u4", "ml", 1, None), ("u5", "g", 1, None)],
        [("u3", "same", 1, None), ("u4", "same", 1, None)],
    ],
    ids=["null", "check", "unique", "unique of another", "one of three", "unique of each other"],
)
def test_p21_a_row_at_fault_is_rejected_with_none_of_its_call_written(make_stock: MakeStock, bad: list[Row]) -> None:
    stock = make_stock(schema=STRICT, types=[UNIT])
    stock.apply("unit", *GOOD)
    with stock.database.write() as writer:
        writer.begin_applying(1)
        _upsert(stock, writer, [("u8", "before", 1, None)])
        with pytest.raises(RowRejected, match=r"\w"):
            _upsert(stock, writer, bad)
        _upsert(stock, writer, [("u9", "after", 1, None)])
        writer.end_applying()
    expected = [*GOOD, ("u8", "before", 1, None), ("u9", "after", 1, None)]
    assert stock.fetch("SELECT * FROM unit ORDER BY ID") == expected
    assert stock.entries() == []


def _upsert(stock: Stock, writer: Writer, rows: Sequence[Row]) -> None:
    writer.upsert(stock.types["unit"], stock.types["unit"].columns, rows)


def test_a_rejected_row_does_not_leave_the_guard_open(make_stock: MakeStock) -> None:
    stock = make_stock(schema=STRICT, types=[UNIT])
    stock.apply("unit", *GOOD)
    with stock.database.write() as writer:
        writer.begin_applying(1)
        with pytest.raises(RowRejected):
            _upsert(stock, writer, [("u3", "ml", 1, None)])
        with pytest.raises(Exception, match="unit is edited on the primary"), writer.as_application():
            writer.lookups()["unit"].insert({"ID": "u7", "name": "l"})
        writer.end_applying()
    assert stock.refusal("DELETE FROM unit WHERE ID = 'u2'") == "unit is edited on the primary (sync ID 1) only"


def test_rows_of_one_call_may_refer_to_each_other_in_any_order(make_stock: MakeStock) -> None:
    stock = make_stock(schema=STRICT, types=[UNIT])
    rows: list[Row] = [("u3", "c", 3, "u2"), ("u1", "a", 1, "u3"), ("u2", "b", 2, "u1"), ("u4", "d", 4, "u4")]
    stock.apply("unit", *rows)
    assert stock.fetch("SELECT * FROM unit ORDER BY ID") == sorted(rows, key=str)
    stock.apply("unit", ("u1", "a", 9, "u4"), ("u5", "e", 5, "u6"), ("u6", "f", 6, None))
    assert stock.fetch("SELECT above FROM unit ORDER BY ID") == [("u4",), ("u1",), ("u2",), ("u4",), ("u6",), (None,)]
    stock.take_away("unit", ("u5",), ("u6",), ("u1",), ("u2",), ("u3",), ("u4",))
    assert stock.fetch("SELECT * FROM unit") == []
    assert stock.entries() == []


def test_a_reference_that_is_never_fulfilled_is_rejected(make_stock: MakeStock) -> None:
    stock = make_stock(schema=STRICT, types=[UNIT])
    stock.apply("unit", *GOOD)
    for swift in (True, False):
        with pytest.raises((RowRejected, CareNeeded)):
            _refer_to_nothing(stock, swift=swift)
    with pytest.raises(RowRejected):
        stock.take_away("unit", ("u1",))
    assert stock.fetch("SELECT * FROM unit ORDER BY ID") == GOOD


def _refer_to_nothing(stock: Stock, *, swift: bool) -> None:
    with stock.database.write(swift=swift) as writer:
        writer.begin_applying(1)
        _upsert(stock, writer, [("u3", "kg", 1, "gone")])
        writer.end_applying()


DEFERRED = """
CREATE TABLE head (ID VARCHAR(40) PRIMARY KEY);
CREATE TABLE line (ID VARCHAR(40) PRIMARY KEY,
  head_ID VARCHAR(40) NOT NULL REFERENCES head (ID) {deferrable});
"""
HEAD = RecordType("head", "head", ("ID",), ("ID",), "primary", "every_site")
LINE_OF = RecordType("line", "line", ("ID",), ("ID", "head_ID"), "primary", "every_site")


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
def test_p16_a_reference_is_put_off_to_the_commit_where_the_database_can(make_stock: MakeStock) -> None:
    stock = make_stock(schema=DEFERRED, types=[HEAD, LINE_OF])
    head, line = stock.types["head"], stock.types["line"]
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(line, line.columns, [("l1", "h1")])
        writer.upsert(head, head.columns, [("h1",)])
        writer.end_applying()
    assert stock.fetch("SELECT * FROM line") == [("l1", "h1")]
    with pytest.raises(RowRejected):  # by the commit
        stock.apply("line", ("l2", "h2"))
    assert stock.fetch("SELECT * FROM line") == [("l1", "h1")]


CIRCLE = """
CREATE TABLE hen (ID VARCHAR(40) PRIMARY KEY, note VARCHAR(40));
CREATE TABLE egg (ID VARCHAR(40) PRIMARY KEY, hen_ID VARCHAR(40) NOT NULL REFERENCES hen (ID));
ALTER TABLE hen ADD COLUMN first_egg VARCHAR(40) REFERENCES egg (ID);
"""
HEN = RecordType("hen", "hen", ("ID",), ("ID", "note", "first_egg"), "primary", "every_site")
EGG = RecordType("egg", "egg", ("ID",), ("ID", "hen_ID"), "primary", "every_site")
HENS: list[Row] = [("h1", "red", "e1"), ("h2", "grey", "e2"), ("h3", "white", None)]
EGGS: list[Row] = [("e1", "h1"), ("e2", "h1"), ("e3", "h2")]


@pytest.fixture
def yard(make_stock: MakeStock) -> Stock:
    """Tables that refer to each other, in references that nobody declared deferrable."""
    return make_stock(schema=CIRCLE, types=[HEN, EGG])


def _circle(yard: Stock, hens: Sequence[Row] = HENS, eggs: Sequence[Row] = EGGS) -> None:
    with yard.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(yard.types["hen"], yard.types["hen"].columns, hens)
        writer.upsert(yard.types["egg"], yard.types["egg"].columns, eggs)
        writer.end_applying()


def test_p16_references_in_a_circle_are_put_off(yard: Stock) -> None:
    assert yard.database.describe()["hen"].foreign_keys[0].deferrable
    _circle(yard)
    _circle(yard, [("h1", "red", "e3"), ("h3", "white", "e4")], [("e4", "h3")])
    assert yard.fetch("SELECT ID, note, first_egg FROM hen ORDER BY ID") == [
        ("h1", "red", "e3"),
        ("h2", "grey", "e2"),
        ("h3", "white", "e4"),
    ]
    assert yard.fetch("SELECT ID, hen_ID FROM egg ORDER BY ID") == [*EGGS, ("e4", "h3")]
    assert yard.entries() == []


def test_p16_a_reference_in_a_circle_whose_target_never_comes_is_rejected(yard: Stock) -> None:
    with pytest.raises(RowRejected):
        _circle(yard, eggs=EGGS[:1])
    assert yard.fetch("SELECT ID FROM hen") == yard.fetch("SELECT ID FROM egg") == []


def test_p16_what_a_savepoint_undoes_is_put_off_no_more(yard: Stock) -> None:
    hen = yard.types["hen"]
    with yard.database.write() as writer:
        writer.begin_applying(1)
        with pytest.raises(InterruptedError):
            _write_and_fail(yard, writer)
        writer.upsert(hen, hen.columns, [("h9", "black", None)])
        writer.end_applying()
    assert yard.fetch("SELECT ID, first_egg FROM hen") == [("h9", None)]


def _write_and_fail(yard: Stock, writer: Writer) -> None:
    with writer.savepoint():
        writer.upsert(yard.types["hen"], yard.types["hen"].columns, HENS)
        raise InterruptedError


def test_p16_records_in_a_circle_are_deleted(yard: Stock) -> None:
    """Those first that cannot do without the others, as the flow deletes."""
    _circle(yard)
    keys: dict[str, list[Row]] = {"hen": [("h1",), ("h2",)], "egg": [("e1",), ("e2",), ("e3",)]}
    with yard.database.write() as writer:
        writer.begin_applying(1)
        for name in ("egg", "hen"):
            writer.delete(yard.types[name], keys[name])
        writer.end_applying()
    assert yard.fetch("SELECT ID, note FROM hen") == [("h3", "white")]
    assert yard.fetch("SELECT ID FROM egg") == []
    assert yard.entries() == []


def test_p16_a_record_that_another_in_a_circle_still_needs_is_not_deleted(yard: Stock) -> None:
    _circle(yard)
    with pytest.raises(RowRejected):
        yard.take_away("egg", ("e2",))
    assert yard.fetch("SELECT first_egg FROM hen WHERE ID = 'h2'") == [("e2",)]
    yard.take_away("egg", ("e3",))
    assert yard.fetch("SELECT ID FROM egg ORDER BY ID") == [("e1",), ("e2",)]


def test_p16_in_an_immediate_transaction_the_row_at_fault_is_known(make_stock: MakeStock) -> None:
    stock = make_stock(schema=DEFERRED, types=[HEAD, LINE_OF])
    head, line = stock.types["head"], stock.types["line"]
    with stock.database.write(immediate=True) as writer:
        writer.begin_applying(1)
        writer.upsert(head, head.columns, [("h1",)])
        with pytest.raises(RowRejected):
            writer.upsert(line, line.columns, [("l1", "h1"), ("l2", "h2")])
        writer.upsert(line, line.columns, [("l1", "h1")])
        writer.end_applying()
    assert stock.fetch("SELECT * FROM line") == [("l1", "h1")]


def test_with_care_finds_the_row_that_the_commit_rejects(make_stock: MakeStock) -> None:
    stock = make_stock(schema=DEFERRED, types=[HEAD, LINE_OF])
    line = stock.types["line"]

    def work(writer: Writer) -> list[str]:
        writer.begin_applying(1)
        rejected = []
        for row in (("l1", "h1"), ("l2", "gone")):
            try:
                writer.upsert(line, line.columns, [row])
            except RowRejected:
                rejected.append(row[0])
        writer.end_applying()
        return rejected

    stock.apply("head", ("h1",))
    assert stock.database.with_care(work) == ["l2"]
    assert stock.fetch("SELECT * FROM line") == [("l1", "h1")]


# --- deletes and cascades ---------------------------------------------------------------------------------------------


def test_records_are_deleted_past_the_guard_and_unlogged(stock: Stock) -> None:
    stock.apply("item", *ITEMS)
    stock.take_away("item", ("i1",), ("i3",), ("i9",))
    assert stock.fetch("SELECT ID FROM item") == [("i2",)]
    assert stock.entries() == []


def test_what_a_delete_takes_along_is_this_site_s_own_change(stock: Stock) -> None:
    """The sender knew nothing of the line: its deletion must travel (P12)."""
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"))
    stock.run(LINE)
    stock.forget()
    stock.take_away("transact", ("t1",))
    assert stock.fetch("SELECT * FROM trans_line") == []
    (entry,) = stock.entries()
    assert (entry[0], entry[1], entry[2], entry[9]) == (stock.ids["trans_line"], 2, 2, "l1")


def test_p22_a_delete_takes_nothing_along_that_this_site_may_not_edit(stock: Stock) -> None:
    stock.apply("item", ("i1", None, None))
    stock.apply("item_line", ("s1", "k", "i1", 5.0))
    with stock.database.write() as writer:
        writer.begin_applying(1)
        with pytest.raises(RowRejected, match="store KAL is active on site 3, not here"):
            writer.delete(stock.types["item"], [("i1",)])
        writer.end_applying()
    assert stock.fetch("SELECT ID FROM item") == [("i1",)]
    assert stock.fetch("SELECT ID FROM item_line") == [("s1",)]
    assert stock.entries() == []


# --- one column, and values in the way --------------------------------------------------------------------------------


def test_one_column_is_set_past_the_guard_and_unlogged(stock: Stock) -> None:
    stock.apply("item", *ITEMS)
    stock.apply("item_line", ("s1", "k", "i1", 5.0))
    with stock.database.write() as writer:
        writer.begin_applying(1)
        column = stock.columns("item_line", ["item_ID"])[0]
        writer.set_column(stock.types["item_line"], ("s1",), column, None)
        writer.set_column(stock.types["item_line"], ("never",), column, None)
        writer.end_applying()
    assert stock.fetch("SELECT item_ID, quantity FROM item_line") == [(None, 5.0)]
    assert stock.entries() == []


@pytest.mark.parametrize(
    ("declared", "one", "other"),
    [
        ("VARCHAR(40)", "ml", "mg"),
        ("VARCHAR(40) NOT NULL", "ml", "mg"),
        ("VARCHAR(6) NOT NULL", "ml", "mg"),
        ("INTEGER NOT NULL", 1, 2),
        ("SMALLINT NOT NULL", 1, 2),
        ("BIGINT NOT NULL", 2**62, -(2**62)),
        ("DECIMAL(6, 2) NOT NULL", "1.50", "2.50"),
        ("DATE NOT NULL", "2026-01-01", "2026-01-02"),
    ],
)
def test_p16_unique_values_can_be_swapped(
    make_stock: MakeStock, declared: str, one: str | int, other: str | int
) -> None:
    schema = f"CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY, mark {declared} UNIQUE, note VARCHAR(40));"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "mark", "note"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[unit])
    unit = stock.types["unit"]
    stock.apply("unit", ("u1", one, "a"), ("u2", other, "b"))
    with stock.database.write() as writer:
        writer.begin_applying(1)
        for key in ("u1", "u2", "never"):
            writer.park(unit, stock.columns("unit", ["mark"]), (key,))
        writer.upsert(unit, unit.columns, [("u1", other, "a"), ("u2", one, "b")])
        writer.end_applying()
    with stock.database.read() as reader:
        rows = reader.rows(unit, [("u1",), ("u2",)])
    stands = {key: (str(mark), note) for (key, mark, note) in rows.values()}
    assert stands in (
        {"u1": (str(other), "a"), "u2": (str(one), "b")},
        {"u1": ("2.5", "a"), "u2": ("1.5", "b")},  # SQLite keeps the number, not its zeros
    )
    assert stock.entries() == []


# --- as the application -----------------------------------------------------------------------------------------------


def test_what_is_written_as_the_application_is_logged_and_guarded(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i1", None, None)])
        with writer.as_application():
            writer.lookups()["transact"].insert({"ID": "t1", "store_ID": "b", "name_ID": "n1", "number": 1})
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i2", None, None)])
        with pytest.raises(Exception, match="store KAL is active on site 3, not here"), writer.savepoint():
            _insert_for_kalo(writer)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i3", None, None)])
        writer.end_applying()
    (entry,) = stock.entries()
    assert (entry[0], entry[2], entry[3], entry[5], entry[9]) == (stock.ids["transact"], 2, "b", "n1", "t1")
    assert stock.fetch("SELECT ID FROM item ORDER BY ID") == [("i1",), ("i2",), ("i3",)]


def _insert_for_kalo(writer: Writer) -> None:
    with writer.as_application():
        writer.lookups()["transact"].insert({"ID": "t2", "store_ID": "k"})


def test_between_record_types_and_after_the_end_everything_is_logged(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["transact"], stock.types["transact"].columns, [("t1", "b", "n1", 1, "nw")])
        writer.end_applying()
        writer.lookups()["transact"].update({"ID": "t1", "status": "fn"}, ["ID"])
    assert stock.logged() == {("transact", "t1")}
