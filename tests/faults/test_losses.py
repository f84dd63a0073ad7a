"""What a restored backup loses: which states of a record the checker then allows."""

import pytest

from tests.faults.checker.clients import Journal, Wrote
from tests.faults.checker.losses import note_restored
from tests.faults.checker.verdict import Contents, allowed_states

Row = tuple[object, ...]
TAKEN = 2.5
"""When the backup was made: after the second of a record's writes."""


def contents(amount: int | None) -> Contents:
    empty: Contents = {table: {} for table in ("store", "item", "register", "stock", "doc", "doc_line")}
    return empty if amount is None else {**empty, "register": {"r": ("r", "S2", amount)}}


def allowed(states: list[int | None], at_primary: int | None, in_backup: int | None) -> tuple[list[object], Journal]:
    journal = Journal()
    for at, state in enumerate(states, 1):
        journal.wrote.append(Wrote(2, "S2", "register", "r", state, True, at, at + 0.1))
    note_restored(journal, 2, contents(at_primary), contents(in_backup), TAKEN, 9.0)
    return allowed_states(journal.by_record()["register", "r"]), journal


@pytest.mark.parametrize(
    ("states", "at_primary", "in_backup", "then"),
    [
        ([1, 2, 3, 4], 4, 2, [4]),
        ([1, 2, 3, 4], 3, 2, [3]),
        ([1, 2, 3, 4], 2, 2, [2]),
        ([1, 2, 3, 4], 1, 2, [1, 2]),
        ([1, 2, 3], None, 2, [2]),
        ([1, 2, None], 2, 2, [2]),
        ([1, 2, None], None, 2, [None, 2]),
        ([1, None], 1, None, [1, None]),
    ],
)
def test_the_later_of_what_the_primary_and_what_the_backup_has(
    states: list[int | None], at_primary: int | None, in_backup: int | None, then: list[object]
) -> None:
    assert allowed(states, at_primary, in_backup)[0] == then


def test_a_record_that_was_made_since_and_never_sent_is_lost() -> None:
    journal = Journal(wrote=[Wrote(2, "S2", "register", "r", 1, True, 4.0, 4.1)])
    note_restored(journal, 2, contents(None), contents(None), TAKEN, 9.0)
    assert allowed_states(journal.by_record()["register", "r"]) == [None]


def test_what_another_site_wrote_last_is_not_lost_with_this_disk() -> None:
    journal = Journal(wrote=[Wrote(3, "S2", "register", "r", 1, True, 1.0, 1.1)])
    note_restored(journal, 2, contents(None), contents(None), TAKEN, 9.0)
    assert allowed_states(journal.by_record()["register", "r"]) == [1]


def test_a_state_that_nobody_wrote_is_told() -> None:
    assert allowed([1, 2], 2, 2)[1].seen == []
    assert allowed([1, 2], 7, 2)[1].seen == ["register r stood at the primary as 7, which nobody wrote"]
