"""What runs is kept equal to what the configuration says: at the start, after an edit, and when it has failed."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from msyncd.daemon import logging
from msyncd.daemon.assemble import assemble
from msyncd.daemon.complaints import in_words
from msyncd.daemon.life import Life, PrimaryLife, SatelliteLife
from msyncd.daemon.locking import Locking, Unlocked
from msyncd.daemon.loop import STEP_SECONDS, Loop
from msyncd.daemon.notify import Notifier
from msyncd.daemon.planned import plan_of
from msyncd.daemon.report import Report
from msyncd.daemon.swapping import needs_another_site, swap
from msyncd.daemon.words import files_edited
from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem
from msyncd.flow.here import Clock, utc_now
from msyncd.flow.plan import Plan
from msyncd.flow.planning import settings_plan
from msyncd.plugins import Plugins
from msyncd.settings.reload import Reloader
from msyncd.settings.show import differences
from msyncd.settings.values import Settings

_OFF = 3600.0
_LONG = 6 * STEP_SECONDS
"""A swap waits for the batch in hand, and installs triggers."""


class Keeping:
    """`step` takes in what has changed. `life` is what runs now, None while nothing does.

    `console` is served on the primary's port too; `took_in` is told what an edit changed, once it is in force.
    """

    def __init__(
        self, reloader: Reloader, plugins: Plugins | None, report: Report, notifier: Notifier, *, clock: Clock = utc_now
    ) -> None:
        self._reloader, self._plugins, self._report, self._notifier, self._clock = (
            reloader,
            plugins,
            report,
            notifier,
            clock,
        )
        self._log = structlog.get_logger("msyncd.daemon")
        self.life: Life | None = None
        self.console: ASGIApp | None = None
        self.took_in: Callable[[str], None] = lambda _changed: None
        self.in_force: Settings = reloader.current
        self._begun = False
        self._wanted: Settings | None = reloader.current
        self._edited: dict[Path, None] = {}
        self._look = False
        self._refused: tuple[Problem, ...] = ()
        self._turns = threading.Condition()
        self._asked = self._answered = 0
        self.locking = Locking(lambda: reloader.found, clock)
        self.loop = Loop("configuration", self.step, failed=self._failed, clock=time.monotonic)

    def look(self) -> None:
        """The files may have changed. From any thread."""
        with self._turns:
            self._look = True
        self.loop.ring(urgent=True)

    def look_now(self, seconds: float = 60.0) -> bool:
        """The same, and wait until what was found is taken in or not; False if that takes longer. From any thread."""
        with self._turns:
            self._look = True
            self._asked += 1
            mine = self._asked
        self.loop.ring(urgent=True)
        with self._turns:
            return self._turns.wait_for(lambda: self._answered >= mine, seconds)

    def unlock(self, code: str, *, by: str) -> Unlocked:
        """Give the code: an edit that is held back is taken in at once. Raises WrongCode, TooManyCodes."""
        held = self.locking.held
        until = self.locking.give(code, by=by)
        done = self.look_now()
        if held is None or (done and self.in_force.digest == held.digest):
            return Unlocked(until, held.plan.lines() if held is not None else ())
        errors = tuple(str(one) for one in self.problems if one.severity == "error")
        return Unlocked(until, left=errors or ("the edit is not taken in yet: see the daemon's log",))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the newest files, and with the tables."""
        site = self.life.site if self.life is not None else None
        found = (*site.problems, site.behind) if site is not None else ()
        return tuple(dict.fromkeys(one for one in (*self._reloader.problems, *self._refused, *found) if one))

    # --- the step -----------------------------------------------------------------------------------------------------

    def step(self) -> float:
        """Read what was edited; make what runs equal to it."""
        self.loop.beat(_LONG)
        with self._turns:
            asked, looking, self._look = self._asked, self._look, False
        try:
            if looking:
                self._reload()
            else:
                self._take_in()
                self._tell()
        except BaseException:
            self._look = self._look or looking  # whatever failed, the files are looked at again
            raise
        finally:
            with self._turns:
                self._answered = asked
                self._turns.notify_all()
        return 0.0 if self._look else _OFF

    def _reload(self) -> None:
        if self._begun:
            self._notifier.reloading()
        try:
            self._read()
            self._take_in()
            self._tell()
        finally:
            if self._begun:
                self._notifier.ready()

    def _read(self) -> None:
        before = self._reloader.problems
        change = self._reloader.refresh()
        if change is not None:
            self._wanted, self._refused = change.new, ()
            self._edited = dict.fromkeys([*self._edited, *change.edited])
        problems = self._reloader.problems
        if problems != before:
            for one in problems:
                say = self._log.error if one.severity == "error" else self._log.warning
                say(f"configuration: {one}")
            if any(one.severity == "error" for one in problems):
                self._log.error("the edited configuration is not taken in; the last good one keeps running")
            elif change is None and any(one.severity == "error" for one in before):
                self._log.info("the configuration is in order again, and as it was")
        self.locking.look(lambda edited: self._plan(self._reloader.current, edited, held=True))

    def plan(self, edited: Settings) -> Plan:
        """What taking in another configuration would change. From any thread."""
        return self._plan(self.in_force, edited)

    def _plan(self, old: Settings, new: Settings, *, held: bool = False) -> Plan:
        life = self.life
        running = life.site.here if life is not None else None
        try:
            return plan_of(old, new, clock=self._clock, running=running, held=held)
        except Exception:  # noqa: BLE001 - a plan is words: no edit fails for want of them
            self._log.exception("the plan of an edit could not be made whole")
            return settings_plan(old, new, "no more could be said: see the daemon's log")

    def _take_in(self) -> None:
        wanted = self._wanted
        if wanted is None:
            return
        if not self._begun:
            self._begin(wanted)
        else:
            try:
                self._change(self._with_old_folder(wanted))
            except MsyncdError as error:
                if error.try_later:
                    raise
                self._refuse(error)
        self._wanted = None
        if not self._refused:
            self._accept()

    def _accept(self) -> None:
        """What was taken in counts from now on, also across a restart. A full disk keeps nothing else from going on."""
        try:
            self._reloader.accept(self.in_force.state_directory)
        except MsyncdError as error:
            self._log.warning("what is in force could not be noted as accepted", reason=str(error))

    def _begin(self, settings: Settings) -> None:
        """The first life. Whatever keeps it from beginning is waited out; an edit meanwhile is tried instead."""
        logging.configure(settings.log)
        loaded, self._plugins = self._plugins, None
        # an edit may have come between reading and here: what was loaded at the start is not its plugins
        life = self._made(settings, loaded if settings is self.in_force else None)
        self._start(life, settings)
        self._begun = True
        self.locking.tell()

    def _change(self, new: Settings) -> None:
        old = self.in_force
        lines = self._plan_lines(old, new)
        if self.life is None or needs_another_site(old, new):
            fresh = self._made(new, None, old)
            if self.life is not None:
                self._end(self.life)
            self._start(fresh, new)
            self._tell_changed(old)
        else:
            swap(self.life.site, new)
            self.in_force = new
            self.life.swapped()
        logging.configure(new.log)
        changed = "; ".join(lines) or files_edited(self._edited, new.file.parent)
        self._edited = {}
        self._log.info("the edited configuration is in force", changed=changed)
        self.took_in(changed)

    def _tell_changed(self, old: Settings) -> None:
        """Plugins of the new life are told that it is one; those of a swap are told there."""
        if self.life is not None:
            for failed in self.life.site.here.plugins.config_changed(old, self.in_force):
                self._log.warning("a plugin failed when the configuration was swapped", reason=failed.reason)

    def _plan_lines(self, old: Settings, new: Settings) -> tuple[str, ...]:
        """What the log says of an edit: its plan, made before anything changes."""
        return self.plan(new).lines() if differences(old, new) else ()

    def _made(self, settings: Settings, plugins: Plugins | None, old: Settings | None = None) -> Life | None:
        if settings.stands_alone:
            return None
        site = assemble(settings, clock=self._clock, plugins=plugins, old=old)
        if settings.is_primary:
            return PrimaryLife(site, self._report, self._started, self.console)
        return SatelliteLife(site, self._report, self._started)

    def _start(self, life: Life | None, settings: Settings) -> None:
        self.life, self.in_force = life, settings
        if life is None:
            self._log.info("there is nothing to sync with: sync_with is empty; waiting for an edit")
            self._notifier.ready()
            return
        for failed in life.site.here.plugins.started():
            self._log.warning("a plugin failed at the start", reason=failed.reason)
        life.start()

    def _started(self) -> None:
        self._notifier.ready()

    def _end(self, life: Life) -> None:
        life.site.here.plugins.stopping()
        life.stop()
        self.life = None

    def end(self) -> None:
        """Everything ends; the batch in hand is finished."""
        if self.life is not None:
            self._end(self.life)

    def _with_old_folder(self, new: Settings) -> Settings:
        """The state directory is held by this process: another one is taken at the next start."""
        old = self.in_force.state_directory
        if new.state_directory == old:
            return new
        self._log.warning("state_directory has changed; it is taken in when msyncd is started again")
        return replace(new, state_directory=old)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _refuse(self, error: MsyncdError) -> None:
        """The edit cannot be taken in: what ran keeps running, and the error stands until it is corrected."""
        place = Problem(str(self.in_force.file), 1, 1, error.what, error.hint)
        self._refused = error.problems if isinstance(error, ConfigurationInvalid) else (place,)
        for one in self._refused:
            self._log.error(f"configuration: {one}")
        self._log.error("the edited configuration is not taken in; the last good one keeps running")

    def _failed(self, error: Exception, _seconds: float) -> None:
        self._report.put(problem=in_words(error))
        self._notifier.ready()  # it runs and tries again; the service manager is not to wait for the database
        self._tell(well=False)

    def _tell(self, *, well: bool = True) -> None:
        settings = self.in_force
        if well:
            self._report.put(problem=None)
        self._report.put(
            pid=os.getpid(),
            site=settings.this_site.sync_id,
            name=settings.this_site.name,
            configuration={"file": str(settings.file), "digest": settings.digest},
            held=self.locking.held.since if self.locking.held is not None else None,
            stands_alone=settings.stands_alone,
            live=settings.sync.live and settings.sync.interval > 0,
            paused=settings.sync.interval == 0,
            problems=[asdict(one) for one in self.problems],
        )
