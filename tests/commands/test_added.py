"""Commands that a third party's plugin adds to `msyncd`; and that none of them stands in the way of msyncd's own."""

import json
from pathlib import Path

import pytest

from msyncd.commands.added import config_in
from tests.commands.support import Country, answer, invoke, run

REPORT = '''
import click
from pydantic import BaseModel

from msyncd import hookimpl
from msyncd.errors import MsyncdError


class Settings(BaseModel):
    unit: str = "packs"


@hookimpl
def msyncd_commands(group, context):
    @group.command("stock-report", examples=["msyncd stock-report BUM"])
    @click.argument("store")
    @click.option("--fail", is_flag=True)
    def report(store, fail):
        """What is in stock."""
        if fail:
            raise MsyncdError("no report today", hint="ask tomorrow")
        active = context.stores["S2"].active_site
        lines = context.db["transact"].count()
        click.echo(f"{lines} {context.settings.unit} at {store}, active on site {active}, seen from {context.site}")

    @group.group("our")
    def our():
        """Ours."""

    our.add_command(click.Command("inner", callback=lambda: click.echo("inner")))
'''


@pytest.fixture
def with_plugin(country: Country) -> Country:
    country.write("report.py", REPORT)
    country.edit(
        country.primary, "state_directory", "plugins: [{module: report.py, settings: {unit: boxes}}]\nstate_directory"
    )
    country.execute("primary", "INSERT INTO transact VALUES ('T1', 'S1', NULL, 'new')")
    return country


@pytest.mark.parametrize(
    "line",
    [
        "stock-report BUM -c {file}",
        "stock-report -c {file} BUM",
        "stock-report BUM --config={file}",
        "-c {file} stock-report BUM",
        "-c /nowhere.yaml stock-report BUM -c {file}",
    ],
)
def test_it_is_called_like_any_other(with_plugin: Country, line: str) -> None:
    done = run(*line.format(file=with_plugin.primary).split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 boxes at BUM, active on site 2, seen from 1\n"
    assert with_plugin.traces("primary") == []  # looking changes nothing


def test_its_help_its_group_its_errors(with_plugin: Country) -> None:
    shown = invoke("-c", with_plugin.primary, "stock-report", "--help").stdout
    assert "What is in stock." in shown
    assert "-c, --config FILE" in shown
    assert "msyncd stock-report BUM" in shown
    assert invoke("our", "inner", "-c", with_plugin.primary).stdout == "inner\n"
    failed = run("stock-report", "BUM", "--fail", "-c", with_plugin.primary)
    assert (failed.returncode, failed.stderr) == (1, "Error: no report today; ask tomorrow\n")
    assert run("stock-report", "-c", with_plugin.primary).returncode == 2


def test_the_list_of_plugins_lists_their_commands(with_plugin: Country) -> None:
    assert answer("plugins", "-c", with_plugin.primary)["commands"] == ["our", "stock-report"]
    assert "msyncd stock-report: What is in stock." in invoke("plugins", "-c", with_plugin.primary).stdout


def test_a_plugin_that_raises_or_takes_a_name_costs_only_its_own_commands(with_plugin: Country) -> None:
    with_plugin.write("broken.py", "from msyncd import hookimpl\n@hookimpl\ndef msyncd_commands(group): 1 / 0\n")
    with_plugin.write("unloadable.py", "import nowhere_to_be_found\n")
    hook = "from msyncd import hookimpl\n@hookimpl\ndef msyncd_commands(group):\n"
    taker = hook + "    @group.command('{}')\n    def f(): ...\n"
    with_plugin.write("taker.py", taker.format("status"))
    with_plugin.write("again.py", taker.format("stock-report"))
    names = ("broken", "unloadable", "taker", "again")
    with_plugin.edit(
        with_plugin.primary, "settings: {unit: boxes}}", "}, " + ", ".join(f"{{module: {one}.py}}" for one in names)
    )
    done = run("stock-report", "BUM", "-c", with_plugin.primary)
    assert done.returncode == 0
    assert done.stdout.startswith("1 packs")
    told = done.stderr.splitlines()
    assert len(told) == 4
    assert "nowhere_to_be_found" in told[0]
    assert "plugin broken failed in msyncd_commands: ZeroDivisionError" in told[1]
    assert "plugin taker failed in msyncd_commands: ValueError: there is a command status already" in told[2]
    assert "there is a command stock-report already" in told[3]
    listed = run("plugins", "-c", with_plugin.primary, "--json")
    assert json.loads(listed.stdout)["commands"] == ["our", "stock-report"]
    assert "ZeroDivisionError" in listed.stderr


def test_msyncds_own_commands_load_no_plugin(with_plugin: Country) -> None:
    witness = with_plugin.folder / "loaded"
    with_plugin.write("report.py", f"open({str(witness)!r}, 'w').close()\n" + REPORT)
    for words in (["--help"], ["schema"], ["sites", "--help"], ["--version"]):
        assert run("-c", with_plugin.primary, *words).returncode == 0
    assert not witness.exists()
    assert run("-c", with_plugin.primary, "our", "inner").returncode == 0
    assert witness.exists()


@pytest.mark.parametrize("text", ["this_site: [", "this_site: {sync_id: 99}\n"])
def test_a_configuration_with_errors_is_told_and_nothing_else_breaks(with_plugin: Country, text: str) -> None:
    with_plugin.primary.write_text(text)
    done = run("stock-report", "BUM", "-c", with_plugin.primary)
    assert done.returncode == 2
    assert "has errors, so commands of plugins are not known; see `msyncd check`" in done.stderr
    assert "No such command 'stock-report'" in done.stderr
    assert run("-c", with_plugin.primary, "--help").stderr == ""


def test_a_word_that_is_no_command_without_a_configuration(tmp_path: Path) -> None:
    done = run("statsu", "-c", tmp_path / "none.yaml")
    assert done.returncode == 2
    assert "No such command 'statsu'" in done.stderr
    assert "has errors" not in done.stderr


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", None),
        ("a b", None),
        ("-c one", "one"),
        ("-cone", "one"),
        ("x --config one y --config=two", "two"),
        ("x -- -c one", None),
        ("-c", None),
    ],
)
def test_the_configuration_behind_a_command_that_is_not_known_yet(words: str, found: str | None) -> None:
    assert config_in(words.split()) == (None if found is None else Path(found))
