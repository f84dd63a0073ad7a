"""Refusals that a site has not confirmed to have heard; they are repeated until it has (P14)."""

from collections.abc import Iterable

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.conversation import SpokenRefusal
from msyncd.flow.ledger import meta
from msyncd.flow.values import packed_key, unpacked
from msyncd.model import Refusal

MOST = 500
"""Refusals in one reply; the rest follow when these were heard."""


def add(writer: Writer, site: int, refusals: Iterable[Refusal]) -> None:
    """Note refusals to tell a site."""
    for one in refusals:
        writer.insert(
            "msyncd_refusal",
            [
                {
                    "number": meta.next_number(writer, "refusal_number"),
                    "site": site,
                    "type": one.record_type,
                    "key": packed_key(one.key),
                    "reason": one.reason,
                    "plugin": one.plugin,
                    "may_edit": int(one.may_edit),
                }
            ],
        )


def unheard(reader: Reader, site: int, heard: int) -> tuple[SpokenRefusal, ...]:
    """What the site is still to hear, oldest first."""
    rows = reader.execute(
        "SELECT number, type, key, reason, plugin, may_edit FROM msyncd_refusal"
        f" WHERE site = ? AND number > ? ORDER BY number LIMIT {MOST}",
        (site, heard),
    )
    return tuple(
        SpokenRefusal(int(str(number)), str(name), unpacked(key), str(reason), str(plugin), bool(may_edit))
        for number, name, key, reason, plugin, may_edit in rows
    )


def forget(writer: Writer, site: int, heard: int) -> None:
    """The site has heard everything up to this number."""
    writer.execute("DELETE FROM msyncd_refusal WHERE site = ? AND number <= ?", (site, heard))
