"""What reads bytes that somebody else wrote: any bytes are understood, or refused in words, and nothing else happens.

A target takes bytes and says whether they were understood; whatever it raises is a fault. `seeds` are inputs that are,
`tokens` what inputs are made of.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from msyncd.errors import MessageInvalid, MsyncdError
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.compare.messages import Compare, Range
from msyncd.flow.conversation import Complaint, Give, TypeChanges
from msyncd.model import Cursor
from msyncd.settings.json_schema import json_schema
from msyncd.settings.loading import attempt
from msyncd.wire import bundle
from msyncd.wire.codec import FORMATS, decode, encode
from msyncd.wire.compression import MessageTooLarge, compress, decompress
from msyncd.wire.openapi import ENDPOINTS
from tests.commands.support import PRIMARY, RECORD_TYPES
from tests.wire.answers import PULL, hello_of, push_of

ROOT: Final = Path(__file__).parents[2]
KINDS: Final[list[type[msgspec.Struct]]] = [
    *(kind for pair in ENDPOINTS.values() for kind in pair),
    Complaint,
    BundleHead,
    BundleItem,
    BundleEnd,
]
LIMIT: Final = 1 << 16
SAMPLE: Final = "record_types/msupply.yaml"


@dataclass(frozen=True)
class Target:
    """One reader."""

    understands: Callable[[bytes], bool]
    seeds: tuple[bytes, ...]
    tokens: tuple[str, ...]


def message(data: bytes) -> bool:
    """The first byte says which message in which format. What is understood can be told on, and is then the same."""
    number, form = divmod(data[0] if data else 0, len(FORMATS))
    kind = KINDS[number % len(KINDS)]
    try:
        found = decode(data[1:], kind, FORMATS[form])
    except MessageInvalid:
        return False
    for other in FORMATS:
        told = encode(found, other)
        assert encode(decode(told, kind, other), other) == told
    return True


def compression(data: bytes) -> bool:
    """No more than the limit comes out."""
    try:
        found = decompress(data, LIMIT)
    except MessageTooLarge:
        return True
    except MessageInvalid:
        return False
    assert len(found) <= LIMIT
    return True


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


def bundle_file(data: bytes) -> bool:
    """As it is, nothing is given out; with a right signature behind it, what its sections are."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        assert not _read(path, data)
        return _read(path, data + signature(data))


def signature(data: bytes) -> bytes:
    """The last section of a bundle of these bytes."""
    signed = _key().sign(b"msyncd bundle\0" + blake2b(data).digest())
    return b"S" + len(signed).to_bytes(4, "big") + signed


def _read(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        with bundle.BundleReader(path, lambda _head: _key().public_key().public_bytes_raw()) as reader:
            list(reader.items())
    except MsyncdError:
        return False
    return True


def configuration(data: bytes) -> bool:
    """Each problem is one line that names a place in the file."""
    return _loads(data, RECORD_TYPES.encode())


def record_types(data: bytes) -> bool:
    """Likewise for the files that a configuration names."""
    return _loads(PRIMARY.encode(), data)


def _lines(content: bytes) -> int:
    return len((content.decode(errors="replace") + "end").splitlines())


def _loads(main: bytes, types: bytes) -> bool:
    nowhere = Path("/nowhere")
    files = {nowhere / "primary.yaml": main, nowhere / "types.yaml": types, nowhere / SAMPLE: types}
    made = attempt(nowhere / "primary.yaml", {}, files)
    for problem in made.problems:
        assert len(str(problem).splitlines()) == 1, problem
        assert problem.message
        assert 1 <= problem.line <= max(map(_lines, files.values())), problem
        assert problem.column >= 1
    assert (made.loaded is None) == any(problem.severity == "error" for problem in made.problems)
    return made.loaded is not None


def _messages() -> tuple[bytes, ...]:
    compare = Compare("item", ("ID",), ("text",), "db-2", 1, 1, ranges=(Range(("a",), 1, b"\xff" * 16),))
    give = Give("a", "db-2", 1, 1, (TypeChanges("item", ("ID",), deletes=[("a",)]),), done=True)
    given = [
        hello_of(),
        give,
        push_of([("a", "å", float("inf"), b"\x00\xff")]),
        PULL,
        compare,
        Complaint("busy", "later"),
    ]
    return tuple(
        bytes([KINDS.index(type(one)) * len(FORMATS) + number]) + encode(one, form)
        for one in given
        for number, form in enumerate(FORMATS)
    )


def _bundles() -> tuple[bytes, ...]:
    head = BundleHead(1, "0.1.0", "2026-01-01T00:00:00Z", 2, 1, "db", 1, "machine", 1, "mark", "ed25519:x")
    item = BundleItem(push_of([("a", "b", 1.0, None)]), end=Cursor(0, 1), number=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        with bundle.writing(path, bytes(32)) as writer:
            for one in (head, item, BundleEnd(1, 1)):
                writer.put(one)
        return (path.read_bytes()[: -len(signature(b""))],)


def _names(schema: Any) -> set[str]:
    """Every name of a field in a JSON Schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = set(schema.get("properties", ())) if isinstance(schema, dict) else set[str]()
    return own.union(*map(_names, inner))


_FIELDS: Final = tuple(sorted({one.encode_name for kind in KINDS for one in msgspec.structs.fields(kind)}))
_SETTINGS: Final = tuple(sorted(_names(json_schema())))
_YAML: Final = (
    "${HOME}",
    "<<: *a",
    "&a ",
    "*a",
    "!!str ",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|\n",
    "\t",
    "\ufeff",
    "NO",
)

TARGETS: Final = {
    "messages": Target(message, _messages(), (*_FIELDS, '{"base64": "AP8="}', '{"float": "nan"}', "9" * 20, "1.0")),
    "compression": Target(
        compression, (compress(b""), compress(b"abc" * 999), compress(b"a") + compress(b"b")), ("(\N{MICRO SIGN}",)
    ),
    "bundle": Target(bundle_file, _bundles(), ("H", "I", "E", "S")),
    "configuration": Target(
        configuration, (PRIMARY.encode(), (ROOT / "config/primary.yaml").read_bytes()), (*_SETTINGS, *_YAML)
    ),
    "record_types": Target(
        record_types, (RECORD_TYPES.encode(), (ROOT / "config" / SAMPLE).read_bytes()), (*_SETTINGS, *_YAML)
    ),
}
