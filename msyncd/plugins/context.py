"""What one plugin sees of the daemon: its own settings and log, and the world as it is now."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from msyncd.errors import MsyncdError
from msyncd.hookspecs import Log
from msyncd.model import PRIMARY, Facts, RecordType, Row, Site, StoreFact

if TYPE_CHECKING:
    from dataset import Database


class World(Protocol):
    """What the daemon lends to plugins. Read anew at each access, so that a plugin never sees yesterday's stores."""

    @property
    def site(self) -> int:
        """The sync ID of this site."""

    @property
    def facts(self) -> Facts:
        """The sites and stores as they are known now."""

    @property
    def record_types(self) -> Mapping[str, RecordType]:
        """The declared record types by name."""

    def database(self) -> "Database":
        """The application's database for look-ups, on the calling thread."""

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        """Decide anew about these records for these sites."""


@dataclass(frozen=True)
class Unconnected:
    """The world before the daemon has a database: for checks of the configuration, and for what needs only facts."""

    site: int = PRIMARY
    facts: Facts = field(default_factory=lambda: Facts(0, {}, {}))
    record_types: Mapping[str, RecordType] = field(default_factory=dict)

    def database(self) -> "Database":
        """Refused: there is none yet."""
        raise MsyncdError("there is no database here", hint="use context.db in hooks that run with the daemon")

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        """Refused: nothing is sent yet."""
        raise MsyncdError("nothing is sent here", hint="use send_again in hooks that run with the daemon")


_SEEN: ContextVar[World | None] = ContextVar("msyncd_world", default=None)


@contextmanager
def seeing(world: World) -> Iterator[None]:
    """Inside, on this thread, every plugin sees this world: that of the transaction in which it is asked (P32)."""
    token = _SEEN.set(world)
    try:
        yield
    finally:
        _SEEN.reset(token)


class PluginContext:
    """The `context` of one plugin; see msyncd.hookspecs.Context for what each part means."""

    def __init__(self, plugin: str, settings: Any, world: World | None = None) -> None:
        self._world: World = world if world is not None else Unconnected()
        self._settings = settings
        self._log: Log = structlog.get_logger("msyncd").bind(plugin=plugin)

    def connect(self, world: World) -> None:
        """See this world from now on."""
        self._world = world

    @property
    def _now(self) -> World:
        return _SEEN.get() or self._world

    @property
    def site(self) -> int:
        return self._now.site

    @property
    def sites(self) -> Mapping[int, Site]:
        return self._now.facts.sites

    @property
    def stores(self) -> Mapping[str, StoreFact]:
        return self._now.facts.stores

    @property
    def record_types(self) -> Mapping[str, RecordType]:
        return self._now.record_types

    @property
    def settings(self) -> Any:
        return self._settings

    @property
    def log(self) -> Log:
        return self._log

    @property
    def db(self) -> "Database":
        return self._now.database()

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        self._now.send_again(record_type, keys, sites)
