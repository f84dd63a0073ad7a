"""A plugin's own settings: validated with the rest of the YAML, shown without secrets."""

from pathlib import Path
from textwrap import dedent

from msyncd.plugins import Plugins
from tests.plugins.support import At, Listed, loaded, problems_of, stock, write

NEVER = """
    @hookimpl
    def msyncd_check(changes):
        return [Refuse("never")] * len(changes)
"""

SETTINGS = """
    from pydantic import BaseModel, SecretStr
    class Settings(BaseModel):
        status: str = "fn"
        days: int
        api_token: str = "t0p"
        key: SecretStr = SecretStr("s3cret")
    @hookimpl
    def msyncd_route(context):
        assert context.settings.days == 3
"""


def test_settings_are_validated_and_given_to_the_plugin(tmp_path: Path) -> None:
    write(tmp_path, "days.py", SETTINGS)
    plugins = loaded(tmp_path, "days.py", settings={"days": 3})
    assert plugins.route(stock().record_type, stock(("a", "B", 1))).failed == ()


def test_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    write(tmp_path, "days.py", SETTINGS)
    report = loaded(tmp_path, "days.py", settings={"days": 3}).report()[0]
    assert report.settings["days"] == 3
    assert "t0p" not in str(report)
    assert "s3cret" not in str(report)


def test_wrong_settings_are_errors_at_their_places(tmp_path: Path) -> None:
    write(tmp_path, "days.py", SETTINGS)
    places = {"": At(line=8), "days": At(line=9), "statsu": At(line=10)}
    entry = Listed("days.py", tmp_path, {"days": "many", "statsu": "x"}, places=places)
    plugins, problems = Plugins.load([entry])
    assert [(problem.line, problem.message.split(":")[0]) for problem in problems] == [
        (10, "plugin days has no setting statsu"),
        (9, "setting days of plugin days"),
    ]
    assert problems[0].hint == "did you mean status?"
    assert plugins.report() == []


def test_a_missing_setting_is_an_error_at_the_settings(tmp_path: Path) -> None:
    write(tmp_path, "days.py", SETTINGS)
    (problem,) = Plugins.load([Listed("days.py", tmp_path, places={"": At(line=8)})])[1]
    assert problem.line == 8
    assert "days" in problem.message


def test_settings_that_nobody_reads_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "never.py", NEVER)
    write(tmp_path, "odd.py", "\nSettings = dict\n" + dedent(NEVER))
    assert "takes no settings" in problems_of(tmp_path, "never.py", settings={"a": 1})[1][0].message
    assert "not a pydantic class" in problems_of(tmp_path, "odd.py", settings={"a": 1})[1][0].message
    (tmp_path / "folder").mkdir()
    (tmp_path / "never.py").rename(tmp_path / "folder/never.py")
    assert "a folder takes no settings" in problems_of(tmp_path, "folder/", settings={"a": 1})[1][0].message
