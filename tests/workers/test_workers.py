"""A primary as several workers: what one knows all know, and one that dies costs its callers a retry."""

import threading
import time

import msgspec
import psycopg
import pytest
import requests

from msyncd.databases.postgresql.locking import LEADING, WRITING
from msyncd.errors import PeerUnreachable
from msyncd.flow.conversation import Pull
from msyncd.wire.client import PrimaryClient
from msyncd.wire.codec import encode
from tests.servers import ADVISORY_HERE
from tests.workers.conftest import Country, until


def _client(port: int) -> PrimaryClient:
    return PrimaryClient(f"http://127.0.0.1:{port}", "sync", lambda: "hunter2hunter2")


def test_a_token_of_one_worker_holds_at_every_other(country: Country) -> None:
    country.start(1, 2)
    site = country.satellite(2)
    assert site.satellite is not None
    site.satellite.peer = _client(country.ports[0])
    site.satellite.cycle()
    hello = site.satellite.spoken()
    welcome = _client(country.ports[0]).hello(hello)
    pull = Pull(welcome.pushed, "", 20, hello.database_id, hello.generation, welcome.facts_number)
    for port in country.ports[:2] * 2:
        answer = requests.post(
            f"http://127.0.0.1:{port}/sync/v1/pull",
            data=encode(pull),
            headers={"Authorization": f"Bearer {welcome.token}", "Content-Type": "application/vnd.msyncd+msgpack"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.content
        assert msgspec.msgpack.decode(answer.content)["level"] is not None
    site.close()


def test_p14_cycles_that_go_to_another_worker_each_time_apply_once(country: Country) -> None:
    country.start(1, 2, 3)
    site = country.satellite(2)
    assert site.satellite is not None
    for number in range(9):
        country.stock(2, f"a{number}", number) if number else None
        country.db[1].execute("INSERT INTO item VALUES (?, 'new')", (f"i{number}",))
        country.balancer.hang_up()
        until("what was committed can be read", lambda n=number: _cycled(country, site.satellite, n))  # type: ignore[misc]
    assert len(set(country.balancer.taken)) == 3
    assert country.rows(1, "stock") == country.rows(2, "stock")
    assert len(country.rows(1, "stock")) == 8
    site.close()


def _cycled(country: Country, satellite: object, number: int) -> bool:
    """A cycle; whether the newest item is there by now: others may hold up what can be read for a moment."""
    satellite.cycle()  # type: ignore[attr-defined]
    return len(country.rows(2, "item")) == number + 1


@pytest.mark.parametrize("when", ["before the commit", "before the reply"])
def test_p14_a_worker_that_is_killed_in_a_batch_costs_its_caller_one_retry(country: Country, when: str) -> None:
    country.start(1, 2)
    country.balancer.ports = country.ports[:1]
    site = country.satellite(2)
    satellite = site.satellite
    assert satellite is not None
    satellite.cycle()
    for number in range(50):
        country.stock(2, f"a{number}", number)
    failed: list[BaseException] = []

    def cycle() -> None:
        try:
            satellite.cycle()
        except PeerUnreachable as error:
            failed.append(error)

    with psycopg.connect(country.url, autocommit=True) as other:
        pushing = threading.Thread(target=cycle)
        if when == "before the commit":
            other.execute("SELECT pg_advisory_lock(%s::integer, %s::integer)", WRITING)
            pushing.start()
            waits = f"SELECT 1 FROM pg_locks WHERE {ADVISORY_HERE} AND objid = %s AND NOT granted"
            until("the batch waits for the lock", lambda: other.execute(waits, WRITING[1:]).fetchall())
        else:
            country.balancer.swallow.set()
            pushing.start()
            until("the batch is committed", lambda: len(country.rows(1, "stock")) == 20)  # a first batch
        country.kill(1)
        country.balancer.ports = country.ports[1:2]
        pushing.join(90)
    assert len(failed) == 1
    assert len(country.rows(1, "stock")) == (0 if when == "before the commit" else 20)
    country.balancer.swallow.clear()
    satellite.forget_hello()
    satellite.cycle()
    assert country.rows(1, "stock") == country.rows(2, "stock")
    with psycopg.connect(country.url) as other:
        kept = other.execute("SELECT count(*) FROM msyncd.msyncd_quarantine").fetchone()
    assert kept == (0,)
    site.close()


def test_p26_a_change_that_came_through_one_worker_ends_a_long_poll_at_another(country: Country) -> None:
    country.configure(site3="S2")  # what site 2 writes is for site 3 too
    country.start(1, 2)
    sites = {number: country.satellite(number) for number in (2, 3)}
    first, second = sites[2].satellite, sites[3].satellite
    assert first is not None
    assert second is not None
    first.peer, second.peer = _client(country.ports[0]), _client(country.ports[1])
    second.cycle()
    for _ in range(2):
        first.cycle()
        second.cycle()
    answers: list[tuple[bool, float]] = []

    def wait() -> None:
        waiting = second.waiting(30.0)
        answers.append((second.peer.wait(waiting).news, time.monotonic()))

    poll = threading.Thread(target=wait)
    poll.start()
    time.sleep(1.0)
    assert answers == []
    country.stock(2, "a", 1)
    first.cycle()
    pushed = time.monotonic()
    poll.join(60)
    assert [news for news, _ in answers] == [True]
    assert answers[0][1] - pushed < 8.0, "it was only asked again after a while"
    second.cycle()
    assert [row[0] for row in country.rows(3, "stock")] == ["a"]
    for one in sites.values():
        one.close()


def test_an_edit_of_the_configuration_reaches_all_workers(country: Country) -> None:
    country.start(1, 2, 3)
    sites = [country.satellite(number) for number in (2, 3)]
    for _ in range(2):
        for site in sites:
            assert site.satellite is not None
            site.satellite.cycle()
        if not country.rows(2, "stock"):
            country.stock(2, "a", 1)
    country.configure(site3="S2")
    for number in (1, 2, 3):
        until(
            f"worker {number} has taken the edit in",
            lambda number=number: "the edited configuration is in force" in country.log(f"worker{number}"),  # type: ignore[misc]
        )
    for port in country.ports:
        country.balancer.ports = [port]
        country.balancer.hang_up()
        satellite = sites[1].satellite
        assert satellite is not None
        satellite.forget_hello()
        satellite.cycle()
        assert [row[0] for row in country.rows(3, "stock")] == ["a"]
    noted = country.db[1].execute("SELECT value FROM msyncd.msyncd_meta WHERE name = 'facts_number'")
    assert noted == [("2",)], "several workers have made facts of the same edit"
    for site in sites:
        site.close()


def test_chores_are_done_by_one_and_by_another_when_that_is_killed(country: Country) -> None:
    country.start(1, 2)

    def leaders() -> list[int]:
        sql = f"SELECT pid FROM pg_locks WHERE {ADVISORY_HERE} AND objid = ? AND granted"
        return [pid for (pid,) in country.db[1].execute(sql, LEADING[1:])]

    until("one leads", leaders)
    time.sleep(1.0)
    (first,) = leaders()
    country.kill(_worker_of(country, first))
    until("another leads", lambda: leaders() not in ([first], []))
    assert len(leaders()) == 1


def _worker_of(country: Country, pid: int) -> int:
    """Which worker has this connection: the one whose process has the port at its end."""
    ((port,),) = country.db[1].execute("SELECT client_port FROM pg_stat_activity WHERE pid = ?", (pid,))
    wanted = f":{port:04X}"
    for number in (1, 2):
        process = country.running[f"worker{number}"].pid
        with open(f"/proc/{process}/net/tcp", encoding="ascii") as lines:  # noqa: PTH123 - a line at a time
            inodes = {line.split()[9] for line in lines if line.split()[1].endswith(wanted)}
        if inodes & _sockets(process):
            return number
    raise AssertionError(f"nobody has port {port}")


def _sockets(process: int) -> set[str]:
    from pathlib import Path

    found = set()
    for handle in Path(f"/proc/{process}/fd").iterdir():
        target = str(handle.readlink())
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def test_workers_with_one_configuration_share_a_port_and_a_state_directory(country: Country) -> None:
    port = country.ports[0]
    country.start(1, 2, 3, port=port)
    country.balancer.ports = [port]
    site = country.satellite(2)
    assert site.satellite is not None
    site.satellite.cycle()
    for number in (1, 2, 3):
        country.stock(2, f"a{number}", number)
        site.satellite.cycle()
        country.kill(number)
        country.balancer.hang_up()
        site.satellite.forget_hello()
        if number < 3:
            until("another answers", lambda: _answers(port))
    assert [row[0] for row in country.rows(1, "stock")] == ["a1", "a2", "a3"]
    site.close()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
