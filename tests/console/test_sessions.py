"""Log-ins: sessions end when they should, and whoever guesses waits."""

from dataclasses import replace

import pytest

from msyncd.console.entry import Entry
from msyncd.console.limits import Limits
from msyncd.console.sessions import SESSION_SECONDS, Sessions
from msyncd.errors import LoginRefused
from msyncd.settings.values import User
from msyncd.wire.login import FREE_FAILURES, SITE_FREE_FAILURES, LoginBackedOff
from tests.console.conftest import PASSWORDS, quick_hash
from tests.wire.conftest import Clock

AMARA = User("amara", quick_hash(PASSWORDS["amara"]), "change")
BEN = User("ben", quick_hash(PASSWORDS["ben"]), "look")


class Users(dict[str, User]):
    def __init__(self) -> None:
        super().__init__(amara=AMARA, ben=BEN)


def test_a_session_is_found_by_its_token_only() -> None:
    sessions = Sessions(Clock())
    token = sessions.begin(AMARA)
    found = sessions.find(token, Users().get)
    assert found is not None
    assert found[1] is AMARA
    assert sessions.find(token[:-1], Users().get) is None
    assert sessions.find("", Users().get) is None
    assert sessions.find("\udcff", Users().get) is None


def test_it_ends_at_log_out_after_a_working_day_and_with_the_password() -> None:
    clock, users = Clock(), Users()
    sessions = Sessions(clock)
    out, late, changed, gone = (sessions.begin(AMARA) for _ in range(4))
    sessions.end(out)
    assert sessions.find(out, users.get) is None
    users["amara"] = replace(AMARA, password_hash=quick_hash("another"))
    assert sessions.find(changed, users.get) is None
    users["amara"] = AMARA
    assert sessions.find(changed, users.get) is None  # what has ended stays so
    users.pop("amara")
    assert sessions.find(gone, users.get) is None
    users["amara"] = AMARA
    clock.now += SESSION_SECONDS - 1
    assert sessions.find(late, users.get) is not None
    clock.now += 1
    assert sessions.find(late, users.get) is None


def test_another_role_counts_at_once() -> None:
    users = Users()
    sessions = Sessions(Clock())
    token = sessions.begin(AMARA)
    users["amara"] = replace(AMARA, role="look")
    found = sessions.find(token, users.get)
    assert found is not None
    assert found[1].role == "look"


def test_sessions_are_bounded() -> None:
    sessions = Sessions(Clock())
    first = sessions.begin(AMARA)
    last = [sessions.begin(BEN) for _ in range(1000)][-1]
    assert sessions.find(first, Users().get) is None
    assert sessions.find(last, Users().get) is not None


# --- the door ---------------------------------------------------------------------------------------------------------


def wrong(entry: Entry, name: str = "amara", address: str = "10.0.0.1") -> float | None:
    """A wrong password; how long the next try has to wait."""
    with pytest.raises(LoginRefused) as refused:
        entry.check(address, name, "no")
    return refused.value.retry_after


def test_five_wrong_passwords_are_free_then_each_waits_longer() -> None:
    clock = Clock()
    entry = Entry(Users().get, Limits(clock))
    assert [wrong(entry) for _ in range(FREE_FAILURES)] == [None] * FREE_FAILURES
    waits = []
    for _ in range(4):
        waits.append(wrong(entry))
        with pytest.raises(LoginBackedOff):
            entry.check("10.0.0.1", "amara", PASSWORDS["amara"])
        clock.now += waits[-1] or 0
    assert waits == [1, 2, 4, 8]
    assert entry.check("10.0.0.1", "amara", PASSWORDS["amara"]) is AMARA
    assert wrong(entry) is None  # forgiven


def test_a_name_that_does_not_exist_is_answered_like_one_that_does() -> None:
    entry = Entry(Users().get, Limits(Clock()))
    assert [wrong(entry, "nobody") for _ in range(7)] == [wrong(entry, "amara", "10.0.0.2") for _ in range(7)]


def test_guessing_from_everywhere_waits_too_but_not_who_was_in_from_here() -> None:
    entry = Entry(Users().get, Limits(Clock()))
    entry.check("10.0.0.9", "amara", PASSWORDS["amara"])
    for number in range(SITE_FREE_FAILURES + 1):
        wrong(entry, address=f"10.1.0.{number}")
    with pytest.raises(LoginBackedOff):
        entry.check("10.2.0.1", "amara", PASSWORDS["amara"])
    assert entry.check("10.0.0.9", "amara", PASSWORDS["amara"]) is AMARA


def test_trying_many_names_from_one_address_waits_too() -> None:
    entry = Entry(Users().get, Limits(Clock()))
    for number in range(SITE_FREE_FAILURES + 1):
        wrong(entry, f"name {number}")
    with pytest.raises(LoginBackedOff):
        entry.check("10.0.0.1", "ben", PASSWORDS["ben"])
    assert entry.check("10.0.0.2", "ben", PASSWORDS["ben"]) is BEN


def test_what_is_far_too_long_is_not_even_hashed() -> None:
    entry = Entry(lambda _name: pytest.fail("it was looked up"), Limits(Clock()))
    with pytest.raises(LoginRefused):
        entry.check("10.0.0.1", "amara", "x" * 10_000)
