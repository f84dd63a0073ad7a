"""docs/protocol.md tells of bundles byte by byte: what it says is what is written."""

import re

import msgspec
import pytest

from msyncd.flow.bundle import messages
from msyncd.wire import bundle
from msyncd.wire.bodies import MIB
from tests.wire.test_protocol_docs import default, section, table

KINDS = {
    name: kind
    for name, kind in vars(messages).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_field_with_its_default(name: str) -> None:
    told = [(field.strip("`"), value) for field, value, _ in table(name)]
    assert told == [(field.encode_name, default(field)) for field in msgspec.structs.fields(KINDS[name])]


def test_the_bytes_are_as_they_are_told() -> None:
    text = section("Bundles carried by hand")
    assert bytes.fromhex(re.findall(r"`((?:[0-9A-F]{2} ){7}[0-9A-F]{2})`", text)[0]) == bundle.MAGIC
    assert f"| 8 | 2 | the format: {bundle.FORMAT} |" in text
    assert (bundle._START.size, bundle._SECTION.size) == (10, 5)
    assert f"at most {bundle.SECTION_BYTES // MIB} MiB |" in text
    assert f"at most {bundle.MESSAGE_BYTES // MIB} MiB decompressed" in text
    assert f"{len(bundle._SIGNED)} bytes `msyncd bundle` and NUL" in text
    assert {kind.decode() for kind in (*bundle._KINDS.values(), bundle._SIGNATURE)} == set(
        re.findall(r"^\| `([A-Z])` \|", text, re.MULTILINE)
    )
