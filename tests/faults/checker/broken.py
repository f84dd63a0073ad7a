"""Ways to break msyncd on purpose. The checker must catch each: else it would not catch an accident either."""

import os
import signal
from dataclasses import replace
from typing import Any, Final

CALM: Final = "calm"
"""A file beside the state directories: no more harm is done."""

BROKEN: Final[dict[str, tuple[str, dict[str, int]]]] = {
    "receipt_first": ("sqlite", {"move": 0}),
    "naive_cursor": ("postgresql", {"move": 0, "hold": 40, "restart server": 0}),
    "no_guard": ("sqlite", {"move": 1}),
    "no_fence": ("sqlite", {"move": 15}),
}
"""All of them: on which kind of database, and the weights of the harm that they must stand."""


def receipt_first() -> None:
    """The receipt commits before its rows, in a transaction of its own; the power fails in between.

    Not while the verdict is reached: that a primary dies then would be noticed by itself.
    """
    from msyncd.flow import accepting, primary
    from msyncd.flow.ledger.receipts import Receipt, put_receipt, receipt_of

    accept: Any = accepting.accept

    def torn(writer: Any, here: Any, site: int, push: Any) -> Any:
        with here.database.read() as reader:
            known = receipt_of(reader, site, push.database_id, push.generation)
        calm = (here.settings.state_directory.parent / CALM).exists()
        if not calm and known is not None and known.cursor == push.batch.after and push.batch.mark[0] in "012":
            receipt = Receipt(site, push.database_id, push.generation, push.batch.upto, push.batch.mark)
            put_receipt(writer, receipt)
            writer.execute("COMMIT")
            os.kill(os.getpid(), signal.SIGKILL)
        return accept(writer, here, site, push)

    primary.accept = torn  # type: ignore[attr-defined]  # what it imported


def naive_cursor() -> None:
    """PostgreSQL's log is read up to its last number, whatever is still open before it."""
    from msyncd.databases.postgresql.log import LogReader

    init: Any = LogReader.__init__

    def hasty(self: Any, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        self._readable = "true"

    LogReader.__init__ = hasty  # type: ignore[method-assign]  # on purpose


def no_guard() -> None:
    """Once a site has joined, nobody keeps it from editing a store that is not its own: neither guard nor primary."""
    from msyncd.databases.sqlite.database import SQLiteDatabase
    from msyncd.flow.ledger import sites
    from msyncd.model import PRIMARY
    from msyncd.rules import active_site

    install: Any = SQLiteDatabase.install

    def unguarded(self: Any, capture: Any) -> Any:
        with self.read() as reader:  # installed by `msyncd init`
            joined = sites.known(reader, PRIMARY).joined
        if not joined:
            return install(self, capture)
        types = tuple(replace(one, guard=False) for one in capture.record_types)
        return install(self, replace(capture, record_types=types))

    SQLiteDatabase.install = unguarded  # type: ignore[method-assign]  # on purpose
    active_site._not_active = lambda *_: None  # on purpose


def no_fence() -> None:
    """A hand-over waits for nobody: the new site edits the store while the old one may not have heard of it."""
    from msyncd.flow import advancing

    advancing.waits_for = lambda *_: None  # type: ignore[attr-defined]  # what it imported
