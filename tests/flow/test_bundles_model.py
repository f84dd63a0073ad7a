"""The property test of P37: sticks are made and carried in between all else, in any order, old ones again and again.

MSYNCD_MODEL_EXAMPLES=1000 MSYNCD_MODEL_STEPS=60 runs many more, at random.
"""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from msyncd.errors import BundleRefused, TryLater, WrongUsage
from msyncd.flow.bundle import exporting
from msyncd.flow.bundle.keeping import take_kept, with_facts
from msyncd.model import PRIMARY
from msyncd.testing import Crashed, Fault, OneSite
from msyncd.testing.crashing import FragileDatabase
from tests.flow.carried import bring, export
from tests.flow.test_model import ACTIVE, FAULTS, NUMBERS, SATELLITES, Everywhere

ITEM_RECORDS = exporting.ITEM_RECORDS
POINTS = st.sampled_from([None, None, "before commit", "after commit"])


class Carried(Everywhere):
    """All that befalls sites, and sticks besides."""

    def __init__(self) -> None:
        super().__init__()
        self.sticks: list[tuple[int, Path]] = []
        """For which site each is."""

    @initialize(request_size=st.sampled_from([1, 3, 20]), item_records=st.sampled_from([1, 2, 2000]))
    def open(self, request_size: int, item_records: int = 2000) -> None:
        exporting.ITEM_RECORDS = item_records
        super().open(request_size)

    @rule(site=SATELLITES, to_primary=st.booleans(), further=st.booleans(), point=POINTS, nth=st.integers(1, 3))
    def export(self, site: int, to_primary: bool, further: bool, point: str | None, nth: int) -> None:
        path = Path(self.folder.name) / f"stick{len(self.sticks)}"
        one = self.sites[site] if to_primary else self.sites.primary
        try:
            # nothing to go on from: there is nothing to carry
            with self._dying(one, point, nth), suppress(BundleRefused, WrongUsage):
                export(one, path, to=None if to_primary else site, further=further)
                self.sticks.append((PRIMARY if to_primary else site, path))
        except Crashed:
            one.restart()

    @precondition(lambda self: self.sticks)
    @rule(data=st.data(), point=POINTS, nth=st.integers(1, 4))
    def bring(self, data: st.DataObject, point: str | None, nth: int) -> None:
        """Also an old one, or once more. Whoever dies takes it in again, or not."""
        to, path = data.draw(st.sampled_from(self.sticks[-6:]))
        self._bring(to, path, point, nth)

    @rule(
        site=SATELLITES,
        to_primary=st.booleans(),
        order=st.permutations([0, 1, 2]),
        numbers=st.lists(NUMBERS, max_size=4),
    )
    def three_sticks(self, site: int, to_primary: bool, order: list[int], numbers: list[int]) -> None:
        """Each goes on where the one before ends; they arrive in any order."""
        before = len(self.sticks)
        for further in (False, True, True):
            self._write(site, to_primary, numbers)
            self.export(site, to_primary, further, None, 1)
        made = self.sticks[before:]
        for at in order:
            if at < len(made):
                self._bring(*made[at], None, 1)

    @rule(
        site=SATELLITES,
        to_primary=st.booleans(),
        numbers=st.lists(NUMBERS, max_size=4),
        later=st.lists(NUMBERS, max_size=4),
        fault=FAULTS,
        after=st.integers(0, 3),
        cycles=st.integers(1, 2),
    )
    def the_line_comes_back(
        self, site: int, to_primary: bool, numbers: list[int], later: list[int], fault: Fault, after: int, cycles: int
    ) -> None:
        """Between export and import, for a moment."""
        self._write(site, to_primary, numbers)
        before = len(self.sticks)
        self.export(site, to_primary, False, None, 1)
        self._write(site, to_primary, later)
        self.sites[site].line.fail("push" if to_primary else "pull", fault, after=after)
        for _ in range(cycles):
            self.cycle(site)
        for stick in self.sticks[before:]:
            self._bring(*stick, None, 1)

    def _write(self, site: int, by_satellite: bool, numbers: list[int]) -> None:
        for at, number in enumerate(numbers):
            if not by_satellite:
                self.write_item(number, "abc"[at % 3])
                self.write_patient(1, "abc"[at % 3], at == 3)
            else:
                store = ACTIVE[site][number % len(ACTIVE[site])]
                self.write_stock(store, number, number, at)
                self.write_invoice(store, number, "x", at, number)
                self.write_patient(site, "abc"[at % 3], at == 3)

    @rule(site=SATELLITES)
    def round_trip(self, site: int) -> None:
        for to_primary in (True, False):
            before = len(self.sticks)
            self.export(site, to_primary, False, None, 1)
            for to, path in self.sticks[before:]:
                self._bring(to, path, None, 1)

    @rule(site=st.sampled_from([1, 2, 3, 4]))
    def take_kept(self, site: int) -> None:
        """As the daemon does now and then."""
        with suppress(TryLater):
            take_kept(with_facts(self.sites[site].here))

    def _bring(self, to: int, path: Path, point: str | None, nth: int) -> None:
        one = self.sites[to]
        try:
            # refused for its age, or another process has brought other facts: never as a restored backup or a clone
            with self._dying(one, point, nth), suppress(BundleRefused, TryLater):
                bring(one, path)
        except Crashed:
            one.restart()

    def _dying(self, one: OneSite, point: str | None, nth: int) -> "_Dying":
        return _Dying(one, point, nth)

    def teardown(self) -> None:
        try:
            if hasattr(self, "sites"):
                for site in self.sites:
                    site.calm()
                for to, path in self.sticks[-3:]:  # found in a drawer, when all is long over
                    self.come_to_rest()
                    self._bring(to, path, None, 1)
        finally:
            exporting.ITEM_RECORDS = ITEM_RECORDS
            super().teardown()


class _Dying:
    """Inside, a site may die beside one of its commits."""

    def __init__(self, one: OneSite, point: str | None, nth: int) -> None:
        self._one, self._point, self._nth = one, point, nth

    def __enter__(self) -> None:
        if self._point is not None:
            self._one.crash_at(self._point, self._nth)  # type: ignore[arg-type]  # a literal, drawn

    def __exit__(self, *_of: object) -> None:
        database = self._one.here.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = None


@pytest.mark.everywhere
@pytest.mark.timeout(900)
def test_p37_sticks_in_any_order_leave_every_site_with_what_was_written_for_it(pair: str) -> None:
    many = os.environ.get("MSYNCD_MODEL_EXAMPLES")
    run_state_machine_as_test(
        Carried,
        settings=settings(
            max_examples=int(many or (15 if pair == "sqlite-sqlite" else 2)),
            stateful_step_count=int(os.environ.get("MSYNCD_MODEL_STEPS", "30")),
            derandomize=many is None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
