"""What rules and plugins answer, and what they are told of a batch and of a cycle."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msyncd.model.changes import Changes
from msyncd.model.values import Row


@dataclass(frozen=True, slots=True)
class Allow:
    """The change may be applied. The same as answering None."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The change is kept in quarantine with this reason, and its site is told."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The change is kept aside and tried again with each later batch, until its sender is level.

    What still waits then goes to quarantine as `waited: reason` (P17), so a reason says what has to happen.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The change is applied with this row, in the order of RecordType.columns, instead of its own."""

    row: Row


Verdict = Allow | Refuse | Wait | Replace


@dataclass(frozen=True, slots=True)
class Route:
    """What a plugin adds to or removes from the destinations of one change; remove beats add."""

    add_sites: frozenset[int] = frozenset()
    remove_sites: frozenset[int] = frozenset()
    add_stores: frozenset[str] = frozenset()
    remove_stores: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sites wrote the same record of a type that any site may edit. `base` is what both last agreed on."""

    key: Row
    base: Row | None
    here: Row
    incoming: Row


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that a rule said no to, with its reason.

    `may_edit` False: the site may not edit the record at all, so the authoritative version is put back there.
    `plugin` names the rule or plugin that said so.
    """

    record_type: str
    key: Row
    reason: str
    plugin: str
    may_edit: bool = True
    store: str | None = None
    row: Row | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedBatch:
    """What a batch did here, as hooks see it: the changes by record type, told apart by what they did.

    `new` had no row here before, `changed` had another one, `same` had the very same. Deletes count as changed if a
    row stood here, else as same.
    """

    origin: int
    mark: str
    new: Mapping[str, Changes] = field(default_factory=dict)
    changed: Mapping[str, Changes] = field(default_factory=dict)
    same: Mapping[str, Changes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CycleSummary:
    """What one cycle did, for `msyncd_cycle_finished`, the log and `msyncd sync`.

    `refused` is what the primary refused of that which was sent, `quarantined` what this site did of that which came.
    """

    sent: int = 0
    received: int = 0
    refused: int = 0
    waiting: int = 0
    left_to_send: int = 0
    left_to_receive: int | None = 0
    problem: str | None = None
    quarantined: int = 0
