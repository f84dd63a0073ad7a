"""The plugins of one configuration, as one value: asked and told through one typed method for each hook."""

import hashlib
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msyncd.errors import Problem, TryLater
from msyncd.hookspecs import RowsHere, Transaction
from msyncd.model import (
    AppliedBatch,
    Changes,
    Conflict,
    CycleSummary,
    Direction,
    RecordType,
    Refusal,
    Row,
    Site,
    Value,
)
from msyncd.plugins.answers import Checked, Failed, Filtered, Resolved, Routed, Touched
from msyncd.plugins.building import build
from msyncd.plugins.checking import check_changes
from msyncd.plugins.context import World
from msyncd.plugins.contract import HOOKS
from msyncd.plugins.filtering import filter_changes
from msyncd.plugins.finding import Entry, shipped_folder
from msyncd.plugins.loading import forget, shown
from msyncd.plugins.plugin import Plugin, PluginReport
from msyncd.plugins.resolving import resolve_conflicts
from msyncd.plugins.routing import has_answer, route_changes
from msyncd.plugins.touching import touched_by

if TYPE_CHECKING:
    import click
    from prometheus_client import CollectorRegistry
    from starlette.routing import BaseRoute


class Plugins:
    """What the YAML lists, loaded. A reload makes another value; this one stays usable for as long as it is held."""

    def __init__(self, plugins: Sequence[Plugin] = (), modules: Sequence[str] = ()) -> None:
        self._plugins = tuple(plugins)
        self._listeners = {hook: [plugin for plugin in self._plugins if hook in plugin.functions] for hook in HOOKS}
        weakref.finalize(self, forget, list(modules))

    @classmethod
    def load(
        cls,
        entries: Sequence[Entry],
        *,
        builtin: Sequence[ModuleType] = (),
        shipped: Path | None = None,
        world: World | None = None,
    ) -> "tuple[Plugins, list[Problem]]":
        """Load every entry, the built-in rules first, and report every problem. What has an error is left out.

        `shipped` is the folder of the plugins that come with msyncd; None looks for it.
        """
        plugins, modules, problems = build(entries, builtin, shipped or shipped_folder())
        loaded = cls(plugins, modules)
        if world is not None:
            loaded.connect(world)
        return loaded, problems

    def connect(self, world: World) -> None:
        """Give every plugin's context this site, its facts and database."""
        for plugin in self._plugins:
            plugin.context.connect(world)

    # --- what is loaded ---

    def implemented(self, hook: str) -> bool:
        """Whether any plugin or rule implements a hook, e.g. "filter" or "msyncd_filter". If not, prepare nothing."""
        return bool(self._listeners[_full(hook)])

    @property
    def filtered(self) -> bool:
        """Whether a plugin other than the built-in rules filters."""
        return any(not plugin.builtin for plugin in self._listeners["msyncd_filter"])

    @property
    def routed_by_plugins(self) -> bool:
        """Whether a plugin other than the built-in rules routes."""
        return any(not plugin.builtin for plugin in self._listeners["msyncd_route"])

    def fingerprint(self, hook: str) -> str:
        """Changes when the answers to a hook may: files, settings or order of the plugins that implement it.

        Empty if only built-in rules do.
        """
        listening = [plugin for plugin in self._listeners[_full(hook)] if not plugin.builtin]
        together = "\n".join(f"{plugin.name} {plugin.fingerprint}" for plugin in listening)
        return hashlib.sha256(together.encode()).hexdigest() if listening else ""

    def report(self) -> list[PluginReport]:
        """Every plugin for people to read, in the order in which they are asked."""
        return [plugin.report() for plugin in self._plugins]

    # --- what travels ---

    def filter(self, record_type: RecordType, changes: Changes, peer: Site, direction: Direction) -> Filtered:
        """Which changes may go to a peer."""
        return filter_changes(self._listeners["msyncd_filter"], record_type, changes, peer, direction)

    def check(self, record_type: RecordType, changes: Changes, rows_here: RowsHere, origin: int) -> Checked:
        """Which changes may be applied here."""
        return check_changes(self._listeners["msyncd_check"], record_type, changes, rows_here, origin)

    def route(self, record_type: RecordType, changes: Changes) -> Routed:
        """Where changes go, by rules and plugins together. Stores are not yet resolved to sites."""
        return route_changes(self._listeners["msyncd_route"], record_type, changes)

    def touched(
        self, record_type: RecordType, keys: Sequence[Row], named: Sequence[frozenset[Value]], known: Collection[str]
    ) -> Touched:
        """Which other records are to be routed anew because these changed; `known` are the record types there are."""
        return touched_by(self._listeners["msyncd_touched"], record_type, keys, named, known)

    def routed(self, record_type: RecordType) -> bool:
        """Whether a plugin other than the built-in rules has an answer for a record type: asked with an empty batch."""
        return any(has_answer(one, record_type) for one in self._listeners["msyncd_route"] if not one.builtin)

    def resolve(self, record_type: RecordType, conflicts: Sequence[Conflict]) -> Resolved:
        """Which version of each record stands."""
        return resolve_conflicts(self._listeners["msyncd_resolve"], record_type, conflicts)

    # --- what was applied ---

    def before_apply(self, transaction: Transaction, batch: AppliedBatch) -> tuple[Failed, ...]:
        """In the transaction, before the rows are written."""
        return self._within(transaction, "msyncd_before_apply", batch)

    def applied(self, transaction: Transaction, batch: AppliedBatch) -> tuple[Failed, ...]:
        """In the transaction, after the rows were written."""
        return self._within(transaction, "msyncd_applied", batch)

    def committed(self, batch: AppliedBatch) -> tuple[Failed, ...]:
        """A batch was committed."""
        return self._tell("msyncd_committed", batch=batch)

    def refused(self, refusals: Sequence[Refusal]) -> tuple[Failed, ...]:
        """Changes were refused."""
        return self._tell("msyncd_refused", refusals=refusals)

    def cycle_finished(self, cycle: CycleSummary) -> tuple[Failed, ...]:
        """A cycle ended."""
        return self._tell("msyncd_cycle_finished", cycle=cycle)

    # --- sites, stores, configuration ---

    def store_moved(self, store: str, old_site: int | None, new_site: int | None, epoch: int) -> tuple[Failed, ...]:
        """A store is active elsewhere."""
        return self._tell("msyncd_store_moved", store=store, old_site=old_site, new_site=new_site, epoch=epoch)

    def site_joined(self, site: Site) -> tuple[Failed, ...]:
        """A satellite said hello for the first time."""
        return self._tell("msyncd_site_joined", site=site)

    def config_checked(self, old: Any, new: Any) -> list[Problem]:
        """What plugins find wrong with a configuration. One that cannot say so is a problem too."""
        problems: list[Problem] = []
        for plugin, answer, failed in self._each("msyncd_config_checked", {"old": old, "new": new}):
            if failed is None and answer is not None and not _all_are(answer, Problem):
                failed = plugin.note("msyncd_config_checked", "it did not answer a list of problems, or None")
            if failed is not None:
                problems.append(Problem(shown(plugin.origin), 1, 1, failed.reason, "correct the plugin"))
            elif answer is not None:
                problems += answer
        return problems

    def config_changed(self, old: Any, new: Any) -> tuple[Failed, ...]:
        """An edited configuration was swapped in."""
        return self._tell("msyncd_config_changed", old=old, new=new)

    # --- additions to the daemon ---

    def commands(self, group: "click.Group") -> tuple[Failed, ...]:
        """Let plugins add commands."""
        return self._tell("msyncd_commands", group=group)

    def routes(self) -> "tuple[list[BaseRoute], tuple[Failed, ...]]":
        """The web routes that plugins add."""
        routes: list[BaseRoute] = []
        problems: list[Failed] = []
        for plugin, answer, failed in self._each("msyncd_routes", {}):
            if failed is None and answer is not None and not isinstance(answer, list | tuple):
                failed = plugin.note("msyncd_routes", "it did not answer a list of routes, or None")
            if failed is not None:
                problems.append(failed)
            else:
                routes += answer or ()
        return routes, tuple(problems)

    def metrics(self, registry: "CollectorRegistry") -> tuple[Failed, ...]:
        """Let plugins register collectors."""
        return self._tell("msyncd_metrics", registry=registry)

    def started(self) -> tuple[Failed, ...]:
        """The daemon runs."""
        return self._tell("msyncd_started")

    def stopping(self) -> tuple[Failed, ...]:
        """The daemon ends."""
        return self._tell("msyncd_stopping")

    # --- how they are called ---

    def _each(self, hook: str, arguments: Mapping[str, Any]) -> Iterable[tuple[Plugin, Any, Failed | None]]:
        """Call each plugin by itself: what one raises is its own."""
        for plugin in self._listeners[hook]:
            try:
                yield plugin, plugin.call(hook, arguments), None
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything; it costs only that plugin
                yield plugin, None, plugin.failed(hook, error)

    def _tell(self, hook: str, **arguments: Any) -> tuple[Failed, ...]:
        return tuple(failed for _, _, failed in self._each(hook, arguments) if failed is not None)

    def _within(self, transaction: Transaction, hook: str, batch: AppliedBatch) -> tuple[Failed, ...]:
        """Each plugin in a savepoint of its own, so that one that raises leaves nothing half written."""
        failed: list[Failed] = []
        for plugin in self._listeners[hook]:
            try:
                with transaction.savepoint():
                    plugin.call(hook, {"transaction": transaction, "batch": batch})
            except TryLater:
                raise
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything; what it wrote is undone
                failed.append(plugin.failed(hook, error))
        return tuple(failed)


def _full(hook: str) -> str:
    return hook if hook.startswith("msyncd_") else f"msyncd_{hook}"


def _all_are(answer: Any, kind: type) -> bool:
    return isinstance(answer, list | tuple) and all(isinstance(part, kind) for part in answer)
