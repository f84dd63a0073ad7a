"""What commands did stands among the activities: who, what, how it ended; never a secret."""

import click
import pytest

from msyncd.commands.group import Command
from msyncd.console.activity import Activity, Entry
from msyncd.console.book import Book
from tests.commands.support import Country, invoke
from tests.commands.test_docs import COMMANDS

LOOKS = {
    "check",
    "check-connection",
    "demo",
    "doctor",
    "explain",
    "plan",
    "plugins",
    "quarantine list",
    "quarantine show",
    "run",  # the daemon notes its start and end itself
    "schema",
    "sites list",
    "status",
    "stores list",
    "users list",
}
"""Commands after which nothing is different at this site."""


def noted(country: Country, state: str) -> list[Entry]:
    return Activity(Book(country.folder / state)).page()


def test_every_command_either_looks_or_is_noted() -> None:
    acts = {path.removeprefix("msyncd ") for path, one in COMMANDS.items() if isinstance(one, Command) and one.acts}
    leaves = {path.removeprefix("msyncd ") for path, one in COMMANDS.items() if not isinstance(one, click.Group)}
    assert acts | LOOKS == leaves
    assert acts & LOOKS == set()


def test_what_was_done_is_noted_as_it_was_typed_with_who_did_it(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "amara")
    with country.serving():
        assert invoke("init", "-c", country.satellite).exit_code == 0
        assert invoke("sync", "--trust", "item=primary", "-c", country.satellite, "--json").exit_code == 0
        assert invoke("-c", country.satellite, "quarantine", "retry", "--type", "item", "--all").exit_code == 0
    assert [(one.who, one.place, one.did, one.result) for one in reversed(noted(country, "state2"))] == [
        ("amara", "command line", "msyncd init", "done"),
        ("amara", "command line", "msyncd sync --trust item=primary --json", "done"),
        ("amara", "command line", "msyncd quarantine retry --all --type item", "done"),
    ]


def test_how_it_failed_is_noted(country: Country) -> None:
    assert invoke("init", "-c", country.satellite).exit_code == 0
    assert invoke("sync", "-c", country.satellite).exit_code == 75
    assert invoke("quarantine", "discard", "7", "-c", country.satellite).exit_code == 1
    results = [one.result for one in noted(country, "state2")]
    assert results[0] == "nothing in quarantine has the ID 7"
    assert "cannot be reached" in results[1]


def test_what_is_broken_off_is_noted(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    assert invoke("init", "-c", country.satellite).exit_code == 0
    monkeypatch.setattr("msyncd.flow.retry.retry", interrupted)
    monkeypatch.setattr("msyncd.commands.quarantine._chosen", lambda *_, **__: [])
    assert invoke("quarantine", "retry", "--all", "-c", country.satellite).exit_code == 130
    assert next(one.result for one in noted(country, "state2")) == "broken off"


def test_who_only_looks_is_not_noted_and_makes_no_file(country: Country) -> None:
    assert invoke("init", "-c", country.satellite).exit_code == 0
    before = len(noted(country, "state2"))
    assert invoke("status", "-c", country.satellite).exit_code == 0
    assert invoke("quarantine", "list", "-c", country.satellite).exit_code == 0
    assert len(noted(country, "state2")) == before
    assert invoke("quarantine", "discard", "1", "-c", country.primary).exit_code == 1
    assert not (country.folder / "state1").exists(), "before msyncd init there is no state directory, and none is made"


def test_no_command_takes_a_secret_as_an_argument() -> None:
    """`typed` may show every argument: passwords and codes are asked for."""
    params = [one for command in COMMANDS.values() for one in command.params if not getattr(one, "is_flag", False)]
    names = {name for one in params for name in one.opts}
    assert [name for name in names if any(word in name for word in ("password", "code", "secret", "token"))] == []
