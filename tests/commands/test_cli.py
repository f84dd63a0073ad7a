"""`msyncd` itself: help, options, exit statuses, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from msyncd.commands import SECTIONS, cli
from msyncd.commands.group import Command, Group
from tests.commands.support import ROOT, Country, invoke

LISTED = {name: one for section in SECTIONS.values() for name, one in section.items()}


def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`msyncd` as it is started from a shell, by a Python that has nothing loaded."""
    return subprocess.run(
        [sys.executable, "-m", "msyncd", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom msyncd.commands import main\nassert main(['--help']) == 0\n"
        "print(sorted({'sqlalchemy', 'dataset', 'rich', 'uvicorn', 'starlette', 'pydantic', 'requests', 'yaml'}"
        " & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"
    for heading, commands in SECTIONS.items():
        assert f"\n{heading}:\n" in done.stdout
        for name in commands:
            assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", LISTED)
def test_a_command_is_listed_with_its_own_words_and_has_an_example(name: str) -> None:
    command = LISTED[name].load()
    assert isinstance(command, Command | Group)
    assert command.get_short_help_str(200).rstrip(".") == LISTED[name].summary.rstrip(".")
    assert command.examples
    assert all(line.startswith(f"msyncd {name}") for line in command.examples)
    shown = invoke(name, "--help").stdout
    assert "-c, --config FILE" in shown
    assert f"\n  {command.examples[0]}\n" in shown


@pytest.mark.parametrize("name", LISTED)
def test_every_example_is_understood(name: str) -> None:
    command = LISTED[name].load()
    inner = list(command.commands.values()) if isinstance(command, click.Group) else []
    for one in [command, *inner]:
        assert isinstance(one, Command | Group)
        for line in one.examples:
            words = line.split(" > ")[0].split()[1:]
            _understood(cli, words)


def _understood(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse a line without running it. Raises click.UsageError."""
    with command.make_context(command.name, words, parent=parent) as ctx:
        if isinstance(command, click.Group):
            rest = [*ctx._protected_args, *ctx.args]
            _, inner, below = command.resolve_command(ctx, rest)
            assert inner is not None
            _understood(inner, below, ctx)


@pytest.mark.parametrize(
    "line",
    [
        "-c {file} quarantine list --json",
        "quarantine -c {file} list --json",
        "quarantine list -c {file} --json",
        "quarantine list --json --config={file}",
        "-c /nowhere.yaml quarantine list --json -c {file}",
    ],
)
def test_the_configuration_may_stand_before_or_after_any_command(country: Country, line: str) -> None:
    result = invoke(*line.format(file=country.satellite).split())
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_the_configuration_may_be_named_by_the_environment(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSYNCD_CONFIG", str(country.satellite))
    assert json.loads(invoke("status", "--json").stdout)["site"]["sync_id"] == 2
    assert json.loads(invoke("status", "--json", "-c", country.primary).stdout)["site"]["sync_id"] == 1


def test_the_version() -> None:
    from msyncd import __version__

    assert invoke("--version").stdout == f"msyncd {__version__}\n"


def test_exit_statuses(country: Country) -> None:
    assert run("stauts").returncode == 2
    assert run("status", "--nonsense").returncode == 2
    done = run("status", "-c", country.folder / "none.yaml")
    assert done.returncode == 78
    assert "none.yaml:1:1: cannot be read" in done.stderr
    country.database("satellite").unlink()
    done = run("status", "-c", country.satellite)
    assert (done.returncode, done.stdout) == (75, "")
    assert "satellite.db: there is no database; " in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_that_nobody_expected_keeps_its_traceback() -> None:
    code = (
        "import sys\nfrom msyncd.commands import main\nimport msyncd.commands.schema\n"
        "def broken(*a): raise RuntimeError('broken')\nmsyncd.commands.schema.print_json = broken\n"
        "sys.exit(main(['schema']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: broken" in done.stderr


def test_a_closed_pipe_is_quiet() -> None:
    code = "import sys; from msyncd.commands import main; sys.exit(main(['schema']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_ctrl_c_is_clean() -> None:
    code = (
        # a shell may have started these tests in the background, where Ctrl-C is ignored
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from msyncd.commands import main\nimport msyncd.commands.schema\n"
        "def slow(*a): print('here', flush=True); time.sleep(60)\nmsyncd.commands.schema.print_json = slow\n"
        "sys.exit(main(['schema']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == ""


def test_completion_knows_commands_and_options() -> None:
    done = run(_MSYNCD_COMPLETE="bash_complete", COMP_WORDS="msyncd quarantine ", COMP_CWORD="2")
    assert {"plain,list", "plain,show", "plain,retry", "plain,discard"} == set(done.stdout.split())
    done = run(_MSYNCD_COMPLETE="bash_complete", COMP_WORDS="msyncd check", COMP_CWORD="1")
    assert set(done.stdout.split()) == {"plain,check", "plain,check-connection"}
