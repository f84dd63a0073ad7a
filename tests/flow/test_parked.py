"""A temporary unique value never outlives the attempt that gave it, whatever is rejected (P16, P9, P20)."""

import random
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from msyncd.errors import PeerUnreachable
from msyncd.flow import parking
from msyncd.flow.retry import retry
from msyncd.model import Row
from msyncd.testing import OneSite, Sites
from tests.flow.pairs import current
from tests.flow.support import sites_on_pair

SCHEMA = """
CREATE TABLE free (id VARCHAR(20) PRIMARY KEY, u VARCHAR(60) UNIQUE, v VARCHAR(60){check}, store VARCHAR(20));
CREATE TABLE full (id VARCHAR(20) PRIMARY KEY, u VARCHAR(60) NOT NULL UNIQUE, v VARCHAR(60){check}, store VARCHAR(20));
CREATE TABLE part (id VARCHAR(20) PRIMARY KEY, whole VARCHAR(20) NOT NULL, w VARCHAR(60) UNIQUE);
CREATE TABLE free_use (id VARCHAR(20) PRIMARY KEY REFERENCES free (id));
CREATE TABLE full_use (id VARCHAR(20) PRIMARY KEY REFERENCES full (id));
""".replace("full", "whole_one")
CHECK = " CHECK (v <> 'bad')"
TYPES = """
record_types:
  free: {table: free, edited_on: active_site, sent_to: sites_of_store, store: store}
  full: {table: whole_one, edited_on: active_site, sent_to: sites_of_store, store: store}
  part: {table: part, edited_on: active_site, sent_to: sites_of_store, store: {through: whole, of: full}}
"""
TABLES = ("free", "whole_one")
Rows = dict[str, tuple[str, str] | None]
"""The unique and the other value by key; None for a delete."""
STANDING: Rows = {"1": ("x", "ok"), "2": ("y", "ok"), "3": ("z", "ok")}


def strict_sites(folder: Path, size: int = 40, groups: Iterable[str] = "g") -> Sites:
    """The primary rejects the value 'bad', site 2 edits the store, site 3 has a copy; `*_use` is no record type."""
    schema = {1: SCHEMA.replace("{check}", CHECK), 2: SCHEMA.replace("{check}", ""), 3: SCHEMA.replace("{check}", "")}
    sites = sites_on_pair(
        folder,
        schema=schema,
        record_types=TYPES,
        active_stores={2: ["B"], 3: ["K"]},
        copies_of={1: "all", 3: ["B"]},
        request_size=size,
    )
    for table in TABLES:
        for group in groups:
            write(sites[2], table, of_group(group, STANDING))
    sites.sync()
    return sites


def of_group(group: str, rows: Rows) -> Rows:
    """The same rows under keys and unique values of their own."""
    return {f"{group}{key}": None if row is None else (f"{group}{row[0]}", row[1]) for key, row in rows.items()}


def write(site: OneSite, table: str, rows: Rows) -> None:
    """Give records these unique and other values in one transaction, or delete them; the values pass between them."""
    there = {key for (key,) in site.rows(table, "id")}
    with site.transaction():
        for key in rows:
            site.write(f"UPDATE {table} SET u = ? WHERE id = ?", f"on its way {key}", key)
        for key, row in rows.items():
            if row is None:
                site.write(f"DELETE FROM {table} WHERE id = ?", key)
            elif key in there:
                site.write(f"UPDATE {table} SET u = ?, v = ? WHERE id = ?", *row, key)
            else:
                site.write(f"INSERT INTO {table} VALUES (?, ?, ?, 'B')", key, *row)


def standing(site: OneSite, table: str) -> Rows:
    return {str(key): (str(u), str(v)) for key, u, v in site.rows(table, "id, u, v")}


def kept(site: OneSite) -> list[Row]:
    return sorted(one.key for one in site.quarantine)


CASES: list[tuple[Rows, Rows, str]] = [
    # what site 2 writes, what then differs at the primary from what stood, which changes are kept aside
    ({"1": ("y", "ok"), "2": ("x", "bad")}, {}, "12"),
    ({"1": ("y", "ok"), "2": ("z", "bad"), "3": ("x", "ok")}, {}, "123"),
    ({"1": ("y", "ok"), "2": ("z", "ok"), "3": ("w", "bad")}, {}, "123"),
    ({"1": ("y", "bad"), "2": ("z", "ok"), "3": ("w", "ok"), "4": ("x", "ok")},
     {"2": ("z", "ok"), "3": ("w", "ok")}, "14"),
    ({"1": None, "2": ("x", "bad"), "4": ("y", "ok"), "5": ("v", "ok")}, {"1": None, "5": ("v", "ok")}, "24"),
]  # fmt: skip


@pytest.mark.everywhere
def test_p16_no_parked_value_stays_where_its_own_change_is_rejected(tmp_path: Path) -> None:
    groups = "abcde"
    with strict_sites(tmp_path, groups=groups) as sites:
        for table in TABLES:
            for group, (written, _, _) in zip(groups, CASES, strict=True):
                write(sites[2], table, of_group(group, written))
        sites.sync()
        expected: Rows = {}
        for group, (_, differs, _) in zip(groups, CASES, strict=True):
            expected |= of_group(group, STANDING | differs)
        expected = {key: row for key, row in expected.items() if row is not None}
        for table in TABLES:
            assert standing(sites.primary, table) == standing(sites[3], table) == expected
        aside = [(group + key,) for group, (_, _, keys) in zip(groups, CASES, strict=True) for key in keys]
        assert kept(sites.primary) == kept(sites[2]) == sorted(aside * 2)
        for table in TABLES:  # its owner's rows stay as they are; corrected, they come
            sites[2].write(f"UPDATE {table} SET v = 'good' WHERE v = 'bad'")
        sites.sync()
        for table in TABLES:
            assert standing(sites.primary, table) == standing(sites[2], table) == standing(sites[3], table)
        assert kept(sites.primary) == kept(sites[2]) == []


@pytest.mark.everywhere
def test_p16_no_parked_value_stays_where_its_own_delete_is_rejected(tmp_path: Path) -> None:
    with strict_sites(tmp_path) as sites:
        for table in TABLES:
            sites.primary.write(f"INSERT INTO {table}_use VALUES ('g1')")
            write(sites[2], table, of_group("g", {"1": None, "2": ("x", "ok"), "3": ("y", "ok"), "4": ("v", "ok")}))
        sites.sync()
        for table in TABLES:
            expected = of_group("g", STANDING | {"4": ("v", "ok")})
            assert standing(sites.primary, table) == standing(sites[3], table) == expected
        assert kept(sites.primary) == sorted((f"g{key}",) for key in "123" for _ in TABLES)
        reasons = {one.key: one.reason for one in sites.primary.quarantine if one.record_type == "full"}
        assert reasons["g2",] == f"its u is held by full g1, whose own change was kept aside: {reasons['g1',]}"
        assert reasons["g3",] == f"its u is held by full g2, whose own change was kept aside: {reasons['g1',]}"
        for table in TABLES:
            sites.primary.write(f"DELETE FROM {table}_use")
        # one who holds, with those who take from it; one who takes, with those on whom it depends
        again = {("free", ("g1",)), ("full", ("g3",))}
        tried = [one.id for one in sites.primary.quarantine if (one.record_type, one.key) in again]
        assert len(retry(sites.primary.here, tried).applied) == 2
        sites.sync()
        for table in TABLES:
            assert standing(sites.primary, table) == standing(sites[2], table) == standing(sites[3], table)
        assert kept(sites.primary) == []


@pytest.mark.everywhere
def test_p09_p14_a_family_whose_header_cannot_have_its_value_is_kept_once_and_whole(tmp_path: Path) -> None:
    with strict_sites(tmp_path, groups=[""]) as sites:
        for key, whole, w in (("a", "1", "p"), ("b", "2", "q"), ("c", "3", "r")):
            sites[2].write("INSERT INTO part VALUES (?, ?, ?)", key, whole, w)
        sites.sync()
        with sites[2].transaction():
            sites[2].write("UPDATE part SET w = NULL")
            for key, w in (("a", "s"), ("b", "r"), ("c", "p")):  # c takes its value from a line of what is kept
                sites[2].write("UPDATE part SET w = ? WHERE id = ?", w, key)
            sites[2].write("INSERT INTO whole_one VALUES ('9', 't', 'ok', 'B')")
        write(sites[2], "whole_one", {"1": ("y", "ok"), "2": ("z", "bad"), "3": ("v", "ok")})
        sites[2].line.fail("push", "lost reply")
        with suppress(PeerUnreachable):
            sites[2].cycle()
        sites.sync()
        for site in (sites.primary, sites[3]):
            assert standing(site, "whole_one") == STANDING | {"3": ("v", "ok"), "9": ("t", "ok")}
            assert site.rows("part") == [("a", "1", "p"), ("b", "2", "q"), ("c", "3", "r")]
        kept_of = sorted((one.record_type, *one.key) for one in sites.primary.quarantine)
        assert kept_of == [("full", "1"), ("full", "2"), ("part", "a"), ("part", "b"), ("part", "c")]
        sites[2].write("UPDATE whole_one SET v = 'good' WHERE v = 'bad'")
        sites.sync()
        for table in ("whole_one", "part"):
            assert sites.primary.rows(table) == sites[2].rows(table) == sites[3].rows(table)
        assert kept(sites.primary) == kept(sites[2]) == []


def test_p16_a_value_passes_on_in_another_spelling_and_a_key_that_is_part_of_it_stays(tmp_path: Path) -> None:
    schema = """CREATE TABLE unit (id TEXT PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE);
    CREATE TABLE place (shelf TEXT, bin INTEGER, item TEXT NOT NULL, PRIMARY KEY (shelf, bin), UNIQUE (bin, item));"""
    types = "record_types:" + "".join(
        f"\n  {name}: {{table: {name}, edited_on: primary, sent_to: every_site}}" for name in ("unit", "place")
    )
    with sites_on_pair(tmp_path, schema=schema, record_types=types, active_stores={2: []}) as sites:
        sites.primary.write("INSERT INTO unit VALUES ('1', 'amox'), ('2', 'para')")
        sites.primary.write("INSERT INTO place VALUES ('a', 1, 'i'), ('b', 1, 'j')")
        sites.sync()
        with sites.primary.transaction():
            sites.primary.write("DELETE FROM unit WHERE id = '1'")
            sites.primary.write("INSERT INTO unit VALUES ('3', 'PARA') ON CONFLICT DO NOTHING")
            sites.primary.write("UPDATE unit SET code = 'Amox' WHERE id = '2'")
            sites.primary.write("INSERT INTO unit VALUES ('3', 'PARA')")
            for item, shelf in (("k", "a"), ("i", "b"), ("j", "a")):
                sites.primary.write("UPDATE place SET item = ? WHERE shelf = ?", item, shelf)
        sites.sync()
        for table in ("unit", "place"):
            assert sites[2].rows(table) == sites.primary.rows(table)
        assert sites[2].quarantine == []


BEGINNING = {"mariadb": "code(3)"}
ODD_TYPES = "record_types:" + "".join(
    f"\n  {name}: {{table: {name}, edited_on: primary, sent_to: every_site}}" for name in ("unit", "soft", "place")
)


def odd_schema(site: int) -> str:
    """A unique index on the beginning of a code, and one on those that live, where the database has such."""
    pair = current.get()
    kind = pair.kind(site) if pair is not None else "sqlite"
    unit = f"CREATE UNIQUE INDEX odd_unit ON unit ({BEGINNING.get(kind, 'substr(code, 1, 3)')});"
    soft = "CREATE UNIQUE INDEX odd_soft ON soft (code) WHERE live = 1;" if kind != "mariadb" else ""
    check = "CHECK (live < 5)" if site == 2 else ""
    return f"""CREATE TABLE unit (id VARCHAR(20) PRIMARY KEY, code VARCHAR(40) NOT NULL, live INTEGER {check});
    {unit}
    CREATE TABLE soft (id VARCHAR(20) PRIMARY KEY, code VARCHAR(40), live INTEGER);
    {soft}
    CREATE TABLE place (id VARCHAR(20) PRIMARY KEY, held VARCHAR(20) NOT NULL REFERENCES soft (id),
      bin INTEGER NOT NULL, UNIQUE (held, bin));"""


@pytest.mark.everywhere
def test_p16_a_value_passes_on_by_an_index_that_its_columns_do_not_tell(tmp_path: Path) -> None:
    schema = {site: odd_schema(site) for site in (1, 2)}
    with sites_on_pair(tmp_path, schema=schema, record_types=ODD_TYPES, active_stores={2: []}) as sites:
        primary = sites.primary
        primary.write("INSERT INTO unit VALUES ('1', 'abc 1', 1), ('2', 'xyz 1', 1), ('3', 'klm', 1), ('5', 'opq', 1)")
        primary.write("INSERT INTO soft VALUES ('5', 'c', 1), ('4', 'd', 1)")
        primary.write("INSERT INTO place VALUES ('p', '4', 1), ('q', '4', 2)")
        sites.sync()
        with primary.transaction():
            primary.write("DELETE FROM unit WHERE id = '3'")
            primary.write("UPDATE unit SET code = 'on its way' WHERE id = '1'")
            primary.write("UPDATE unit SET code = 'abc 2' WHERE id = '2'")
            primary.write("UPDATE unit SET code = 'xyz 2' WHERE id = '1'")
            primary.write("INSERT INTO unit VALUES ('0', 'klm too', 1)")
            primary.write("UPDATE soft SET live = 0 WHERE id = '5'")
            primary.write("INSERT INTO soft VALUES ('2', 'c', 1)")
            for key, number in (("p", 9), ("q", 1), ("p", 2)):
                primary.write("UPDATE place SET bin = ? WHERE id = ?", number, key)
        sites.sync()
        for table in ("unit", "soft", "place"):
            assert sites[2].rows(table) == primary.rows(table)
        assert sites[2].quarantine == []
        before = sites[2].rows("unit")
        with primary.transaction():
            primary.write("UPDATE unit SET code = 'on its way' WHERE id = '1'")
            primary.write("UPDATE unit SET code = 'xyz 3', live = 9 WHERE id = '2'")
            primary.write("UPDATE unit SET code = 'abc 3' WHERE id = '1'")
        sites.sync()
        assert sites[2].rows("unit") == before
        assert sorted(one.key for one in sites[2].quarantine) == [("1",), ("2",)]


@pytest.mark.parametrize("rounds", [0, parking.ROUNDS])
@pytest.mark.parametrize("seed", range(6))
def test_p16_whatever_is_rejected_each_record_is_as_it_was_or_as_it_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, rounds: int
) -> None:
    """With no rounds at all, everything that takes a value of another is kept aside at once."""
    monkeypatch.setattr("msyncd.flow.inbound.ROUNDS", rounds)
    chance = random.Random(seed)
    with strict_sites(tmp_path, groups=[""]) as sites:
        for _ in range(4):
            before = standing(sites.primary, "whole_one")
            own = list(standing(sites[2], "whole_one"))
            going = chance.sample(own, chance.randrange(len(own))) if len(own) > 4 else []
            coming = [str(number) for number in range(20, 20 + chance.randrange(5)) if str(number) not in own]
            stay = [key for key in own if key not in going] + coming
            values = chance.sample([*"xyzvwrstpq", *own], len(stay))
            rows: Rows = dict.fromkeys(going)
            rows |= {key: (u, chance.choice(["ok", "ok", "ok", "bad"])) for key, u in zip(stay, values, strict=True)}
            for key in chance.sample(sorted(before), len(before) // 4):
                if not sites.primary.rows(f"whole_one_use WHERE id = '{key}'"):
                    sites.primary.write("INSERT INTO whole_one_use VALUES (?)", key)
            write(sites[2], "whole_one", rows)
            sites.sync()
            after, sent = standing(sites.primary, "whole_one"), standing(sites[2], "whole_one")
            aside = {key for (key,) in kept(sites.primary)}
            assert len(aside) == len(sites.primary.quarantine)
            assert {k: v for k, v in after.items() if k in aside} == {k: v for k, v in before.items() if k in aside}
            assert {k: v for k, v in after.items() if k not in aside} == {
                k: v for k, v in sent.items() if k not in aside
            }
            assert standing(sites[3], "whole_one") == after
