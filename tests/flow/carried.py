"""Bundles between the sites of a test, as the commands carry them: each import is another process than the daemon."""

from collections.abc import Mapping
from pathlib import Path

from msyncd.flow.bundle.importing import Imported
from msyncd.flow.bundle.keeping import with_facts
from msyncd.model import PRIMARY
from msyncd.testing import OneSite, Sites
from msyncd.wire.carrying import Written, export_file, import_file


def export(site: OneSite, path: Path, *, to: int | None = None, further: bool = False) -> Written:
    """`msyncd export`, on the primary for a site."""
    site.settle()
    return export_file(with_facts(site.here), path, site=to, further=further)


def bring(site: OneSite, path: Path, *, trust: Mapping[str, str] | None = None) -> Imported:
    """`msyncd import`."""
    return import_file(with_facts(site.here), path, trust=trust)


def round_trip(sites: Sites, site: int) -> tuple[Imported, Imported]:
    """A stick goes to the primary and comes back: what became of it at either end."""
    there, back = sites.folder / f"from-{site}.msyncd", sites.folder / f"for-{site}.msyncd"
    export(sites[site], there)
    first = bring(sites.primary, there)
    export(sites.primary, back, to=site)
    return first, bring(sites[site], back)


def know_each_other(sites: Sites) -> None:
    """As an admin has it who writes public_key into both files, where the two have never met on the line."""
    for site in sites.satellites:
        for one, peer, key in (
            (sites.primary, site.sync_id, site.here.public_key),
            (site, PRIMARY, sites.primary.here.public_key),
        ):
            with one.here.database.write() as writer:
                writer.put("msyncd_site", {"sync_id": peer}, {"public_key": key})
