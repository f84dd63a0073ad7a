"""A satellite's records are compared with the primary's now and then, a little at a time, and when somebody asks."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from msyncd.daemon.cycling import Asked, Cycling
from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.errors import TryLater
from msyncd.flow.compare.ask import Found
from msyncd.flow.compare.holding import compared_types
from msyncd.flow.compare.repair import compare, one_type, told
from msyncd.flow.ledger import compared, receipts
from msyncd.flow.satellite import Satellite
from msyncd.model import PRIMARY

SHARE: Final = 0.1
"""Of the time, how much a comparison that nobody asked for may take."""
LOOK_SECONDS: Final = 60.0
UNTIL_REACHED_SECONDS: Final = 2.0
LEVEL_SECONDS: Final = 600.0
BEHIND: Final = 10_000
"""Records on their way beyond which a comparison waits: each would be told, held and looked at again."""


class Comparisons:
    """`step` compares a little if something is due; `now` compares all at once."""

    def __init__(self, site: Site, cycling: Cycling, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._site, self._cycling, self._clock = site, cycling, clock
        self._log = structlog.get_logger("msyncd.daemon")
        self._going_on: Iterator[Found] | None = None
        self._last: Found | None = None
        self._types: object = None
        self.loop = Loop("comparing", self.step, clock=clock)

    def step(self) -> float:
        """One question, if a comparison is due; the seconds to rest."""
        satellite = self._satellite()
        if satellite is None:
            return UNTIL_REACHED_SECONDS
        if not satellite.here.settings.compare_every_days:
            self._going_on = None
            return LOOK_SECONDS
        if self._types is not satellite.here.types:  # the tables or the configuration changed: begin again
            self._going_on, self._types = None, satellite.here.types
        if self._filling(satellite):
            self._going_on = None
            return UNTIL_REACHED_SECONDS
        if self._behind():
            return UNTIL_REACHED_SECONDS
        if self._going_on is None:
            name = self._due(satellite)
            if name is None:
                return LOOK_SECONDS
            self._going_on = one_type(satellite, name, self._level)
        started = self._clock()
        self._last = self._next(self._going_on)
        return (self._clock() - started) * (1 / SHARE - 1)

    def now(self, only: Sequence[str], *, repair: bool) -> Iterator[dict[str, Any]]:
        """Compare at once; a line for what is found of each type, while it goes on and at its end."""
        satellite = self._satellite()
        if satellite is None or satellite.link is None:
            raise TryLater("the primary has not been reached yet", hint="see `msyncd status`")
        results = []
        for found, ended in compare(satellite, self._level, only=only, repair_too=repair):
            yield {"progress": {"direction": found.record_type, "done": found.records, "left": None}}
            if ended:
                results.append(told(found))
        yield {"result": {"record_types": results}}

    def _satellite(self) -> Satellite | None:
        satellite = self._site.satellite
        return satellite if satellite is not None and satellite.link is not None else None

    def _next(self, going_on: Iterator[Found]) -> Found | None:
        try:
            return next(going_on)
        except StopIteration:
            self._going_on = None
            self._tell(self._last)
            return None
        except BaseException:
            self._going_on = None  # from the beginning of this type, another time
            raise

    def _tell(self, found: Found | None) -> None:
        if found is None:
            return
        if found.differences:
            self._log.warning(
                "records differ from the primary's; see `msyncd compare --repair`",
                record_type=found.record_type,
                records=found.records,
                differences=found.differences,
            )
        else:
            self._log.debug("compared", record_type=found.record_type, records=found.records)

    def _filling(self, satellite: Satellite) -> bool:
        """Whether a fill is under way, or still to come: what it has not brought yet would all be a difference."""
        with satellite.here.database.read() as reader:
            pulled = receipts.pulled_from(reader, PRIMARY)
        return pulled is None or pulled.fill_type != ""

    def _behind(self) -> bool:
        """Whether much is on its way, in either direction: it would all be a difference that is none."""
        left = self._cycling.left
        return left is None or left > BEHIND

    def _due(self, satellite: Satellite) -> str | None:
        """The record type that was compared longest ago, if that is long enough."""
        here = satellite.here
        assert satellite.link is not None
        with here.database.read() as reader:
            last = {one.record_type: one.at for one in compared.comparisons(reader, PRIMARY)}
        names = compared_types(here, satellite.link.stopped)
        due = here.clock() - timedelta(days=here.settings.compare_every_days)
        late = [name for name in names if name not in last or datetime.fromisoformat(last[name]) <= due]
        return min(late, key=lambda name: last.get(name, ""), default=None)

    def _level(self) -> None:
        """A cycle of the daemon's own, to its end."""
        asked = Asked()
        self._cycling.ask(asked)
        ends = self._clock() + LEVEL_SECONDS
        while self._clock() < ends and not self._cycling.loop.stopping:
            self.loop.beat()
            try:
                line = asked.lines.get(timeout=1.0)
            except queue.Empty:
                continue
            if "error" in line:
                raise TryLater(str(line["error"].get("what", "the cycle failed")), hint="it is tried again by itself")
            if "result" in line:
                return
        raise TryLater("the sites did not come level", hint="it is tried again by itself")
