"""The whole web application: the sync endpoints, health, the OpenAPI document, and what else shares the port."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from msyncd.flow.conversation import Complaint
from msyncd.wire.api import SyncApi, complain
from msyncd.wire.complaints import Kind
from msyncd.wire.openapi import document

SECURITY_HEADERS: Final = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}

_KINDS: Final[Mapping[int, Kind]] = {404: "not_found", 405: "not_found", 413: "too_large"}


def build_app(api: SyncApi | None, *, ready: Callable[[], bool], rest: ASGIApp | None = None) -> ASGIApp:
    """The whole application. `api` None: a satellite answers no sync. `rest` gets every other path: the console."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_: Request) -> Response:
        is_ready = await anyio.to_thread.run_sync(ready)
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        kind = _KINDS.get(status, "invalid")
        response = complain(request, status, Complaint(kind, HTTPStatus(status).phrase, "see /openapi.json"))
        response.headers.update(headers or {})
        return response

    routes: list[BaseRoute] = [Route("/healthz", healthz), Route("/readyz", readyz)]
    if api is not None:
        routes += [*api.routes, Route("/openapi.json", openapi)]
    if rest is not None:
        routes.append(Mount("/", rest))
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    return _with_security_headers(app)


def _with_security_headers(app: ASGIApp) -> ASGIApp:
    """Adds the security headers that a response does not set itself."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                there = {name.lower() for name, _ in headers}
                headers.extend(pair for pair in SECURITY_HEADERS.items() if pair[0] not in there)
            await send(message)

        await app(scope, receive, send_safely)

    return wrapped
