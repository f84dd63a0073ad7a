"""/metrics, /healthz, /readyz of a daemon that runs; what plugins add to them."""

import re
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.console.conftest import Consoles, until

pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parents[2]

PLUGIN = """
from prometheus_client import Gauge
from prometheus_client.core import GaugeMetricFamily
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from msyncd import hookimpl


class Broken:
    def __init__(self, context):
        self.context = context

    def collect(self):
        if self.context.settings.broken:
            raise ValueError("out of figures")
        yield GaugeMetricFamily("stock_sound", "Sound.", value=1)


from pydantic import BaseModel


class Settings(BaseModel):
    broken: bool = False
    word: str = "hello"


@hookimpl
def msyncd_metrics(registry, context):
    Gauge("stock_items", "Items.", registry=registry).set(len(context.record_types))
    registry.register(Broken(context))


@hookimpl
def msyncd_routes(context):
    def page(request):
        return PlainTextResponse(context.settings.word)

    return [Route("/stock", page), Route("/sites", page)]
"""


def figures(text: str) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus' own parser reads the page."""
    return {
        one.name + str(sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def metrics(consoles: Consoles, site: int = 1, **headers: str) -> str:
    answer = requests.get(f"{consoles.url(site)}/metrics", headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def test_what_moved_is_in_the_figures_of_both_ends(consoles: Consoles) -> None:
    before = figures(metrics(consoles))
    consoles.stock(2, "m1", "s2")
    consoles.item("m2")
    until(lambda: consoles.has(1, "stock", "m1") and consoles.has(2, "item", "m2"))
    site2 = "[('direction', '{}'), ('site', '2')]"

    def grown() -> list[float]:
        now = figures(metrics(consoles))
        return [
            now[name + site2.format(way)] - before[name + site2.format(way)]
            for name in ("msyncd_records_total", "msyncd_bytes_total")
            for way in ("sent", "received")
        ]

    until(lambda: min(grown()) > 0)
    satellite = figures(metrics(consoles, 2))
    assert satellite["msyncd_records_total[('direction', 'sent'), ('site', '1')]"] >= 1
    assert satellite["msyncd_records_total[('direction', 'received'), ('site', '1')]"] >= 1
    name = "msyncd_site_last_success_timestamp_seconds[('name', 'Bumban'), ('site', '2')]"
    assert figures(metrics(consoles))[name] > 1.7e9


def test_every_figure_is_in_the_docs_and_the_docs_name_no_other(consoles: Consoles) -> None:
    families = {one.name for one in text_string_to_metric_families(metrics(consoles)) if one.name.startswith("msyncd_")}
    counters = {"msyncd_bytes", "msyncd_records", "msyncd_refusals", "msyncd_plugin_calls", "msyncd_plugin_seconds"}
    counters.add("msyncd_plugin_failures")
    exposed = {f"{name}_total" if name in counters else name for name in families}
    text = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(msyncd_\w+)`", text, re.MULTILINE)) == exposed


def test_what_is_not_known_is_left_out_and_not_nought(consoles: Consoles) -> None:
    assert not [name for name in figures(metrics(consoles)) if name.startswith("msyncd_site_to_receive")]


def test_they_answer_this_machine_only_and_not_through_a_proxy(consoles: Consoles) -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        answer = requests.get(f"{consoles.url(1)}/metrics", headers={header: "10.1.2.3"}, timeout=20)
        assert answer.status_code == 403
        assert "metrics: {public: true}" in answer.text
        assert "msyncd_info" not in answer.text


def test_public_metrics_answer_everybody(consoles: Consoles) -> None:
    consoles.edit("site1.yaml", "record_types: [types.yaml]", "metrics: {public: true}\nrecord_types: [types.yaml]")

    def answered() -> bool:
        got = requests.get(f"{consoles.url(1)}/metrics", headers={"X-Forwarded-For": "10.1.2.3"}, timeout=20)
        return got.status_code == 200 and "msyncd_info" in got.text

    until(answered)
    consoles.edit("site1.yaml", "metrics: {public: true}\n", "")
    until(lambda: not answered())


@pytest.mark.parametrize("site", [1, 2])
def test_health_needs_no_log_in(consoles: Consoles, site: int) -> None:
    assert requests.get(f"{consoles.url(site)}/healthz", timeout=20).json() == {"ok": True}
    assert requests.get(f"{consoles.url(site)}/readyz", timeout=20).json() == {"ready": True}


def test_a_plugin_adds_figures_and_pages_anew_after_each_reload_and_spoils_nothing(consoles: Consoles) -> None:
    consoles.write("stock_plugin.py", PLUGIN)
    line = "plugins: [{module: stock_plugin.py, settings: {broken: false}}]"
    consoles.edit("site1.yaml", "record_types: [types.yaml]", f"record_types: [types.yaml]\n{line}")
    until(lambda: "stock_items 3.0" in metrics(consoles) and "stock_sound 1.0" in metrics(consoles))
    got = requests.get(f"{consoles.url(1)}/stock", timeout=20)
    assert (got.status_code, got.text) == (200, "hello")
    assert got.headers["content-security-policy"].startswith("default-src 'none'")
    taken = requests.get(f"{consoles.url(1)}/sites", timeout=20)
    assert taken.url.endswith("/login?next=/sites"), "a plugin cannot take one of the console's pages"

    consoles.edit("site1.yaml", "settings: {broken: false}", "settings: {broken: true, word: again}")
    until(lambda: requests.get(f"{consoles.url(1)}/stock", timeout=20).text == "again")
    page = metrics(consoles)
    assert "msyncd_database_up 1.0" in page
    assert "stock_items" not in page
    until(lambda: "a plugin's figures cannot be read" in consoles.log(1))
    consoles.edit("site1.yaml", "\nplugins: [{module: stock_plugin.py, settings: {broken: true, word: again}}]", "")
    until(lambda: requests.get(f"{consoles.url(1)}/stock", timeout=20).status_code == 404)
