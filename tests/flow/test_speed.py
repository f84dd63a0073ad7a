"""The primary knows how fast records reach each site: by how soon the site asks for more."""

from pathlib import Path

from msyncd.flow.pace import MOST, Speedometer
from msyncd.testing import Sites
from tests.flow.support import stock_sites


class Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_between_a_reply_and_the_next_pull_tells_the_speed() -> None:
    watch = Watch()
    speed = Speedometer(watch)
    assert speed.asked(2) is None
    speed.replied(2, 100)
    watch.now = 4.0
    assert speed.asked(2) == 50, "100 records took 4 s, so 50 would take 2"
    speed.replied(2, 100)
    watch.now = 5.0
    assert speed.asked(2) == 125, "the newest counts half"
    assert speed.asked(3) is None


def test_small_batches_and_long_silences_tell_nothing() -> None:
    watch = Watch()
    speed = Speedometer(watch)
    speed.replied(2, 19)
    watch.now = 1.0
    assert speed.asked(2) is None
    speed.replied(2, 1000)
    watch.now = 100.0
    assert speed.asked(2) is None
    speed.replied(2, 10**9)
    watch.now = 101.0
    assert speed.asked(2) == MOST
    watch.now = 102.0
    assert speed.asked(2) == MOST, "it is still known when nothing new was sent"


def test_it_is_kept_in_the_ledger_once_a_site_was_filled(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?)", [(f"x-{n}", f"X{n}", "x") for n in range(500)]
        )
        sites.sync(2)
        size = sizes(sites)[2]
        assert isinstance(size, int)
        assert size > 20
        sites.primary.restart()
        sites.primary.write("INSERT INTO item VALUES ('y', 'Y', 'y')")
        sites.sync(2)
        assert sizes(sites)[2] == size


def sizes(sites: Sites) -> dict[object, object]:
    return {row[0]: row[1] for row in sites.primary.rows("msyncd_site", "sync_id, batch_size")}
