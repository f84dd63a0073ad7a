"""Values of many kinds, from site to site on every pair of databases (P36)."""

from pathlib import Path

import pytest

from msyncd.flow.compare.repair import compare
from msyncd.testing import Sites
from tests.flow.pairs import current

pytestmark = pytest.mark.everywhere

VALUES = """
CREATE TABLE thing (id TEXT PRIMARY KEY, whole BIGINT, price DECIMAL(12, 4), ratio {double}, day DATE, at {timestamp},
  said {text}, raw {blob}, done BOOLEAN);
"""
WORDS = {
    "sqlite": {"{double}": "DOUBLE", "{timestamp}": "DATETIME", "{text}": "TEXT", "{blob}": "BLOB"},
    "postgresql": {"{double}": "DOUBLE PRECISION", "{timestamp}": "TIMESTAMP", "{text}": "TEXT", "{blob}": "BYTEA"},
    "mariadb": {"{double}": "DOUBLE", "{timestamp}": "DATETIME(6)", "{text}": "LONGTEXT", "{blob}": "LONGBLOB"},
}
GREAT = [
    2**63 - 1, "12345.6789", 0.1 + 0.2, "1969-12-31", "2024-02-29 12:00:00.000001", "ຢາ 💊 \\ ' \" % ?",
    bytes(range(256)), True,
]  # fmt: skip
LEAST = [-(2**63), "-0.0001", 5e-324, "0001-01-01", "9999-12-31 23:59:59.999999", "", b"", False]
THING_TYPES = "record_types: {thing: {table: thing, edited_on: any_site, sent_to: every_site}}"


def things(site: int) -> str:
    """The table of things for a site's database."""
    pair = current.get()
    kind = pair.kind(site) if pair is not None else "sqlite"
    schema = VALUES
    for word, own in WORDS[kind].items():
        schema = schema.replace(word, own)
    return schema.replace("TEXT PRIMARY KEY", "VARCHAR(80) PRIMARY KEY")


def test_p36_values_of_many_kinds_arrive_equal_and_come_back_unchanged(tmp_path: Path) -> None:
    """Compared by digests, and by what the databases themselves say of them."""
    schema = {site: things(site) for site in (1, 2, 3)}
    with raw_sites(tmp_path, schema) as sites:
        insert = "INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        for number, key in ((2, "from two"), (1, "from one")):
            for name, values in (("", GREAT), ("least ", LEAST), ("nothing ", [None] * 8)):
                sites[number].write(insert, name + key, *values)
        sites.sync()
        assert_level_things(sites)
        for site in sites:
            assert site.rows("thing", "count(*)") == [(6,)]
            one = "whole = 9223372036854775807 AND day = '1969-12-31' AND ratio = 0.30000000000000004"
            assert [row[0] for row in site.rows("thing WHERE " + one, "id")] == ["from one", "from two"]
            assert [row[0] for row in site.rows("thing WHERE said = ''", "id")] == ["least from one", "least from two"]
        sites[3].write("UPDATE thing SET said = 'changed'")
        sites.sync()
        assert_level_things(sites)
        for site in sites:
            assert len(site.rows("thing WHERE said = 'changed'", "id")) == 6


def test_p28_records_that_mean_the_same_ask_no_question_when_two_ends_join(tmp_path: Path) -> None:
    with raw_sites(tmp_path, {site: things(site) for site in (1, 2, 3)}) as sites:
        for site in sites:
            site.here.database.remove()
            for name, values in (("great", GREAT), ("least", LEAST), ("nothing", [None] * 8)):
                site.write("INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", name, *values)
            site.restart()
        sites.sync()
        assert_level_things(sites)


def test_a_zero_date_arrives_as_it_is_or_as_no_date_and_either_counts_as_the_same(tmp_path: Path) -> None:
    pair = current.get()
    if pair is not None and pair.kind(2) == "postgresql":
        pytest.skip("there are no zero dates where it is written")
    with raw_sites(tmp_path, {site: things(site) for site in (1, 2, 3)}) as sites:
        sites[2].write("INSERT INTO thing (id, day, at, said) VALUES ('z', '0000-00-00', '0000-00-00 00:00:00', 'a')")
        sites.sync()
        assert_level_things(sites)
        primary = sites.primary
        has_none = pair is not None and pair.kind(1) == "postgresql"
        assert primary.rows("thing WHERE day IS NULL AND at IS NULL", "id") == ([("z",)] if has_none else [])
        assert dict(primary.here.database.emptied) == ({("thing", "day"): 1, ("thing", "at"): 1} if has_none else {})
        primary.write("UPDATE thing SET said = 'b' WHERE id = 'z'")
        sites.sync()
        assert_level_things(sites)
        assert sites[2].rows("thing", "id, said") == sites[3].rows("thing", "id, said") == [("z", "b")]


def raw_sites(folder: Path, schema: dict[int, str]) -> Sites:
    """Sites with their own tables, as each database takes them."""
    pair = current.get()
    databases = pair.urls([1, 2, 3], folder) if pair is not None else {}
    return Sites(
        schema=schema, record_types=THING_TYPES, active_stores={2: [], 3: []}, folder=folder, databases=databases
    )


def assert_level_things(sites: Sites) -> None:
    for site in sites:
        assert (site.sync_id, site.quarantine, site.waiting) == (site.sync_id, [], [])
    for site in sites.satellites:
        assert site.satellite is not None
        assert [one.differing for one, _ in compare(site.satellite, site.cycle) if one.differing] == []
