"""The lock beside daemons that run: edits held back, across restarts; the code, by the commands that people type."""

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from msyncd.daemon.control import ask
from msyncd.settings.secrets import hash_password
from tests import warm
from tests.daemon.conftest import Country, until


def command(country: Country, site: int, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return warm.run(*words, "-c", country.config(site), given=given)


def told(country: Country, site: int) -> dict[str, Any]:
    """The configuration as the running daemon tells it, once it has begun."""
    until(lambda: "result" in answer(country, site, "status"), 30)
    found: dict[str, Any] = answer(country, site, "status")["result"]["configuration"]
    return found


def answer(country: Country, site: int, do: str) -> dict[str, Any]:
    lines = list(ask(country.state(site), {"do": do}) or ())
    return lines[-1] if lines else {}


def name(country: Country, site: int) -> str:
    return str(told(country, site)["values"]["this_site"]["name"])


def interval(country: Country, site: int) -> str:
    return str(told(country, site)["values"]["sync"]["interval"])


def seen(country: Country, site: int) -> None:
    """The daemon looks at the files now."""
    assert answer(country, site, "reload")["result"]["done"]


def change_lock(country: Country, site: int, **values: Any) -> None:
    file = country.state(site) / "lock.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture
def locked(country: Country) -> Country:
    """Site 2 runs alone, with a code."""
    with country.config(2).open("a") as file:
        file.write(f'authorisation:\n  code_hash: "{code_hash()}"\n')
    country.start(2)
    assert told(country, 2)["locked"] is True
    return country


@cache
def code_hash() -> str:
    return hash_password("4711")


def test_an_edit_is_held_back_until_the_code_is_given_and_taken_in_at_once_then(locked: Country) -> None:
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: told(locked, 2)["held"])
    held = told(locked, 2)["held"]
    assert held["plan"]["lines"] == ["this_site.name: Site 2 → Bumban"]
    assert name(locked, 2) == "Site 2"
    assert "an edit is held back until the authorisation code is given" in locked.log(2)
    assert "this_site.name: Site 2 → Bumban" in locked.log(2)
    done = command(locked, 2, "unlock", given="4711\n")
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["  this_site.name: Site 2 → Bumban"]), done.stderr
    found = told(locked, 2)
    assert (found["values"]["this_site"]["name"], found["locked"], found["held"]) == ("Bumban", False, None)
    locked.edit("site2.yaml", "name: Bumban", "name: Bumba")
    until(lambda: name(locked, 2) == "Bumba")
    assert command(locked, 2, "lock").stdout == "locked\n"
    locked.edit("site2.yaml", "name: Bumba", "name: Kalo")
    until(lambda: told(locked, 2)["held"])
    assert name(locked, 2) == "Bumba"
    log = locked.log(2)
    assert "the authorisation code was given: edits are accepted" in log
    assert "locked: edits need the authorisation code again" in log
    assert "4711" not in log


def test_a_clerk_may_pause_a_bad_line(locked: Country) -> None:
    locked.edit("site2.yaml", "interval: 5", "interval: 0")
    until(lambda: locked.report(2).get("paused"))
    assert told(locked, 2)["held"] is None
    locked.edit("site2.yaml", "interval: 0, live: true", "interval: 5, live: false")
    until(lambda: not locked.report(2).get("paused"))
    assert told(locked, 2)["held"]["plan"]["lines"] == ["sync.live: true → false"]
    assert interval(locked, 2) == "5m"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_with_what_it_had_also_across_a_restart(locked: Country, ending: int) -> None:
    locked.edit("site2.yaml", "interval: 5", "interval: 1s")
    until(lambda: interval(locked, 2) == "1s")
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: told(locked, 2)["held"])
    since = told(locked, 2)["held"]["since"]
    locked.signal(2, ending)
    locked.ended(2)
    locked.start(2)
    until(lambda: told(locked, 2)["held"])
    assert told(locked, 2)["held"]["since"] == since
    assert (name(locked, 2), interval(locked, 2), told(locked, 2)["locked"]) == ("Site 2", "1s", True)
    locked.start(1)
    locked.item("i1")
    until(lambda: locked.has(2, "item", "i1"))
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    assert name(locked, 2) == "Bumban"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("authorisation:", "# authorisation:"),
        ("state_directory: state2", "state_directory: other"),
        ("name: Site 2", "name: ["),
    ],
    ids=["hash removed", "state directory", "broken"],
)
def test_what_is_edited_while_it_is_stopped_is_held_back_too(locked: Country, old: str, new: str) -> None:
    locked.signal(2, signal.SIGTERM)
    assert locked.ended(2) == 0
    text = locked.config(2).read_text()
    locked.write(
        "site2.yaml", text.replace(old, new).replace("  code_hash", "  # code_hash" if "#" in new else "  code_hash")
    )
    locked.start(1, 2)
    assert (name(locked, 2), told(locked, 2)["locked"]) == ("Site 2", True)
    if new.endswith("["):
        assert told(locked, 2)["problems"]
    else:
        until(lambda: told(locked, 2)["held"])
    assert command(locked, 2, "status").returncode == 0
    assert command(locked, 2, "sync").returncode == 0


def test_removing_the_hash_is_a_locked_change_and_then_edits_are_free(locked: Country) -> None:
    text = locked.config(2).read_text()
    locked.write("site2.yaml", text[: text.index("authorisation")])
    until(lambda: told(locked, 2)["held"])
    assert told(locked, 2)["locked"] is True
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    found = told(locked, 2)
    assert (found["locked"], found["unlocked_until"], found["held"]) == (False, None, None)
    change_lock(locked, 2, unlocked_until=None)
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: name(locked, 2) == "Bumban")


def test_after_a_quarter_of_an_hour_it_is_locked_again(locked: Country) -> None:
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    until_then = told(locked, 2)["unlocked_until"]
    left = datetime.fromisoformat(until_then) - datetime.now(UTC)
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    locked.signal(2, signal.SIGKILL)
    locked.ended(2)
    locked.start(2)
    assert told(locked, 2)["unlocked_until"] == until_then, "a restart does not change that"
    change_lock(locked, 2, unlocked_until=datetime.now(UTC).isoformat())  # as if it were over
    assert told(locked, 2)["locked"] is True
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: told(locked, 2)["held"])
    assert name(locked, 2) == "Site 2"


def test_killed_after_an_edit_that_the_code_allowed_it_is_in_force_at_the_next_start(locked: Country) -> None:
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    locked.signal(2, signal.SIGKILL)
    locked.ended(2)
    locked.start(2)
    assert name(locked, 2) == "Bumban"


def test_wrong_codes_are_logged_count_across_a_restart_and_in_the_end_have_to_wait(locked: Country) -> None:
    for _ in range(3):
        assert command(locked, 2, "unlock", given="0815\n").returncode == 1
    assert locked.log(2).count("an authorisation code was refused") == 3
    locked.signal(2, signal.SIGKILL)
    locked.ended(2)
    for _ in range(3):
        assert command(locked, 2, "unlock", given="0815\n").returncode == 1
    locked.start(2)
    until(lambda: locked.log(2).count("an authorisation code was refused while no daemon ran") == 3)
    done = command(locked, 2, "unlock", given="4711\n")
    assert done.returncode == 75
    assert "too many wrong codes" in done.stderr
    assert "too many wrong codes" in locked.log(2)
    assert told(locked, 2)["locked"] is True
    change_lock(locked, 2, wait_until=datetime.now(UTC).isoformat())  # as if it were over
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    assert "0815" not in locked.log(2)
    assert "4711" not in locked.log(2)


def test_another_code_is_taken_in_at_once(locked: Country) -> None:
    assert command(locked, 2, "set-code", given="4711\n1234\n").returncode == 0
    assert told(locked, 2)["locked"] is True
    assert told(locked, 2)["held"] is None
    assert command(locked, 2, "unlock", given="4711\n").returncode == 1
    assert command(locked, 2, "unlock", given="1234\n").returncode == 0


def test_an_edit_that_the_tables_refuse_is_not_taken_in_by_the_code(locked: Country) -> None:
    locked.start(1)
    until(lambda: locked.count(2, "store") == 3, 30)
    types = (locked.folder / "types.yaml").read_text()
    locked.write("types.yaml", types.replace("table: stock,", "table: stok,"))
    until(lambda: told(locked, 2)["held"])
    assert any("stok" in line for line in told(locked, 2)["held"]["plan"]["lines"])
    done = command(locked, 2, "unlock", given="4711\n")
    assert done.returncode == 1
    assert "not taken in: types.yaml" in done.stdout
    locked.stock(2, "k1", "s2")
    until(lambda: locked.has(1, "stock", "k1"))
    change_lock(locked, 2, unlocked_until=None)
    seen(locked, 2)
    assert told(locked, 2)["held"] is not None
    locked.write("types.yaml", types)
    until(lambda: told(locked, 2)["held"] is None and not told(locked, 2)["problems"])


def test_an_edit_that_is_undone_is_held_back_no_longer(locked: Country) -> None:
    locked.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: told(locked, 2)["held"])
    locked.edit("site2.yaml", "name: Bumban", "name: Site 2")
    until(lambda: told(locked, 2)["held"] is None)
    assert "no edit is held back any more" in locked.log(2)


def test_a_plugin_that_nobody_has_allowed_is_not_even_loaded(locked: Country) -> None:
    locked.write("sly.py", f"open({str(locked.folder / 'loaded')!r}, 'w').close()\n")
    locked.edit("site2.yaml", "state_directory", "plugins: [{module: sly.py}]\nstate_directory")
    until(lambda: told(locked, 2)["held"])
    assert told(locked, 2)["held"]["plan"]["lines"] == [
        "plugins.sly.py was added",
        "warning: the plugins are others then: what they do was not looked at",
    ]
    assert command(locked, 2, "no-such-command").returncode == 2
    assert command(locked, 2, "status").returncode == 0
    locked.signal(2, signal.SIGTERM)
    locked.ended(2)
    assert "sly.py" in command(locked, 2, "status").stdout
    assert not (locked.folder / "loaded").exists()
    locked.start(2)
    assert command(locked, 2, "unlock", given="4711\n").returncode == 0
    assert (locked.folder / "loaded").exists()


def test_a_new_site_does_not_come_in_before_the_code_is_given(country: Country) -> None:
    country.edit("site1.yaml", "  - {sync_id: 3, name: Kalo, active_stores: [KAL]}\n", "")
    country.start(1)
    assert command(country, 1, "set-code", given="4711\n").returncode == 0
    country.start(3)
    country.edit("site1.yaml", "record_types:", "  - {sync_id: 3, name: Kalo, active_stores: [KAL]}\nrecord_types:")
    until(lambda: told(country, 1)["held"])
    lines = told(country, 1)["held"]["plan"]["lines"]
    assert lines[0].startswith("sync_with.3 was added: name Kalo, active_stores [KAL]")
    assert any("3 records (store 3) go from site 1, Central to site 3, Kalo" in line for line in lines)
    until(lambda: "user name or password of site 3 is not right" in country.log(3))
    assert country.count(3, "store") == 0
    assert command(country, 1, "unlock", given="4711\n").returncode == 0
    until(lambda: country.count(3, "store") == 3, 60)


def test_the_log_of_a_reload_and_the_plan_use_the_same_words(country: Country) -> None:
    country.start(1, 2)
    until(lambda: country.count(2, "store") == 3)
    country.stock(2, "k1", "s2")
    until(lambda: country.has(1, "stock", "k1"))
    country.signal(1, signal.SIGSTOP)  # so that the plan is made before the edit is taken in
    try:
        country.edit(
            "site1.yaml", "name: Kalo, active_stores: [KAL]", "name: Kalo, active_stores: [KAL], copies_of: [BUM]"
        )
        done = command(country, 1, "plan")
    finally:
        country.signal(1, signal.SIGCONT)
    assert done.returncode == 0, done.stderr
    until(lambda: "is in force" in country.log(1))
    assert done.stdout.splitlines() == ["sync_with.3.copies_of: [] → [BUM]"], (
        "site 3 has not joined: it is owed all anyway"
    )
    assert "sync_with.3.copies_of: [] → [BUM]" in country.log(1)
    country.edit("site1.yaml", "copies_of: [CMS]", "copies_of: []")
    until(lambda: "sync_with.2.copies_of: [CMS] → []" in country.log(1))
    assert command(country, 1, "plan").stdout == "nothing would change\n"
