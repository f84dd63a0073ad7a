"""What counts: the files as they stand, or, while they are locked and were edited, what was accepted before."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msyncd.errors import ConfigurationInvalid, Problem
from msyncd.settings.accepted import Accepted, accept, accept_free, accepted_in, load_accepted, locked_home
from msyncd.settings.free import free_of, with_free
from msyncd.settings.loading import Attempt, Loaded, attempt
from msyncd.settings.lock import Clock, Lock
from msyncd.settings.show import differences
from msyncd.settings.sources import absolute
from msyncd.settings.state_directory import choose
from msyncd.settings.values import Settings

_STATE: Final = re.compile(r"^state_directory:[ \t]*['\"]?([^'\"#\n]+)", re.MULTILINE)


@dataclass(frozen=True)
class InForce:
    """What counts, and what of the files does not.

    `loaded` None: the files have errors, and nothing that was accepted before stands in for them. `held` is an edit
    that awaits the code. `home` is the state directory where all this is kept.
    """

    path: Path
    home: Path
    newest: Attempt
    accepted: Accepted | None
    loaded: Loaded | None
    held: Settings | None = None
    unlocked_until: str | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files as they stand."""
        return self.newest.problems

    @property
    def settings(self) -> Settings:
        """What counts. Raises ConfigurationInvalid if nothing does."""
        if self.loaded is None:
            raise ConfigurationInvalid(self.newest.problems)
        return self.loaded.settings

    @property
    def code_hash(self) -> str | None:
        """The hash of the code that an edit needs; None if it needs none."""
        if self.accepted is not None:
            return self.accepted.code_hash
        return self.loaded.settings.code_hash if self.loaded else None

    @property
    def locked(self) -> bool:
        """Whether an edit is held back now."""
        return self.code_hash is not None and self.unlocked_until is None

    def broken(self, problems: tuple[Problem, ...]) -> "InForce":
        """The same with problems of what was accepted: nothing of the files can be taken in now."""
        return replace(self, newest=replace(self.newest, problems=problems), loaded=None, held=None)

    def accept(self, state_directory: Path | None = None) -> "InForce":
        """Note that this is what counts, once it was taken in; how it then is. Raises MsyncdError if that fails."""
        settings, home = self.settings, self.home
        newest = self.newest.loaded
        if newest is not None and settings.digest == newest.settings.digest:
            home = state_directory or settings.state_directory
            accept(home, self.path, self.newest, settings)
        elif self.accepted is not None:
            accept_free(home, self.path, self.accepted, settings)
        return replace(self, home=home, accepted=accepted_in(home))


def in_force(
    path: Path, *, environment: Mapping[str, str] = os.environ, clock: Clock = lambda: datetime.now(UTC)
) -> InForce:
    """What counts now. Raises StateUnreadable; ConfigurationInvalid if what was accepted has become invalid."""
    newest = attempt(path, environment)
    home = _home(path, newest, environment)
    accepted = accepted_in(home)
    until = Lock(home, clock).unlocked_until() if accepted is not None and accepted.locked else None
    if accepted is None or not accepted.locked:
        return InForce(path, home, newest, accepted, newest.loaded)
    if until is not None and newest.loaded is not None:
        return InForce(path, home, newest, accepted, newest.loaded, unlocked_until=until)
    return _locked(InForce(path, home, newest, accepted, None, unlocked_until=until), accepted, environment)


def _locked(found: InForce, accepted: Accepted, environment: Mapping[str, str]) -> InForce:
    """What was accepted, with the open settings as the files have them; and the edit, if it is more than those."""
    base = load_accepted(accepted, found.path, environment)
    if base.loaded is None:
        raise ConfigurationInvalid(base.problems)
    newest = found.newest.loaded
    if newest is None:
        return replace(found, loaded=base.loaded)
    opened = with_free(base.loaded.settings, free_of(newest.settings))
    if not differences(opened, newest.settings):
        return replace(found, loaded=newest)
    return replace(found, loaded=Loaded(opened, base.loaded.warnings), held=newest.settings)


def held_since(found: InForce) -> str | None:
    """Since when an edit is held back: as the daemon noted it, else by the files' own times; None if none is."""
    if found.held is None:
        return None
    noted = Lock(found.home).held_since(found.held.digest)
    if noted is not None:
        return noted
    times = [one.stat().st_mtime for one in found.newest.contents if one.exists()]
    newest = datetime.fromtimestamp(max(times, default=0.0), UTC)
    return newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def home_of(path: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The state directory of a configuration, whatever was made of its file: as it was accepted while it is locked."""
    return _home(path, attempt(path, environment), environment)


def _home(path: Path, newest: Attempt, environment: Mapping[str, str]) -> Path:
    locked = locked_home(path)
    if locked is not None:
        return locked
    return newest.loaded.settings.state_directory if newest.loaded else _state_directory_in(path, environment)


def _state_directory_in(path: Path, environment: Mapping[str, str]) -> Path:
    """The state directory that a file names which cannot be read as YAML just now."""
    try:
        found = _STATE.search(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return choose(found[1].strip() if found else None, absolute(Path.cwd(), str(path)), environment).path
