"""Portable SQL and values, as MariaDB takes them: under the sql_mode of msyncd's own connections."""

import math
import random
import struct

import pytest

from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import filled, literal, pieces
from msyncd.model import Value

AWKWARD: list[Value] = [
    None, True, False, 0, -(2**63), 2**64 - 1, "", "'", '"', "\\", "\\'", "\\\\", "\0", "\x1a", "\n\r\t", "%s %% ?",
    "`", "😀 é", "a ", " ", "-- x", "/* x */", b"", bytes(range(256)), b"\\'\"\0\x1a", b"\xff" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_every_value_comes_back_as_it_was(session: Session, value: Value) -> None:
    assert session.fetch("SELECT ?", (value,)) == [(int(value) if isinstance(value, bool) else value,)]


def test_random_doubles_come_back_to_the_last_bit(session: Session) -> None:
    chance = random.Random(36)
    doubles = [struct.unpack("d", chance.randbytes(8))[0] for _ in range(3000)]
    doubles = [one for one in doubles if math.isfinite(one)]
    session.run("CREATE TEMPORARY TABLE doubles (n INT PRIMARY KEY, d DOUBLE)")
    values = ",".join(f"({number},{literal(one)})" for number, one in enumerate(doubles))
    session.run(f"INSERT INTO doubles VALUES {values}")
    assert [one for (one,) in session.fetch("SELECT d FROM doubles ORDER BY n")] == doubles


def test_placeholders_in_quotes_and_comments_are_text() -> None:
    sql = "SELECT '?', \"?\", `?`, ? /* ? */ -- ?\n, ?"
    assert pieces(sql) == ("SELECT '?', \"?\", `?`, ", " /* ? */ -- ?\n, ", "")
    assert filled("SELECT ?, '%s', 100 % 7", (5,)) == "SELECT 5, '%s', 100 % 7"
    with pytest.raises(ValueError, match="1 placeholders and 2 values"):
        filled("SELECT ?", (1, 2))


def test_the_ledger_s_key_is_quoted_and_nobody_else_s() -> None:
    assert pieces("SELECT key FROM msyncd_waiting WHERE key = ?") == (
        'SELECT "key" FROM msyncd_waiting WHERE "key" = ',
        "",
    )
    assert pieces("SELECT 'key', monkey, key1 FROM msyncd_waiting") == (
        "SELECT 'key', monkey, key1 FROM msyncd_waiting",
    )
    assert pieces("ALTER TABLE t ADD key k (a)") == ("ALTER TABLE t ADD key k (a)",)


def test_a_statement_that_ends_the_transaction_is_an_error_and_nothing_more_is_written(session: Session) -> None:
    session.run("CREATE TABLE one (n INT PRIMARY KEY)")
    session.begin()
    session.run("INSERT INTO one VALUES (1)")
    with pytest.raises(Exception, match="has ended the transaction in which it ran"):
        session.run("CREATE TABLE other (n INT PRIMARY KEY)")
    with pytest.raises(Exception, match="the transaction is lost"):
        session.run("INSERT INTO one VALUES (2)")
    with pytest.raises(Exception, match="the transaction is lost"):
        session.commit()
    session.rollback()
    assert session.fetch("SELECT * FROM one") == [(1,)]
