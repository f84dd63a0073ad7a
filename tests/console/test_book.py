"""What the console remembers: it survives a restart, a broken file, and other processes; and it is bounded."""

import sqlite3
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from msyncd.console import activity
from msyncd.console.activity import Activity
from msyncd.console.book import Book, BookUnavailable
from msyncd.console.history import DAY, History, Sample

NOW = 1_795_564_800
NOON = datetime.fromtimestamp(NOW, UTC)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def at(seconds: int, site: int = 2, records: int = 0) -> Sample:
    return Sample(site, seconds, "ok", 0, None, 0, 0, records_sent=records)


def test_it_is_for_the_daemons_user_alone(book: Book) -> None:
    Activity(book).note("amara", "127.0.0.1", "log in")
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600


def test_activities_come_back_newest_first_and_page_by_page(book: Book) -> None:
    notes = Activity(book, lambda: NOON)
    for number in range(activity.PAGE + 5):
        notes.note("amara", "127.0.0.1", f"retry {number}")
    first = notes.page()
    assert [one.did for one in first[:2]] == [f"retry {activity.PAGE + 4}", f"retry {activity.PAGE + 3}"]
    rest = notes.page(before=first[-1].id)
    assert [one.did for one in rest] == [f"retry {number}" for number in (4, 3, 2, 1, 0)]
    assert {one.at for one in first} == {NOON.isoformat().replace("+00:00", "Z")}


def test_a_search_finds_every_word_wherever_it_stands_and_knows_no_wildcards(book: Book) -> None:
    notes = Activity(book)
    notes.note("amara", "127.0.0.1", "retry 1 of the quarantine")
    notes.note("ben", "command line", "msyncd sync", "100% done")
    assert [one.who for one in notes.page(search="quarantine amara")] == ["amara"]
    assert [one.who for one in notes.page(search="100%")] == ["ben"]
    assert notes.page(search="a%a") == []
    assert notes.page(search="sync_now") == []


def test_the_oldest_activities_go(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "KEPT", 10)
    notes = Activity(book)
    for number in range(25):
        notes.note("amara", "x", str(number))
    assert [one.did for one in notes.page()] == [str(number) for number in range(24, 14, -1)]


def test_nobody_is_kept_from_acting_because_it_cannot_be_noted(tmp_path: Path) -> None:
    with capture_logs() as logs:
        Activity(Book(tmp_path / "gone")).note("amara", "x", "log in")
    assert [(one["event"], one["who"]) for one in logs] == [("an activity could not be noted", "amara")]


def test_a_damaged_file_is_put_aside_and_begun_anew(book: Book) -> None:
    notes = Activity(book)
    notes.note("amara", "x", "log in")
    book.path.write_bytes(b"this is no database" * 100)
    with capture_logs() as logs:
        notes.note("ben", "x", "log in")
    assert [one.who for one in notes.page()] == ["ben"]
    assert book.path.with_suffix(".broken").read_bytes().startswith(b"this is no database")
    assert "damaged" in logs[0]["event"]


def test_a_file_that_is_only_busy_is_not_taken_for_a_damaged_one(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msyncd.console.book._BUSY_SECONDS", 0.05)
    notes = Activity(book)
    notes.note("amara", "x", "log in")
    other = sqlite3.connect(book.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BookUnavailable, match="locked"):
        book.write(("DELETE FROM activity", [()]))
    other.execute("ROLLBACK")
    other.close()
    assert [one.who for one in notes.page()] == ["amara"]


def test_many_threads_write_at_once(book: Book) -> None:
    def write(who: str) -> None:
        for number in range(20):
            Activity(Book(book.path.parent)).note(who, "x", str(number))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.read("SELECT id FROM activity")) == 80


def test_a_file_that_is_taken_away_is_made_again(book: Book) -> None:
    notes = Activity(book)
    notes.note("amara", "x", "log in")
    book.path.unlink()
    notes.note("ben", "x", "log in")
    assert [one.who for one in notes.page()] == ["ben"]


# --- history ----------------------------------------------------------------------------------------------------------


def test_samples_of_the_last_days_come_back_oldest_first(book: Book) -> None:
    history = History(book, lambda: NOW)
    history.keep([at(NOW - 3 * DAY), at(NOW - 600), at(NOW), at(NOW, site=3)])
    assert [one.at for one in history.of(2)] == [NOW - 600, NOW]
    assert sorted(history.all(7)) == [2, 3]


def test_after_two_days_one_sample_an_hour_stays_the_last_so_that_counters_lose_nothing(book: Book) -> None:
    old = NOW - 3 * DAY - NOW % 3600
    History(book, lambda: old + 3600).keep(at(old + step, records=step) for step in range(0, 7200, 300))
    History(book, lambda: NOW).keep([at(NOW - DAY), at(NOW - DAY + 300)])
    kept = History(book, lambda: NOW).of(2, 30)
    assert [one.at for one in kept] == [old + 3300, old + 6900, NOW - DAY, NOW - DAY + 300]
    assert [one.records_sent for one in kept[:2]] == [3300, 6900]


def test_after_thirty_days_nothing_stays(book: Book) -> None:
    History(book, lambda: NOW - 31 * DAY).keep([at(NOW - 31 * DAY)])
    history = History(book, lambda: NOW)
    history.keep([at(NOW)])
    assert [one.at for one in history.of(2, 40)] == [NOW]


def test_a_month_stays_small(book: Book) -> None:
    """Every five minutes for two days, every hour before: 16 times fewer rows than were taken."""
    for day in range(29, -1, -1):
        now = NOW - day * DAY
        History(book, lambda now=now: now).keep(  # type: ignore[misc]  # the default binds the time
            at(now - step, site=site) for site in (2, 3) for step in range(0, DAY, 300)
        )
    History(book, lambda: NOW).keep([])
    rows = book.read("SELECT count(*) FROM history WHERE site = 2")[0][0]
    assert 24 * 27 <= rows <= 24 * 30 + 2 * 288 + 24
