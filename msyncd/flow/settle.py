"""What moves between waiting, quarantine and the log: when a sender is level, when a plugin failed."""

from collections.abc import Iterable
from dataclasses import replace

from msyncd.databases.interface import Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.ledger.aside import REFERENCES, Aside
from msyncd.flow.outcome import Outcome
from msyncd.model import Changes
from msyncd.plugins import Failed


def quarantine_waiting(writer: Writer, site: int, outcome: Outcome) -> None:
    """The sender is level: what still waits will not be brought by it, and goes to quarantine (P17)."""
    still = aside.waiting(writer, site)
    if not still:
        return
    named = [replace(one, reason=_in_words(one)) for one in still]
    aside.stop_waiting(writer, [(one.record_type, one.key) for one in named])
    aside.quarantine(writer, named)
    for one in named:
        outcome.kept[(one.record_type, one.key)] = ("refused", one, True)


def _in_words(one: Aside) -> str:
    """A missing record is named; the reason of a plugin's Wait is a sentence of its own."""
    return f"waited for {one.reason}, which did not come" if one.plugin == REFERENCES else f"waited: {one.reason}"


def quarantine_failed(writer: Writer, here: Here, failed: Iterable[tuple[Changes, Failed]]) -> None:
    """At the sender: changes on which a plugin raised do not leave; they are kept, whole, with its traceback."""
    for changes, failure in failed:
        for at in failure.indexes if failure.indexes is not None else range(len(changes)):
            row = changes.rows[at]
            aside.quarantine(
                writer,
                [
                    Aside(
                        changes.record_type.name,
                        changes.keys[at],
                        here.site,
                        changes.operations[at],
                        changes.stores[at],
                        changes.record_type.columns,
                        row,
                        failure.reason,
                        failure.plugin,
                        here.now(),
                        detail=failure.traceback,
                    )
                ],
            )
