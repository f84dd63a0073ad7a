"""Hooks, their documentation and their tests do not drift apart."""

import re
from pathlib import Path

import pytest

from msyncd.plugins import HOOKS, Plugins
from tests.plugins.support import Listed

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
HEADINGS = dict(re.findall(r"^### `(msyncd_\w+)\((.*)\)`$", DOCS, re.MULTILINE))


def test_every_hook_is_documented_with_its_arguments() -> None:
    assert {hook: ", ".join(arguments) for hook, arguments in HOOKS.items()} == HEADINGS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example(hook: str) -> None:
    section = DOCS.split(f"### `{hook}(")[1].split("\n##")[0]
    assert f"def {hook}(" in section


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook: str) -> None:
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    # One file tests a pair of hooks by one source, msyncd_{hook}.
    named = {"msyncd_before_apply", "msyncd_applied"}
    wanted = 'parametrize("hook", ["before_apply", "applied"])' if hook in named else f"def {hook}("
    assert any(wanted in path.read_text(encoding="utf-8") for path in tests)


def test_every_hook_has_a_docstring_and_offers_context() -> None:
    from msyncd import hookspecs

    for hook, arguments in HOOKS.items():
        assert len(getattr(hookspecs, hook).__doc__ or "") > 40
        assert arguments[-1] == "context"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_is_a_plugin_in_order(tmp_path: Path, number: int) -> None:
    (tmp_path / "example_of_docs.py").write_text(EXAMPLES[number], encoding="utf-8")
    plugins, problems = Plugins.load([Listed("example_of_docs.py", tmp_path)])
    assert problems == []
    assert len(plugins.report()) == 1
