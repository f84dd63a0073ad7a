"""The checker on some seeds, and on daemons that were broken on purpose. More of both: `python3 run.py soak`."""

import pytest

from tests.faults.checker.__main__ import Outcome, broken_run, one_run
from tests.faults.checker.broken import BROKEN

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SECONDS = 20.0
LEAST_WRITES = 1_000
LEAST_FAULTS = 10
TRIES = 20


def told(found: Outcome) -> str:
    return "\n".join([found.line(), *found.wrong, ", ".join(found.faults), found.logs])


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        (1, "sqlite"),
        (2, "sqlite"),
        (3, "sqlite,postgresql,mariadb"),
        (4, "sqlite,postgresql,mariadb"),
        (5, "postgresql"),
        (6, "mariadb"),
    ],
)
def test_nothing_committed_is_lost_doubled_or_seen_torn(seed: int, kinds: str) -> None:
    found = one_run(seed, SECONDS, kinds.split(","))
    assert not found.wrong, told(found)
    assert len(found.faults) >= LEAST_FAULTS, told(found)
    assert found.acknowledged >= LEAST_WRITES, told(found)


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_on_purpose_is_caught(broken: str) -> None:
    """How often each is, docs/reliability.md tells."""
    if not any(broken_run(seed, broken).wrong for seed in range(1, TRIES + 1)):
        pytest.fail(f"{broken}: {TRIES} runs were clean")
