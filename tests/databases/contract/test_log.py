"""The change log as its readers see it: pages, interest, counts, families, trimming."""

from collections.abc import Iterator

import pytest

from msyncd.databases import Database
from msyncd.databases.values import DELETE, KEY, ONLY_SITE, PARENT, STORE, TYPE, WRITE, Entry, Interest
from msyncd.model import START, Cursor, RecordType, Through
from tests.databases.contract.stock import MakeStock, Stock, settled


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def headers(stock: Stock, *numbers: int, store: str = "b", route: str = "n1") -> None:
    """The application writes these headers, each in a transaction of its own."""
    for number in numbers:
        stock.run("INSERT INTO transact VALUES (?, ?, ?, ?, 'nw')", (f"t{number}", store, route, number))


def keys(entries: list[Entry]) -> list[object]:
    return [entry[KEY] for entry in entries]


def pages(database: Database, after: Cursor, limit: int, interest: Interest | None = None) -> Iterator[list[Entry]]:
    """The log beyond a cursor, page by page, each in a look of its own."""
    while True:
        with database.read() as reader:
            page = reader.log_page(after, limit, interest)
        assert len(page.entries) <= limit
        assert after <= page.upto <= page.end
        if page.upto == page.end and not page.entries:
            return
        yield page.entries
        after = page.upto


# --- pages ------------------------------------------------------------------------------------------------------------


def test_an_empty_log_begins_where_it_ends(stock: Stock) -> None:
    with stock.database.read() as reader:
        assert reader.log_start() == reader.log_end()
        page = reader.log_page(START, 10)
    assert (page.entries, page.upto) == ([], page.end)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_pages_give_every_entry_once_and_in_order(stock: Stock, limit: int) -> None:
    before = stock.forget()
    headers(stock, *range(8))
    settled(stock.database)
    read = list(pages(stock.database, before, limit))
    assert keys([entry for page in read for entry in page]) == [f"t{number}" for number in range(8)]
    assert all(read)


def test_a_page_s_cursor_is_that_of_its_last_entry_and_the_last_page_s_that_of_the_log(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2, 3)
    settled(stock.database)
    with stock.database.read() as reader:
        first = reader.log_page(before, 2)
        assert keys(first.entries) == ["t1", "t2"]
        assert before < first.upto < first.end == reader.log_end()
        rest = reader.log_page(first.upto, 2)
        assert (keys(rest.entries), rest.upto) == (["t3"], first.end)
        beyond = reader.log_page(rest.upto, 2)
        assert (beyond.entries, beyond.upto, beyond.end) == ([], first.end, first.end)


def test_entries_of_one_transaction_may_be_parted_by_a_page(stock: Stock) -> None:
    before = stock.forget()
    stock.application.begin()
    headers(stock, *range(5))
    stock.application.commit()
    settled(stock.database)
    assert [keys(page) for page in pages(stock.database, before, 2)] == [["t0", "t1"], ["t2", "t3"], ["t4"]]


def test_a_look_stays_as_it_was_while_others_write(stock: Stock) -> None:
    """Log and rows are of one moment: rows are never older than the log that was read (P3)."""
    headers(stock, 1)
    settled(stock.database)
    with stock.database.read() as reader:
        end = reader.log_end()
        reader.rows(stock.types["transact"], [("t1",)])
        stock.run("UPDATE transact SET status = 'fn'")
        headers(stock, 2)
        page = reader.log_page(end, 10)
        rows = reader.rows(stock.types["transact"], [("t1",), ("t2",)])
        # what the log shows already, the table shows too
        for entry in page.entries:
            assert rows[entry[KEY],][-1] in ("fn", "nw")
            assert entry[KEY] != "t1" or rows["t1",][-1] == "fn"


def test_beyond_is_a_cursor_that_many_entries_on_or_a_little_less(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, *range(6))
    settled(stock.database)
    with stock.database.read() as reader:
        third = reader.log_beyond(before, 3)
        assert before < third
        left = keys(reader.log_page(third, 100).entries)
        assert left == keys(reader.log_page(before, 100).entries)[-len(left) :]
        assert 3 <= len(left) <= 6
        assert reader.log_page(reader.log_beyond(before, 1000), 10).entries == []
        assert reader.log_page(reader.log_beyond(reader.log_end(), 5), 10).entries == []


# --- interest ---------------------------------------------------------------------------------------------------------


def test_interest_leaves_out_what_cannot_concern_a_site(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, store="b", route="n1")
    headers(stock, 2, store="h", route="n2")
    headers(stock, 3, store="k", route="n3")
    stock.run("INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL)")
    stock.run("UPDATE transact SET store_ID = 'c', name_ID = 'n9' WHERE ID = 't3'")
    stock.run("INSERT INTO trans_line VALUES ('l1', 't1', NULL, 5)")
    settled(stock.database)
    item = stock.ids["item"]

    def found(stores: set[str] | None, routes: set[str], types: set[int]) -> set[object]:
        interest = Interest(3, frozenset(types), None if stores is None else frozenset(stores), frozenset(routes))
        with stock.database.read() as reader:
            told = {entry[KEY] for entry in reader.log_page(before, 100, interest).entries}
            assert reader.log_count(before, interest) == len(told)
        assert told == {key for page in pages(stock.database, before, 1, interest) for key in keys(page)}
        return told

    assert found(None, set(), set()) == {"t1", "t2", "t3", "i1", "l1"}
    assert found({"b"}, set(), set()) == {"t1", "l1"}
    assert found({"k"}, set(), set()) == {"t3"}  # where it was
    assert found({"c"}, set(), set()) == {"t3"}  # where it is
    assert found(set(), {"n2"}, set()) == {"t2"}
    assert found(set(), {"n3"}, set()) == {"t3"}
    assert found(set(), {"n9"}, set()) == {"t3"}
    assert found(set(), set(), {item}) == {"i1"}
    assert found({"b", "h"}, {"n3"}, {item}) == {"t1", "t2", "t3", "i1", "l1"}
    assert found(set(), set(), set()) == set()


def test_a_page_of_interest_ends_behind_what_was_left_out(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2, store="h")
    headers(stock, 3, store="b")
    headers(stock, 4, store="h")
    settled(stock.database)
    with stock.database.read() as reader:
        page = reader.log_page(before, 5, Interest(3, frozenset(), frozenset({"b"}), frozenset()))
        assert (keys(page.entries), page.upto) == (["t3"], reader.log_end())
        nothing = reader.log_page(before, 5, Interest(3, frozenset(), frozenset({"x"}), frozenset()))
        assert (nothing.entries, nothing.upto) == ([], reader.log_end())


def test_a_line_whose_store_is_unknown_is_of_interest_to_all(stock: Stock) -> None:
    stock.family()
    before = stock.forget()
    stock.run("DELETE FROM transact")
    settled(stock.database)
    with stock.database.read() as reader:
        entries = reader.log_page(before, 10, Interest(3, frozenset(), frozenset({"b"}), frozenset())).entries
    assert {entry[KEY] for entry in entries} == {"t1", "l1", "o1"}


def test_an_entry_for_one_site_alone_is_of_interest_to_no_other(stock: Stock) -> None:
    before = stock.forget()
    number = stock.ids["transact"]
    with stock.database.write() as writer:
        writer.append(1, [(number, WRITE, 2, "k", None, None, None, 3, None, "t1")])
        writer.append(1, [(number, WRITE, 2, "k", None, None, None, None, None, "t2")])
    settled(stock.database)
    with stock.database.read() as reader:
        for site, expected in ((3, ["t1", "t2"]), (4, ["t2"])):
            interest = Interest(site, frozenset(), None, frozenset())
            assert keys(reader.log_page(before, 10, interest).entries) == expected
        interest = Interest(3, frozenset(), frozenset(), frozenset())
        assert keys(reader.log_page(before, 10, interest).entries) == ["t1"]


def test_a_thousand_stores_and_routes_can_be_of_interest(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2)
    settled(stock.database)
    stores = frozenset(f"s{number}" for number in range(3000)) | {"b"}
    routes = frozenset(f"r{number}" for number in range(3000))
    with stock.database.read() as reader:
        assert len(reader.log_page(before, 10, Interest(3, frozenset(), stores, routes)).entries) == 2


# --- counting ---------------------------------------------------------------------------------------------------------


def test_a_count_is_of_records_not_of_entries(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2)
    stock.run("UPDATE transact SET status = 'fn'")
    stock.run("DELETE FROM transact WHERE ID = 't2'")
    stock.run("INSERT INTO item VALUES ('t1', 'amox', 'Amoxicillin', NULL)")
    with stock.database.write() as writer:
        writer.append(1, [(stock.ids["item"], WRITE, 3, None, None, None, None, None, None, "i2")])
    end = settled(stock.database).end
    with stock.database.read() as reader:
        assert reader.log_count(before) == 4
        assert reader.log_count(before, origin=2) == 3
        assert reader.log_count(before, origin=3) == 1
        assert reader.log_count(before, origin=7) == 0
        assert reader.log_count(end) == 0


def test_keys_that_a_site_changed_and_records_changed_by_whomever(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2)
    middle = stock.forget()
    headers(stock, 3)
    transact, item = stock.ids["transact"], stock.ids["item"]
    with stock.database.write() as writer:
        writer.append(1, [(transact, WRITE, 3, None, None, None, None, None, None, "t4")])
    settled(stock.database)
    with stock.database.read() as reader:
        assert reader.log_keys(before, transact, 2) == {("t1",), ("t2",), ("t3",)}
        assert reader.log_keys(middle, transact, 2) == {("t3",)}
        assert reader.log_keys(before, transact, 3) == {("t4",)}
        assert reader.log_keys(before, item, 2) == set()
        assert reader.log_keys(before, 9999, 2) == set()
        assert reader.changed_since(transact, ("t1",), before)
        assert not reader.changed_since(transact, ("t1",), middle)
        assert reader.changed_since(transact, ("t4",), middle)
        assert not reader.changed_since(item, ("t1",), before)
        assert not reader.changed_since(transact, ("t9",), before)


def test_p19_a_writer_sees_what_the_application_has_committed(stock: Stock) -> None:
    """Under the write lock the log is looked at as it is now, not as it was when the transaction began."""
    before = stock.forget()
    headers(stock, 1)
    with stock.database.write() as writer:
        assert writer.changed_since(stock.ids["transact"], ("t1",), before)
        assert writer.log_keys(before, stock.ids["transact"], 2) == {("t1",)}


# --- families ---------------------------------------------------------------------------------------------------------


def test_p09_families_are_found_by_header_and_by_line(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2, 3)
    for number in (1, 2, 3):
        stock.run("INSERT INTO trans_line VALUES (?, ?, NULL, 1)", (f"l{number}", f"t{number}"))
        stock.run("INSERT INTO line_note VALUES (?, ?, 'x')", (f"o{number}", f"l{number}"))
    middle = stock.forget()
    stock.run("UPDATE transact SET status = 'fn'")
    end = stock.forget()
    transact, line = stock.ids["transact"], stock.ids["trans_line"]
    with stock.database.read() as reader:

        def found(after: Cursor, upto: Cursor, *families: str) -> list[tuple[object, ...]]:
            entries = reader.log_families(after, upto, {transact: families}, {line: families})
            return [(entry[TYPE], entry[KEY], entry[PARENT]) for entry in entries]

        of_t1 = [(transact, "t1", None), (line, "l1", "t1")]
        assert found(before, middle, "t1") == of_t1
        assert found(before, end, "t1") == [*of_t1, (transact, "t1", None)]
        assert found(middle, end, "t1", "t2") == [(transact, "t1", None), (transact, "t2", None)]
        assert found(end, end, "t1") == []
        assert found(before, end) == []
        assert found(before, end, *(f"none{number}" for number in range(20_000)), "t1") == found(before, end, "t1")
        # one of the two alone
        assert reader.log_families(before, middle, {transact: ["t1"]}, {})[0][KEY] == "t1"
        assert reader.log_families(before, middle, {}, {line: ["t2"]})[0][KEY] == "l2"
        assert len(reader.log_families(before, middle, {transact: ["t1"]}, {line: ["t1", "t2"]}, 2)) == 2
        assert reader.log_families(before, middle, {}, {}) == []


def test_families_that_lie_far_apart_are_told(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1, 2)
    stock.run("INSERT INTO trans_line VALUES ('l2', 't2', NULL, 1)")
    headers(stock, *range(10, 40))
    stock.run("INSERT INTO trans_line VALUES ('l1', 't1', NULL, 1)")
    end = stock.forget()
    transact, line = stock.ids["transact"], stock.ids["trans_line"]
    with stock.database.read() as reader:
        wide = reader.log_wide_families(before, end, {line: transact}, 20, 100)
        assert wide == [(transact, "t1")]
        assert reader.log_wide_families(before, end, {line: transact}, 1000, 100) == []
        assert reader.log_wide_families(before, end, {}, 1, 100) == []
        assert len(reader.log_wide_families(before, end, {line: transact}, 0, 1)) == 1
        assert reader.log_wide_families(end, end, {line: transact}, 0, 10) == []


def test_families_known_by_numbers(make_stock: MakeStock) -> None:
    schema = """CREATE TABLE head (ID BIGINT PRIMARY KEY, store_ID VARCHAR(40));
    CREATE TABLE line (ID BIGINT PRIMARY KEY, head_ID BIGINT);"""
    head = RecordType("head", "head", ("ID",), ("ID", "store_ID"), "active_site", "sites_of_store", store="store_ID")
    line = RecordType(
        "line", "line", ("ID",), ("ID", "head_ID"), "active_site", "sites_of_store", store=Through("head_ID", "head")
    )
    stock = make_stock(schema=schema, types=[head, line], guard=False)
    before = stock.forget()
    big = 2**62
    stock.run("INSERT INTO head VALUES (?, 'b')", (big,))
    for number in range(5):
        stock.run("INSERT INTO line VALUES (?, ?)", (number, big))
    end = stock.forget()
    heads, lines = stock.ids["head"], stock.ids["line"]
    with stock.database.read() as reader:
        entries = reader.log_families(before, end, {heads: [big]}, {lines: [big]})
        assert [(entry[KEY], entry[PARENT], entry[STORE]) for entry in entries] == [
            (big, None, "b"),
            *((number, big, "b") for number in range(5)),
        ]
        assert reader.log_wide_families(before, end, {lines: heads}, 2, 10) == [(heads, big)]


def test_p04_a_deleted_header_s_place_is_in_its_delete_entry(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET store_ID = 'h', name_ID = 'n2'")
    stock.run("DELETE FROM transact")
    settled(stock.database)
    transact, line = stock.ids["transact"], stock.ids["trans_line"]
    with stock.database.read() as reader:
        assert reader.deleted_parents(transact, ["t1", "t9"]) == {"t1": ("h", "n2")}
        assert reader.deleted_parents(transact, []) == {}
        assert reader.deleted_parents(transact, [f"n{number}" for number in range(20_000)]) == {}
        assert set(reader.deleted_parents(line, ["l1"])) == {"l1"}


# --- writing and trimming ---------------------------------------------------------------------------------------------


def test_entries_that_the_applier_appends_are_read_as_they_were(stock: Stock) -> None:
    number = stock.ids["transact"]
    appended = [
        (number, WRITE, 3, "b", "k", "n1", "n2", None, None, "t1"),
        (number, DELETE, 1, None, None, None, None, 4, "above", "t2"),
    ]
    with stock.database.write() as writer:
        writer.append(1, appended)
        writer.append(1, [])
    assert [tuple(entry[: KEY + 1]) for entry in stock.entries()] == appended


def test_p06_trimming_forgets_up_to_a_cursor(stock: Stock) -> None:
    start = stock.forget()
    headers(stock, 1, 2)
    middle = stock.forget()
    headers(stock, 3)
    end = stock.forget()
    with stock.database.write() as writer:
        assert writer.trim_log(middle) == 2
        assert writer.trim_log(middle) == 0
    with stock.database.read() as reader:
        assert reader.log_start() >= middle > start
        assert reader.log_start() < reader.log_end() == end
        assert keys(reader.log_page(reader.log_start(), 10).entries) == ["t3"]


def test_p02_a_log_that_was_trimmed_empty_keeps_its_place(stock: Stock) -> None:
    headers(stock, 1, 2)
    end = stock.forget()
    with stock.database.write() as writer:
        writer.trim_log(end)
    with stock.database.read() as reader:
        assert reader.log_start() == reader.log_end() == end
    headers(stock, 3)
    assert keys(stock.entries()) == ["t3"]
    assert stock.forget() > end


def test_what_a_site_wrote_is_logged_again(stock: Stock) -> None:
    before = stock.forget()
    headers(stock, 1)
    transact = stock.ids["transact"]
    with stock.database.write() as writer:
        writer.append(1, [(transact, WRITE, 3, "b", None, None, None, None, None, "t2")])
        writer.append(1, [(transact, WRITE, 2, "b", None, None, None, 4, None, "t3")])
    stock.forget()
    with stock.database.write() as writer:
        assert writer.log_again(transact, before, 2, None) == 1
    again = stock.entries()
    assert [(entry[KEY], entry[STORE], entry[ONLY_SITE]) for entry in again] == [("t1", "b", None)]
    with stock.database.write() as writer:
        assert writer.log_again(transact, before, 2, 4) >= 3
        assert writer.log_again(stock.ids["item"], before, 2, None) == 0
    assert {(entry[KEY], entry[ONLY_SITE]) for entry in stock.entries()} == {("t1", 4), ("t2", 4), ("t3", 4)}


def test_what_is_written_in_one_transaction_is_logged_together_or_not_at_all(stock: Stock) -> None:
    with pytest.raises(InterruptedError):
        _append_and_fail(stock)
    assert stock.entries() == []


def _append_and_fail(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.append(1, [(stock.ids["item"], WRITE, 3, None, None, None, None, None, None, "i1")])
        raise InterruptedError
