"""Plots are right before they are pretty: every record that moved is in one bar, and they say themselves in words."""

import re
from xml.etree import ElementTree as ET

from msyncd.console import plots
from msyncd.console.history import DAY, Sample

NOW = 1_795_564_800.0


def samples(*of: tuple[int, int, int], state: str = "ok") -> list[Sample]:
    """(seconds ago, records sent, records received): counters as the daemon has them."""
    return [Sample(2, int(NOW) - ago, state, 4, None, 0, 0, sent, received) for ago, sent, received in of]


def test_what_moved_is_the_growth_of_the_counters() -> None:
    parts = plots.slots(samples((7200, 10, 0), (3600, 30, 5), (60, 30, 9)), now=NOW, days=1, number=24)
    assert sum(one.sent for one in parts) == 30
    assert sum(one.received for one in parts) == 9
    assert [one.sent for one in parts[-3:]] == [0, 10, 20]


def test_a_restarted_daemon_begins_to_count_at_0() -> None:
    parts = plots.slots(samples((7200, 500, 0), (3600, 40, 0)), now=NOW, days=1, number=24)
    assert sum(one.sent for one in parts) == 540


def test_what_moved_before_the_first_day_is_not_counted_in_it() -> None:
    parts = plots.slots(samples((DAY + 200, 9_000, 0), (3600, 9_007, 0)), now=NOW, days=1, number=24)
    assert sum(one.sent for one in parts) == 7
    parts = plots.slots(samples((DAY - 60, 9_000, 0)), now=NOW, days=1, number=24)
    assert sum(one.sent for one in parts) == 0


def test_no_samples_no_bars() -> None:
    parts = plots.slots([], now=NOW, days=1, number=24)
    for plot in (plots.moved(parts), plots.stood(parts), plots.states(parts)):
        assert "<rect" not in plot
    assert 'aria-label="state: not known"' in plots.states(parts)


def test_each_plot_is_well_formed_bounded_and_says_itself() -> None:
    parts = plots.slots(samples((7200, 1000, 3), (3600, 1001, 9)), now=NOW, days=1, number=48)
    plot = plots.moved(parts)
    assert 'aria-label="1,001 records sent and 9 records received; most at once 1,000"' in plot
    for one in (plot, plots.stood(parts), plots.states(parts)):
        svg = ET.fromstring(one)
        for rect in svg.iter("rect"):
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + width <= plots.WIDTH * 1.01
            assert y >= 0
            assert y + height <= plots.HEIGHT + 0.1
    assert "style=" not in plot  # the console's policy would not apply it


def test_states_are_told_in_their_order() -> None:
    past = [*samples((7200, 0, 0)), *samples((5400, 0, 0), state="late"), *samples((3600, 0, 0))]
    plot = plots.states(plots.slots(past, now=NOW, days=1, number=48))
    assert 'aria-label="state: ok, then late, then ok"' in plot
    assert re.findall(r'class="(state-\w+)"', plot) == ["state-ok", "state-late", "state-ok"]
