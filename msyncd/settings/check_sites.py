"""What must hold between the sites of a configuration: sync IDs, stores, who may name whom."""

from msyncd.model import PRIMARY
from msyncd.settings.schema import Configuration, PeerSection, ThisSiteSection
from msyncd.settings.validate import Findings, Loc, Validated


def check_sites(main: Validated[Configuration], findings: Findings) -> None:
    """Reports what is wrong between the sites, all at once."""
    config = main.model
    sites: list[tuple[Loc, ThisSiteSection | PeerSection]] = []
    if config.this_site:
        sites.append((("this_site",), config.this_site))
    sites += [(("sync_with", at), peer) for at, peer in enumerate(config.sync_with)]
    for path, site in sites:
        _check_range(main, path, site.sync_id, findings)
    _check_duplicates(main, sites, findings)
    _check_stores(main, sites, findings)
    _check_peers(main, findings)


def _check_range(main: Validated[Configuration], path: Loc, sync_id: int | None, findings: Findings) -> None:
    highest = main.model.max_sync_id
    unknown = main.tree.at(("max_sync_id",)).pruned
    if sync_id is None or 1 <= sync_id <= highest or (unknown and sync_id > highest):
        return
    if sync_id > highest:
        hint = "give it a free one, or raise max_sync_id on both ends"
    else:
        hint = (
            "1 is the primary; a site that syncs with nobody has no sync_with" if sync_id == 0 else "1 is the primary"
        )
    mark = main.tree.at((*path, "sync_id")).mark
    findings.add(main.file, mark, f"sync_id must be from 1 to {highest}, not {sync_id}", hint)


def _check_duplicates(
    main: Validated[Configuration], sites: list[tuple[Loc, ThisSiteSection | PeerSection]], findings: Findings
) -> None:
    seen: dict[int, Loc] = {}
    for path, site in sites:
        if site.sync_id is None:
            continue
        if site.sync_id not in seen:
            seen[site.sync_id] = path
            continue
        mark, first = main.tree.at((*path, "sync_id")).mark, seen[site.sync_id]
        if first == ("this_site",):
            message, hint = f"sync_id {site.sync_id} is this site itself", "name only other sites in sync_with"
        else:
            line = main.tree.at((*first, "sync_id")).mark.line
            message, hint = f"sync_id {site.sync_id} is given twice, first in line {line}", "give each site its own"
        findings.add(main.file, mark, message, hint)


def _check_stores(
    main: Validated[Configuration], sites: list[tuple[Loc, ThisSiteSection | PeerSection]], findings: Findings
) -> None:
    seen: dict[str, tuple[Loc, int | None]] = {}
    for path, site in sites:
        for at, store in enumerate(site.active_stores or ()):
            if store not in seen:
                seen[store] = (path, site.sync_id)
                continue
            mark = main.tree.at((*path, "active_stores", at)).mark
            first, other = seen[store]
            if first == path:
                findings.add(main.file, mark, f"store {store} is listed twice here", "list it once")
                continue
            where = f"{_site(other)} (line {main.tree.at((*first, 'active_stores')).mark.line})"
            message = f"store {store} is active on {where} and on {_site(site.sync_id)}"
            findings.add(main.file, mark, message, "a store is active on one site only: take it from one of them")


def _site(sync_id: int | None) -> str:
    return "another site" if sync_id is None else f"site {sync_id}"


def _check_peers(main: Validated[Configuration], findings: Findings) -> None:
    this_site = main.model.this_site
    here = this_site.sync_id if this_site else None
    if here is None or here == PRIMARY:
        return
    for at, peer in enumerate(main.model.sync_with):
        if peer.sync_id is not None and peer.sync_id not in {PRIMARY, here}:
            mark = main.tree.at(("sync_with", at, "sync_id")).mark
            message = f"a satellite syncs with the primary (sync_id 1) only, not with site {peer.sync_id}"
            findings.add(main.file, mark, message, "name it in the primary's file")
