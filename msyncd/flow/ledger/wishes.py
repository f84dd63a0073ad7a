"""The wishes that were taken in last (P31): one value, numbered, in the primary's database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta

NAME: Final = "wishes"


@dataclass(frozen=True, slots=True)
class Newest:
    """What was taken in last: its number, digest, since when, and the wishes. `former`: digests, newest first."""

    number: int
    digest: str
    at: str
    wishes: Mapping[str, Any]
    former: tuple[str, ...] = ()


def newest(reader: Reader) -> Newest | None:
    """What was taken in last; None if nothing ever was, as on a database that only one installation serves."""
    known = meta.get(reader, NAME)
    return None if known is None else msgspec.json.decode(known, type=Newest)


def put(writer: Writer, new: Newest) -> None:
    """Note what is taken in."""
    meta.put(writer, NAME, msgspec.json.encode(asdict(new)).decode())
