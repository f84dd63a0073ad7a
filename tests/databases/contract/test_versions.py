"""Numbers by which a change of data or schema is noticed without reading a table."""

from msyncd.databases import Database
from tests.databases.contract.stock import HEADER, MakeStock, Stock


def changes(database: Database, stock: Stock, sql: str) -> bool:
    """Whether a statement of the application changes the data version, seen from a connection that looked before."""
    before = database.data_version()
    assert database.data_version() == before
    stock.run(sql)
    return database.data_version() != before


def test_the_data_version_changes_when_another_connection_commits(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    assert changes(stock.database, stock, HEADER)
    assert changes(stock.database, stock, "UPDATE transact SET status = 'fn'")
    assert changes(stock.database, stock, "DELETE FROM transact")
    before = stock.database.data_version()
    stock.application.begin()
    stock.run(HEADER)
    stock.application.commit()
    assert stock.database.data_version() != before


def test_the_data_version_stays_while_nobody_writes(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    stock.run(HEADER)
    stock.forget()  # once it can be read: a transaction of another database may hold it up
    before = stock.database.data_version()
    for _ in range(5):
        stock.fetch("SELECT * FROM transact")
        with stock.database.read() as reader:
            reader.log_end()
        assert stock.database.data_version() == before


def test_the_schema_version_changes_with_every_table_column_and_trigger(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    seen = [stock.database.schema_version()]
    assert stock.database.schema_version() == seen[0]
    trigger = {
        "sqlite": "CREATE TRIGGER own AFTER INSERT ON item BEGIN SELECT 1; END",
        "postgresql": "CREATE TRIGGER own AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION own()",
        "mariadb": "CREATE TRIGGER own AFTER INSERT ON item FOR EACH ROW SET @nothing = 1",
    }[stock.application.kind]
    wider = {
        "sqlite": [],  # it has no such statement, and its columns hold texts of any length
        "postgresql": ["ALTER TABLE further ALTER COLUMN remark TYPE VARCHAR(50)"],
        "mariadb": ["ALTER TABLE further MODIFY remark VARCHAR(50)"],
    }[stock.application.kind]
    if stock.application.kind == "postgresql":
        stock.run("CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        seen[0] = stock.database.schema_version()
    for statement in (
        "CREATE TABLE further (ID VARCHAR(40) PRIMARY KEY)",
        "ALTER TABLE further ADD COLUMN note VARCHAR(40)",
        "ALTER TABLE further RENAME COLUMN note TO remark",
        *wider,
        trigger,
        "DROP TRIGGER own ON item" if stock.application.kind == "postgresql" else "DROP TRIGGER own",
        "DROP TABLE further",
    ):
        stock.run(statement)
        assert stock.database.schema_version() not in seen, statement
        seen.append(stock.database.schema_version())


def test_the_schema_version_stays_while_rows_come_and_go(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    before = stock.database.schema_version()
    stock.run(HEADER)
    stock.apply("item", ("i1", None, None))
    stock.run("UPDATE transact SET status = 'fn'")
    stock.run("DELETE FROM transact")
    assert stock.database.schema_version() == before


def test_a_closed_database_opens_again_when_it_is_asked(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.database.close()
    assert stock.database.data_version() is not None
    with stock.database.read() as reader:
        assert reader.log_end() is not None
