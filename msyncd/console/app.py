"""Where a request to the console arrives: log-in, role and form are checked here, for every page alike."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote

import anyio
import anyio.to_thread
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from msyncd.console.desk import Desk
from msyncd.console.entry import Entry
from msyncd.console.metrics import CONTENT_TYPE, Metrics
from msyncd.console.pages import PAGES, Page
from msyncd.console.pages.login import Door, cookie_name
from msyncd.console.shared import Shared, SharedLimits, SharedSessions
from msyncd.console.visit import Forbidden, Visit, check_form, page
from msyncd.errors import MsyncdError, WrongUsage
from msyncd.plugins import Plugins
from msyncd.wire.loopback import is_loopback

LONGEST_FORM: Final = 1 << 20
FORM_SECONDS: Final = 60.0
_THREADS: Final = 8
_STATIC: Final = Path(__file__).parent / "static"

Handler = Callable[[Request], Awaitable[Response]]


class Console:
    """An ASGI application: the pages, their files, /metrics, and what plugins serve beside them."""

    def __init__(self, desk: Desk, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.desk = desk
        shared = Shared(desk.shared_ledger, clock)
        self._sessions = SharedSessions(clock, shared)
        self._metrics = Metrics(desk)
        self._door = Door(desk, Entry(desk.user, SharedLimits(clock, shared)), self._sessions)
        # of its own, so that pages never keep a satellite waiting
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._log = structlog.get_logger("msyncd.console")
        self._router = Router(routes=[*self._own_routes(), *map(self._route, PAGES)])
        self._theirs: tuple[Plugins, Router] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request. One that no page answers goes to the plugins; then it is not found."""
        if scope["type"] != "http":
            return
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
            await self._beside(scope, receive, send, error)

    async def _beside(self, scope: Scope, receive: Receive, send: Send, error: HTTPException) -> None:
        theirs = await anyio.to_thread.run_sync(self._of_plugins)
        try:
            if theirs is None:
                raise error
            await theirs(scope, receive, send)
        except HTTPException as missing:
            if missing.status_code != HTTPStatus.NOT_FOUND or "text/html" not in Request(scope).headers.get(
                "accept", ""
            ):
                raise
            response = page("error.html", 404, visit=None, desk=self.desk, what="there is no such page", hint="")
            await response(scope, receive, send)

    def _of_plugins(self) -> Router | None:
        site = self.desk.site
        if site is None:
            return None
        plugins = site.here.plugins
        if self._theirs is None or self._theirs[0] is not plugins:  # they were loaded anew
            routes, failed = plugins.routes()
            for one in failed:
                self._log.warning("a plugin's pages are left out", reason=one.reason)
            self._theirs = plugins, Router(routes=routes)
        return self._theirs[1]

    # --- what needs no log-in -----------------------------------------------------------------------------------------

    def _own_routes(self) -> list[BaseRoute]:
        return [
            Mount("/static", _Files(directory=_STATIC)),
            Route("/metrics", self._figures),
            Route("/login", self._in_thread(self._door.show)),
            Route("/login", self._with_form(self._door.enter), methods=["POST"]),
            Route("/logout", self._with_form(self._door.leave), methods=["POST"]),
        ]

    async def _figures(self, request: Request) -> Response:
        host = request.client.host if request.client else ""
        through_proxy = "x-forwarded-for" in request.headers or "forwarded" in request.headers
        if not self.desk.settings.metrics_public and (through_proxy or not is_loopback(host)):
            return PlainTextResponse("only on this machine; or set metrics: {public: true}\n", 403)
        body = await anyio.to_thread.run_sync(self._metrics.page, limiter=self._threads)
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    # --- pages --------------------------------------------------------------------------------------------------------

    def _route(self, one: Page) -> Route:
        async def endpoint(request: Request) -> Response:
            form = await read_form(request) if one.method == "POST" else {}
            return await anyio.to_thread.run_sync(self._visit, one, request, form, limiter=self._threads)

        return Route(one.path, endpoint, methods=[one.method])

    def _visit(self, one: Page, request: Request, form: Mapping[str, Sequence[str]]) -> Response:
        token = request.cookies.get(cookie_name(self.desk))
        found = self._sessions.find(token, self.desk.user) if token else None
        if found is None:
            return _to_the_door(request)
        visit = Visit(request, self.desk, *found, form)
        try:
            return self._answer(one, visit)
        finally:
            self._sessions.keep(token or "", visit.session)

    def _answer(self, one: Page, visit: Visit) -> Response:
        try:
            if one.method == "POST":
                check_form(visit.request, visit.session, visit.form)
            if not visit.may(one.role):
                raise Forbidden(f"this needs the role {one.role}; {visit.user.name} has {visit.user.role}")
            return one.handler(visit)
        except MsyncdError as error:
            return _complaint(visit, error)
        except Exception:  # noqa: BLE001 - the one place that catches all: the visitor is told nothing internal
            self._log.exception("a page failed", path=visit.request.url.path)
            return visit.page("error.html", 500, what="this page failed", hint="the daemon's log says why")

    def _in_thread(self, show: Callable[[Request], Response]) -> Handler:
        async def endpoint(request: Request) -> Response:
            return await anyio.to_thread.run_sync(show, request, limiter=self._threads)

        return endpoint

    def _with_form(self, take: Callable[[Request, Mapping[str, Sequence[str]]], Response]) -> Handler:
        async def endpoint(request: Request) -> Response:
            form = await read_form(request)
            return await anyio.to_thread.run_sync(take, request, form, limiter=self._threads)

        return endpoint


class _Files(StaticFiles):
    """Kept by browsers: their addresses change with their contents (see render.py)."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """See StaticFiles."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=604800, immutable"
        return response


async def read_form(request: Request) -> Mapping[str, Sequence[str]]:
    """The fields of a posted form. Raises HTTPException if it is too large, too slow, or none."""
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > LONGEST_FORM:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error


def _to_the_door(request: Request) -> Response:
    """To the log-in, and back here after it. A part of a page that asks for news is told to go there as a whole."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    there = f"/login?next={quote(wanted)}" if request.method == "GET" else "/login"
    if "hx-request" in request.headers:
        return HTMLResponse("", 401, {"HX-Redirect": there})
    return RedirectResponse(there, 303)


def _complaint(visit: Visit, error: MsyncdError) -> Response:
    match error:
        case Forbidden():
            status = 403
        case WrongUsage():
            status = 400
        case _:
            status = 503 if error.try_later else 409
    return visit.page("error.html", status, what=error.what, hint=error.hint)
