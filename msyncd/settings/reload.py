"""The configuration in force while its files are edited: a bad edit changes nothing until it is corrected.

While it is locked, no good edit does either, but for the settings that the lock leaves open, until the code is given.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msyncd.errors import ConfigurationInvalid, Problem
from msyncd.settings.in_force import InForce, in_force
from msyncd.settings.lock import Clock
from msyncd.settings.values import Settings
from msyncd.settings.watch import contents_digest, plugin_paths, watched_files


@dataclass(frozen=True, slots=True)
class Change:
    """A good edit: what was in force, and what is to be from now on. `plugin_files`: a plugin's own file was edited.

    `edited` are the files and folders in which other things stand than before.
    """

    old: Settings
    new: Settings
    plugin_files: bool = False
    edited: tuple[Path, ...] = ()


class Reloader:
    """Holds the last good configuration as one value. Raises ConfigurationInvalid if there is none at the start.

    `problems` are those of the newest files: their errors if they are bad, else their warnings.
    """

    def __init__(
        self,
        path: Path,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._environment, self._clock = path, environment, clock
        self._lock = threading.Lock()
        self._newest: InForce = self._look()
        self._current: Settings = self._newest.settings
        self._plugins = contents_digest(plugin_paths(self._current))
        self._contents = _contents(self._current)
        self._read = contents_digest(self.files())

    def _look(self) -> InForce:
        return in_force(self._path, environment=self._environment, clock=self._clock)

    @property
    def current(self) -> Settings:
        """The configuration in force."""
        return self._current

    @property
    def found(self) -> InForce:
        """What the newest look at the files found: an edit that is held back, whether they are locked."""
        return self._newest

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the newest files."""
        return self._newest.problems

    def files(self) -> tuple[Path, ...]:
        """What to watch: the files in force, those of plugins, and what a newer edit names that is not yet right."""
        return tuple(dict.fromkeys((*watched_files(self._current), *self._newest.newest.files)))

    def read(self) -> str:
        """The digest of the files as they were read last, for whoever watches them."""
        return self._read

    def refresh(self) -> Change | None:
        """Reads the files whole. A good change is taken in and told; a bad one, or none, leaves what is in force."""
        with self._lock:
            # before they are read: of an edit in between, the digest is too old, and they are read once more
            self._read = contents_digest(self.files())
            try:
                self._newest = self._look()
            except ConfigurationInvalid as error:
                # what was accepted needs a file that has gone, such as a certificate: it keeps running as it was read
                self._newest = self._newest.broken(error.problems)
                return None
            if self._newest.loaded is None:
                return None
            old, new = self._current, self._newest.settings
            plugins = contents_digest(plugin_paths(new))
            # The values too, not only the files: a variable of the environment may stand for another text now.
            same = new == old and plugins == self._plugins
            edited = plugins != self._plugins
            before, self._contents = self._contents, _contents(new)
            files = tuple(path for path, content in self._contents.items() if before.get(path) != content)
            self._current, self._plugins = new, plugins
            return None if same else Change(old, new, plugin_files=edited, edited=files)

    def accept(self, state_directory: Path | None = None) -> None:
        """What is in force was taken in: it counts from now on. Raises MsyncdError if that cannot be noted.

        `state_directory` is where it is noted, if not where the configuration says: the running daemon keeps its own.
        """
        with self._lock:
            if self._newest.loaded is not None and self._newest.settings == self._current:
                self._newest = self._newest.accept(state_directory)


def _contents(settings: Settings) -> dict[Path, str]:
    return {path: contents_digest([path]) for path in watched_files(settings)}
