"""What commands that edit the YAML have in common: the plan first, then the file, then whether it is in force."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.locking import reload_by_daemon
from msyncd.commands.output import note, print_json
from msyncd.errors import ConfigurationInvalid, TryLater, WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.plan import Plan
    from msyncd.settings.editing import Document, Edit
    from msyncd.settings.in_force import InForce
    from msyncd.settings.values import Settings

IN_FORCE, HELD, WRITTEN, REFUSED = "in force", "held back", "written", "not taken in"
NOT_WAITED = "not waited for"
"""Nothing was edited: a hand-over under way is to go on without the old site."""
WORDS = {
    IN_FORCE: "the running daemon has taken it in",
    HELD: "it is held back until the authorisation code is given: `msyncd unlock`",
    WRITTEN: "no daemon runs: it counts when msyncd is started",
    REFUSED: "the running daemon has not taken it in",
    NOT_WAITED: "noted: the running daemon goes on within seconds, else msyncd does when it is started",
}


@dataclass(frozen=True)
class Edited:
    """An edit that is not saved yet: the file as it would be, and what that would change of what counts now."""

    now: "InForce"
    document: "Document"
    plan: "Plan"

    @property
    def settings(self) -> "Settings":
        """What would count."""
        assert self.document.settings is not None  # edit has seen to that
        return self.document.settings


@dataclass(frozen=True)
class Saved:
    """What became of it: one of the words above, and what is wrong with it if it was not taken in."""

    state: str
    problems: tuple[str, ...] = ()


def primary_here(path: Path, doing: str) -> "InForce":
    """What counts on the primary, whose file names the sites. Raises WrongUsage elsewhere."""
    from msyncd.settings.in_force import in_force

    now = in_force(path)
    if not now.settings.is_primary:
        raise WrongUsage(f"this is a satellite: the primary's file says so, not this one; {doing} there")
    return now


def document_here(now: "InForce") -> "tuple[Document, Settings]":
    """The file as it stands, which may say more than what counts. Raises ConfigurationInvalid if it has errors."""
    from msyncd.settings.editing import read_document

    document = read_document(now.path)
    if document.settings is None:
        raise ConfigurationInvalid(document.problems)
    return document, document.settings


def edited(now: "InForce", document: "Document", edits: Sequence["Edit"]) -> Edited:
    """The edit and its plan; nothing is written yet. Raises WrongUsage for what would not be valid, or is behind."""
    from msyncd.daemon.planned import plan_of
    from msyncd.settings.editing import edit

    try:
        changed = edit(document, edits)
    except ConfigurationInvalid as error:
        errors = [one for one in error.problems if one.severity == "error"]
        raise WrongUsage("; ".join(one.message for one in errors), hint="nothing was written") from error
    assert changed.settings is not None
    _refuse_behind(now.settings, changed.settings)
    return Edited(now, changed, plan_of(now.settings, changed.settings))


def _refuse_behind(old: "Settings", new: "Settings") -> None:
    """An edit of a file that was left behind would be taken in with all that the file lacks. Raises WrongUsage."""
    from msyncd.commands.site import look_here
    from msyncd.daemon.assemble import may_be_one_of_several
    from msyncd.flow.wishes import behind, wish_differs

    if not may_be_one_of_several(old) or not wish_differs(old, new):
        return
    try:
        found = look_here(old)
        with closing(found.here.database), found.here.database.read() as reader:
            late = behind(reader, found.here) if found.installed else None
    except TryLater:
        return  # the plan says that nobody could look
    if late is not None:
        raise WrongUsage(late.message, hint=late.hint)


def save(one: Edited) -> Saved:
    """Write the file; a running daemon looks at it at once. Raises ChangedUnderneath, CannotWrite."""
    from msyncd.settings.editing import save as save_document
    from msyncd.settings.in_force import in_force

    save_document(one.document)
    told = reload_by_daemon(one.now.home)
    if told is None:
        return Saved(HELD if in_force(one.now.path).held is not None else WRITTEN)
    if told["held"]:
        return Saved(HELD)
    if told["digest"] == one.settings.digest:
        return Saved(IN_FORCE)
    errors = [one for one in told["problems"] if one["severity"] == "error"]
    return Saved(REFUSED, tuple(f"{one['message']}; {one['hint']}" for one in errors))


def confirm(lines: Sequence[str], question: str, *, yes: bool) -> None:
    """Show what would happen and ask, on a terminal; elsewhere whoever calls has decided. Aborts on a no."""
    if yes or not sys.stdin.isatty():
        return
    for line in lines:
        note(line)
    click.confirm(question, abort=True, err=True)


def show(one: Edited, saved: Saved, *, as_json: bool, **more: Any) -> int:
    """Say what was done. The exit status: 1 if a running daemon does not take it in."""
    if as_json:
        document = {"format": 1, "file": str(one.document.path), "state": saved.state, "problems": saved.problems}
        print_json({**document, "plan": one.plan.document(), **more})
    else:
        for line in one.plan.lines():
            click.echo(line)
        click.echo(WORDS.get(saved.state, "it is so already: nothing was changed"))
        for problem in saved.problems:
            click.echo(f"  {problem}")
    return 1 if saved.state == REFUSED else 0
