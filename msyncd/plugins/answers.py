"""What the rest of msyncd is told when plugins were asked: their answers combined, and who failed on which changes."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from msyncd.hookspecs import Resolution
from msyncd.model import Changes, Route, Row, Verdict


@dataclass(frozen=True, slots=True)
class Failed:
    """A plugin raised, or answered nonsense, on the changes at `indexes` of what was asked; None: the call as a whole.

    `reason` is one line for people, `traceback` what a developer needs.
    """

    plugin: str
    hook: str
    reason: str
    traceback: str
    indexes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Filtered:
    """What filters let through: `changes`, their `indexes` in what was asked, how many were left out.

    `left_out_by` counts by plugin. Changes on which a filter failed are neither in `changes` nor in `left_out`.
    """

    changes: Changes
    indexes: Sequence[int]
    left_out: int = 0
    left_out_by: Mapping[str, int] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict other than Allow, and the plugin that gave it.

    `may_edit` False: a built-in rule of ownership refused it, so the site may not edit this record at all.
    """

    verdict: Verdict
    plugin: str
    may_edit: bool = True


@dataclass(frozen=True, slots=True)
class Checked:
    """What checks said: a decision for each place that is not simply allowed, and the failures."""

    decisions: Mapping[int, Decision] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()

    @property
    def all_allowed(self) -> bool:
        """Whether every change may be applied as it is."""
        return not self.decisions and not self.failed


@dataclass(frozen=True, slots=True)
class Routed:
    """One route for each change, all plugins' taken together, and the failures. Equal routes may be one object."""

    routes: Sequence[Route]
    failed: tuple[Failed, ...] = ()


@dataclass(frozen=True, slots=True)
class Touched:
    """Keys of records that are to be routed anew, by record type, and the failures."""

    keys: Mapping[str, AbstractSet[Row]] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """One answer for each conflict, None where nobody had an opinion; `plugins` says whose it is."""

    answers: Sequence[Resolution | None]
    plugins: Sequence[str | None]
    failed: tuple[Failed, ...] = ()
