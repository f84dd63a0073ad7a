"""`msyncd users`: who may log in to the console; the file keeps all else as it was, and no password."""

import json
import threading
from pathlib import Path

import pytest
import requests

from msyncd.settings import load
from msyncd.settings.secrets import verify_password
from msyncd.settings.values import Secret
from tests.commands.support import Country, answer, invoke, run
from tests.commands.test_lock import told
from tests.console.conftest import until
from tests.daemon.conftest import Country as Daemons

PASSWORD = "seven green lemons"


def add(config: Path, name: str, *more: str, password: str = PASSWORD) -> None:
    done = told("users", "add", name, *more, "-c", config, given=f"{password}\n")
    assert done.returncode == 0, done.stderr


def test_a_user_is_added_with_a_hash_and_nothing_else_changes(country: Country) -> None:
    before = country.primary.read_text()
    add(country.primary, "amara", "--role", "change")
    text = country.primary.read_text()
    assert text.startswith(before)
    assert PASSWORD not in text
    (user,) = load(country.primary).settings.console_users
    assert (user.name, user.role) == ("amara", "change")
    assert verify_password(Secret(hash=user.password_hash), PASSWORD)
    assert answer("users", "list", "-c", country.primary) == [{"name": "amara", "role": "change"}]


def test_what_stands_there_keeps_its_comments_and_form(country: Country) -> None:
    add(country.primary, "amara")
    user = load(country.primary).settings.console_users[0]
    lines = [
        "console:  # who looks",
        "  users:",
        "    # the night shift",
        f"    - {{password_hash: '{user.password_hash}', name: amara}}  # since May",
    ]
    head = country.primary.read_text().split("console:")[0]
    country.primary.write_text(head + "\n".join(lines) + "\n")
    add(country.primary, "ben", "--role", "operate")
    text = country.primary.read_text()
    assert text.startswith(head + "\n".join(lines))
    assert [(one.name, one.role) for one in load(country.primary).settings.console_users] == [
        ("amara", "look"),
        ("ben", "operate"),
    ]
    assert invoke("users", "remove", "ben", "-c", country.primary).exit_code == 0
    assert country.primary.read_text() == head + "\n".join(lines) + "\n"


def test_another_password_or_role_for_who_is_there(country: Country) -> None:
    add(country.primary, "amara", "--role", "change")
    add(country.primary, "ben")
    add(country.primary, "amara", password="eight yellow limes")
    amara, ben = load(country.primary).settings.console_users
    assert (amara.name, amara.role, ben.name) == ("amara", "change", "ben")
    assert verify_password(Secret(hash=amara.password_hash), "eight yellow limes")
    add(country.primary, "amara", "--role", "look")
    assert load(country.primary).settings.console_users[0].role == "look"


def test_the_last_one_takes_the_section_along(country: Country) -> None:
    before = country.primary.read_text()
    add(country.primary, "amara")
    assert invoke("users", "remove", "amara", "-c", country.primary).exit_code == 0
    assert country.primary.read_text() == before
    assert "nobody may log in" in invoke("users", "list", "-c", country.primary).stdout


@pytest.mark.parametrize(("given", "said"), [("short\n", "at least 8 characters"), ("", "no new password was given")])
def test_a_password_that_is_none_changes_nothing(country: Country, given: str, said: str) -> None:
    before = country.primary.read_text()
    done = told("users", "add", "amara", "-c", country.primary, given=given)
    assert done.returncode == 2
    assert said in done.stderr
    assert country.primary.read_text() == before


def test_who_is_not_there_cannot_be_removed(country: Country) -> None:
    done = run("users", "remove", "nobody", "-c", country.primary)
    assert done.returncode == 1
    assert "nobody is not in console.users" in done.stderr


def test_while_it_is_locked_it_is_held_back(country: Country) -> None:
    assert run("init", "-c", country.primary).returncode == 0
    assert told("set-code", "-c", country.primary, given="4711\n").returncode == 0
    done = told("users", "add", "amara", "-c", country.primary, given=f"{PASSWORD}\n")
    assert done.returncode == 0
    assert "held back until the authorisation code is given" in done.stdout
    assert answer("users", "list", "-c", country.primary) == []
    assert told("unlock", "-c", country.primary, given="4711\n").returncode == 0
    assert answer("users", "list", "-c", country.primary) == [{"name": "amara", "role": "look"}]


def test_a_running_daemon_lets_a_new_user_in_at_once_and_out_at_once(tmp_path: Path) -> None:
    one = Daemons(tmp_path)
    try:
        one.start(1)
        url = f"http://127.0.0.1:{one.port}"
        until(lambda: "listening" in one.report(1))
        add(one.config(1), "amara")
        http = requests.Session()
        until(lambda: http.get(f"{url}/healthz", timeout=5).status_code == 200)
        answered = http.post(f"{url}/login", data={"name": "amara", "password": PASSWORD}, timeout=20)
        assert answered.url == f"{url}/"
        assert run("users", "remove", "amara", "-c", one.config(1)).returncode == 0
        assert "/login" in http.get(f"{url}/sites", timeout=20).url
        assert PASSWORD not in one.log(1)
    finally:
        one.close()


def test_two_at_once_lose_nothing(country: Country) -> None:
    """Who comes second finds that the file has changed, and says so; what was written first stands."""
    done = []

    def one(name: str) -> None:
        done.append(told("users", "add", name, "-c", country.primary, given=f"{PASSWORD}\n").returncode)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("amara", "ben", "cora")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {entry["name"] for entry in json.loads(run("users", "list", "--json", "-c", country.primary).stdout)}
    assert set(done) <= {0, 75}
    assert len(names) == done.count(0) > 0
