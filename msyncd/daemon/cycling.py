"""The satellite's cycles: on the interval, on a local write, on news from the primary, and when `msyncd sync` asks."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from msyncd.daemon.complaints import Disagreements, in_words
from msyncd.daemon.control import error_document
from msyncd.daemon.loop import Loop
from msyncd.daemon.report import Report
from msyncd.daemon.site import Site
from msyncd.errors import Interrupted, MsyncdError, TryLater
from msyncd.flow.pulling import Kept
from msyncd.model import PRIMARY, CycleSummary

REQUEST_SECONDS = 420.0
"""A request may take so long (see wire.client.Patience), and then a batch is applied."""
SOON = 3600.0


@dataclass(eq=False)
class Asked:
    """Somebody asks for a cycle. `lines` gets the progress, and the result last."""

    trust: Mapping[str, str] = field(default_factory=dict)
    lines: "queue.SimpleQueue[dict[str, Any]]" = field(default_factory=queue.SimpleQueue)


class Cycling:
    """`step` runs a cycle if one is due, and says when the next will be."""

    def __init__(
        self,
        site: Site,
        report: Report,
        *,
        clock: Callable[[], float] = time.monotonic,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        self._site, self._report, self._clock, self._finished = site, report, clock, finished
        self._log = structlog.get_logger("msyncd.daemon")
        self._disagreements = Disagreements(self._log)
        self._asked: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._due = threading.Event()
        self._next = clock()
        self.rounds = 0
        self.left: int | None = None
        """Records that are still to be sent or received, at most; None until a cycle has told."""
        self.last = CycleSummary()
        self.loop = Loop("cycle", self.step, failed=self._failed, clock=clock)
        site.before_batch = self._before_batch

    # --- from other threads -------------------------------------------------------------------------------------------

    def wanted(self) -> None:
        """There is something to send or to receive."""
        self._due.set()
        self.loop.ring()

    def ask(self, asked: Asked) -> None:
        """A cycle now, whatever the interval says, also while it waits after a failure."""
        self._asked.put(asked)
        self.loop.ring(urgent=True)

    def retimed(self) -> None:
        """The interval may have changed, or the line: try now."""
        self._next = self._clock()
        self.loop.ring(urgent=True)

    # --- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> float:
        """A cycle if one is due; the seconds until the next."""
        asked = self._next_asked()
        if asked is None and not self._is_due():
            return self._until_next()
        self._due.clear()
        try:
            summary = self._cycle(asked)
        except Interrupted:
            self._again(asked)
            return 0.0
        except BaseException as error:
            self._due.set()
            if asked is not None:
                asked.lines.put(error_document(error))
            raise
        self._succeeded(summary)
        if asked is not None:
            asked.lines.put({"result": asdict(summary)})
        return self._until_next()

    def _next_asked(self) -> Asked | None:
        try:
            return self._asked.get_nowait()
        except queue.Empty:
            return None

    def _is_due(self) -> bool:
        return self._interval > 0 and (self._due.is_set() or self._clock() >= self._next)

    def _until_next(self) -> float:
        if self._interval == 0 or not self._asked.empty():
            return 0.0 if not self._asked.empty() else SOON
        return 0.0 if self._due.is_set() else max(0.0, self._next - self._clock())

    @property
    def _interval(self) -> float:
        return self._site.here.settings.sync.interval

    def _again(self, asked: Asked | None) -> None:
        """Interrupted for a swap: it goes on after that. For the end: whoever asked is told."""
        self._due.set()
        if asked is not None and self.loop.stopping:
            asked.lines.put(error_document(TryLater("msyncd is stopping", hint="ask again when it runs")))
        elif asked is not None:
            self._asked.put(asked)

    def _cycle(self, asked: Asked | None) -> CycleSummary:
        def progress(direction: str, done: int, left: int | None) -> None:
            self.loop.beat()
            self.left = left
            if asked is not None:
                asked.lines.put({"progress": {"direction": direction, "done": done, "left": left}})

        with self._site.boundary.shared():
            satellite = self._site.satellite
            assert satellite is not None
            satellite.trust = dict(asked.trust) if asked is not None else {}
            try:
                return satellite.cycle(progress)
            except BaseException:
                satellite.forget_hello()  # the next cycle begins from the beginning: perhaps joining was not decided
                raise

    def _before_batch(self) -> None:
        if self.loop.stopping or self._site.boundary.wanted:
            raise Interrupted("it goes on after this")
        self.loop.beat(REQUEST_SECONDS)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _succeeded(self, summary: CycleSummary) -> None:
        self._next = self._clock() + self._interval
        self.last = summary
        self.left = summary.left_to_send + (summary.left_to_receive or 0)
        self.rounds += 1
        self._site.traffic.cycle(PRIMARY, summary)
        here, link = self._site.here, self._site.satellite and self._site.satellite.link
        problems = link.problems if link else ()
        self._disagreements.now(problems)
        self._report.peer(
            PRIMARY,
            connected=True,
            last_success=here.now(),
            last_error=None,
            refused=False,
            problems=list(problems),
            next_try=None,
            left_to_send=summary.left_to_send,
            left_to_receive=summary.left_to_receive,
        )
        self._tell(summary)
        self._finished()

    def _tell(self, summary: CycleSummary) -> None:
        """One line, if anything moved; and what came and could not be taken, as the primary says of what was sent."""
        counts = {name: getattr(summary, name) for name in ("sent", "received", "refused", "waiting", "quarantined")}
        moved = any(counts[name] for name in counts if name != "waiting")
        say = self._log.info if moved else self._log.debug
        say("cycle", **counts)
        satellite = self._site.satellite
        kept = satellite.last_kept if satellite is not None else Kept()
        if not summary.quarantined or kept.newest is None:
            return
        said = {"record": f"{kept.newest.record_type} {', '.join(map(str, kept.newest.key))}"}
        self._log.warning(
            "changes that came are in quarantine here, see `msyncd quarantine list`",
            changes=kept.changes,
            **said,
            reason=kept.newest.reason,
        )

    def _failed(self, error: Exception, seconds: float) -> None:
        later = error.try_later if isinstance(error, MsyncdError) else True
        self._site.traffic.cycle(PRIMARY, None, in_words(error))
        self._report.peer(
            PRIMARY,
            connected=False,
            last_error=str(error),
            refused=not later,
            next_try=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds)),
        )
