"""Bundles that begin behind the cursor are kept until the gap has closed, and then applied by themselves (P37)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from msyncd.errors import CloneRefused
from msyncd.flow.bundle.at_primary import import_at_primary, take_pushes
from msyncd.flow.bundle.at_satellite import import_at_satellite, take_replies
from msyncd.flow.bundle.importing import Imported, Items, Show
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.facts import read_facts
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, meta


def import_bundle(
    here: Here, head: BundleHead, end: BundleEnd, items: Items, show: Show, *, trust: Mapping[str, str] | None = None
) -> Imported:
    """Take a bundle in, or keep it; and then what was kept before and fits by now.

    Raises BundleRefused, CloneRefused, RestoredBackup, JoiningUndecided with nothing applied.
    """
    if here.is_primary:
        report = import_at_primary(here, head, end, items, show)
    else:
        report = import_at_satellite(here, head, end, items, show, trust=trust)
    if report.items.get("ahead"):
        keep(here, head, end, items)
    here = with_facts(here)
    return replace(report, applied=report.applied + take_kept(here))


def with_facts(here: Here) -> Here:
    """The site with the facts as they are by now: a bundle, or another process, may have brought others."""
    with here.database.read() as reader:
        if int(meta.get(reader, "facts_number") or 0) == here.facts.number:
            return here
        return replace(here, facts=read_facts(reader))


def keep(here: Here, head: BundleHead, end: BundleEnd, items: Items) -> int:
    """Keep a bundle whole; how many items. Each in a transaction of its own: it counts once all are there."""
    count = 0
    for count, item in enumerate(items(), 1):
        with here.database.write() as writer:
            bundles.keep(writer, head, count, item)
    with here.database.write() as writer:
        bundles.keep_whole(writer, head, end)
    return count


def take_kept(here: Here) -> int:
    """Apply what is kept and fits by now; drop what was applied, or what the line has brought. How many changes."""
    with here.database.read() as reader:
        kept = bundles.kept(reader)
    applied = 0
    for head, end in kept:
        report = _take(here, head, end)
        applied += report.applied if report is not None else 0
        if report is None or not report.items.get("ahead"):
            with here.database.write() as writer:
                bundles.drop(writer, head.sender, head.number)
    return applied


def _take(here: Here, head: BundleHead, end: BundleEnd) -> Imported | None:
    """Try a bundle that is kept; None if its database has been replaced since."""

    def items() -> Iterator[BundleItem]:
        at = 0
        while True:
            with here.database.read() as reader:
                found = bundles.kept_item(reader, head, at)
            if found is None:
                return
            at, item = found
            yield item

    try:
        return (take_pushes if here.is_primary else take_replies)(here, head, end, items, lambda _done: None)
    except CloneRefused:
        return None
