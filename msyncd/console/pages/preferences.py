"""`/preferences`: this site, synchronise parameters, and the list of servers to sync with, over the same YAML.

Whatever is filled in is shown as a plan first. Between the two the edits stay here, with the session: a page never
holds a password, and what is saved is what was shown. A file that somebody else has changed meanwhile is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe

from starlette.responses import Response

from msyncd.commands.sites_remove import refuse_stores
from msyncd.commands.stores import moving
from msyncd.console import filling
from msyncd.console.filling import Given, Meant
from msyncd.console.pages.page import Page
from msyncd.console.pages.sites import fits
from msyncd.console.pending import Pending
from msyncd.console.visit import Forbidden, Visit
from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem
from msyncd.flow.plan import Plan
from msyncd.flow.wishes import wish_differs
from msyncd.settings.editing import Document, Edit, RemoveSite, Set, Unset, edit, read_document, save
from msyncd.settings.values import PeerSite, Settings


@dataclass(frozen=True)
class Typed:
    """What was filled in and could not be taken, to be shown again with what is wrong."""

    given: Given
    problems: tuple[str, ...]


def show(visit: Visit, typed: Typed | None = None, status: int = 200) -> Response:
    """The window: everything but the interval and the check is disabled until the code was given."""
    desk, lock = visit.desk, visit.desk.lock()
    document, problems = _document(visit)
    settings = _shown(visit, document)
    q = visit.asked("q")
    return visit.page(
        "preferences.html",
        status,
        here="preferences",
        lock=lock,
        locks=desk.settings.code_hash is not None,
        settings=settings,
        fields=filling.fields_of(settings) | dict(typed.given if typed else {}),
        password=filling.password_of(settings.this_site.password),
        password_of=filling.password_of,
        entries=[one for one in settings.sync_with if fits(one.sync_id, one.name, q)],
        q=q,
        wrong=problems,
        typed=typed.problems if typed else (),
    )


def _document(visit: Visit) -> tuple[Document | None, tuple[Problem, ...]]:
    """The file as it stands; None if it has errors: it is corrected by hand first, or it would lose what is in it."""
    try:
        document = read_document(visit.desk.settings.file)
    except ConfigurationInvalid as error:
        return None, error.problems
    return (document, ()) if document.settings is not None else (None, document.problems)


def _shown(visit: Visit, document: Document | None) -> Settings:
    """What the fields show: what counts, while it is locked or the file has errors; else what the file says."""
    if document is None or document.settings is None or visit.desk.lock().locked:
        return visit.desk.settings
    return document.settings


def _edited(visit: Visit) -> tuple[Document, Settings]:
    """The file that is to be edited. Raises MsyncdError if it has errors."""
    document, _ = _document(visit)
    if document is None or document.settings is None:
        raise MsyncdError("the file has errors, so it is not edited here", hint="correct it; `msyncd check` says where")
    return document, document.settings


# --- this site --------------------------------------------------------------------------------------------------------


def here(visit: Visit) -> Response:
    """This site and the synchronise parameters were filled in: their plan."""
    locked = visit.desk.lock().locked
    document, settings = _edited(visit)
    given = filling.given_in(visit.form)
    meant = filling.meant_here(settings, given, locked=locked)
    try:
        return _plan(visit, document, meant, "this site")
    except ConfigurationInvalid as error:
        return show(visit, Typed(_without_password(given), _words(error)), 422)


def _without_password(given: Given) -> Given:
    return {name: text for name, text in given.items() if name != "password"}


def _words(error: ConfigurationInvalid) -> tuple[str, ...]:
    found = [one for one in error.problems if one.severity == "error"]
    return tuple(f"{one.message}; {one.hint}" if one.hint else one.message for one in found)


# --- the list of servers ----------------------------------------------------------------------------------------------


def site(visit: Visit, typed: Typed | None = None, status: int = 200) -> Response:
    """The form of one entry of sync_with, or of a new one."""
    document, problems = _document(visit)
    settings = _shown(visit, document)
    entry = _entry(visit, settings)
    return visit.page(
        "preferences_site.html",
        status,
        here="preferences",
        entry=entry,
        fields=filling.fields_of_site(settings, entry) | dict(typed.given if typed else {}),
        password=filling.password_of(entry.password) if entry is not None and entry.password else None,
        is_primary=settings.is_primary,
        lock=visit.desk.lock(),
        wrong=problems,
        typed=typed.problems if typed else (),
    )


def _entry(visit: Visit, settings: Settings) -> PeerSite | None:
    wanted = visit.request.path_params.get("sync_id")
    if wanted is None:
        return None
    for one in settings.sync_with:
        if one.sync_id == wanted:
            return one
    raise MsyncdError(f"sync ID {wanted} is not in sync_with", hint="it was taken out meanwhile")


def fill_in(visit: Visit) -> Response:
    """An entry was filled in: its plan."""
    _refuse_locked(visit)
    document, settings = _edited(visit)
    entry = _entry(visit, settings)
    given = filling.given_in(visit.form)
    meant = filling.meant_of_site(settings, entry, given)
    what = f"site {given.get('sync_id', '')}" if entry is None else f"site {entry.sync_id}"
    try:
        return _plan(visit, document, meant, what)
    except ConfigurationInvalid as error:
        return site(visit, Typed(_without_password(given), _words(error)), 422)


def remove(visit: Visit) -> Response:
    """An entry is to be taken out: its plan."""
    _refuse_locked(visit)
    document, settings = _edited(visit)
    entry = _entry(visit, settings)
    assert entry is not None
    number = entry.sync_id
    meant = Meant((RemoveSite(number),))
    return _plan(visit, document, meant, f"site {number}", refuse=lambda plan: refuse_stores(plan, number))


def move(visit: Visit) -> Response:
    """A store is to be active on another site: the plan. With records it is handed over."""
    _refuse_locked(visit)
    document, settings = _edited(visit)
    known = visit.desk.running_site().here.facts.stores.get(visit.given("store"))
    if known is None or not visit.given("to").isdecimal():
        raise MsyncdError("there is no such store or site", hint="the list of stores shows those that are known")
    names = {known.store, known.code}
    edits = moving(settings, names, known.code, int(visit.given("to")))
    meant = Meant(tuple(edits))
    return _plan(visit, document, meant, f"store {known.code}")


# --- the plan, and saving ---------------------------------------------------------------------------------------------


def _plan(
    visit: Visit,
    document: Document,
    meant: Meant,
    what: str,
    *,
    refuse: Callable[[Plan], None] = lambda _plan: None,
) -> Response:
    """What the edits would change, to be confirmed. Raises ConfigurationInvalid, EditRefused, what `refuse` raises."""
    if not meant.edits:
        visit.session.say("nothing was changed")
        return visit.back("/preferences")
    changed = edit(document, meant.edits)
    assert changed.settings is not None
    _refuse_behind(visit, changed.settings)
    plan: Plan = visit.desk.plan(changed.settings)
    refuse(plan)
    pending = visit.session.pending = Pending(token_urlsafe(12), what, document.digest, meant)
    warnings = [one for one in changed.problems if one.severity == "warning" and one not in document.problems]
    return visit.page("plan.html", here="preferences", plan=plan, pending=pending, warnings=warnings)


def _refuse_behind(visit: Visit, new: Settings) -> None:
    """An edit of a file that was left behind would be taken in with all that the file lacks. Raises MsyncdError."""
    late = visit.desk.site.behind if visit.desk.site is not None else None
    if late is not None and wish_differs(visit.desk.settings, new):
        raise MsyncdError(late.message, hint=late.hint)


def confirm(visit: Visit) -> Response:
    """Save what was shown, and say what became of it."""
    pending = visit.session.pending
    if pending is None or pending.key != visit.given("pending"):
        raise MsyncdError("there is nothing to save any more", hint="another edit was begun meanwhile; look again")
    if not _all_open(pending.meant.edits):
        _refuse_locked(visit)
    document = read_document(visit.desk.settings.file)
    if document.digest != pending.digest:
        visit.session.pending = None
        raise MsyncdError(
            f"{document.path} was changed by somebody else since the plan was made; nothing was written",
            hint="look at Preferences again: they show the file as it is now",
        )
    changed = edit(document, pending.meant.edits)
    try:
        filling.keep_secret(pending.meant)
        save(changed)
    except BaseException as error:
        if pending.meant.secret is not None:
            pending.meant.secret[0].unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise MsyncdError(f"the password's file cannot be written: {error.strerror}", hint=_RIGHTS) from error
        raise
    visit.session.pending = None
    _tell(visit, pending, changed)
    return visit.back("/preferences")


_RIGHTS = "the user of msyncd must be able to write beside the configuration"


def _tell(visit: Visit, pending: Pending, changed: Document) -> None:
    """Whether the daemon has taken in what was saved."""
    assert changed.settings is not None
    in_force = visit.desk.take_in(changed.settings)
    visit.note(f"save preferences of {pending.what}", "in force" if in_force else "saved, not in force yet")
    if in_force:
        visit.session.say("saved, and in force")
        return
    visit.session.say("saved, but it is not in force yet: what is wrong stands above, or in the log", "bad")


def _all_open(edits: tuple[Edit, ...]) -> bool:
    """Whether the lock leaves these edits open."""
    paths = {filling.OF_A_SATELLITE[name][0] for name in filling.OPEN}
    return all(isinstance(one, Set | Unset) and one.path in paths for one in edits)


def _refuse_locked(visit: Visit) -> None:
    if visit.desk.lock().locked:
        raise Forbidden("these preferences are locked", hint="un-lock them with the authorisation code first")


# --- the lock ---------------------------------------------------------------------------------------------------------


def unlock(visit: Visit) -> Response:
    """The authorisation code was given."""
    code = next(iter(visit.form.get("code", ())), "")
    try:
        done = visit.desk.unlock(code, by=f"{visit.user.name} from {visit.address}")
    except MsyncdError as error:
        visit.note("un-lock preferences", "refused")
        visit.session.say(str(error), "bad")
        return visit.back("/preferences")
    visit.note("un-lock preferences")
    visit.session.say("un-locked: preferences may be edited for 15 minutes")
    for line in done.applied:
        visit.session.say(f"the edit that was held back is in force: {line}")
    for line in done.left:
        visit.session.say(f"the edit that was held back is not in force: {line}", "bad")
    return visit.back("/preferences")


def lock(visit: Visit) -> Response:
    """Lock again before the time is over."""
    visit.desk.close_lock(by=f"{visit.user.name} from {visit.address}")
    visit.note("lock preferences")
    visit.session.say("locked")
    return visit.back("/preferences")


PAGES = (
    Page("/preferences", show, role="change"),
    Page("/preferences", here, "POST", "change"),
    Page("/preferences/sites/new", site, role="change"),
    Page("/preferences/sites/new", fill_in, "POST", "change"),
    Page("/preferences/sites/{sync_id:int}", site, role="change"),
    Page("/preferences/sites/{sync_id:int}", fill_in, "POST", "change"),
    Page("/preferences/sites/{sync_id:int}/remove", remove, "POST", "change"),
    Page("/preferences/stores", move, "POST", "change"),
    Page("/preferences/save", confirm, "POST", "change"),
    Page("/preferences/unlock", unlock, "POST", "change"),
    Page("/preferences/lock", lock, "POST", "change"),
)
