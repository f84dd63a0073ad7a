"""Log-ins that hold at every worker: two of them over one database, which may be away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from msyncd.console.filling import Meant
from msyncd.console.pending import Pending, opened, sealed
from msyncd.console.sessions import MOST, SESSION_SECONDS, Session
from msyncd.console.shared import AWAY_SECONDS, Shared, SharedLimits, SharedSessions
from msyncd.databases import open_database
from msyncd.databases.interface import Database
from msyncd.settings.editing import AddSite, RemoveSite, Set, SetSite, Unset, UnsetSite
from msyncd.testing import Sites
from msyncd.wire.login import FREE_FAILURES, SITE_FREE_FAILURES, LoginBackedOff
from tests.console.test_sessions import AMARA, BEN, Users
from tests.flow.support import SCHEMA, TYPES
from tests.wire.conftest import Clock

MEANT = Meant(
    (
        Set("sync.interval", 5),
        Unset("sync.live"),
        AddSite({"sync_id": 4, "active_stores": ["DOR"]}),
        RemoveSite(3),
        SetSite(2, "name", "Bumban"),
        UnsetSite(2, "url"),
    ),
    (Path("secrets/site4"), "hunter2 in clear"),
)
PENDING = Pending("a key", "this site", "the digest", MEANT)


@dataclass
class Worker:
    """The console's log-ins of one process."""

    sessions: SharedSessions
    limits: SharedLimits
    clock: Clock

    def find(self, token: str, users: Users | None = None) -> Session | None:
        found = self.sessions.find(token, (users or Users()).get)
        return found[0] if found is not None else None


class Workers:
    """Two of them. `wall` is the time of day; each has a clock of its own besides."""

    def __init__(self, database: Database) -> None:
        self.there, self.wall = database, Clock()
        self.wall.now = 1_800_000_000.0
        self.ledger: Database | None = database
        self.nowhere = open_database("postgresql://127.0.0.1:1/nowhere")
        self.first, self.second = self._worker(5.0), self._worker(99_000.0)

    def _worker(self, started: float) -> Worker:
        clock = Clock()
        clock.now = started
        shared = Shared(lambda: self.ledger, clock)
        sessions = SharedSessions(clock, shared, wall=self.wall)
        return Worker(sessions, SharedLimits(clock, shared, wall=self.wall), clock)

    def away(self, *, away: bool = True) -> None:
        """The database goes, or comes back."""
        self.ledger = self.nowhere if away else self.there
        if not away:
            self.wait(AWAY_SECONDS)

    def wait(self, seconds: float) -> None:
        for clock in (self.wall, self.first.clock, self.second.clock):
            clock.now += seconds

    def rows(self, table: str) -> list[tuple[object, ...]]:
        with self.there.read() as reader:
            return reader.execute(f"SELECT * FROM {table}")  # type: ignore[return-value]  # a Row is one


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with Sites(schema=SCHEMA, record_types=TYPES, folder=tmp_path) as sites:
        yield Workers(sites.primary.here.database)


def test_a_log_in_at_one_holds_at_the_other_and_its_log_out_too(workers: Workers) -> None:
    token = workers.first.sessions.begin(AMARA)
    here, there = workers.first.find(token), workers.second.find(token)
    assert here is not None
    assert there is not None
    assert (there.user, there.csrf) == (here.user, here.csrf)
    assert workers.second.find(token[:-1]) is None
    assert workers.second.find("\udcff") is None
    workers.second.sessions.end(token)
    assert workers.first.find(token) is None
    assert workers.second.find(token) is None
    assert workers.rows("msyncd_console_session") == []


def test_what_is_said_and_what_awaits_a_word_is_there_at_the_other(workers: Workers) -> None:
    token = workers.first.sessions.begin(AMARA)
    session = workers.first.find(token)
    assert session is not None
    session.say("saved", "good")
    session.pending = PENDING
    workers.first.sessions.keep(token, session)
    there = workers.second.find(token)
    assert there is not None
    assert there.pending == PENDING
    assert there.take_said() == [("good", "saved")]
    workers.second.sessions.keep(token, there)
    again = workers.first.find(token)
    assert again is not None
    assert again.take_said() == []
    again.pending = None
    workers.first.sessions.keep(token, again)
    there = workers.second.find(token)
    assert there is not None
    assert there.pending is None


def test_nothing_that_opens_anything_stands_in_the_database(workers: Workers) -> None:
    token = workers.first.sessions.begin(AMARA)
    session = workers.first.find(token)
    assert session is not None
    session.pending = PENDING
    workers.first.sessions.keep(token, session)
    tries(workers.first.limits, "a password in the wrong field")
    stands = repr([workers.rows(f"msyncd_console_{one}") for one in ("session", "caller")])
    for secret in (token, session.csrf, AMARA.password_hash, "hunter2", "Bumban", "wrong field", "10.0.0.1"):
        assert secret not in stands


def test_what_is_sealed_is_opened_by_its_own_token_alone() -> None:
    assert opened(sealed(PENDING, "one"), "one") == PENDING
    assert opened(sealed(PENDING, "one"), "other") is None
    assert opened(b"nonsense", "one") is None
    plain = replace(PENDING, meant=Meant((Unset("sync.live"),)))
    assert opened(sealed(plain, "one"), "one") == plain


def test_it_ends_everywhere_with_the_day_and_with_the_password(workers: Workers) -> None:
    users = Users()
    late, changed = workers.first.sessions.begin(AMARA), workers.first.sessions.begin(AMARA)
    assert workers.second.find(changed, users) is not None
    users["amara"] = replace(AMARA, password_hash="another")
    assert workers.second.find(changed, users) is None
    assert workers.first.find(changed) is None  # though this one has not read the new file yet
    users["amara"] = replace(AMARA, role="look")
    found = workers.second.sessions.find(late, users.get)
    assert found is not None
    assert found[1].role == "look"
    workers.wait(SESSION_SECONDS - 2)
    assert workers.second.find(late) is not None
    workers.wait(2)
    assert workers.second.find(late) is None
    assert workers.first.find(late) is None


def test_they_are_bounded_and_old_ones_are_removed(workers: Workers) -> None:
    with workers.there.write() as writer:
        writer.insert(
            "msyncd_console_session",
            [
                {"id": str(n), "name": "x", "credential": "", "ends": int(workers.wall.now) + n, "said": "[]"}
                for n in range(-5, MOST + 3)
            ],
        )
    token = workers.first.sessions.begin(BEN)
    assert len(workers.rows("msyncd_console_session")) == MOST
    assert workers.second.find(token) is not None


def test_while_the_database_is_away_each_worker_goes_by_what_it_knows(workers: Workers) -> None:
    seen, unseen = workers.first.sessions.begin(AMARA), workers.second.sessions.begin(BEN)
    workers.away()
    assert workers.first.find(seen) is not None
    assert workers.first.find(unseen) is None
    meanwhile = workers.first.sessions.begin(BEN)
    session = workers.first.find(meanwhile)
    assert session is not None
    session.say("done")
    workers.first.sessions.keep(meanwhile, session)
    workers.first.sessions.end(seen)
    assert workers.first.find(seen) is None
    assert workers.second.find(meanwhile) is None
    workers.away(away=False)
    kept = workers.first.find(meanwhile)
    assert kept is not None
    workers.first.sessions.keep(meanwhile, kept)
    there = workers.second.find(meanwhile)
    assert there is not None
    assert there.take_said() == [("good", "done")]
    assert workers.second.find(seen) is None
    assert workers.first.find(unseen) is not None


def test_a_database_that_does_not_answer_is_not_asked_by_every_page(workers: Workers) -> None:
    token = workers.first.sessions.begin(AMARA)
    asked: list[Database] = []

    def ledger() -> Database:
        asked.append(workers.nowhere)
        return workers.nowhere

    shared = Shared(ledger, workers.first.clock)
    sessions = SharedSessions(workers.first.clock, shared, wall=workers.wall)
    for _ in range(10):
        assert sessions.find(token, Users().get) is None
    before = len(asked)
    assert before <= 2
    workers.wait(AWAY_SECONDS)
    sessions.find(token, Users().get)
    assert len(asked) > before


# --- guessing ---------------------------------------------------------------------------------------------------------


def tries(limits: SharedLimits, name: str = "amara", address: str = "10.0.0.1") -> float:
    """How long a try has to wait; 0 if it was let through, and was wrong."""
    try:
        limits.begin(address, name)
    except LoginBackedOff as error:
        return error.retry_after or 0
    return 0


def test_wrong_passwords_are_counted_by_all_workers_together(workers: Workers) -> None:
    for number in range(FREE_FAILURES + 1):
        assert tries((workers.first, workers.second)[number % 2].limits) == 0
    assert tries(workers.first.limits) == pytest.approx(1, abs=0.01)
    assert tries(workers.second.limits) == pytest.approx(1, abs=0.01)
    assert tries(workers.second.limits, "ben") == 0
    workers.wait(1.01)
    assert tries(workers.second.limits) == 0
    assert tries(workers.first.limits) == pytest.approx(2, abs=0.01)
    workers.wait(2.01)
    assert workers.first.limits.begin("10.0.0.1", "amara") == pytest.approx(4, abs=0.01)
    workers.first.limits.succeeded("10.0.0.1", "amara")
    assert tries(workers.second.limits) == 0  # forgiven


def test_who_was_in_from_here_is_let_in_at_any_worker_while_others_guess(workers: Workers) -> None:
    workers.first.limits.begin("10.0.0.9", "amara")
    workers.first.limits.succeeded("10.0.0.9", "amara")
    for number in range(SITE_FREE_FAILURES + 1):
        tries((workers.first, workers.second)[number % 2].limits, address=f"10.1.0.{number}")
    assert tries(workers.second.limits, address="10.2.0.1") > 0
    assert tries(workers.second.limits, address="10.0.0.9") == 0


def test_guessing_waits_too_while_the_database_is_away(workers: Workers) -> None:
    workers.away()
    waits = [tries(workers.first.limits) for _ in range(FREE_FAILURES + 2)]
    assert waits[-1] == pytest.approx(1)
    assert waits[:-1] == [0] * (FREE_FAILURES + 1)


def test_callers_are_forgotten_by_and_by(workers: Workers) -> None:
    tries(workers.first.limits)
    workers.first.limits.begin("10.0.0.9", "amara")
    workers.first.limits.succeeded("10.0.0.9", "amara")
    workers.wait(3601)
    tries(workers.first.limits, "ben", "10.0.0.2")
    assert len(workers.rows("msyncd_console_caller")) == 3 + 1  # ben's three, and amara who was in
    workers.wait(31 * 86_400)
    tries(workers.first.limits, "ben", "10.0.0.2")
    assert len(workers.rows("msyncd_console_caller")) == 3
