"""The configuration in force while its files are edited: a bad edit changes nothing until it is corrected."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msyncd.errors import Problem
from msyncd.settings.loading import Loaded, attempt, load
from msyncd.settings.values import Settings
from msyncd.settings.watch import contents_digest, plugin_paths, watched_files


@dataclass(frozen=True, slots=True)
class Change:
    """A good edit: what was in force, and what is to be from now on. `plugin_files`: a plugin's own file was edited."""

    old: Settings
    new: Settings
    plugin_files: bool = False


class Reloader:
    """Holds the last good configuration as one value. Raises ConfigurationInvalid if there is none at the start.

    `problems` are those of the newest files: their errors if they are bad, else their warnings.
    """

    def __init__(self, path: Path, *, environment: Mapping[str, str] = os.environ) -> None:
        self._path, self._environment = path, environment
        self._lock = threading.Lock()
        self._good: Loaded = load(path, environment=environment)
        self._problems: tuple[Problem, ...] = self._good.warnings
        self._plugins = contents_digest(plugin_paths(self._good.settings))
        self._newest: tuple[Path, ...] = ()

    @property
    def current(self) -> Settings:
        """The configuration in force."""
        return self._good.settings

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the newest files."""
        return self._problems

    def files(self) -> tuple[Path, ...]:
        """What to watch: the files in force, those of plugins, and what a newer edit names that is not yet right."""
        return tuple(dict.fromkeys((*watched_files(self._good.settings), *self._newest)))

    def refresh(self) -> Change | None:
        """Reads the files whole. A good change is taken in and told; a bad one, or none, leaves what is in force."""
        with self._lock:
            newest = attempt(self._path, self._environment)
            self._problems, self._newest = newest.problems, newest.files
            if newest.loaded is None:
                return None
            loaded = newest.loaded
            old = self._good.settings
            plugins = contents_digest(plugin_paths(loaded.settings))
            # The values too, not only the files: a variable of the environment may stand for another text now.
            same = loaded.settings == old and plugins == self._plugins
            edited = plugins != self._plugins
            self._good, self._plugins = loaded, plugins
            return None if same else Change(old, loaded.settings, plugin_files=edited)
