"""What may be edited without the authorisation code: the interval, to pause a bad line, and how it logs."""

from dataclasses import dataclass, replace
from typing import Literal

from msyncd.settings.values import LogSettings, Settings


@dataclass(frozen=True, slots=True)
class Free:
    """The values of the settings that the lock leaves open."""

    interval: float
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]


def free_of(settings: Settings) -> Free:
    """Their values in a configuration."""
    return Free(settings.sync.interval, settings.log.level, settings.log.format)


def with_free(settings: Settings, free: Free | None) -> Settings:
    """A configuration with other values for them; as it is if None are given."""
    if free is None:
        return settings
    sync = replace(settings.sync, interval=free.interval)
    return replace(settings, sync=sync, log=LogSettings(free.level, free.format))
