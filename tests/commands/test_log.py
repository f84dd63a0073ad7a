"""What is logged while a command runs, on standard error; and a state directory that may not be written."""

import json

import pytest

from tests.commands.support import Country, as_others, invoke

PLUGIN = """
from msyncd import hookimpl

@hookimpl
def msyncd_config_checked(old, new, context):
    context.log.info("not worth a line")
    context.log.warning("worth one", password="hunter2", items=3)
"""


def test_what_a_plugin_logs_does_not_stand_in_the_document(country: Country) -> None:
    country.write("mine.py", PLUGIN)
    country.edit(country.satellite, "record_types:", "plugins: [{module: mine.py}]\nrecord_types:")
    done = invoke("init", "-c", country.satellite, "--json")
    assert json.loads(done.stdout)["format"] == 1
    assert 'warning: worth one: plugin=mine password="(not shown)" items=3\n' in done.stderr, done.stderr
    assert "not worth" not in done.stderr


def test_what_cannot_be_noted_is_one_line_beside_the_document(country: Country) -> None:
    invoke("init", "-c", country.satellite)
    state = country.folder / "state2"
    state.chmod(0o555)
    try:
        done = as_others("init", "-c", country.satellite, "--json")
    finally:
        state.chmod(0o755)
    assert json.loads(done.stdout)["made"] == []
    assert done.stderr.startswith("warning: an activity could not be noted: who="), done.stderr
    assert f"that the user of msyncd may write {state}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("before", ["never", "once"])
def test_the_daemon_says_that_it_may_not_write_its_state(country: Country, before: str) -> None:
    """Also where its lock is there from an earlier start, so that it finds out only when it is to listen."""
    state = country.folder / "state2"
    state.mkdir(exist_ok=True)
    if before == "once":
        invoke("init", "-c", country.satellite)
        (state / "daemon.lock").touch()
    state.chmod(0o555)
    try:
        done = as_others("run", "-c", country.satellite)
    finally:
        state.chmod(0o755)
    assert done.returncode == 78, done.stderr
    assert f"msyncd: the state directory {state} cannot be written: Permission denied; create it" in done.stderr
    assert "Traceback" not in done.stderr
