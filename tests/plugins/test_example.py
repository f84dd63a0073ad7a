"""example.py does what its comments say."""

from pathlib import Path

from msyncd.model import Changes, RecordType, Refuse
from msyncd.plugins import Plugins
from tests.plugins.support import Listed, nothing_here

LINE = RecordType("item_line", "item_line", ("ID",), ("ID", "available"), "active_site", "sites_of_store", "store_ID")


def test_stock_below_zero_is_refused(tmp_path: Path) -> None:
    plugins, problems = Plugins.load([Listed("example", tmp_path)])
    assert problems == []
    changes = Changes(LINE, [("a",), ("b",), ("c",)], [("a", -1), ("b", 2.5), None])
    checked = plugins.check(LINE, changes, nothing_here(changes), 2)
    assert {at: decision.verdict for at, decision in checked.decisions.items()} == {0: Refuse("-1 packs is below zero")}
