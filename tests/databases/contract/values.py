"""Values that were lost or altered between databases somewhere, by the kind of their column.

Each case is a column as each database declares it, the values that are brought to it, and those that a database cannot
hold: these, and no others, it must refuse by the column's name.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msyncd.model import Kind, Value

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"


@dataclass(frozen=True)
class Case:
    """`kind` is that of the values; `held` are by all that are not named in `refused`, which says by which database."""

    kind: Kind
    sqlite: str
    postgresql: str
    mariadb: str
    held: Sequence[Value]
    refused: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def declared(self, database: str) -> str:
        """The column's type there."""
        return {SQLITE: self.sqlite, POSTGRESQL: self.postgresql, MARIADB: self.mariadb}[database]

    def values(self) -> list[Value]:
        """Every value, refused by some or held by all; each once."""
        found: dict[tuple[type, str], Value] = {}
        for value in (*self.held, *(one for some in self.refused.values() for one in some)):
            found[type(value), repr(value)] = value
        return list(found.values())

    def refuses(self, database: str, value: Value) -> bool:
        """Whether a database cannot hold a value of these."""
        return (type(value), repr(value)) in {(type(one), repr(one)) for one in self.refused.get(database, ())}


def _by_servers(*values: Value) -> dict[str, Sequence[Value]]:
    return {POSTGRESQL: values, MARIADB: values}


def _by_all(*values: Value) -> dict[str, Sequence[Value]]:
    return {SQLITE: values, **_by_servers(*values)}


SCRIPTS: Final = {
    "Amharic": "የመድኃኒት ክምችት",
    "Arabic": "مخزون الأدوية \u200f١٢٣\u202b(علبة)\u202c",
    "Bengali": "ওষুধের মজুদ",
    "Burmese": "ဆေးဝါးစတော့",
    "Chinese": "药品库存 𠜎𠮷",
    "Cyrillic": "запас лекарств",
    "Devanagari": "औषधि भण्डार",
    "Dzongkha": "སྨན་གྱི་བང་མཛོད",
    "Emoji": "💊👩🏽‍⚕️🏥🇹🇱",
    "French": "Stock de médicaments à l’hôpital",
    "Greek": "φάρμακα",
    "Hebrew": "מלאי תרופות",
    "Japanese": "医薬品の在庫",
    "Khmer": "ស្តុកថ្នាំ",
    "Korean": "의약품 재고",
    "Lao": "ສາງຢາ",
    "Sinhala": "ඖෂධ තොගය",
    "Tamil": "மருந்து இருப்பு",
    "Tetum": "estoke ai-moruk nian",
    "Thai": "คลังยา",
    "Tifinagh": "ⴰⵙⴰⴼⴰⵔ",
    "Vietnamese": "Kho dược phẩm ở bệnh viện",
    "composed": "é",
    "decomposed": "e\u0301",
    "Turkish": "İıŞş",
    "German": "ẞß",
    "private": "\ue000\U0010fffd",
    "no characters": "\ufffe\uffff\U0001ffff",
    "marks": "\ufeff\u200b\u200d\u2028\u2029\u00a0\u00ad",
}
CONTROLS: Final = "".join(map(chr, (*range(1, 32), *range(127, 160))))
TEXTS: Final = (
    "", " ", "a", "a ", " a", "A", "a\n", "\r\n", "\t", CONTROLS, *(f"<{char}>" for char in CONTROLS),
    *SCRIPTS.values(), "it's", '"quoted"', "back\\slash", "\\", "\\x41", "\\N", "%", "%s %(a)s %%", "?", ":name", "$1",
    "@x", "{}", "--", ";", "NULL", "null", "0", "007", "1e5", "true", "0000-00-00", "infinity", "NaN",
    "x" * 1_000_000, "😀" * 10_000,
)  # fmt: skip

TOO_PRECISE: Final = ("1234567890123456789.01", "0.30000000000000000001", "12345678901234567890", "1e400")
"""What SQLite makes floats of where numbers are declared."""

TOO_LONG: Final = (
    "0.00000000001", "1.00000000001", "10000000000000000000000000000", "-99999999999999999999999999999.5",
)  # fmt: skip

CASES: Final[Mapping[str, Case]] = {
    "integers": Case(
        "integer", "INTEGER", "BIGINT", "BIGINT",
        [None, 0, 1, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)],
        _by_all(2**63, -(2**63) - 1, 2**64),
    ),
    "small integers": Case(
        "integer", "SMALLINT", "SMALLINT", "SMALLINT", [None, 0, 32767, -32768],
        _by_servers(32768, -32769, 2**40),
    ),
    "decimals": Case(
        "decimal", "TEXT", "NUMERIC(38, 10)", "DECIMAL(38, 10)",
        [
            None, "0", "1.50", "-1.5", "0.1", "100", "-0.0000000001", "9999999999999999999999999999.9999999999",
            "-9999999999999999999999999999.9999999999", "1234567890123456789012345678.0123456789", "0.3000000000",
        ],
        # PostgreSQL has a NaN of any length
        {POSTGRESQL: [*TOO_LONG, "Infinity"], MARIADB: [*TOO_LONG, "NaN", "Infinity"]},
    ),
    "money": Case(
        "decimal", "DECIMAL(10, 2)", "NUMERIC(10, 2)", "DECIMAL(10, 2)",
        [None, "0", "1.50", "-1.5", "0.01", "99999999.99", "-99999999.99", "1234.5"],
        _by_servers("0.005", "100000000", "1.999", *TOO_PRECISE) | {SQLITE: TOO_PRECISE},
    ),
    "any decimals": Case(
        "decimal", "TEXT", "NUMERIC", "DECIMAL(65, 25)",
        [None, "0", "1.50", "12345678901234567890123456789012345678", "0.1234567890123456789012345"],
        {MARIADB: ["1" + "0" * 40, "0." + "0" * 40 + "1", "NaN", "Infinity", "-Infinity"]},
    ),
    "floats": Case(
        "float", "DOUBLE", "DOUBLE PRECISION", "DOUBLE",
        [
            None, 0.0, -0.0, 1.0, 0.1, 0.1 + 0.2, 1 / 3, -2.5, 1e15, 1e16, 123456789012345680.0, 2.0**53, 1e22, 1e23,
            1e308, 1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, -5e-324, 2.225073858507201e-308, math.pi,
        ],
        {MARIADB: [math.inf, -math.inf, math.nan], SQLITE: [math.nan]},
    ),
    "short floats": Case(
        "float", "REAL", "REAL", "FLOAT", [None, 0.0, 0.5, -0.25, 16777216.0],
        _by_servers(1e300, 16777217.0, 1e-300, 0.1 + 0.2),
    ),
    "texts": Case(
        "text", "TEXT", "TEXT", "LONGTEXT", [None, *TEXTS],
        {POSTGRESQL: ["\0", "a\0b", "b\0"]},
    ),
    "short texts": Case(
        "text", "VARCHAR(5)", "VARCHAR(5)", "VARCHAR(5)",
        [None, "", "12345", "日本語のま", "😀😀😀😀😀", "1234 ", "     "],
        _by_servers("123456", "日本語のまま", "12345 ", "      "),
    ),
    "padded texts": Case(
        "text", "CHAR(5)", "CHAR(5)", "CHAR(5)", [None, "", "ab", "abcde", " ab"],
        _by_servers("ab ", " ", "abcdef", "abcde "),
    ),
    "texts of an older application": Case(
        "text", "TEXT", "TEXT", "VARCHAR(200) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin",
        [None, "", "é", SCRIPTS["Lao"], SCRIPTS["Arabic"]],
        {MARIADB: ["😀", SCRIPTS["Chinese"], SCRIPTS["Emoji"]]},
    ),
    "texts of a western application": Case(
        "text", "TEXT", "TEXT", "VARCHAR(200) CHARACTER SET latin1 COLLATE latin1_bin", [None, "", "é ß ñ €"],
        {MARIADB: ["😀", SCRIPTS["Lao"], "ő"]},
    ),
    "dates": Case(
        "date", "DATE", "DATE", "DATE",
        [
            None, "1970-01-01", "1969-12-31", "2024-02-29", "2000-02-29", "1900-02-28", "0001-01-01", "0099-12-31",
            "1582-10-10", "9999-12-31", "2038-01-19",
        ],
        {MARIADB: ["infinity", "-infinity", "0044-03-15 BC", "12024-01-01"]},
    ),
    "times": Case(
        "time", "TIME", "TIME", "TIME(6)",
        [None, "00:00:00", "23:59:59", "12:34:56.789000", "00:00:00.000001", "23:59:59.999999", "24:00:00"],
        {POSTGRESQL: ["-01:00:00", "100:00:00", "838:59:59"]},
    ),
    "whole seconds": Case(
        "time", "TIME", "TIME(0)", "TIME", [None, "00:00:00", "23:59:59"],
        _by_servers("12:34:56.500000", "23:59:59.999999"),
    ),
    "timestamps": Case(
        "timestamp", "DATETIME", "TIMESTAMP", "DATETIME(6)",
        [
            None, "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "0001-01-01 00:00:00", "2024-03-31 02:30:00",
            "9999-12-31 23:59:59.999999", "2038-01-19 03:14:08", "2024-02-29 12:00:00.000001",
            "2024-01-01 12:00:00.100000",
        ],
        {MARIADB: ["infinity", "0044-03-15 12:00:00 BC", "12024-01-01 00:00:00"]},
    ),
    "timestamps of whole seconds": Case(
        "timestamp", "DATETIME", "TIMESTAMP(0)", "DATETIME", [None, "2024-03-31 02:30:00"],
        _by_servers("2024-03-31 02:30:00.500000", "2024-03-31 02:30:00.000001"),
    ),
    "timestamps with zones": Case(
        "timestamptz", "TIMESTAMPTZ", "TIMESTAMPTZ", "TIMESTAMP(6) NULL",
        [
            None, "2024-03-31 02:30:00+00:00", "2024-10-27 01:30:00+00:00", "2024-01-01 23:00:00.123456+00:00",
            "1970-01-01 00:00:01+00:00", "2038-01-19 03:14:07+00:00", "2024-01-01 00:00:00.000001+00:00",
        ],
        {MARIADB: [
            "1970-01-01 00:00:00+00:00", "1969-12-31 23:59:59.999999+00:00", "0001-01-01 00:00:00+00:00",
            "9999-12-31 23:59:59.999999+00:00", "infinity",
        ]},
    ),
    "booleans": Case("boolean", "BOOLEAN", "BOOLEAN", "BOOLEAN", [None, True, False]),
    "json": Case(
        "json", "JSON", "JSONB", "JSON",
        [
            None, "{}", "[]", "null", "true", '""', '"text"', "42", "-1.5", "1.50",
            '{"b": 1, "a": [true, null, {"é": "💊"}]}',
            '{"big": 123456789012345678901234567890.123456789}', '"\\u00e9 \\ud83d\\ude00 \\" \\\\ \\/ \\b\\n"',
            '{"%s": "?", "it\'s": "100 %"}', '["' + "x" * 100_000 + '"]', '"2024-01-01"', '{"0": {"1": {"2": []}}}',
        ],
        {POSTGRESQL: ['"\\u0000"', '"\\ud800"'], MARIADB: ['"\\ud800"'], SQLITE: ["12345678901234567890123", "1e400"]},
    ),
    "uuids": Case(
        "uuid", "UUID", "UUID", "UUID",
        [None, "00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
         "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-1234-1234-123456789012"],
    ),
    "binaries": Case(
        "binary", "BLOB", "BYTEA", "LONGBLOB",
        [None, b"", b"\0", b"\0\0", bytes(range(256)), bytes(range(255, -1, -1)), b"\\x41", b"'", b"%s ?",
         b"text", b"\xff\xfe", b"\0" * 1_000_000],
    ),
    "short binaries": Case(
        "binary", "VARBINARY(4)", "BYTEA", "VARBINARY(4)",
        [None, b"", b"\0", b"abcd", b"ab\0\0"], {MARIADB: [b"abcde"]},
    ),
    "padded binaries": Case(
        "binary", "BINARY(4)", "BYTEA", "BINARY(4)", [None, b"abcd", b"\0\0\0\0", b"ab\0\0"],
        {MARIADB: [b"", b"ab", b"abcde"]},
    ),
    "choices": Case(
        "text", "TEXT", "colour", "ENUM('red', 'green', 'it''s ✚')", [None, "red", "green", "it's ✚"],
        _by_servers("purple", "", "RED", "red ", "1"),
    ),
    "arrays of numbers": Case(
        "array", "INTEGER[]", "BIGINT[]", "JSON",
        [None, "[]", "[1, 2, 3]", "[null, -5]", "[[1, 2], [3, 4]]", f"[{2**53 + 1}]"],
        {POSTGRESQL: ['[1, "x"]', "[[1], [2, 3]]", "[1.5]", f"[{2**63}]"]},
    ),
    "arrays of texts": Case(
        "array", "TEXT[]", "TEXT[]", "JSON",
        [None, "[]", '["a", "b"]', '["", " ", "NULL", null]', '["{}", ",", "\\"", "\\\\", "it\'s", "é 💊", "\\n"]'],
        {POSTGRESQL: ['["\\u0000"]', '[{"a": 1}]']},
    ),
    "arrays of decimals": Case(
        "array", "DECIMAL[]", "NUMERIC[]", "JSON", [None, "[1.50, 0.1]", "[12345678901234567890.0123456789]"],
    ),
}  # fmt: skip
"""By name. What a refused value would have become is in its comment or plain: rounded, cut, padded, emptied."""
