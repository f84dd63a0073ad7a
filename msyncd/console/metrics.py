"""The figures for Prometheus at /metrics: read from status, ledger and traffic when they are asked for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from msyncd import __version__
from msyncd.console.desk import Desk, Snapshot
from msyncd.console.words import STATES, parsed
from msyncd.daemon.traffic import BUCKETS, Flow
from msyncd.errors import MsyncdError
from msyncd.flow.status import PeerStatus
from msyncd.plugins import PluginReport, Plugins

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Writes the page. Figures that a plugin registers come behind msyncd's own and cannot spoil them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._own = CollectorRegistry()
        self._own.register(_Figures(desk))
        ProcessCollector(registry=self._own)
        self._theirs: tuple[Plugins, CollectorRegistry] | None = None
        self._log = structlog.get_logger("msyncd.console")
        self._failing = False

    def page(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._own) + self._of_plugins()

    def _of_plugins(self) -> bytes:
        site = self._desk.site
        if site is None:
            return b""
        plugins = site.here.plugins
        if self._theirs is None or self._theirs[0] is not plugins:  # they were loaded anew: they register anew
            registry = CollectorRegistry()
            for failed in plugins.metrics(registry):
                self._log.warning("a plugin could not register its figures", reason=failed.reason)
            self._theirs = plugins, registry
        try:
            page = generate_latest(self._theirs[1])
        except Exception as error:  # noqa: BLE001 - a plugin's collector may raise anything; msyncd's figures stand
            if not self._failing:
                self._log.warning("a plugin's figures cannot be read", reason=f"{type(error).__name__}: {error}")
            self._failing = True
            return b""
        self._failing = False
        return page


class _Figures(Collector):
    """msyncd's own. One that is not known is left out, not 0."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> Iterable[Metric]:
        """None: nothing is asked just to register."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every figure."""
        settings = self._desk.settings
        labels = {"version": __version__, "sync_id": str(settings.this_site.sync_id), "name": settings.this_site.name}
        info = GaugeMetricFamily("msyncd_info", "This msyncd; always 1.", labels=[*labels])
        info.add_metric([*labels.values()], 1)
        yield info
        yield _gauge("msyncd_configuration_problems", "What is wrong with the newest files.", len(self._desk.problems))
        try:
            found = self._desk.snapshot()
        except MsyncdError:
            yield _gauge("msyncd_database_up", "Whether the application's database could be read.", 0)
            return
        yield _gauge("msyncd_database_up", "Whether the application's database could be read.", 1)
        yield _gauge(
            "msyncd_database_read_seconds", "How long it took to read how the site stands.", found.read_seconds
        )
        yield from _peers(found)
        yield from _flows(found)
        yield from _plugins(found.plugins)
        yield from _log(found)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else parsed(moment).timestamp()


_OF_PEER: Final[Mapping[str, tuple[str, Any]]] = {
    "msyncd_site_last_success_timestamp_seconds": (
        "When a cycle with that site last succeeded; absent before the first.",
        lambda one: _seconds(one.last_success),
    ),
    "msyncd_site_to_send": ("Changes that this site owes that one; absent while not known.", lambda one: one.to_send),
    "msyncd_site_to_receive": ("Changes that it owes this one; absent while not known.", lambda one: one.to_receive),
    "msyncd_site_oldest_unsent_timestamp_seconds": (
        "Since when the oldest change waits to be sent; absent if none does.",
        lambda one: _seconds(one.oldest),
    ),
    "msyncd_site_waiting": ("Changes of that site that wait for another record.", lambda one: one.waiting),
    "msyncd_site_quarantine": ("Changes of that site in quarantine.", lambda one: one.quarantine),
    "msyncd_site_batch_size": ("Records in the next batch.", lambda one: one.batch_size),
}


def _peers(found: Snapshot) -> Iterator[Metric]:
    peers = found.status.peers
    for name, (meaning, of) in _OF_PEER.items():
        family = GaugeMetricFamily(name, meaning, labels=("site", "name"))
        for one in peers:
            if (value := of(one)) is not None:
                family.add_metric(_site(one), value)
        yield family
    states = GaugeMetricFamily(
        "msyncd_site_state", "1 for the state that the site is in.", labels=("site", "name", "state")
    )
    for one in peers:
        for state in STATES:
            states.add_metric([*_site(one), state], one.state == state)
    yield states


def _site(one: PeerStatus) -> list[str]:
    return [str(one.sync_id), one.name]


def _flows(found: Snapshot) -> Iterator[Metric]:
    flows = {one.sync_id: found.flows.get(one.sync_id, Flow()) for one in found.status.peers}
    moved = (
        ("msyncd_bytes", "Bytes of message bodies, compressed.", "bytes"),
        ("msyncd_records", "Changes in batches that were answered.", "records"),
    )
    for name, meaning, kind in moved:
        family = CounterMetricFamily(name, meaning, labels=("site", "direction"))
        for site, flow in flows.items():
            for direction in ("sent", "received"):
                family.add_metric([str(site), direction], getattr(flow, f"{kind}_{direction}"))
        yield family
    refused = CounterMetricFamily("msyncd_refusals", "Changes that the primary refused.", labels=("site",))
    batches = HistogramMetricFamily("msyncd_batch_seconds", "From a batch's request to its answer.", labels=("site",))
    bounds = [*map(str, BUCKETS), "+Inf"]
    for site, flow in flows.items():
        refused.add_metric([str(site)], flow.refused)
        batches.add_metric([str(site)], list(zip(bounds, flow.seconds, strict=True)), flow.seconds_sum)
    yield refused
    yield batches


def _plugins(reports: Iterable[PluginReport]) -> Iterator[Metric]:
    figures = (
        ("msyncd_plugin_calls", "Calls of the plugin's hooks.", "calls"),
        ("msyncd_plugin_seconds", "Time spent in them.", "seconds"),
        ("msyncd_plugin_failures", "Times that it raised, or answered nonsense.", "failures"),
    )
    for name, meaning, figure in figures:
        family = CounterMetricFamily(name, meaning, labels=("plugin",))
        for one in reports:
            family.add_metric([one.name], getattr(one, figure))
        yield family


def _log(found: Snapshot) -> Iterator[Metric]:
    log = found.status.change_log
    yield _gauge("msyncd_change_log_rows", "Entries of the change log.", log.rows)
    for name, meaning, value in (
        ("msyncd_change_log_oldest_timestamp_seconds", "When the oldest entry was made.", _seconds(log.oldest)),
        (
            "msyncd_open_transaction_seconds",
            "For how long a writing transaction has held the cursor up.",
            log.open_transaction_seconds,
        ),
    ):
        family = GaugeMetricFamily(name, meaning)
        if value is not None:
            family.add_metric([], value)
        yield family
    stopped = GaugeMetricFamily("msyncd_record_type_stopped", "1 if it does not sync.", labels=("record_type",))
    for one in found.status.record_types:
        stopped.add_metric([one.name], one.state != "ok")
    yield stopped
