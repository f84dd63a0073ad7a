"""`/quarantine`: what was refused and why, beside what stands here; retry and discard, in bulk too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit
from msyncd.console.words import count
from msyncd.daemon.site import Site
from msyncd.errors import MsyncdError, WrongUsage
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.ledger.aside import Aside
from msyncd.flow.retry import Retried, discard, retry
from msyncd.model import Value

PAGE: Final = 50
MOST: Final = 500
"""Entries that are tried again by one click: each is a transaction of its own, and somebody waits."""

_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a record in quarantine, beside the same here."""

    name: str
    kept: str
    here: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """How the list is narrowed."""

    type: str
    site: str

    @property
    def query(self) -> str:
        """As an address has it."""
        return urlencode({name: value for name, value in (("type", self.type), ("site", self.site)) if value})

    @property
    def number(self) -> int | None:
        """The sync ID, None for all."""
        return int(self.site) if self.site.isdecimal() else None


def show(visit: Visit) -> Response:
    """A page of the list, oldest first, beyond the entry `after`."""
    site = visit.desk.running_site()
    choice = Choice(visit.asked("type"), visit.asked("site"))
    after = int(visit.asked("after")) if visit.asked("after").isdecimal() else 0
    with site.here.database.read() as reader:
        entries = aside.quarantined_page(
            reader, limit=PAGE + 1, after=after, record_type=choice.type or None, site=choice.number
        )
        groups = aside.quarantine_groups(reader)
    return visit.page(
        "quarantine.html",
        here="quarantine",
        entries=entries[:PAGE],
        more=entries[PAGE - 1].id if len(entries) > PAGE else None,
        total=sum(number for _, _, number in groups),
        chosen=sum(n for name, origin, n in groups if _chosen(choice, name, origin)),
        types=sorted({name for name, _, _ in groups}),
        sites=sorted({origin for _, origin, _ in groups}),
        choice=choice,
        code=site.here.facts.code,
        most=MOST,
    )


def _chosen(choice: Choice, record_type: str, site: int) -> bool:
    return choice.type in ("", record_type) and choice.number in (None, site)


def one(visit: Visit) -> Response:
    """One entry whole, beside what stands here."""
    here = visit.desk.running_site().here
    number = visit.request.path_params["number"]
    with here.database.read() as reader:
        entries = aside.quarantined(reader, [number])
    if not entries:
        raise MsyncdError(f"nothing in quarantine has the ID {number}", hint="it was retried, discarded or replaced")
    kept = entries[0]
    standing = row_here(here, kept)
    columns = differences(kept, standing)
    code = here.facts.code(kept.store) if kept.store is not None else None
    return visit.page("quarantined.html", here="quarantine", entry=kept, standing=standing, columns=columns, store=code)


def row_here(here: Here, kept: Aside) -> Mapping[str, Value] | None:
    """The same record as it stands here, by column; None if there is none."""
    record_type = here.types.types.get(kept.record_type)
    if record_type is None:
        return None
    with here.database.read() as reader:
        row = reader.rows(record_type, [kept.key]).get(kept.key)
    return None if row is None else dict(zip(record_type.columns, row, strict=True))


def differences(kept: Aside, standing: Mapping[str, Value] | None) -> list[Column]:
    """Column by column: what is in quarantine, what is here, and whether they differ."""
    incoming = {} if kept.row is None else dict(zip(kept.columns, kept.row, strict=True))
    here = standing or {}
    return [
        Column(name, _cell(incoming, name), _cell(here, name), _differ(incoming, here, name))
        for name in dict.fromkeys((*incoming, *here))
    ]


def _differ(incoming: Mapping[str, Value], here: Mapping[str, Value], name: str) -> bool:
    return bool(incoming and here) and (name in incoming) and incoming.get(name) != here.get(name)


def _cell(row: Mapping[str, Value], name: str) -> str:
    if name not in row:
        return "–"
    value = row[name]
    return "NULL" if value is None else value.hex() if isinstance(value, bytes) else str(value)


# --- what may be done -------------------------------------------------------------------------------------------------


def act(visit: Visit) -> Response:
    """Retry or discard the entries that were ticked, or all that the list was narrowed to."""
    site = visit.desk.running_site()
    choice = Choice(visit.given("type"), visit.given("site"))
    ids = _ids(visit, site.here, choice)
    if not ids:
        raise WrongUsage("nothing was chosen", hint="tick the entries that are meant")
    action = visit.given("action")
    if action == "retry":
        _retry(visit, site, ids)
    elif action == "discard" and visit.given("sure") == "yes":
        _discard(visit, site, ids)
    elif action == "discard":
        return visit.page("discard.html", here="quarantine", ids=ids, choice=choice)
    else:
        raise WrongUsage(f"{action or 'nothing'} is not something to do with entries", hint="retry or discard")
    visit.desk.forget()
    return visit.back(f"/quarantine?{choice.query}")


def _ids(visit: Visit, here: Here, choice: Choice) -> list[int]:
    if visit.given("every") == "yes":
        with here.database.read() as reader:
            found = aside.quarantined_page(reader, limit=MOST, record_type=choice.type or None, site=choice.number)
        return [entry.id for entry in found]
    return sorted({int(given) for given in visit.form.get("id", ()) if given.isdecimal()})[:MOST]


def _retry(visit: Visit, site: Site, ids: Sequence[int]) -> None:
    with site.boundary.shared():
        done = retry(site.here, ids)
    site.wake()
    visit.note(f"retry {_named(ids)} of the quarantine", _result(done))
    visit.session.say(_result(done), "bad" if done.still else "good")
    for one in done.still[:_WORDS]:
        visit.session.say(f"{one.id}: {one.reason}", "bad")


def _result(done: Retried) -> str:
    return f"{len(done.applied)} applied, {len(done.sent_again)} to be sent again, {len(done.still)} still there"


def _discard(visit: Visit, site: Site, ids: Sequence[int]) -> None:
    with site.boundary.shared():
        number = discard(site.here, ids)
    said = f"discarded {count(number, 'entry', 'entries')}"
    visit.note(f"discard {_named(ids)} of the quarantine", said)
    visit.session.say(said)


def _named(ids: Sequence[int]) -> str:
    named = ", ".join(map(str, ids[:10]))
    return named if len(ids) <= 10 else f"{named} and {len(ids) - 10} more"


PAGES = (
    Page("/quarantine", show),
    Page("/quarantine", act, "POST", "operate"),
    Page("/quarantine/{number:int}", one),
)
