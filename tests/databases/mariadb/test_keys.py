"""What `msyncd check` says of key columns that do not compare byte for byte (P36)."""

from collections.abc import Callable
from pathlib import Path

from msyncd.flow.checking import check_site
from msyncd.flow.looking import Look
from msyncd.testing import Sites
from tests.databases.contract.application import Application

ONE = "CREATE TABLE {0} (id {1} PRIMARY KEY, name VARCHAR(40));\n"
KEYS = {
    "padded": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "code": "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin",
    "exact": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    "bytes": "VARBINARY(40)",
    "uuid": "UUID",
    "number": "BIGINT",
}
TYPES = "record_types:\n" + "".join(
    f"  {name}: {{table: {name}, edited_on: primary, sent_to: every_site}}\n" for name in KEYS
)


def test_p36_a_key_to_which_blanks_at_its_end_are_nothing_is_a_warning(
    tmp_path: Path, make_application: Callable[[str], Application]
) -> None:
    plain = "".join(ONE.format(name, "TEXT") for name in KEYS)
    schema = {1: plain, 2: "".join(ONE.format(*one) for one in KEYS.items())}
    with Sites(
        schema=schema,
        record_types=TYPES,
        active_stores={2: []},
        databases={2: make_application("mariadb").url},
        folder=tmp_path,
    ) as sites:
        assert [one.severity for one in sites[2].problems] == [], "no record type stops for it"
        found = check_site(Look(sites[2].here, (), installed=True))
        assert [(one.severity, one.message.split(",")[0]) for one in found] == [
            ("warning", "padded: key column id has collation utf8mb4_bin"),
            ("warning", "code: key column id has collation ascii_bin"),
        ]
        assert "utf8mb4_nopad_bin" in found[0].hint
        assert "ascii_nopad_bin" in found[1].hint
        assert check_site(Look(sites.primary.here, (), installed=True)) == ()
