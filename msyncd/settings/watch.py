"""Notices that a file of the configuration was edited, however editors and tools save it.

Events only set a flag; what counts is a digest of the contents, taken once it is quiet. A slow poll takes the digest as
well and re-arms what died silently: a folder that was swapped whole takes its watch with it.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from msyncd.settings.values import Settings

QUIET: Final = 0.25
POLL: Final = 5.0
# A file that never is quiet is read in between.
_LONGEST_WAIT: Final = 2.0
_MOST_LINKS: Final = 40

_log = structlog.get_logger("msyncd.settings")


def watched_files(settings: Settings) -> tuple[Path, ...]:
    """What to watch for a configuration: its files, and the plugins that it loads from files and folders."""
    return (*settings.files, *plugin_paths(settings))


def plugin_paths(settings: Settings) -> tuple[Path, ...]:
    """The files and folders from which plugins are loaded; installed plugins are not among them."""
    return tuple(
        Path(os.path.normpath(entry.base / entry.module))
        for entry in settings.plugins
        if entry.module.endswith((".py", "/"))
    )


def contents_digest(paths: Iterable[Path]) -> str:
    """One digest of what stands in the files, and in the *.py of the folders; a missing file counts as such."""
    whole = hashlib.sha256()
    for path in paths:
        for file in sorted(path.glob("*.py")) if _is(path.is_dir) else [path]:
            try:
                # Only files: reading a pipe would wait for ever.
                content = file.read_bytes() if _is(file.is_file) else None
            except OSError:
                content = None
            if content is None:
                whole.update(f"{file}\0missing\0".encode("utf-8", "surrogateescape"))
                continue
            whole.update(f"{file}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            whole.update(content)
    return whole.hexdigest()


def names_to_watch(paths: Iterable[Path]) -> dict[Path, set[str] | None]:
    """The folders to watch, each with the names in it that matter; None: all of them.

    For each file these are its folder, the folder above (in which it may be swapped whole), and, for every symbolic
    link on the way, the folder of the link and that of its target.
    """
    folders: dict[Path, set[str] | None] = {}
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`, resolve follows links
        for step in _steps(absolute):
            names = folders.setdefault(step.parent, set())
            if names is not None:
                names.add(step.name)
        if _is(path.is_dir):
            folders[absolute] = None
    return folders


def _is(question: Callable[[], bool]) -> bool:
    """The answer of the file system; no, if it may not be asked."""
    try:
        return question()
    except (OSError, ValueError):
        return False


def _steps(path: Path) -> list[Path]:
    """The path itself, its folder, and every symbolic link from the root to it, with what each points to."""
    steps = [path, path.parent]
    for _ in range(_MOST_LINKS):
        link = next((one for one in (*reversed(path.parents), path) if _is(one.is_symlink)), None)
        if link is None:
            break
        target = Path(os.path.normpath(link.parent / link.readlink()))
        path = target / path.relative_to(link)
        steps += [link, target, path, path.parent]
    return [step for step in steps if step != step.parent]


class _Flag(FileSystemEventHandler):
    """Sets a flag for events of the names that matter. It does nothing that could fail: a failure ends the observer."""

    def __init__(self, names: set[str] | None, flag: threading.Event) -> None:
        self._names = names
        self._flag = flag

    def on_any_event(self, event: FileSystemEvent) -> None:
        # Reading the files makes events too: those of opening and closing unchanged would never end.
        if event.event_type in {"opened", "closed_no_write"}:
            return
        names = self._names
        if names is None or any(Path(os.fsdecode(path)).name in names for path in _paths(event)):
            self._flag.set()


def _paths(event: FileSystemEvent) -> tuple[bytes | str, ...]:
    return tuple(path for path in (event.src_path, event.dest_path) if path)


@dataclass(slots=True)
class _Armed:
    """A folder that is watched, and which folder it was: another one may stand there later under the same name."""

    watch: Any
    identity: tuple[int, int]
    names: set[str] | None = field(default_factory=set)


class Watcher:
    """Calls `on_change`, in a thread of its own, when the files hold something else than what was read last.

    `files` is asked anew each time, since an edit may name other files. A folder stands for the *.py in it. `read` is
    the digest of the contents that were read last: whoever else reads them too, such as a command that tells the daemon
    to, cannot hide an edit that puts back what stood there before.
    """

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        read: Callable[[], str],
        on_change: Callable[[], None],
        *,
        quiet: float = QUIET,
        poll: float = POLL,
    ) -> None:
        self._files, self._read, self._on_change = files, read, on_change
        self._quiet, self._poll = quiet, poll
        self._flag, self._stop = threading.Event(), threading.Event()
        self._armed: dict[Path, _Armed] = {}
        self._observer: Any = None
        self._thread: threading.Thread | None = None
        self._complained = False

    def start(self) -> None:
        """Begins to watch: what is changed after this call is seen. What was read before it is best read once more."""
        self._observer = Observer()
        self._observer.start()
        self._arm()
        self._thread = threading.Thread(target=self._run, name="msyncd-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends watching; on_change is not called after it."""
        self._stop.set()
        self._flag.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._flag.wait(self._poll):
                self._wait_until_quiet()
            if not self._stop.is_set():
                self._look()

    def _wait_until_quiet(self) -> None:
        longest = time.monotonic() + _LONGEST_WAIT
        self._flag.clear()
        while not self._stop.is_set() and self._flag.wait(self._quiet) and time.monotonic() < longest:
            self._flag.clear()

    def _look(self) -> None:
        """One look at everything. A failure is logged, and the next look comes all the same."""
        try:
            self._arm()
            if contents_digest(self._files()) != self._read():
                self._on_change()
                self._arm()
        except Exception:  # noqa: BLE001 - the loop of the watcher: whatever failed is tried again at the next look
            _log.exception("an edit of the configuration could not be taken in")

    def _arm(self) -> None:
        """Watches what is to be watched now, also anew where a folder was swapped or its watch has died."""
        wanted = names_to_watch(self._files())
        for folder in [*self._armed]:
            if folder not in wanted or not self._alive(folder, wanted[folder]):
                self._disarm(folder)
        for folder, names in wanted.items():
            if folder not in self._armed:
                self._arm_folder(folder, names)

    def _alive(self, folder: Path, names: set[str] | None) -> bool:
        armed = self._armed[folder]
        running = any(one.watch == armed.watch and one.is_alive() for one in self._observer.emitters)
        return running and armed.identity == _identity(folder) and armed.names == names

    def _disarm(self, folder: Path) -> None:
        armed = self._armed.pop(folder)
        try:
            self._observer.unschedule(armed.watch)
        except (KeyError, OSError):
            return  # it was gone already

    def _arm_folder(self, folder: Path, names: set[str] | None) -> None:
        identity = _identity(folder)
        if identity is None:
            return
        try:
            watch = self._observer.schedule(_Flag(names, self._flag), str(folder), recursive=False)
        except OSError as error:
            # No more watches, or the folder has just gone: the poll sees edits too, only later.
            if not self._complained:
                _log.warning(
                    "a folder cannot be watched; edits are noticed later", folder=str(folder), reason=str(error)
                )
            self._complained = True
            return
        self._armed[folder] = _Armed(watch, identity, names)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
