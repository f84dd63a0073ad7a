"""How this site stands with its peers: read from the ledger, for `msyncd status` and the console. Nothing is written.

`Status` has the shape of `msyncd status --json`, which is extended and never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msyncd import __version__
from msyncd.databases.interface import Reader
from msyncd.errors import Problem
from msyncd.flow.asking import Asking, progress
from msyncd.flow.handover_waits import HandOverStatus, hand_overs
from msyncd.flow.here import Here
from msyncd.flow.kept import KeptBundle, kept_of
from msyncd.flow.ledger import aside, compared, fills, meta, owed, sites
from msyncd.flow.ledger.sites import Known
from msyncd.flow.looking import Look
from msyncd.flow.restoring import restored_report
from msyncd.flow.route import interest_of
from msyncd.flow.trimming import oldest
from msyncd.model import PRIMARY
from msyncd.settings.show import show

LATE = timedelta(days=1)
SILENT = timedelta(days=3)


@dataclass(frozen=True)
class Heard:
    """What only the daemon knows of a peer: how its last cycle went. `problem` holds the words if it was `refused`."""

    last_success: str | None = None
    problem: str | None = None
    refused: bool = False
    to_receive: int | None = None


@dataclass(frozen=True)
class SiteStatus:
    """This site."""

    sync_id: int
    name: str
    database_id: str | None
    generation: int


@dataclass(frozen=True)
class LockStatus:
    """Whether an edit needs the authorisation code now, until when it does not, and the one that is held back."""

    locked: bool = False
    unlocked_until: str | None = None
    held: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ConfigurationStatus:
    """The configuration in force, and what is wrong with the newest files. `held`: {since, plan} of an edit."""

    file: str
    digest: str
    locked: bool
    unlocked_until: str | None
    held: Mapping[str, Any] | None
    values: dict[str, Any]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class PeerStatus:
    """One peer. `to_send`, `to_receive` in records; None is not known. `oldest`: since when the first is unsent."""

    sync_id: int
    name: str
    state: str
    last_success: str | None
    to_send: int | None
    to_receive: int | None
    oldest: str | None
    waiting: int
    quarantine: int
    batch_size: int
    problem: str | None
    compared: str | None = None
    """When all that was compared with this peer last agreed (see `msyncd compare`)."""
    differences: int = 0
    kept_bundles: tuple[KeptBundle, ...] = ()
    """Bundles of this peer that an earlier one is missing for (P37)."""


@dataclass(frozen=True)
class RecordTypeStatus:
    """One record type: ok, or stopped and why."""

    name: str
    state: str
    reason: str | None


@dataclass(frozen=True)
class PluginStatus:
    """One plugin of the YAML: ok, failing (it has raised), or not loaded."""

    name: str
    state: str
    failures: int


@dataclass(frozen=True)
class LogStatus:
    """The change log."""

    rows: int = 0
    oldest: str | None = None
    open_transaction_seconds: float | None = None


@dataclass(frozen=True)
class Status:
    """All of it."""

    format: int
    running: bool
    version: str
    site: SiteStatus
    configuration: ConfigurationStatus
    peers: tuple[PeerStatus, ...]
    record_types: tuple[RecordTypeStatus, ...]
    plugins: tuple[PluginStatus, ...]
    change_log: LogStatus = field(default_factory=LogStatus)
    hand_overs: tuple[HandOverStatus, ...] = ()
    restored: Mapping[str, Any] | None = None
    """What was found when this database was last restored from a backup: {at, record_types}, in records."""
    asking: Asking | None = None
    """On a restored primary, while it asks its satellites for what it lost: {under_way, sites}."""


def read_status(
    found: Look,
    *,
    running: bool = False,
    problems: tuple[Problem, ...] = (),
    heard: Mapping[int, Heard] | None = None,
    failures: Mapping[str, int] | None = None,
    lock: LockStatus | None = None,
    now: datetime | None = None,
) -> Status:
    """How the site stands now. `heard` and `failures` (by peer, by plugin) are what a running daemon adds."""
    here = found.here
    mine = here.settings.this_site
    with here.database.read() as reader:
        site = SiteStatus(mine.sync_id, mine.name, None, 1)
        if found.installed:
            site = SiteStatus(mine.sync_id, mine.name, meta.get(reader, "database_id"), meta.generation(reader))
        return Status(
            1,
            running,
            __version__,
            site,
            configuration(here, problems, lock or LockStatus()),
            peers(reader, here, installed=found.installed, heard=heard or {}, now=now or here.clock()),
            record_types(reader, here, installed=found.installed),
            plugins(here, failures or {}),
            change_log(reader) if found.installed else LogStatus(),
            hand_overs(reader, here) if found.installed else (),
            restored_report(reader) if found.installed else None,
            _asking(reader, here) if found.installed else None,
        )


def _asking(reader: Reader, here: Here) -> Asking | None:
    found = progress(reader, here)
    return found if found is not None and found.under_way else None


def configuration(here: Here, problems: tuple[Problem, ...], lock: LockStatus) -> ConfigurationStatus:
    """The configuration in force, without secrets."""
    settings = here.settings
    return ConfigurationStatus(
        str(settings.file), settings.digest, lock.locked, lock.unlocked_until, lock.held, show(settings), problems
    )


# --- peers ------------------------------------------------------------------------------------------------------------


def peers(
    reader: Reader, here: Here, *, installed: bool, heard: Mapping[int, Heard], now: datetime
) -> tuple[PeerStatus, ...]:
    """Every site of sync_with."""
    known = sites.known_all(reader) if installed else {}
    return tuple(
        _peer(
            reader,
            here,
            known.get(one.sync_id) or Known(one.sync_id),
            heard.get(one.sync_id) or Heard(),
            name=one.name,
            installed=installed,
            now=now,
        )
        for one in here.settings.sync_with
    )


def _peer(
    reader: Reader, here: Here, known: Known, heard: Heard, *, name: str, installed: bool, now: datetime
) -> PeerStatus:
    to_send = _to_send(reader, here, known) if installed else None
    last = max(filter(None, (known.last_success, heard.last_success)), default=None)
    # the primary keeps what each satellite sent; a satellite what its primary sent, and its own that was refused
    site = known.sync_id if here.is_primary else None
    to_receive = heard.to_receive if known.to_receive is None else known.to_receive
    return PeerStatus(
        known.sync_id,
        name,
        peer_state(last, now, refused=heard.refused, paused=_pauses(here)),
        last,
        to_send,
        None if here.is_primary else to_receive,
        oldest(reader, known.confirmed) if to_send else None,
        aside.count_waiting(reader, site) if installed else 0,
        aside.count_quarantined(reader, site) if installed else 0,
        known.batch_size or here.settings.sync.request_size,
        heard.problem or known.problem,
        *(_compared(reader, known.sync_id) if installed else (None, 0)),
        kept_of(reader, here, known.sync_id) if installed else (),
    )


def _compared(reader: Reader, peer: int) -> tuple[str | None, int]:
    found = compared.comparisons(reader, peer)
    return compared.last_agreed(reader, peer, [one.record_type for one in found]), sum(one.differences for one in found)


def peer_state(last_success: str | None, now: datetime, *, refused: bool = False, paused: bool = False) -> str:
    """ok, late (a day without success), silent (three), paused, refused, never: what needs a person comes first."""
    if refused:
        return "refused"
    if paused:
        return "paused"
    if last_success is None:
        return "never"
    without = now - datetime.fromisoformat(last_success)
    return "silent" if without >= SILENT else "late" if without >= LATE else "ok"


def _pauses(here: Here) -> bool:
    return not here.is_primary and here.settings.sync.interval == 0


def _to_send(reader: Reader, here: Here, known: Known) -> int | None:
    """Records that changed beyond what the peer has; None while it is filled, since nobody counts tables for that."""
    if not here.is_primary:
        return reader.log_count(known.confirmed, origin=here.site)
    if known.database_id is None or fills.fills(reader, known.sync_id):
        return None
    interest = interest_of(here, here.peer(known.sync_id))
    total = reader.log_count(known.confirmed, interest)
    if not total or not reader.log_count(known.confirmed, interest, origin=known.sync_id):
        return total
    # what came from that very site is not sent back, unless somebody else has written the record too
    others = [one for one in {here.site, *here.facts.sites} if one != known.sync_id]
    return min(total, sum(reader.log_count(known.confirmed, interest, origin=one) for one in others))


# --- record types, plugins, the log -----------------------------------------------------------------------------------


def record_types(reader: Reader, here: Here, *, installed: bool) -> tuple[RecordTypeStatus, ...]:
    """Every declared record type: stopped here by the tables, or between this site and a peer."""
    stopped = dict(here.types.stopped)
    known = sites.known_all(reader) if installed else {}
    wanted = {one.sync_id for one in here.settings.sync_with}
    for peer, one in sorted(known.items()):
        for name, reason in (one.stopped or {}).items() if peer in wanted else ():
            named = f"site {peer}" in reason or not here.is_primary
            stopped.setdefault(name, reason if named else f"with site {peer}: {reason}")
    return tuple(
        RecordTypeStatus(one.name, "stopped" if one.name in stopped else "ok", stopped.get(one.name))
        for one in here.settings.record_types
    )


def plugins(here: Here, failures: Mapping[str, int]) -> tuple[PluginStatus, ...]:
    """What the YAML lists; the built-in rules are no news."""
    loaded = [one for one in here.plugins.report() if not one.builtin]
    found = []
    for one in loaded:
        failed = failures.get(one.name, one.failures)
        found.append(PluginStatus(one.name, "failing" if failed else "ok", failed))
    return tuple(found)


def change_log(reader: Reader) -> LogStatus:
    """How much the log holds, and since when; and how long it has been held up by a transaction that is open."""
    rows = int(str(reader.execute("SELECT count(*) FROM msyncd_change_log")[0][0]))
    since = oldest(reader, reader.log_start()) if rows else None
    return LogStatus(rows, since, reader.open_transaction_seconds())


def left_over(reader: Reader, here: Here) -> tuple[str, ...]:
    """On a satellite: why something is left after a cycle, in words. Empty if nothing is, either way."""
    known = sites.known(reader, PRIMARY)
    left = reader.log_count(known.confirmed, origin=here.site)
    words = [f"{left} to send"] if left else []
    if known.to_receive:
        words.append(f"{known.to_receive} to receive")
    if waiting := aside.count_waiting(reader):
        words.append(f"{waiting} waiting for another record")
    if kept := aside.count_quarantined(reader):
        words.append(f"{kept} in quarantine")
    by_schema = {one.record_type for one in owed.owed(reader) if one.because == "schema"}
    stopped = {*here.types.stopped, *(known.stopped or {}), *by_schema}
    return (*words, *(f"record type {name} is stopped" for name in sorted(stopped)))
