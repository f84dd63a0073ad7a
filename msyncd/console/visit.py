"""One request to the console: who visits, what they may do, what they sent; and the answers."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from msyncd.console.desk import Desk
from msyncd.console.render import render
from msyncd.console.sessions import Session
from msyncd.errors import MsyncdError
from msyncd.settings.values import User

ROLES: Final = ("look", "operate", "change")
"""Each may do what those before it may, and more."""

POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


class Forbidden(MsyncdError):
    """The visitor's role does not allow that, or the request did not come from one of the console's own pages."""


@dataclass(eq=False)
class Visit:
    """A request with its session. `form` holds what was posted; a page that was only asked for has an empty one."""

    request: Request
    desk: Desk
    session: Session
    user: User
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """From where."""
        return self.request.client.host if self.request.client else ""

    def may(self, role: str) -> bool:
        """Whether the visitor may do what needs this role."""
        return ROLES.index(self.user.role) >= ROLES.index(role)

    def given(self, name: str) -> str:
        """A field of the form, without spaces around it; empty if it was not sent."""
        return next(iter(self.form.get(name, ())), "").strip()

    def asked(self, name: str) -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, "").strip()

    def note(self, did: str, result: str = "done") -> None:
        """Note it among the activities."""
        self.desk.activity.note(self.user.name, self.address, did, result)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page with all that every page has."""
        return page(template, status, visit=self, desk=self.desk, **values)

    def back(self, path: str) -> Response:
        """Go on to a page, after something was done."""
        return RedirectResponse(path, 303)


def page(template: str, status: int = 200, **values: Any) -> Response:
    """HTML under the console's policy: nothing from elsewhere, no script and no style within the page."""
    now = datetime.now(UTC)
    return HTMLResponse(render(template, now=now, **values), status, {"Content-Security-Policy": POLICY})


def same_origin(headers: Headers) -> bool:
    """Whether a form was sent by one of this server's own pages, as far as the browser says."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def check_form(request: Request, session: Session, form: Mapping[str, Sequence[str]]) -> None:
    """Raises Forbidden unless the form came from a page of this very session (CSRF)."""
    given = next(iter(form.get("csrf", ())), "")
    if not same_origin(request.headers) or not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise Forbidden("this form is too old, or was not made by the console", hint="open the page again and repeat")
