"""The doctor looks at the machine: its clock, its service manager, and whether the daemon runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msyncd.commands.doctor.finding import Finding, unless
from msyncd.daemon.single import daemon_runs
from msyncd.settings.values import Settings

UNIT: Final = "msyncd.service"
_BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
_AHEAD: Final = timedelta(hours=1)


def look_at_machine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The clock, the unit, the daemon."""
    yield from _clock(settings, now)
    yield from _daemon(settings)
    if _BOOTED.is_dir() and shutil.which("systemctl"):
        yield _unit(_shown("systemctl", "show", UNIT, "--property", "LoadState,ActiveState,UnitFileState"))


def _clock(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Nothing in order or ownership depends on it; certificates, and what people read in reports, do."""
    written = [settings.file, *_entries(settings.state_directory)]
    newest = max(written, key=lambda one: one.stat().st_mtime if one.exists() else 0.0)
    moment = datetime.fromtimestamp(newest.stat().st_mtime, UTC) if newest.exists() else now
    if moment - now > _AHEAD:
        what = f"this clock says {now:%Y-%m-%d %H:%M} UTC, and {newest} was written at {moment:%Y-%m-%d %H:%M}"
        yield Finding("clock", "warning", what, "set the clock, and let NTP keep it")
        return
    kept = _shown("timedatectl", "show", "--property", "NTPSynchronized") if _BOOTED.is_dir() else {}
    if kept.get("NTPSynchronized") == "no":
        hint = "timedatectl set-ntp true, if the line allows it"
        yield Finding("clock", "warning", f"nothing keeps this clock, {now:%Y-%m-%d %H:%M} UTC, right", hint)
    else:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def _entries(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


def _daemon(settings: Settings) -> Iterator[Finding]:
    if settings.stands_alone:
        yield Finding("service", "ok", "there is nothing to sync with: no daemon is needed")
        return
    yield unless(
        not daemon_runs(settings.state_directory),
        "service",
        "warning",
        "the daemon runs",
        "the daemon does not run: nothing syncs by itself",
        "systemctl start msyncd, or `msyncd run`",
    )
    if not settings.is_primary and settings.sync.interval == 0:
        yield Finding("service", "warning", "sync.interval is 0: syncing is paused", "set it to minutes again")


def _unit(shown: dict[str, str]) -> Finding:
    if shown.get("LoadState") != "loaded":
        hint = "see the head of msyncd.service for how to install it"
        return Finding("service", "warning", f"there is no unit {UNIT}: msyncd does not start with the machine", hint)
    if shown.get("ActiveState") == "failed":
        return Finding("service", "error", f"the unit {UNIT} has failed", f"systemctl status {UNIT}")
    return unless(
        shown.get("UnitFileState") != "enabled",
        "service",
        "warning",
        f"the unit {UNIT} is {shown.get('ActiveState')} and starts with the machine",
        f"the unit {UNIT} does not start with the machine",
        f"systemctl enable {UNIT}",
    )


def _shown(*command: str) -> dict[str, str]:
    """What a tool of systemd tells, as it has it: NAME=VALUE, a line each. Nothing, if it does not answer."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=10, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
