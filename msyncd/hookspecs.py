"""The plugin contract: every hook that msyncd calls, when, with what, and what may be answered.

A plugin is a Python file whose functions bear the name of a hook and the mark `@hookimpl`. A function names only those
of the hook's arguments that it wants; `context` is offered by every hook. Plugins are asked in the order in which the
YAML lists them, the built-in rules before all others.

A hook that answers per change is given a whole batch of one record type and answers in a list of the same length and
order, or None for "nothing to say". If it raises, it is asked about each half of the batch, and so on, until only the
changes on which it raises are left: these go to quarantine with the traceback, and everything else goes on. So filter,
check, route and resolve may be asked about one change more than once, and must not write anything. Changes about which
the answer makes no sense go to quarantine too; all that were asked about, if the answer is no list of the right length.

"In the transaction" means: while the batch's rows are being applied, before the commit, under the write lock. Be quick
there, and never use the network. All other hooks run on the thread of the loop or request that calls them.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import pluggy

from msyncd.errors import Problem
from msyncd.model import (
    AppliedBatch,
    Changes,
    Conflict,
    CycleSummary,
    Direction,
    RecordType,
    Refusal,
    Route,
    Row,
    Site,
    StoreFact,
    Value,
    Verdict,
)

if TYPE_CHECKING:  # heavy, and of use to type checkers only
    import click
    from dataset import Database
    from prometheus_client import CollectorRegistry
    from starlette.routing import BaseRoute

hookspec = pluggy.HookspecMarker("msyncd")

Resolution = Literal["here", "incoming"] | Row
"""Which version of a record in conflict stands: one of the two, or a row made of both."""


class Log(Protocol):
    """A structured log: a message and named values, e.g. `log.info("sent", record_type="item", records=20)`."""

    def debug(self, event: str, **values: Any) -> Any: ...
    def info(self, event: str, **values: Any) -> Any: ...
    def warning(self, event: str, **values: Any) -> Any: ...
    def error(self, event: str, **values: Any) -> Any: ...


class Context(Protocol):
    """What a plugin may know and do besides its arguments. Each plugin has its own: its settings, its log."""

    @property
    def site(self) -> int:
        """The sync ID of this site; 1 is the primary."""

    @property
    def sites(self) -> Mapping[int, Site]:
        """Every site by its sync ID, this one too."""

    @property
    def stores(self) -> Mapping[str, StoreFact]:
        """Where each store is active, by the store's value."""

    @property
    def record_types(self) -> Mapping[str, RecordType]:
        """The declared record types by name."""

    @property
    def settings(self) -> Any:
        """This plugin's settings: an instance of its own class `Settings`; None if it has none."""

    @property
    def log(self) -> Log:
        """The daemon's log; the plugin's name stands in every line."""

    @property
    def db(self) -> "Database":
        """The application's database, for look-ups (https://dataset.readthedocs.io). Made when first touched.

        It reads what is committed. A hook that is given a `transaction` finds there a `db` that sees the transaction.
        """

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        """Have filters and routes decide anew about these records for these sites: they are sent, or withdrawn."""


class RowsHere(Protocol):
    """The records as they stand here, parallel to the changes. The database is read when a row is first touched."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Row | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row | None]: ...

    @property
    def stores(self) -> Sequence[str | None]:
        """The store of each record as it stands here; None if there is no such record. Cheaper than the rows."""

    def column(self, name: str) -> Sequence[Value]:
        """The values of one column; None where no row stands. Raises ValueError for a column that does not travel."""


class Transaction(Protocol):
    """The transaction in which a batch is being applied: what is written here commits with it, or not at all."""

    @property
    def site(self) -> int:
        """The sync ID of this site."""

    @property
    def db(self) -> "Database":
        """The application's database, within this very transaction. `with db` is a savepoint."""

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement with `?` for each parameter; the rows that it gives, if any."""

    def as_application(self) -> AbstractContextManager[object]:
        """Inside, writes are the application's own: guarded, captured and sent.

        So is whatever else is written to a declared table while a batch is applied; this says that it is meant.
        """

    def savepoint(self) -> AbstractContextManager[object]:
        """Inside, an exception undoes what was written inside, and is passed on."""


# --- what travels: asked per batch of one record type ---------------------------------------------------------------


@hookspec
def msyncd_filter(
    record_type: RecordType, changes: Changes, peer: Site, direction: Direction, context: Context
) -> Changes | None:
    """On the sender, before a batch is routed and sent: which of these changes may go to `peer`?

    Answer `changes.select(indexes)` with those that may, or None for all. What is left out is counted, noted as owed,
    and filled in when the plugin's file or settings change. `direction` is "push" on a satellite, "pull" on the
    primary. Filters run one after the other, each on what the one before let through. Outside of any transaction.
    """


@hookspec
def msyncd_check(
    record_type: RecordType, changes: Changes, rows_here: RowsHere, origin: int, context: Context
) -> Sequence[Verdict | None] | None:
    """On the receiver, before a batch is applied: may each change be applied? This is the conflict check.

    Answer a list of verdicts, None in it for Allow; or None to allow all. Refuse beats Wait beats Replace beats Allow;
    two plugins that replace a row differently send it to quarantine. `rows_here[i]` is the record as it stands here, or
    None; `origin` the sync ID of the site that sent the batch. In the transaction, before anything is written.
    """


@hookspec
def msyncd_route(record_type: RecordType, changes: Changes, context: Context) -> Sequence[Route | None] | None:
    """On the primary: to which further sites does each change go, and to which not?

    Answer a list of routes, None in it for "no opinion"; or None for all. What plugins add is united, what they remove
    is united, and remove beats add. `add_stores` means every site that holds that store's records. A plugin that
    decides by another table than the record's names what that touches in msyncd_touched, or calls `context.send_again`.

    When the plugins that route have changed, each is asked with an empty batch for which record types it has an answer
    at all: where that is not None, every site is filled with that record type anew.
    """


@hookspec
def msyncd_touched(
    record_type: RecordType, keys: Sequence[Row], named: Sequence[frozenset[Value]], context: Context
) -> Mapping[str, Iterable[Row]] | None:
    """On the primary, before a batch for a site is routed: which other records go elsewhere because these changed?

    Answer their keys by record type, or None. They are decided anew for that site in the same batch: sent, or
    withdrawn. `keys` are records of one type that changed and concern the site; `named[i]` is what the column under
    `also_sent_to` held and holds in record i, also if that was deleted. One name too many costs only its sending.
    """


@hookspec
def msyncd_resolve(
    record_type: RecordType, conflicts: Sequence[Conflict], context: Context
) -> Sequence[Resolution | None] | None:
    """On the primary, for `edited_on: any_site`: two sites wrote the same record. Which version stands?

    Answer a list with "here", "incoming", a whole row, or None for "no opinion"; or None for all. The first plugin with
    an opinion decides; where none has one, the conflict goes to quarantine. In the transaction.
    """


# --- what was applied -----------------------------------------------------------------------------------------------


@hookspec
def msyncd_before_apply(transaction: Transaction, batch: AppliedBatch, context: Context) -> None:
    """In the transaction, after all checks, before the rows are written.

    `batch` tells apart what will be new, what will change and what stands here already. If the hook raises, what it
    wrote is undone and the batch's changes go to quarantine.
    """


@hookspec
def msyncd_applied(transaction: Transaction, batch: AppliedBatch, context: Context) -> None:
    """In the transaction, after the rows are written, before the commit.

    To make records of one's own from what arrived, write inside `with transaction.as_application()`. If the hook
    raises, what it wrote is undone and the batch's changes go to quarantine.
    """


@hookspec
def msyncd_committed(batch: AppliedBatch, context: Context) -> None:
    """After the batch has been committed durably. The place for messages to the outside. At least once, after a crash
    not at all: what must not be missed belongs into msyncd_applied."""


@hookspec
def msyncd_refused(refusals: Sequence[Refusal], context: Context) -> None:
    """After a batch in which changes were refused or put in quarantine was committed; on either end."""


@hookspec
def msyncd_cycle_finished(cycle: CycleSummary, context: Context) -> None:
    """On a satellite, after each cycle; `cycle.problem` says why it failed, if it did."""


# --- sites and stores -----------------------------------------------------------------------------------------------


@hookspec
def msyncd_store_moved(store: str, old_site: int | None, new_site: int | None, epoch: int, context: Context) -> None:
    """After a hand-over: `store` (its value) is active on `new_site`, or nowhere. On each site as it hears of it."""


@hookspec
def msyncd_site_joined(site: Site, context: Context) -> None:
    """On the primary, when a satellite has said hello for the first time, or another machine took over its sync ID."""


# --- configuration --------------------------------------------------------------------------------------------------


@hookspec
def msyncd_config_checked(old: Any, new: Any, context: Context) -> Sequence[Problem] | None:
    """Before a configuration is accepted: what is wrong with it? Errors keep the old one running.

    `old` and `new` are msyncd.settings.values.Settings; `old` is None at the start. A Problem names file, line and
    column; `new.places` has those of the YAML. Answer None or an empty list if all is well.
    """


@hookspec
def msyncd_config_changed(old: Any, new: Any, context: Context) -> None:
    """After an edited configuration was swapped in, at a batch boundary."""


# --- additions to the daemon ----------------------------------------------------------------------------------------


@hookspec
def msyncd_commands(group: "click.Group", context: Context) -> None:
    """When a command is called that msyncd does not have: add commands, e.g. with `@group.command("stock-report")`.

    Be quick, and only add: it is asked at each such call, and by `msyncd plugins`. A name that is taken is refused.
    """


@hookspec
def msyncd_routes(context: Context) -> "Sequence[BaseRoute] | None":
    """When the plugin is loaded, after a reload too: starlette routes, served beside the console. They do their own
    log-in, and cannot take a path of the console's."""


@hookspec
def msyncd_metrics(registry: "CollectorRegistry", context: Context) -> None:
    """When the plugin is loaded, after a reload too: register collectors for `/metrics` (prometheus-client)."""


@hookspec
def msyncd_started(context: Context) -> None:
    """When the daemon runs: database, loops and server are up. Also after a reload, for the plugins as reloaded."""


@hookspec
def msyncd_stopping(context: Context) -> None:
    """Before the daemon ends, or before a reload replaces this plugin. What takes longer than seconds is cut off."""
