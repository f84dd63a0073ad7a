"""Those who guess wait longer and longer; those who know the password do not."""

import threading

import pytest

from msyncd.errors import LoginRefused, TryLater
from msyncd.wire.login import FREE_FAILURES, LONGEST_WAIT, SITE_FREE_FAILURES, BackOff, Login, LoginBackedOff
from tests.wire.answers import FakeAccounts
from tests.wire.conftest import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts() -> FakeAccounts:
    return FakeAccounts({2: "secret", 3: "other"})


@pytest.fixture
def login(accounts: FakeAccounts, clock: Clock) -> Login:
    return Login(accounts, clock, lambda given: accounts.same(None, given))


def guess(login: Login, times: int, address: str = "10.0.0.1", site: int = 2) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            login.check(address, site, "sync", "wrong")


def test_a_few_failures_are_free_then_each_waits_longer(login: Login, accounts: FakeAccounts, clock: Clock) -> None:
    guess(login, FREE_FAILURES)
    waits = []
    for _ in range(12):
        with pytest.raises(LoginRefused) as caught:
            login.check("10.0.0.1", 2, "sync", "wrong")
        assert caught.value.retry_after is not None
        waits.append(caught.value.retry_after)
        clock.now += caught.value.retry_after
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == LONGEST_WAIT
    assert login.check("10.0.0.1", 2, "sync", "secret").version == "1"
    guess(login, FREE_FAILURES)  # free again after a success


def test_sync_ids_that_no_site_can_have_give_no_free_guesses_of_their_own(login: Login, accounts: FakeAccounts) -> None:
    for site in range(1000, 1100):
        guess(login, 1, site=site)
    guess(login, 1, site=-1)
    assert accounts.checked == FREE_FAILURES + 1
    assert login.check("10.0.0.1", 2, "sync", "secret").version == "1"  # a site at the same address is not concerned


def test_the_slow_hash_does_not_run_while_waiting(login: Login, accounts: FakeAccounts) -> None:
    guess(login, FREE_FAILURES + 1)
    before = accounts.checked
    for _ in range(50):
        with pytest.raises(LoginBackedOff, match="too many"):
            login.check("10.0.0.1", 2, "sync", "secret")
    assert accounts.checked == before


def test_an_unknown_site_costs_as_much_and_says_as_little(login: Login, accounts: FakeAccounts) -> None:
    with pytest.raises(LoginRefused) as unknown:
        login.check("10.0.0.1", 60, "sync", "secret")
    with pytest.raises(LoginRefused) as wrong:
        login.check("10.0.0.1", 2, "sync", "wrong")
    assert unknown.value.what.replace("60", "2") == wrong.value.what
    assert accounts.checked == 2


def test_whoever_is_not_let_in_where_newer_accounts_are_elsewhere_is_to_try_again(
    accounts: FakeAccounts, clock: Clock
) -> None:
    outdated = [True]
    login = Login(accounts, clock, lambda given: accounts.same(None, given), lambda: outdated[0])
    assert login.check("10.0.0.1", 2, "sync", "secret").user_name == "sync"
    for site in (2, 60):  # it does not tell which there are
        with pytest.raises(TryLater, match="older than another's"):
            login.check("10.0.0.2", site, "sync", "wrong")
    assert accounts.checked == 3
    for _ in range(FREE_FAILURES):  # and guessing is no cheaper
        with pytest.raises(TryLater):
            login.check("10.0.0.2", 2, "sync", "wrong")
    with pytest.raises(LoginBackedOff):
        login.check("10.0.0.2", 2, "sync", "wrong")
    outdated[0] = False
    with pytest.raises(LoginRefused):
        login.check("10.0.0.3", 2, "sync", "wrong")


def test_a_wrong_user_name_costs_as_much(login: Login, accounts: FakeAccounts) -> None:
    with pytest.raises(LoginRefused):
        login.check("10.0.0.1", 2, "somebody", "secret")
    assert accounts.checked == 1


def test_guessing_from_many_addresses_is_slowed_but_a_known_site_gets_in(login: Login) -> None:
    login.check("192.0.2.2", 2, "sync", "secret")
    for number in range(SITE_FREE_FAILURES + 1):
        guess(login, 1, address=f"10.0.1.{number}")
    with pytest.raises(LoginBackedOff):
        login.check("10.0.2.1", 2, "sync", "secret")
    assert login.check("192.0.2.2", 2, "sync", "secret").user_name == "sync"  # where it has logged in before
    with pytest.raises(LoginBackedOff):  # which did not end the wait of the others
        login.check("10.0.2.1", 2, "sync", "secret")
    assert login.check("10.0.2.1", 3, "sync", "other").user_name == "sync"  # another site is not concerned


def test_guesses_at_the_same_time_are_not_all_free(login: Login, accounts: FakeAccounts) -> None:
    accounts.seconds = 0.3  # all are in the slow hash before any has failed
    threads = [threading.Thread(target=guess, args=(login, 1)) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert accounts.checked <= FREE_FAILURES + 1


def test_memory_is_bounded(clock: Clock) -> None:
    back_off = BackOff(clock, free=1, remembered=100)
    for number in range(1000):
        back_off.failed(number)
    assert len(back_off) == 100


def test_old_failures_are_forgotten(login: Login, clock: Clock) -> None:
    guess(login, FREE_FAILURES)
    clock.now += 3700
    guess(login, FREE_FAILURES)  # all free: none of them says how long to wait
    assert login.check("10.0.0.1", 2, "sync", "secret").version == "1"
