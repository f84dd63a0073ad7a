"""`/login` and `/logout`: the only pages that somebody sees who has not logged in."""

import math
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from msyncd.console.desk import Desk
from msyncd.console.entry import Entry
from msyncd.console.sessions import SESSION_SECONDS, Sessions
from msyncd.console.visit import Forbidden, check_form, page, same_origin
from msyncd.errors import LoginRefused
from msyncd.wire.login import LoginBackedOff


def cookie_name(desk: Desk) -> str:
    """Cookies know no ports: two sites' consoles on one machine must not take each other's."""
    return f"msyncd_{desk.settings.this_site.sync_id}"


class Door:
    """Shows the log-in, lets people in, and out again."""

    def __init__(self, desk: Desk, entry: Entry, sessions: Sessions) -> None:
        self._desk, self._entry, self._sessions = desk, entry, sessions

    def show(self, request: Request) -> Response:
        """The empty form."""
        return self._form(request, "")

    def enter(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        """Name and password were given."""
        name, password = (next(iter(form.get(field, ())), "") for field in ("name", "password"))
        address = request.client.host if request.client else ""
        if not same_origin(request.headers):
            return self._form(request, "this form was not made by the console; try again here", 403)
        try:
            user = self._entry.check(address, name.strip(), password)
        except LoginBackedOff as error:  # not noted each time: a guesser would fill the list
            return self._form(request, f"{error.what}; {_wait(error)}", 429, error.retry_after)
        except LoginRefused as error:
            self._desk.activity.note(name.strip()[:64] or "somebody", address, "log in", "refused")
            said = f"{error.what}; {_wait(error)}" if error.retry_after else error.what
            return self._form(request, said, 403, error.retry_after)
        self._desk.activity.note(user.name, address, "log in")
        response = RedirectResponse(_inside(next(iter(form.get("next", ())), "")), 303)
        response.set_cookie(
            cookie_name(self._desk),
            self._sessions.begin(user),
            max_age=int(SESSION_SECONDS),
            path="/",
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return response

    def leave(self, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        """Log out."""
        token = request.cookies.get(cookie_name(self._desk), "")
        found = self._sessions.find(token, self._desk.user)
        if found is not None:
            try:
                check_form(request, found[0], form)
            except Forbidden:
                return RedirectResponse("/", 303)
            self._sessions.end(token)
            address = request.client.host if request.client else ""
            self._desk.activity.note(found[1].name, address, "log out")
        response = RedirectResponse("/login", 303)
        response.delete_cookie(cookie_name(self._desk), path="/", httponly=True, samesite="strict")
        return response

    def _form(self, request: Request, problem: str, status: int = 200, retry_after: float | None = None) -> Response:
        response = page(
            "login.html",
            status,
            visit=None,
            desk=self._desk,
            problem=problem,
            next=_inside(request.query_params.get("next", "")),
            users=bool(self._desk.settings.console_users),
        )
        if retry_after:
            response.headers["Retry-After"] = str(math.ceil(retry_after))
        return response


def _wait(error: LoginRefused) -> str:
    return f"wait {math.ceil(error.retry_after or 0)} s before the next try"


def _inside(path: str) -> str:
    """Where to go after the log-in: a page of this very console, nowhere else."""
    parts = urlsplit(path)
    fits = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if fits and path.isprintable() and "\\" not in path else "/"


def _is_secure(request: Request) -> bool:
    """Whether the browser came by TLS, to here or to a proxy before. Who lies about it only harms their own cookie."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
