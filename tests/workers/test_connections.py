"""Connections of daemons on PostgreSQL: few, none held while somebody waits, and replaced when they were ended."""

import threading
import time

import pytest

from tests.workers.conftest import Country, until

FEW = 14
"""Eight readers, one writer, one that looks out, one that listens, and what is on its way."""


SLOW: float = 3.0
"""Seconds that a slow peer takes for each piece of a request; a transaction takes less also on a busy machine."""


def test_none_is_held_during_a_long_poll_or_while_a_slow_peer_sends(country: Country) -> None:
    country.start(1)
    site = country.satellite(2)
    satellite, client = site.satellite, site.client
    assert satellite is not None
    assert client is not None
    satellite.cycle()
    waiting = satellite.waiting(20.0)
    polls = [threading.Thread(target=client.wait, args=(waiting,)) for _ in range(30)]
    for one in polls:
        one.start()
    for number in range(20):
        country.stock(2, f"a{number}", number)
    slow = threading.Thread(target=satellite.cycle)
    country.balancer.pause = SLOW
    slow.start()
    while slow.is_alive():
        assert max(country.transaction_ages(), default=0.0) < SLOW - 0.5
        time.sleep(0.05)
    assert len(country.connections()) <= FEW
    country.balancer.pause = 0.0
    country.db[1].execute("INSERT INTO item VALUES ('i1', 'ends the polls')")
    for one in polls:
        one.join(30)
    assert not any(one.is_alive() for one in polls)
    assert len(country.rows(1, "stock")) == 20
    site.close()


@pytest.mark.timeout(300)
def test_a_database_that_ends_its_connections_under_load_is_picked_up_again(country: Country) -> None:
    country.start(1)
    country.start_satellites()
    until("the satellites are filled", lambda: all(country.rows(site, "store") for site in country.satellites), 60)
    until("their stores are theirs", lambda: all(country.may_write(site) for site in country.satellites), 60)
    ended = 0
    for number in range(60):
        for site in country.satellites:
            country.stock(site, f"{site}-{number}", number)
        country.db[1].execute("INSERT INTO item VALUES (?, 'new')", (f"i{number}",))
        if number % 10 == 5:
            ended += country.end_connections()
        time.sleep(0.05)
    assert ended > 6
    for site in country.satellites:
        mine = f"store_id = 's{site}' AND id <> 'mine{site}'"
        until("all has arrived", lambda mine=mine: len(country.rows(1, "stock", mine)) == 60, 90)  # type: ignore[misc]
        assert country.rows(1, "stock", mine) == country.rows(site, "stock", mine)
        until("items have arrived", lambda site=site: country.rows(site, "item") == country.rows(1, "item"), 90)  # type: ignore[misc]
    assert all(daemon.poll() is None for daemon in country.running.values())
    assert "Traceback" not in country.log("worker1")
