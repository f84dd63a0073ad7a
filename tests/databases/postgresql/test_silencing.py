"""Where the application's triggers are silenced, foreign keys hold all the same (P23)."""

from dataclasses import replace

import psycopg
import pytest

from msyncd.databases.interface import RowRejected
from msyncd.model import RecordType
from tests.databases.contract.application import Application
from tests.databases.contract.stock import MakeStock, Stock

SCHEMA = """
CREATE TABLE fired (what VARCHAR(40));
CREATE TABLE head (ID VARCHAR(40) PRIMARY KEY, above VARCHAR(40) REFERENCES head (ID));
CREATE TABLE kept (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) REFERENCES head (ID));
CREATE TABLE gone (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) REFERENCES head (ID) ON DELETE CASCADE);
CREATE TABLE freed (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) REFERENCES head (ID) ON DELETE SET NULL);
CREATE TABLE later (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) NOT NULL REFERENCES head (ID) DEFERRABLE);
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO fired VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$;
CREATE TRIGGER own_head AFTER INSERT OR UPDATE OR DELETE ON head FOR EACH ROW EXECUTE FUNCTION own();
CREATE TRIGGER own_kept AFTER INSERT OR UPDATE OR DELETE ON kept FOR EACH ROW EXECUTE FUNCTION own();
CREATE TRIGGER own_gone AFTER INSERT OR UPDATE OR DELETE ON gone FOR EACH ROW EXECUTE FUNCTION own();
CREATE TRIGGER own_later AFTER INSERT OR UPDATE OR DELETE ON later FOR EACH ROW EXECUTE FUNCTION own();
"""


def silent(name: str, column: str = "head_ID") -> RecordType:
    return RecordType(
        name, name, ("ID",), ("ID", column), "any_site", "every_site", application_triggers="silent"
    )  # fmt: skip


TYPES = [silent("head", "above"), *map(silent, ("kept", "gone", "freed", "later"))]


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """A site whose application has triggers nearly everywhere."""
    stock = make_stock(schema=SCHEMA, types=TYPES)
    stock.apply("head", ("h1", None), ("h2", "h1"), ("h3", None))
    return stock


def fired(stock: Stock) -> list[str]:
    rows = stock.fetch("SELECT what FROM fired ORDER BY what")
    stock.run("DELETE FROM fired")
    return [what for (what,) in rows]


def test_p23_rows_are_written_and_deleted_in_silence(stock: Stock) -> None:
    stock.apply("kept", ("k1", "h3"))
    stock.apply("kept", ("k1", "h1"))
    stock.apply("later", *[(f"l{n}", "h3") for n in range(3000)])
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.set_column(stock.types["kept"], ("k1",), stock.columns("kept", ["head_ID"])[0], "h2")
        writer.end_applying()
    stock.take_away("kept", ("k1",))
    assert fired(stock) == []
    assert stock.entries() == []
    assert stock.fetch("SELECT count(*) FROM later") == [(3000,)]
    stock.run("INSERT INTO kept VALUES ('own', 'h1')")
    assert fired(stock) == ["kept INSERT"]


@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize("name", ["kept", "head", "later"])
def test_p23_a_reference_to_nothing_is_rejected(stock: Stock, name: str, immediate: bool) -> None:
    one = stock.types[name]
    with pytest.raises(RowRejected, match=f"{name}.* refers to nothing in head"):
        _upsert(stock, one, ("x1", "nothing"), immediate=immediate)
    assert stock.fetch(f"SELECT * FROM {name} WHERE ID = 'x1'") == []
    _upsert(stock, one, ("x1", "h1"), immediate=immediate)


def _upsert(stock: Stock, one: RecordType, *rows: tuple[str, str | None], immediate: bool) -> None:
    with stock.database.write(immediate=immediate) as writer:
        writer.begin_applying(1)
        writer.upsert(one, one.columns, rows)
        writer.end_applying()


def test_p23_rows_of_one_call_may_refer_to_each_other(stock: Stock) -> None:
    stock.apply("head", ("a", "b"), ("b", "a"))
    stock.take_away("head", ("a",), ("b",))
    assert stock.fetch("SELECT ID FROM head ORDER BY ID") == [("h1",), ("h2",), ("h3",)]


def test_p23_a_reference_that_can_wait_waits_for_the_end(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["later"], stock.types["later"].columns, [("l1", "h9")])
        writer.upsert(stock.types["head"], stock.types["head"].columns, [("h9", None)])
        writer.end_applying()
    assert stock.fetch("SELECT head_ID FROM later") == [("h9",)]


def test_p23_what_is_referred_to_is_not_deleted(stock: Stock) -> None:
    stock.apply("kept", ("k1", "h3"))
    with pytest.raises(RowRejected, match="kept still refers to a record of head"):
        stock.take_away("head", ("h3",))
    with pytest.raises(RowRejected, match="head still refers to a record of head"):
        stock.take_away("head", ("h1",))
    assert stock.fetch("SELECT count(*) FROM head") == [(3,)]


def test_p23_cascades_are_done_and_are_this_site_s_own(stock: Stock) -> None:
    stock.apply("gone", ("g1", "h3"), ("g2", "h1"))
    stock.apply("freed", ("f1", "h3"))
    stock.take_away("head", ("h3",))
    assert stock.fetch("SELECT ID FROM gone") == [("g2",)]
    assert stock.fetch("SELECT * FROM freed") == [("f1", None)]
    assert stock.logged() == {("gone", "g1"), ("freed", "f1")}
    assert fired(stock) == ["gone DELETE"]  # as if the application had deleted it


def test_p23_a_target_cannot_go_while_the_rows_that_refer_to_it_are_not_committed(stock: Stock) -> None:
    other = stock.application.connect()
    other.execute("SET lock_timeout = '200ms'")
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["kept"], stock.types["kept"].columns, [("k1", "h3")])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("DELETE FROM head WHERE ID = 'h3'")
        writer.end_applying()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        other.execute("DELETE FROM head WHERE ID = 'h3'")


def test_p23_a_trigger_that_fires_always_cannot_be_silenced(application: Application, make_stock: MakeStock) -> None:
    application.make(SCHEMA)
    application.execute("ALTER TABLE kept ENABLE ALWAYS TRIGGER own_kept")
    stock = make_stock(schema="", types=[replace(one, application_triggers="fire") for one in TYPES])
    tables = stock.database.describe()
    assert {name for name, one in tables.items() if not one.silenceable} == {"kept"}
