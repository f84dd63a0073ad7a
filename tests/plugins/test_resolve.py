"""Who decides a conflict: the first plugin with an opinion."""

from pathlib import Path

import pytest

from msyncd.model import Conflict
from tests.plugins.support import STOCK, loaded, write

CONFLICTS = [Conflict((key,), None, (key, "B", 1), (key, "B", 2)) for key in "abc"]


def test_the_first_with_an_opinion_decides(tmp_path: Path) -> None:
    write(
        tmp_path,
        "first.py",
        """
        @hookimpl
        def msyncd_resolve(conflicts):
            return ["here", None, None]
    """,
    )
    write(
        tmp_path,
        "second.py",
        """
        @hookimpl
        def msyncd_resolve(conflicts):
            assert [conflict.key for conflict in conflicts] == [("b",), ("c",)]
            return [("b", "B", 3), None]
    """,
    )
    resolved = loaded(tmp_path, "first.py", "second.py").resolve(STOCK, CONFLICTS)
    assert resolved.failed == ()
    assert list(resolved.answers) == ["here", ("b", "B", 3), None]
    assert list(resolved.plugins) == ["first", "second", None]


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        ("['there', None, None]", [(0,)]),
        ("[('x', 'B', 1), None, None]", [(0,)]),
        ("['here']", [(0, 1, 2)]),
        ("[1 // (ord(conflict.key[0]) - ord('b')) and None for conflict in conflicts]", [(1,)]),
    ],
)
def test_a_plugin_that_fails_does_not_decide_and_nobody_else_does(
    tmp_path: Path, answer: str, lost: list[tuple[int, ...]]
) -> None:
    write(
        tmp_path,
        "odd.py",
        f"""
        @hookimpl
        def msyncd_resolve(conflicts):
            return {answer}
    """,
    )
    write(
        tmp_path,
        "other.py",
        """
        @hookimpl
        def msyncd_resolve(conflicts):
            return ["incoming"] * len(conflicts)
    """,
    )
    resolved = loaded(tmp_path, "odd.py", "other.py").resolve(STOCK, CONFLICTS)
    assert [failed.indexes for failed in resolved.failed] == lost
    gone = {index for indexes in lost for index in indexes}
    assert list(resolved.answers) == [None if index in gone else "incoming" for index in range(3)]
