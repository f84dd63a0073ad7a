"""Installing, keeping current and taking away: idempotent, beside an application that runs, without a trace."""

import re
from dataclasses import replace

import pytest

from msyncd.databases import Database
from msyncd.databases.ledger import TABLES
from msyncd.databases.values import Capture
from msyncd.model import RecordType, Value
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.stock import FACTS, HEADER, LINE, SCHEMA, TYPES, MakeStock

# what the application has of its own: its names look like ours, but for one sign
OWN = """
CREATE TABLE msyncdata (ID VARCHAR(40) PRIMARY KEY);
CREATE VIEW overview AS SELECT ID, status FROM transact;
CREATE INDEX transact_by_status ON transact (status);
"""
CATALOGUE = {
    "sqlite": ["SELECT type, name, sql FROM sqlite_master WHERE name <> 'sqlite_sequence'"],
    "postgresql": [
        (
            "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        ),
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)'",
        (
            "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        ),
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT evtname FROM pg_event_trigger",
        (
            "SELECT setconfig::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
            " WHERE d.datname = current_database()"
        ),
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'",
    ],
    "mariadb": [
        "SELECT table_name, table_type, table_collation FROM information_schema.tables WHERE table_schema = database()",
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database()",
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database()",
        "SELECT event_name FROM information_schema.events WHERE event_schema = database()",
        "SELECT table_name, index_name, column_name FROM information_schema.statistics WHERE table_schema = database()",
        "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = database()",
    ],
}


def catalogue(application: Application) -> list[list[tuple[object, ...]]]:
    """Everything that a database says is in it."""
    return [sorted(application.execute(sql), key=repr) for sql in CATALOGUE[application.kind]]


def test_nothing_is_written_before_the_install(application: Application, database: Database) -> None:
    application.make(SCHEMA)
    before = catalogue(application)
    assert not database.installed()
    database.describe()
    database.schema_version()
    database.data_version()
    assert catalogue(application) == before


def test_remove_leaves_no_trace_and_the_application_s_own_as_it_was(
    application: Application, make_stock: MakeStock
) -> None:
    application.make(SCHEMA + OWN)
    application.execute(HEADER)
    before = catalogue(application)
    stock = make_stock(schema="")
    assert stock.database.installed()
    assert set(TABLES) <= set(stock.installed.made)
    stock.run(LINE)
    stock.apply("item", ("i1", None, None))
    gone = stock.database.remove()
    assert not stock.database.installed()
    assert catalogue(application) == before
    assert set(TABLES) <= {name.rpartition(".")[2] for name in gone}
    assert stock.fetch("SELECT ID FROM transact") == [("t1",)]
    stock.run("UPDATE transact SET store_ID = 'k'")  # nobody guards it now
    assert stock.database.remove() == ()


def test_it_can_be_installed_again_after_it_was_removed(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.database.remove()
    stock.install()
    stock.run(HEADER)
    assert stock.logged() == {("transact", "t1")}


def test_installing_again_changes_nothing(make_stock: MakeStock, application: Application) -> None:
    stock = make_stock()
    stock.run(HEADER)
    before, schema, ids = catalogue(application), stock.database.schema_version(), dict(stock.ids)
    for _ in range(2):
        stock.install()
        assert (stock.installed.made, stock.installed.dropped, stock.installed.lost) == ((), (), ())
        assert dict(stock.ids) == ids
    assert catalogue(application) == before
    assert stock.database.schema_version() == schema
    assert stock.logged() == {("transact", "t1")}


def test_another_process_installs_the_same(make_stock: MakeStock) -> None:
    stock = make_stock()
    other = stock.another()
    stock.run(HEADER)
    with other.read() as reader:
        assert reader.rows(stock.types["transact"], [("t1",)])
    done = other.install(Capture(stock.site, tuple(stock.types.values()), FACTS))
    assert (done.ids, done.made, done.dropped, done.lost) == (stock.ids, (), (), ())


def test_record_types_keep_their_numbers_whatever_comes_and_goes(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    ids = dict(stock.ids)
    all_types = dict(stock.types)
    stock.types = {name: one for name, one in all_types.items() if name not in ("item", "item_line")}
    stock.install()
    assert {name: stock.ids[name] for name in stock.types} == {name: ids[name] for name in stock.types}
    assert stock.installed.dropped
    stock.run("INSERT INTO item VALUES ('i1', NULL, NULL, NULL)")
    assert stock.entries() == []
    stock.types = all_types
    stock.install()
    assert dict(stock.ids) == ids
    # what was not captured for a while may have changed unseen
    assert set(stock.installed.lost) == {"item", "item_line"}
    stock.run("UPDATE item SET item_name = 'x'")
    assert stock.logged() == {("item", "i1")}


def test_a_type_that_is_declared_later_counts_as_not_captured_until_now(make_stock: MakeStock) -> None:
    stock = make_stock(types=TYPES[:3])
    assert stock.installed.lost == ()
    tables = stock.database.describe()
    stock.types = {one.name: spelled(tables, one) for one in TYPES}
    stock.install()
    assert set(stock.installed.lost) == {"trans_line", "line_note"}


def test_another_declaration_changes_capture_and_guard(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.types["transact"] = replace(stock.types["transact"], guard=False)
    stock.install()
    assert stock.installed.made
    stock.run("INSERT INTO transact VALUES ('t1', 'k', 'n1', 1, 'nw')")
    stock.types["transact"] = replace(stock.types["transact"], guard=True)
    stock.install()
    assert stock.refusal("DELETE FROM transact") == "store KAL is active on site 3, not here"


def test_a_wider_key_widens_the_log_and_keeps_its_entries(make_stock: MakeStock, application: Application) -> None:
    application.make("CREATE TABLE wide (a INTEGER, b INTEGER, c INTEGER, PRIMARY KEY (a, b, c));")
    stock = make_stock(guard=False)
    stock.run(HEADER)
    stock.types["wide"] = RecordType("wide", "wide", ("a", "b", "c"), ("a", "b", "c"), "any_site", "every_site")
    stock.install()
    stock.run("INSERT INTO wide VALUES (1, 2, 3)")
    assert stock.logged() == {("transact", "t1"), ("wide", (1, 2, 3))}
    stock.apply("wide", (4, 5, 6))
    assert stock.entries() == []


def test_init_while_the_application_has_the_database_open(application: Application, make_stock: MakeStock) -> None:
    application.make(SCHEMA)
    others = [application.connect() for _ in range(3)]
    for other in others:
        other.execute("SELECT * FROM transact")
    stock = make_stock(schema="")
    for number, other in enumerate(others):
        other.execute(f"INSERT INTO transact VALUES ('t{number}', 'b', 'n1', {number}, 'nw')")
    assert stock.logged() == {("transact", f"t{number}") for number in range(3)}
    stock.database.remove()
    for other in others:
        other.execute("DELETE FROM transact")


def test_p05_a_table_that_was_rebuilt_is_found(make_stock: MakeStock) -> None:
    reference = "REFERENCES transact (ID) ON DELETE CASCADE ON UPDATE CASCADE"
    stock = make_stock(guard=False, schema=SCHEMA.replace(reference, ""))
    stock.run(HEADER)
    if stock.application.kind == "sqlite":  # which otherwise refuses to rebuild what other triggers name
        stock.run("PRAGMA legacy_alter_table=1")
    stock.run(
        (
            "CREATE TABLE rebuilt (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40), name_ID VARCHAR(40),"
            " number INTEGER, status VARCHAR(8))"
        ),
    )
    stock.run("INSERT INTO rebuilt SELECT * FROM transact")
    stock.run("DROP TABLE transact")
    stock.run("ALTER TABLE rebuilt RENAME TO transact")
    stock.install()
    assert list(stock.installed.lost) == ["transact"]
    stock.forget()
    stock.run("UPDATE transact SET status = 'fn'")
    assert stock.logged() == {("transact", "t1")}
    # it is named until somebody has looked after it, though msyncd was killed in between
    stock.install()
    assert list(stock.installed.lost) == ["transact"]
    with stock.database.write() as writer:
        writer.execute("UPDATE msyncd_record_type SET captured = 1 WHERE name = 'transact'")
    stock.install()
    assert not stock.installed.lost


def test_a_column_that_comes_later_does_not_disturb(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    stock.run("ALTER TABLE transact ADD COLUMN extra VARCHAR(40)")
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw', 'x')")
    assert stock.logged() == {("transact", "t1")}
    stock.install()
    assert stock.installed.lost == ()
    stock.run("UPDATE transact SET extra = 'y'")
    assert stock.logged() == {("transact", "t1")}


def test_an_install_that_fails_leaves_what_was(make_stock: MakeStock, application: Application) -> None:
    stock = make_stock(guard=False)
    before = catalogue(application)
    broken = RecordType("broken", "nowhere", ("ID",), ("ID",), "any_site", "every_site")
    with pytest.raises(Exception, match="nowhere"):
        stock.database.install(Capture(2, (*stock.types.values(), broken), FACTS))
    assert catalogue(application) == before
    stock.run(HEADER)
    assert stock.logged() == {("transact", "t1")}


def test_every_ledger_table_can_be_written_and_read(make_stock: MakeStock) -> None:
    """Whatever a dialect makes of the type words: text, numbers of 64 bits, bytes."""
    stock = make_stock()
    for name, columns in TABLES.items():
        if name in ("msyncd_store", "msyncd_record_type"):
            continue
        row = _row(columns)
        with stock.database.write() as writer:
            writer.insert(name, [row])
            first, value = next(iter(row.items()))
            found = writer.execute(f"SELECT {', '.join(row)} FROM {name} WHERE {first} = ?", (value,))
            assert found == [tuple(row.values())]


def _row(columns: str) -> dict[str, Value]:
    """A row with something in each column that takes numbers, text or bytes."""
    something: dict[str, Value] = {"int": 2**62, "text": "tex't % ? \\ ✚", "blob": bytes(range(256))}
    return {name: something[kind] for name, kind in re.findall(r"(\w+) \{(int|text|blob)\}", columns)}
