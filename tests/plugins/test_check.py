"""Verdicts of several plugins, and what a failing one costs."""

from pathlib import Path

import pytest

from msyncd.errors import TryLater
from msyncd.model import Refuse, Replace, Verdict, Wait
from msyncd.plugins import Checked
from tests.plugins.support import Here, loaded, nothing_here, stock, write


def verdicts(checked: Checked) -> dict[int, Verdict]:
    """The verdicts by place."""
    return {at: decision.verdict for at, decision in checked.decisions.items()}


BATCH = stock(("a", "B", 1), ("b", "B", 2), ("c", "B", 3), ("d", "B", 4))
HERE = nothing_here(BATCH)


def test_refuse_beats_wait_beats_replace_beats_allow(tmp_path: Path) -> None:
    answers = {
        "one": """{"a": Allow(), "b": Replace(("b", "B", 0)), "c": Wait("not yet"), "d": Refuse("never")}""",
        "two": """{"a": Replace(("a", "B", 0)), "b": Wait("not yet"), "c": Refuse("never")}""",
    }
    for name, by_key in answers.items():
        write(
            tmp_path,
            f"{name}.py",
            f"""
            @hookimpl
            def msyncd_check(changes):
                return [{by_key}.get(change.key[0]) for change in changes]
        """,
        )
    for order in (("one.py", "two.py"), ("two.py", "one.py")):
        checked = loaded(tmp_path, *order).check(BATCH.record_type, BATCH, HERE, 2)
        assert checked.failed == ()
        assert verdicts(checked) == {
            0: Replace(("a", "B", 0)),
            1: Wait("not yet"),
            2: Refuse("never"),
            3: Refuse("never"),
        }


def test_who_said_so_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        "strict.py",
        """
        @hookimpl
        def msyncd_check(changes):
            return [Refuse("never")] + [None] * (len(changes) - 1)
    """,
    )
    decision = loaded(tmp_path, "strict.py").check(BATCH.record_type, BATCH, HERE, 2).decisions[0]
    assert (decision.plugin, decision.may_edit) == ("strict", True)


def test_two_different_replacements_go_to_quarantine(tmp_path: Path) -> None:
    for name, quantity in (("one", 1), ("two", 2), ("same", 1)):
        write(
            tmp_path,
            f"{name}.py",
            f"""
            @hookimpl
            def msyncd_check(changes):
                return [Replace(("a", "B", {quantity}))] + [None] * 3
        """,
        )
    clash = loaded(tmp_path, "one.py", "two.py").check(BATCH.record_type, BATCH, HERE, 2)
    assert verdicts(clash) == {}
    assert [(failed.plugin, failed.indexes) for failed in clash.failed] == [("two", (0,))]
    assert "plugin one" in clash.failed[0].reason
    agreed = loaded(tmp_path, "one.py", "same.py").check(BATCH.record_type, BATCH, HERE, 2)
    assert verdicts(agreed) == {0: Replace(("a", "B", 1))}
    assert agreed.failed == ()


def test_a_plugin_that_raises_costs_only_the_changes_on_which_it_raises(tmp_path: Path) -> None:
    write(
        tmp_path,
        "fragile.py",
        """
        @hookimpl
        def msyncd_check(changes):
            return [Refuse("odd") if 10 % change.value("quantity") else None for change in changes]
    """,
    )
    batch = stock(*((str(number), "B", number % 7) for number in range(50)))
    checked = loaded(tmp_path, "fragile.py").check(batch.record_type, batch, nothing_here(batch), 2)
    assert [failed.indexes for failed in checked.failed] == [tuple(range(0, 50, 7))]
    assert "ZeroDivisionError" in checked.failed[0].reason
    assert 'fragile.py", line ' in checked.failed[0].traceback
    assert sorted(checked.decisions) == [number for number in range(50) if number % 7 in {3, 4, 6}]


def test_after_a_failure_nobody_can_let_the_change_through_or_lose_it_twice(tmp_path: Path) -> None:
    write(
        tmp_path,
        "broken.py",
        """
        @hookimpl
        def msyncd_check(changes):
            raise KeyError("oops")
    """,
    )
    write(
        tmp_path,
        "asked.py",
        """
        @hookimpl
        def msyncd_check(changes):
            return [Refuse("never")] * len(changes)
    """,
    )
    checked = loaded(tmp_path, "broken.py", "asked.py").check(BATCH.record_type, BATCH, HERE, 2)
    assert checked.decisions == {}
    assert [failed.indexes for failed in checked.failed] == [(0, 1, 2, 3)]


@pytest.mark.parametrize(
    ("answer", "lost", "why"),
    [
        ("[None]", (0, 1, 2, 3), "1 verdicts for 4 changes"),
        ("'yes'", (0, 1, 2, 3), "answered a str"),
        ("True", (0, 1, 2, 3), "answered a bool"),
        ("[None, True, None, None]", (1,), "a bool, not a verdict"),
        ("[None, Refuse(''), None, None]", (1,), "no reason"),
        ("[None, None, Replace(('c', 'B')), None]", (2,), "not a tuple of 3 values"),
        ("[None, None, Replace(['c', 'B', 1]), None]", (2,), "not a tuple of 3 values"),
        ("[None, None, Replace(('x', 'B', 1)), None]", (2,), "for ('c',)"),
        ("[None, None, Replace(('c', 'B', {})), None]", (2,), "a dict in it"),
    ],
)
def test_an_answer_that_makes_no_sense_costs_what_it_is_about(
    tmp_path: Path, answer: str, lost: tuple[int, ...], why: str
) -> None:
    write(
        tmp_path,
        "odd.py",
        f"""
        @hookimpl
        def msyncd_check(changes):
            return {answer}
    """,
    )
    plugins = loaded(tmp_path, "odd.py")
    checked = plugins.check(BATCH.record_type, BATCH, HERE, 2)
    assert [failed.indexes for failed in checked.failed] == [lost]
    assert why in checked.failed[0].reason
    assert checked.decisions == {}
    assert plugins.report()[0].failures == 1


def test_a_delete_cannot_be_replaced_by_a_row(tmp_path: Path) -> None:
    write(
        tmp_path,
        "odd.py",
        """
        @hookimpl
        def msyncd_check(changes):
            return [Replace(("a", "B", 1))]
    """,
    )
    batch = type(BATCH)(BATCH.record_type, [("a",)], [None])
    assert loaded(tmp_path, "odd.py").check(BATCH.record_type, batch, Here([None]), 2).failed[0].indexes == (0,)


def test_a_locked_database_puts_the_batch_off_and_blames_nobody(tmp_path: Path) -> None:
    write(
        tmp_path,
        "reader.py",
        """
        from msyncd.errors import DatabaseUnavailable
        @hookimpl
        def msyncd_check(changes):
            raise DatabaseUnavailable("locked")
    """,
    )
    plugins = loaded(tmp_path, "reader.py")
    with pytest.raises(TryLater):
        plugins.check(BATCH.record_type, BATCH, HERE, 2)
    assert plugins.report()[0].failures == 0


def test_rows_here_are_read_only_when_touched_and_match_what_is_asked(tmp_path: Path) -> None:
    write(
        tmp_path,
        "first.py",
        """
        @hookimpl
        def msyncd_check(changes):
            return [Refuse("first")] + [None] * (len(changes) - 1)
    """,
    )
    write(
        tmp_path,
        "second.py",
        """
        @hookimpl
        def msyncd_check(changes, rows_here):
            assert len(rows_here) == len(changes) == 3
            assert rows_here.column("quantity") == [20, 30, 40] and rows_here.stores == ["B", "B", "B"]
            assert [row[0] for row in rows_here[0:2]] == ["b", "c"]
            return [Refuse(f"{here[2]} here") if change.key == here[:1] else None
                    for change, here in zip(changes, rows_here)]
    """,
    )
    here = Here([(*row[:2], row[2] * 10) for row in BATCH.rows if row and isinstance(row[2], int)], BATCH.stores)
    loaded(tmp_path, "first.py").check(BATCH.record_type, BATCH, here, 2)
    assert here.touched == 0
    checked = loaded(tmp_path, "first.py", "second.py").check(BATCH.record_type, BATCH, here, 2)
    assert checked.failed == ()
    assert [decision.verdict for decision in checked.decisions.values()] == [
        Refuse("first"),
        Refuse("20 here"),
        Refuse("30 here"),
        Refuse("40 here"),
    ]


def test_nobody_listening_allows_everything(tmp_path: Path) -> None:
    plugins = loaded(tmp_path)
    assert not plugins.implemented("check")
    assert plugins.check(BATCH.record_type, BATCH, HERE, 2).all_allowed
