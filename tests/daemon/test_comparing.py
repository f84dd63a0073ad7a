"""The daemon compares by itself, says what differs, and repairs when it is asked to."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from msyncd.daemon.comparing import BEHIND, Comparisons
from msyncd.daemon.control import ask
from msyncd.daemon.cycling import Cycling
from msyncd.daemon.site import Site
from msyncd.errors import PeerUnreachable
from msyncd.flow.compare.messages import Compare
from tests.daemon.conftest import Country, until
from tests.flow.support import stock_sites


def _behind(country: Country, site: int, statement: str) -> None:
    """A write that no trigger notes."""
    country.db[site].executescript(
        f"BEGIN; INSERT INTO msyncd_applying SELECT id, 1 FROM msyncd_record_type; {statement};"
        " DELETE FROM msyncd_applying; COMMIT"
    )


def _compared(country: Country) -> dict[str, int]:
    rows = country.db[2].execute("SELECT type, differences FROM msyncd_compared").fetchall()
    return dict(rows)


def test_a_difference_is_found_unasked_and_repaired_when_asked(country: Country) -> None:
    country.edit("site2.yaml", "sync:", "compare_every: 0.00001\nsync:")
    for number in range(100):
        country.item(f"i{number:03}")
    country.start(1, 2)
    until(lambda: country.count(2, "item") == 100)
    until(lambda: _compared(country) == {"store": 0, "item": 0, "stock": 0}, 40)
    country.signal(2, signal.SIGTERM)
    assert country.ended(2) == 0
    _behind(country, 2, "UPDATE item SET name = 'another' WHERE ID = 'i050'")
    country.start(2)
    until(lambda: _compared(country)["item"] == 1, 60)
    until(lambda: "records differ from the primary's" in country.log(2))
    lines = list(ask(country.state(2), {"do": "compare", "types": ["item"], "repair": True}) or ())
    assert lines[-1]["result"]["record_types"] == [
        {"record_type": "item", "records": 100, "differences": 0, "moving": 0, "keys": []}
    ]
    assert country.rows(1, "item") == country.rows(2, "item")
    assert dict(country.db[1].execute("SELECT type, differences FROM msyncd_compared WHERE peer = 2"))["item"] == 0


def test_a_site_that_is_being_filled_or_is_far_behind_is_not_compared(tmp_path: Path) -> None:
    """All that it has not got yet would be a difference, and every digest of the primary's would be fetched."""
    with stock_sites(tmp_path, joined=False) as sites:
        satellite = sites[2].satellite
        assert satellite is not None
        satellite.hello()
        site = SimpleNamespace(satellite=satellite)
        cycling = SimpleNamespace(left=0)
        comparing = Comparisons(cast("Site", site), cast("Cycling", cycling))
        comparing.step()
        sites[2].line.fail("pull", "lost request", after=3)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert sites[2].rows("msyncd_pulled", "fill_type") != [("",)]
        comparing.step()
        assert not any(isinstance(message, Compare) for _, message, _ in sites[2].line.messages)
        sites.sync(2)
        for left in (None, BEHIND + 1):  # nor while much is on its way
            cycling.left = left
            comparing.step()
        assert not any(isinstance(message, Compare) for _, message, _ in sites[2].line.messages)
        cycling.left = BEHIND
        for _ in range(20):
            comparing.step()
        names = ("invoice", "item", "line", "name", "patient", "stock", "store")
        assert sorted(sites[2].rows("msyncd_compared", "type, differences")) == [(name, 0) for name in names]
