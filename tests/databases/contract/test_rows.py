"""Reading the application's tables: rows by key, stores through parents, children, unique values."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from msyncd.model import AlsoSentTo, RecordType, Row
from tests.databases.contract.stock import MakeStock, Stock

STANDS = """
INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', 'here'), ('i2', 'para', NULL, NULL);
INSERT INTO item_line VALUES ('s1', 'b', 'i1', 10, NULL), ('s2', NULL, 'i1', 2.5, 'kalo');
INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'k', NULL, 1, 'nw'), ('t3', NULL, 'n1', 3, 'nw');
INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5), ('l2', 't2', NULL, 5), ('l3', 't3', NULL, 5),
  ('l4', 't1', NULL, 1);
INSERT INTO trans_line VALUES ('l5', NULL, NULL, 5);
INSERT INTO line_note VALUES ('o1', 'l1', 'a'), ('o2', 'l2', 'b'), ('o3', 'l5', 'c');
"""


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard, on which rows stand."""
    return make_stock(guard=False, before=STANDS)


def test_rows_by_their_keys(stock: Stock) -> None:
    with stock.database.read() as reader:
        item = stock.types["item"]
        assert reader.rows(item, [("i1",), ("i2",), ("i3",)]) == {
            ("i1",): ("i1", "amox", "Amoxicillin"),
            ("i2",): ("i2", "para", None),
        }
        assert reader.rows(item, []) == {}
        assert reader.rows(stock.types["item_line"], {("s2",)}) == {("s2",): ("s2", None, "i1", 2.5)}


def test_keys_are_compared_byte_for_byte(stock: Stock) -> None:
    with stock.database.read() as reader:
        assert reader.rows(stock.types["item"], [("I1",), ("i1 ",), ("ı1",), ("",)]) == {}


def test_more_keys_than_one_statement_takes(stock: Stock) -> None:
    for first in range(0, 12_000, 500):
        values = ", ".join(f"('m{number}', NULL, NULL, NULL)" for number in range(first, first + 500))
        stock.run(f"INSERT INTO item VALUES {values}")
    keys: list[Row] = [(f"m{number}",) for number in range(-20_000, 12_000)]
    with stock.database.read() as reader:
        assert len(reader.rows(stock.types["item"], keys)) == 12_000
        assert len(reader.existing("item", ["ID"], keys)) == 12_000
        assert len(reader.stores_of(stock.types["item"], keys)) == 12_000


def test_rows_by_keys_of_several_columns(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE pair (b INTEGER, a VARCHAR(40), note VARCHAR(40), PRIMARY KEY (a, b));"
    pair = RecordType("pair", "pair", ("a", "b"), ("a", "b", "note"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[pair], before="INSERT INTO pair VALUES (1, 'x', 'n'), (2, 'x', 'm');")
    keys: list[Row] = [("x", 1), ("x", 3), *((f"y{number}", number) for number in range(10_000)), ("x", 2)]
    with stock.database.read() as reader:
        assert reader.rows(stock.types["pair"], keys) == {("x", 1): ("x", 1, "n"), ("x", 2): ("x", 2, "m")}
        assert reader.existing("pair", ["note", "b"], [("n", 1), ("n", 2)]) == {("n", 1)}


def test_stores_and_routes_through_parents(stock: Stock) -> None:
    with stock.database.read() as reader:

        def found(name: str, *keys: str) -> dict[Row, tuple[str | None, object]]:
            return dict(reader.stores_of(stock.types[name], [(key,) for key in keys]))

        assert found("item", "i1", "i9") == {("i1",): (None, None)}
        assert found("item_line", "s1", "s2") == {("s1",): ("b", None), ("s2",): (None, None)}
        assert found("transact", "t1", "t2") == {("t1",): ("b", "n1"), ("t2",): ("k", None)}
        assert found("trans_line", "l1", "l3", "l5") == {
            ("l1",): ("b", "n1"),
            ("l3",): (None, "n1"),
            ("l5",): (None, None),
        }
        assert found("line_note", "o2", "o3") == {("o2",): ("k", None), ("o3",): (None, None)}
        assert found("line_note") == {}


def test_a_store_is_text_whatever_its_column(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE visit (ID BIGINT PRIMARY KEY, store BIGINT, party INTEGER);"
    visit = RecordType(
        "visit", "visit", ("ID",), ("ID", "store", "party"), "active_site", "sites_of_store",
        store="store", also_sent_to=AlsoSentTo("store_of_name", "party"),
    )  # fmt: skip
    before = f"INSERT INTO visit VALUES ({2**60}, 7, 9), (2, NULL, NULL);"
    stock = make_stock(schema=schema, types=[visit], guard=False, before=before)
    stock.run("UPDATE visit SET store = 8")
    with stock.database.read() as reader:
        assert reader.stores_of(stock.types["visit"], [(2**60,), (2,)]) == {(2**60,): ("8", 9), (2,): ("8", None)}
    entry, other = sorted(stock.entries(), key=lambda one: -one[9])
    assert entry[3:7] == ("8", "7", 9, None)
    assert other[3:7] == ("8", None, None, None)


def test_children_of_parents(stock: Stock) -> None:
    with stock.database.read() as reader:
        line, item = stock.types["trans_line"], stock.types["item"]
        assert reader.children_of(line, ["t1", "t9"]) == [("l1", "t1", "i1", 5.0), ("l4", "t1", None, 1.0)]
        assert reader.children_of(line, [f"t{number}" for number in range(9, 20_000)]) == []
        assert reader.children_of(line, []) == []
        assert reader.children_of(item, ["t1"]) == []


@pytest.mark.parametrize("most", [1, 2, 3, 50])
def test_no_more_children_come_than_were_asked_for(stock: Stock, most: int) -> None:
    """Who reads a portion of a fill must not be given a header's million lines at once."""
    with stock.database.read() as reader:
        line = stock.types["trans_line"]
        every = reader.children_of(line, [f"t{number}" for number in range(9)])
        # parents enough for several statements
        some = reader.children_of(line, [f"t{number}" for number in range(3000)], most)
        assert len(every) >= 3
        assert len(some) == min(most, len(every))
        assert set(some) <= set(every)


def test_unique_values_that_stand_and_who_holds_them(stock: Stock) -> None:
    columns = stock.columns("transact", ["store_ID", "number"])
    with stock.database.read() as reader:
        assert reader.existing("transact", columns, [("b", 1), ("b", 2), ("k", 1)]) == {("b", 1), ("k", 1)}
        key = stock.types["transact"].key
        held = reader.holders("transact", columns, [("b", 1), ("b", 2), ("k", 1)], key)
        assert sorted(held) == [(("b", 1), ("t1",)), (("k", 1), ("t2",))]
        assert reader.holders("transact", columns, [], key) == []
        assert reader.existing("transact", columns, []) == set()
        many = [("s", number) for number in range(20_000)]
        assert reader.holders("transact", columns, [*many, ("b", 1)], key) == [(("b", 1), ("t1",))]
        # a column that is not unique: every row that holds it
        column = stock.columns("transact", ["name_ID"])
        assert sorted(reader.holders("transact", column, [("n1",)], key)) == [(("n1",), ("t1",)), (("n1",), ("t3",))]


FOLDED = {
    "sqlite": "COLLATE NOCASE",
    "postgresql": "COLLATE folded",
    "mariadb": "COLLATE utf8mb4_general_ci",
}


def test_p16_a_unique_value_in_the_way_is_found_as_the_index_compares(
    make_stock: MakeStock, database_kind: str
) -> None:
    schema = f"""CREATE TABLE unit (
      ID VARCHAR(40) PRIMARY KEY, code VARCHAR(40) {FOLDED[database_kind]} UNIQUE, shelf VARCHAR(40), bin INTEGER,
      UNIQUE (shelf, bin));"""
    if database_kind == "postgresql":
        schema = f"CREATE COLLATION folded (provider=icu, locale='und-u-ks-level2', deterministic=false);{schema}"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "code", "shelf", "bin"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[unit])
    stock.apply("unit", ("1", "Amox", "a", 1), ("2", "PARA", "a", 2))
    key, code = stock.types["unit"].key, stock.columns("unit", ["code"])
    with stock.database.read() as reader:
        held = reader.holders("unit", code, [("AMOX",), ("para",), ("ibu",)], key)
        assert sorted(held) == [(("AMOX",), ("1",)), (("para",), ("2",))]
        asked = "aMOX " if database_kind == "mariadb" else "aMOX"  # to which a blank at the end is nothing
        assert reader.existing("unit", code, {(asked,), ("x",)}) == {(asked,)}
        with stock.database.write() as writer:
            assert writer.existing("unit", code, {(asked,), ("x",)}) == {(asked,)}
        both = stock.columns("unit", ["code", "shelf"])
        assert reader.holders("unit", both, [("AMOX", "a"), ("amox", "b")], key) == [(("AMOX", "a"), ("1",))]


def test_portable_sql_with_values_and_literals(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.execute("INSERT INTO msyncd_meta (name, value) VALUES (?, ?)", ("100 %?", "what's 'this'? %s"))
        writer.execute("INSERT INTO msyncd_meta (name, value) VALUES ('a?%s%%', '? %')")
        writer.execute("INSERT INTO msyncd_meta (name, value) VALUES (?, '? %')", ("b?%s%%",))
    with stock.database.read() as reader:
        assert reader.execute("SELECT value FROM msyncd_meta WHERE name = ?", ("100 %?",)) == [("what's 'this'? %s",)]
        assert reader.execute("SELECT value FROM msyncd_meta WHERE name IN ('a?%s%%', 'b?%s%%')") == [("? %",)] * 2
        assert reader.execute("SELECT value FROM msyncd_meta WHERE value LIKE '%this%' AND name = ?", ("100 %?",)) == [
            ("what's 'this'? %s",)
        ]
        assert reader.execute("SELECT count(*) FROM msyncd_meta WHERE name = ?", ("gone",)) == [(0,)]
        assert reader.execute("SELECT name FROM msyncd_meta WHERE name = 'gone'") == []
        assert reader.execute("SELECT 1, 1.5, 'x', NULL") in ([(1, 1.5, "x", None)], [(1, "1.5", "x", None)])


def test_a_look_leaves_nothing_open(stock: Stock) -> None:
    """Between looks no transaction is held: a table can be altered, a database dropped, a log trimmed."""
    for _ in range(10):
        with stock.database.read() as reader:
            reader.rows(stock.types["item"], [("i1",)])
    stock.run("ALTER TABLE item ADD COLUMN shelf VARCHAR(40)")
    with stock.database.read() as reader:
        assert len(reader.rows(stock.types["item"], [("i1",)])) == 1


def test_a_look_that_fails_harms_no_other(stock: Stock) -> None:
    with pytest.raises(Exception, match=r"(?i)nowhere"):
        _look_nowhere(stock)
    with stock.database.read() as reader:
        assert len(reader.rows(stock.types["item"], [("i1",)])) == 1


def _look_nowhere(stock: Stock) -> None:
    with stock.database.read() as reader:
        reader.execute("SELECT * FROM nowhere")


def test_looks_of_several_threads_at_once(stock: Stock) -> None:
    def look(number: int) -> int:
        with stock.database.read() as reader:
            return len(reader.rows(stock.types["item"], [(f"i{number % 3}",)]))

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(look, range(120))) == 80
