"""Local writes are noticed at once: by events of the database's files, or as it tells; and by a look at its version."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.databases.interface import Database
from msyncd.model import Cursor

LOOK_SECONDS = 0.2
"""Wake-ups are not trusted (P26)."""
DEBOUNCE_SECONDS = 0.004
CLOSER_SECONDS = 0.01
_AFTER_EVENT_SECONDS = 0.3
_ARM_SECONDS = 5.0


class _Ring(FileSystemEventHandler):
    """Rings for events of the files. It does nothing that could fail: a failure ends the observer."""

    def __init__(self, names: frozenset[str], ring: Callable[[], None]) -> None:
        self._names, self._ring = names, ring

    def on_any_event(self, event: FileSystemEvent) -> None:
        # looking makes events too: those of opening and closing unchanged would never end
        if event.event_type in {"modified", "created", "moved"} and _name(event.src_path) in self._names:
            self._ring()


def _name(path: bytes | str) -> str:
    text = path.decode(errors="surrogateescape") if isinstance(path, bytes) else path
    return text.rpartition("/")[2]


class LocalWrites:
    """Calls `grown` when the change log has grown. Looking is a pragma; the log's end is read if that has moved."""

    def __init__(self, site: Site, grown: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._site, self._grown, self._clock = site, grown, clock
        self._log = structlog.get_logger("msyncd.daemon")
        self._database: Database | None = None
        self._version: int | None = None
        self._end: Cursor | None = None
        self._observer: Any = None
        self._folders: dict[str, int] = {}
        self._armed = 0.0
        self._event_at = clock() - _AFTER_EVENT_SECONDS
        self.loop = Loop("local writes", self.step, clock=clock)

    def step(self) -> float:
        """One look."""
        database = self._site.here.database
        if database is not self._database:
            self._database, self._version, self._end = database, None, None
            self._disarm()
        if not self._folders or self._clock() - self._armed >= _ARM_SECONDS:
            self._arm(database)
        version = database.data_version()
        if version == self._version and not database.watched_paths():
            database.wait_for_change(LOOK_SECONDS)  # it tells by itself
            return 0.0
        if version == self._version:
            # the file is written before the commit can be seen: between the two lies at least a sync of the disk
            return CLOSER_SECONDS if self._clock() - self._event_at < _AFTER_EVENT_SECONDS else LOOK_SECONDS
        time.sleep(DEBOUNCE_SECONDS)  # an application that writes row by row is asked about once
        with database.read() as reader:
            end = reader.log_end()
        if end != self._end:
            self._grown()
        self._version, self._end = version, end
        return 0.0

    def _event(self) -> None:
        """A file was written."""
        self._event_at = self._clock()
        self.loop.ring()

    def close(self) -> None:
        """Watch no more."""
        self._disarm()

    def _arm(self, database: Database) -> None:
        """Watch the folders; anew where one was swapped or its watch has died."""
        self._armed = self._clock()
        paths = [Path(path) for path in database.watched_paths()]
        folders = {str(path.parent): inode for path in paths if (inode := _inode(path.parent)) is not None}
        dead = self._observer is not None and not all(one.is_alive() for one in self._observer.emitters)
        if folders == self._folders and not dead:
            return
        self._disarm()
        observer = Observer()
        handler = _Ring(frozenset(path.name for path in paths), self._event)
        try:
            for folder in folders:
                observer.schedule(handler, folder, recursive=False)
            observer.start()
        except OSError as error:
            self._log.debug("no file events; local writes are noticed five times a second", reason=str(error))
        self._observer, self._folders = observer, folders

    def _disarm(self) -> None:
        if self._observer is not None and self._observer.is_alive():
            self._observer.stop()
            self._observer.join(5)
        self._observer, self._folders = None, {}


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None
