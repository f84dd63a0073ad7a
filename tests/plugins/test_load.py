"""Finding and loading: files, folders, installed and shipped plugins; every problem with its file and line."""

import sys
from pathlib import Path

import pytest

from msyncd.errors import Problem
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from tests.plugins.support import Listed, loaded, nothing_here, problems_of, stock, write

NEVER = """
    @hookimpl
    def msyncd_check(changes):
        return [Refuse("never")] * len(changes)
"""


def names(plugins: Plugins) -> list[str]:
    """The plugins in the order in which they are asked."""
    return [report.name for report in plugins.report()]


def only(problems: list[Problem]) -> Problem:
    """The one problem there is."""
    assert len(problems) == 1, problems
    return problems[0]


# --- where plugins are found ---


def test_a_file_is_loaded_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "plugins/never.py", NEVER)
    plugins = loaded(tmp_path, "plugins/never.py")
    batch = stock(("a", "B", 1))
    assert plugins.check(batch.record_type, batch, nothing_here(batch), 2).decisions[0].plugin == "never"
    assert not (tmp_path / "plugins/__pycache__").exists()


def test_a_folder_is_every_file_that_does_not_begin_with_an_underscore(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_shared.py"):
        write(tmp_path, f"plugins/{name}", NEVER)
    (tmp_path / "plugins/notes.txt").write_text("not a plugin", encoding="utf-8")
    assert names(loaded(tmp_path, "plugins/")) == ["a", "b"]


@pytest.mark.parametrize("module", ["plugins/never.py", "plugins/"])
def test_what_everybody_may_change_is_not_run(tmp_path: Path, module: str) -> None:
    file = write(tmp_path, "plugins/never.py", NEVER)
    file.chmod(0o666)
    problem = only(problems_of(tmp_path, module)[1])
    assert problem.message == f"{module} is not loaded: everybody may change {file}"
    assert problem.hint == f"chmod o-w {file}"
    file.chmod(0o644)
    file.parent.chmod(0o777)
    assert only(problems_of(tmp_path, module)[1]).hint == f"chmod o-w {file.parent}"
    file.parent.chmod(0o1777)  # as /tmp is: only its owner may replace a file there
    assert names(loaded(tmp_path, module)) == ["never"]


def test_a_shipped_plugin_is_found_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, "shipped/never.py", NEVER)
    assert names(loaded(tmp_path, "never")) == ["never"]
    assert names(Plugins.load([Listed("transfers", tmp_path)])[0]) == ["transfers"]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *announced: str) -> None:
    """As if a package that announces these entry points were installed."""
    metadata = folder / "stock_tools-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stock-tools\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[msyncd]\n" + "\n".join(announced), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_plugin_is_found_by_the_name_it_announces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    write(site, "stock_tools/__init__.py", "")
    write(site, "stock_tools/words.py", "WHY = 'never'")
    write(
        site,
        "stock_tools/plugin.py",
        """
        from .words import WHY
        @hookimpl
        def msyncd_check(changes):
            return [Refuse(WHY)] * len(changes)
    """,
    )
    install(site, monkeypatch, "stock = stock_tools.plugin", "broken = stock_tools.gone")
    batch = stock(("a", "B", 1))
    for name in ("stock", "stock_tools.plugin"):
        plugins = loaded(tmp_path, name)
        assert plugins.check(batch.record_type, batch, nothing_here(batch), 2).decisions[0].plugin == name


def test_an_installed_plugin_that_cannot_be_loaded_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    bad = write(site, "stock_bad.py", "import surely_not_installed")
    install(site, monkeypatch, "bad = stock_bad")
    write(tmp_path, "good.py", NEVER)
    plugins, problems = problems_of(tmp_path, "bad", "good.py")
    assert names(plugins) == ["good"]
    problem = only(problems)
    assert (problem.file, problem.line) == (str(bad), 3)
    assert "surely_not_installed" in problem.message


@pytest.mark.parametrize(
    ("module", "message", "hint"),
    [
        ("transfer", "there is no plugin transfer", "did you mean transfers?"),
        ("no.such.module", "there is no plugin no.such.module", "install it, or give a file ending in .py"),
        ("not a name", "there is no plugin not a name", "install it"),
        ("gone.py", "there is no file", "correct the path"),
        ("gone/", "there is no folder", "correct the path"),
    ],
)
def test_what_cannot_be_found_is_an_error_at_its_place_in_the_yaml(
    tmp_path: Path, module: str, message: str, hint: str
) -> None:
    write(tmp_path, "shipped/transfers.py", NEVER)
    problem = only(problems_of(tmp_path, module)[1])
    assert (problem.file, problem.line, problem.column, problem.severity) == ("msyncd.yaml", 7, 13, "error")
    assert message in problem.message
    assert hint in problem.hint


def test_an_empty_folder_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    problem = only(problems_of(tmp_path, "plugins/")[1])
    assert (problem.severity, problem.line) == ("warning", 7)


def test_a_name_stands_for_one_plugin(tmp_path: Path) -> None:
    write(tmp_path, "a/never.py", NEVER)
    write(tmp_path, "b/never.py", NEVER)
    assert "listed twice" in only(problems_of(tmp_path, "a/never.py", "a/never.py")[1]).message
    assert "two plugins are called never" in only(problems_of(tmp_path, "a/never.py", "b/never.py")[1]).message


def test_nobody_takes_the_name_of_a_built_in_rule(tmp_path: Path) -> None:
    write(tmp_path, "edited_on.py", NEVER)
    plugins, problems = problems_of(tmp_path, "edited_on.py", rules=True)
    assert "two plugins are called edited_on" in only(problems).message
    assert names(plugins) == [module.__name__.rpartition(".")[2] for module in BUILTIN]


# --- what is wrong with a file ---


@pytest.mark.parametrize(
    ("source", "line", "column", "message", "hint"),
    [
        (
            "@hookimpl\ndef msyncd_chek(changes): ...",
            4,
            5,
            "there is no hook msyncd_chek",
            "did you mean msyncd_check?",
        ),
        ("@hookimpl\ndef check(changes): ...", 4, 5, "there is no hook check", ""),
        (
            "@hookimpl\ndef msyncd_check(\n    changes,\n    rows_her,\n): ...",
            6,
            5,
            "msyncd_check has no argument rows_her",
            "did you mean rows_here?",
        ),
        ("@hookimpl\ndef msyncd_check(*xyz): ...", 4, 19, "has no argument xyz", "record_type, changes, rows_here"),
        ("@hookimpl(tryfirst=True)\ndef msyncd_check(): ...", 4, 5, "cannot be marked tryfirst", "order of the config"),
        ("@hookimpl(wrapper=True)\ndef msyncd_check(): ...", 4, 5, "cannot be marked wrapper", ""),
        ("@hookimpl\nasync def msyncd_started(): ...", 4, 11, "must be a plain function", ""),
        ("def msyncd_check(:\n    pass", 3, 18, "this is not Python", ""),
        ("x = 1\nraise OSError('no disk')", 4, 1, "OSError: no disk", ""),
        ("raise SystemExit(3)", 3, 1, "SystemExit: 3", ""),
        ("import surely_not_installed", 3, 1, "No module named 'surely_not_installed'", "install surely_not_installed"),
        ("from msyncd import Denied", 3, 1, "cannot import name 'Denied'", "correct the import"),
    ],
)
def test_an_error_names_the_files_own_line(
    tmp_path: Path, source: str, line: int, column: int, message: str, hint: str
) -> None:
    path = tmp_path / "odd.py"
    path.write_text("from msyncd import hookimpl\n\n" + source, encoding="utf-8")
    plugins, problems = problems_of(tmp_path, "odd.py")
    problem = only(problems)
    assert (problem.file, problem.line, problem.column, problem.severity) == (str(path), line, column, "error")
    assert message in problem.message
    assert hint in problem.hint
    assert names(plugins) == []
    assert not [name for name in sys.modules if "msyncd_plugin_odd" in name]


def test_every_error_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "odd.py",
        """
        @hookimpl
        def msyncd_chek(): ...
        @hookimpl
        def msyncd_check(chnges, rows): ...
    """,
    )
    assert [problem.line for problem in problems_of(tmp_path, "odd.py")[1]] == [5, 7, 7]


def test_a_file_without_hooks_is_a_warning_and_an_unmarked_hook_too(tmp_path: Path) -> None:
    write(tmp_path, "empty.py", "x = 1")
    write(tmp_path, "unmarked.py", "def msyncd_check(changes): ...")
    plugins, problems = problems_of(tmp_path, "empty.py", "unmarked.py")
    assert [(problem.severity, problem.line, problem.message) for problem in problems] == [
        ("warning", 1, "no hook in this file"),
        ("warning", 3, "msyncd_check is not called"),
    ]
    assert names(plugins) == ["empty", "unmarked"]


def test_a_function_may_have_another_name_than_its_hook(tmp_path: Path) -> None:
    write(
        tmp_path,
        "named.py",
        """
        @hookimpl(specname="msyncd_check")
        def stock_is_counted(changes, *, origin):
            return [Refuse(f"from {origin}")] * len(changes)
    """,
    )
    batch = stock(("a", "B", 1))
    checked = loaded(tmp_path, "named.py").check(batch.record_type, batch, nothing_here(batch), 4)
    assert "from 4" in str(checked.decisions[0].verdict)
