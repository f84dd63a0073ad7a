"""Keys of every width and type, names of every kind: the log gives them as the record type has them."""

import pytest

from msyncd.databases.values import DELETE, KEY, WRITE
from msyncd.model import START, RecordType, Row
from tests.databases.contract.application import Application
from tests.databases.contract.stock import MakeStock, seen


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("VARCHAR(40)", ["a", "A", "a ", "ä", "", "naïve 'quoted' \\ % ?", "x" * 40]),
        ("INTEGER", [0, -1, 2**31 - 1, -(2**31)]),
        ("BIGINT", [0, 2**63 - 1, -(2**63), 2**53 + 1]),
    ],
)
def test_keys_are_logged_as_the_record_type_has_them(make_stock: MakeStock, key: str, values: list[str | int]) -> None:
    one = RecordType("one", "one", ("ID",), ("ID", "note"), "any_site", "every_site")
    stock = make_stock(schema=f"CREATE TABLE one (ID {key} PRIMARY KEY, note VARCHAR(40));", types=[one])
    for value in values:
        stock.run("INSERT INTO one VALUES (?, NULL)", (value,))
    assert [entry[KEY] for entry in stock.entries()] == values
    with stock.database.read() as reader:
        assert set(reader.rows(stock.types["one"], [(value,) for value in values])) == {(value,) for value in values}
        assert all(reader.changed_since(stock.ids["one"], (value,), START) for value in values)


@pytest.mark.parametrize("key", [("a",), ("a", "b")])
def test_a_key_of_a_database_with_larger_integers_is_not_there(make_stock: MakeStock, key: tuple[str, ...]) -> None:
    one = RecordType("one", "one", key, ("a", "b"), "any_site", "every_site")
    schema = f"CREATE TABLE one (a BIGINT NOT NULL, b BIGINT NOT NULL, PRIMARY KEY ({', '.join(key)}));"
    stock = make_stock(schema=schema, types=[one])
    stock.run("INSERT INTO one VALUES (?, ?)", (2**63 - 1, 2**63 - 1))
    there, beyond = (2**63 - 1,) * len(key), (2**63,) * len(key)
    with stock.database.read() as reader:
        assert set(reader.rows(stock.types["one"], [beyond, there])) == {there}
        assert reader.existing("one", key, [beyond, there]) == {there}
        assert set(reader.stores_of(stock.types["one"], [beyond, there])) == {there}


@pytest.mark.parametrize("width", [2, 3, 5])
def test_keys_of_several_columns(make_stock: MakeStock, width: int) -> None:
    names = [f"k{n}" for n in range(width)]
    columns = ", ".join(f"{name} {'BIGINT' if n % 2 else 'VARCHAR(40)'} NOT NULL" for n, name in enumerate(names))
    schema = f"CREATE TABLE wide ({columns}, note VARCHAR(40), PRIMARY KEY ({', '.join(names)}));"
    wide = RecordType("wide", "wide", tuple(names), (*names, "note"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[wide])
    key: Row = tuple(n if n % 2 else f"v{n}" for n in range(width))
    stock.run(f"INSERT INTO wide VALUES ({', '.join('?' * width)}, NULL)", key)
    assert stock.seen() == {("wide", key): seen(WRITE)}
    stock.run("UPDATE wide SET k1 = 99")
    moved = (key[0], 99, *key[2:])
    assert stock.seen() == {("wide", key): seen(DELETE), ("wide", moved): seen(WRITE)}
    with stock.database.read() as reader:
        assert reader.rows(stock.types["wide"], [moved, key]) == {moved: (*moved, None)}


def test_odd_names(make_stock: MakeStock, application: Application) -> None:
    q = application.quoted
    table, other = 'order "of" the `day`', "Values"
    columns = ("Group", "Prüf-Nr.", "select", "it's %s ?")
    a, b, c, d = map(q, columns)
    schema = f"""
    CREATE TABLE {q(table)} ({a} VARCHAR(40), {b} INTEGER, {c} VARCHAR(40), {d} VARCHAR(40), PRIMARY KEY ({a}, {b}));
    CREATE TABLE {q(other)} ({q("Key")} INTEGER PRIMARY KEY, {a} VARCHAR(40), {b} INTEGER, {q("order")} VARCHAR(40),
      FOREIGN KEY ({a}, {b}) REFERENCES {q(table)} ({a}, {b}) ON DELETE CASCADE ON UPDATE CASCADE);
    """
    odd = RecordType(
        "odd one's",
        table,
        columns[:2],
        columns,
        "active_site",
        "sites_of_store",
        store=columns[3],
        excludes_columns=True,
    )
    values = RecordType("values", other, ("Key",), ("Key", "Group", "Prüf-Nr.", "order"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[odd, values])
    stock.run(f"INSERT INTO {q(table)} VALUES ('a', 1, 'x', 'b')")
    stock.run(f"INSERT INTO {q(other)} VALUES (7, 'a', 1, 'first')")
    assert stock.seen() == {("odd one's", ("a", 1)): seen(WRITE, "b"), ("values", 7): seen(WRITE)}
    stock.run(f"UPDATE {q(table)} SET {b} = 2")
    assert stock.seen() == {
        ("odd one's", ("a", 1)): seen(DELETE, "b"),
        ("odd one's", ("a", 2)): seen(WRITE, "b"),
        ("values", 7): seen(WRITE),
    }
    stock.run(f"DELETE FROM {q(table)}")
    assert stock.seen() == {("odd one's", ("a", 2)): seen(DELETE, "b"), ("values", 7): seen(DELETE)}
    assert (
        stock.refusal(f"INSERT INTO {q(table)} VALUES ('q', 1, 'q', NULL)")
        == "odd one's names no store in it's %s ?, so it can be edited nowhere"
    )
