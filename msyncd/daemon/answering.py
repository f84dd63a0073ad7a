"""What the daemon answers on its control socket."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from msyncd import __version__
from msyncd.daemon.keeping import Keeping
from msyncd.daemon.report import Report
from msyncd.errors import TryLater, WrongUsage
from msyncd.flow.looking import Look
from msyncd.flow.status import Heard, Status, read_status


class Answering:
    """One method for each request; every answer is made of lines (see control.py)."""

    def __init__(self, keeping: Keeping, report: Report) -> None:
        self._keeping, self._report = keeping, report

    def __call__(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The lines that answer a request."""
        do = request.get("do")
        if do == "ping":
            yield {"result": {"pid": os.getpid(), "version": __version__}}
        elif do == "report":
            yield {"result": self._report.document()}
        elif do == "status":
            yield {"result": asdict(self.status())}
        elif do == "plugins":
            yield {"result": self._plugins()}
        elif do == "unlock":
            yield {"result": asdict(self._keeping.unlock(_text(request, "code"), by=_text(request, "by")))}
        elif do == "lock":
            yield {"result": {"was_unlocked": self._keeping.locking.close(by=_text(request, "by"))}}
        elif do == "reload":
            yield {"result": self._reload()}
        elif do == "sync":
            yield from self._sync(request.get("trust") or {})
        elif do == "compare":
            yield from self._compare(request.get("types") or [], repair=request.get("repair") is True)
        else:
            raise WrongUsage(f"the daemon does not know how to do {do!r}")

    def _sync(self, trust: object) -> Iterator[dict[str, Any]]:
        if not isinstance(trust, dict) or not all(side in {"primary", "site"} for side in trust.values()):
            raise WrongUsage("trust is a mapping of record types to `primary` or `site`")
        life = self._keeping.life
        if life is None:
            raise self._not_yet()
        yield from life.sync(trust)

    def _compare(self, types: object, *, repair: bool) -> Iterator[dict[str, Any]]:
        if not isinstance(types, list) or not all(isinstance(one, str) for one in types):
            raise WrongUsage("types is a list of record types")
        life = self._keeping.life
        if life is None:
            raise self._not_yet()
        yield from life.compare(types, repair=repair)

    def _reload(self) -> dict[str, Any]:
        """Look at the files now; what came of it."""
        done = self._keeping.look_now()
        return {
            "done": done,
            "digest": self._keeping.in_force.digest,
            "held": self._keeping.locking.held is not None,
            "problems": [asdict(one) for one in self._keeping.problems],
        }

    def _not_yet(self) -> TryLater:
        if self._keeping.in_force.stands_alone:
            return TryLater("this site stands alone: there is nothing to sync with")
        problem = self._report.document().get("problem")
        return TryLater(f"the daemon has not begun yet: {problem or 'it is starting'}")

    def status(self) -> Status:
        """As `msyncd status --json` has it, with what only the running daemon knows. Raises TryLater."""
        life = self._keeping.life
        if life is None:
            raise self._not_yet()
        here = life.site.here
        heard = {
            int(number): Heard(
                one.get("last_success"), one.get("last_error"), bool(one.get("refused")), one.get("left_to_receive")
            )
            for number, one in self._report.document()["peers"].items()
        }
        failures = {one.name: one.failures for one in here.plugins.report()}
        found = Look(here, life.site.problems, installed=True)
        problems = self._keeping.problems
        lock = self._keeping.locking.status()
        return read_status(found, running=True, problems=problems, heard=heard, failures=failures, lock=lock)

    def _plugins(self) -> dict[str, Any]:
        life = self._keeping.life
        if life is None:
            raise self._not_yet()
        return {
            one.name: {
                "origin": one.origin,
                "builtin": one.builtin,
                "hooks": one.hooks,
                "settings": one.settings,
                "calls": one.calls,
                "seconds": one.seconds,
                "failures": one.failures,
                "last": one.last_failure,
            }
            for one in life.site.here.plugins.report()
        }


def _text(request: Mapping[str, Any], name: str) -> str:
    given = request.get(name)
    if not isinstance(given, str):
        raise WrongUsage(f"{name} must be text")
    return given
