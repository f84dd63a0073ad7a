"""The primary's HTTP interface: who calls, which message, what the flow answers. Told to others in docs/protocol.md."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread
import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from msyncd import __version__
from msyncd.errors import LoginRefused, MsyncdError
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    PROTOCOL_VERSION,
    Complaint,
    Give,
    GiveReply,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.wire.bodies import (
    Incoming,
    Limits,
    basic_user,
    bearer_token,
    reply,
    reply_format,
    request_format,
    unpack,
)
from msyncd.wire.codec import decode
from msyncd.wire.complaints import CallerGone, ProtocolRefused, complaint_of
from msyncd.wire.login import Account, Login, LoginBackedOff
from msyncd.wire.tokens import Tokens
from msyncd.wire.told import Told
from msyncd.wire.waiting import News, WaitingRoom

PREFIX: Final = "/sync/v1"


class Replies(Protocol):
    """The part of `Answers` that the server asks; waiting is the server's own work."""

    def hello(self, hello: Hello) -> Welcome:
        """Who calls is already known to be who it says; the token is added by the server."""

    def push(self, site: int, push: Push) -> PushReply:
        """`site` is who logged in, whatever the message says."""

    def pull(self, site: int, pull: Pull) -> PullReply:
        """Likewise."""

    def compare(self, site: int, question: Compare) -> Compared:
        """Likewise."""

    def give(self, site: int, give: Give) -> GiveReply:
        """Likewise."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One request that was answered, for the metrics. Bytes as they crossed the wire.

    `site` is who logged in, None if nobody did; `reading` the seconds that the request's body took to arrive.
    """

    path: str
    status: int
    seconds: float
    bytes_in: int
    bytes_out: int
    site: int | None = None
    reading: float = 0.0


class SyncApi:
    """`/sync/v1/*` over the flow's answers. `wake` and `close` may be called from any thread."""

    def __init__(
        self,
        replies: Replies,
        login: Login,
        tokens: Tokens,
        news: News,
        *,
        counter: Callable[[], Hashable] | None = None,
        limits: Limits | None = None,
        observed: Callable[[Observed], None] | None = None,
        threads: int = 16,
    ) -> None:
        self._replies = replies
        self._login = login
        self._tokens = tokens
        self._limits = limits or Limits()
        self._observed = observed
        self._log = structlog.get_logger("msyncd.wire")
        self._told = Told(self._log, time.monotonic)
        self.room = WaitingRoom(news, counter)
        # separate, so that neither guessers nor readers keep out those who work
        self._work_threads = anyio.CapacityLimiter(threads)
        self._hello_threads = anyio.CapacityLimiter(4)

    def wake(self) -> None:
        """There may be news for those who wait."""
        self.room.wake()

    def close(self) -> None:
        """Sends those who wait home, so that the server can stop."""
        self.room.close()

    @property
    def routes(self) -> list[BaseRoute]:
        """The endpoints."""
        handlers = {
            "hello": self._hello,
            "push": self._push,
            "pull": self._pull,
            "wait": self._wait,
            "compare": self._compare,
            "give": self._give,
        }
        return [
            Route(f"{PREFIX}/{name}", self._endpoint(handler), methods=["POST"]) for name, handler in handlers.items()
        ]

    # --- the endpoints ------------------------------------------------------------------------------------------------

    async def _hello(self, request: Request, incoming: Incoming) -> Response:
        given = basic_user(request.headers.get("authorization", ""))
        if given is None:
            raise LoginRefused("hello needs user name and password", hint="send Basic authentication")
        form, accept = request_format(request), request.headers.get("accept-encoding", "")
        raw = await incoming.read(self._limits.hello_bytes)
        address = _address(request)

        def work() -> Response:
            body = unpack(raw, request.headers.get("content-encoding", ""), self._limits.hello_bytes)
            hello = decode(body, Hello, form)
            account = self._log_in(address, hello.sync_id, *given)
            request.state.site = hello.sync_id
            if hello.protocol != PROTOCOL_VERSION:
                raise ProtocolRefused(
                    f"the primary (msyncd {__version__}) speaks protocol {PROTOCOL_VERSION}, "
                    f"site {hello.sync_id} (msyncd {hello.version}) protocol {hello.protocol}",
                    hint="upgrade the older of the two",
                )
            welcome = self._replies.hello(hello)
            token = "" if hello.probe else self._tokens.make(hello.sync_id, account.version)
            seconds = 0.0 if hello.probe else self._tokens.seconds
            return reply(msgspec.structs.replace(welcome, token=token, token_seconds=seconds), form, accept)

        return await anyio.to_thread.run_sync(work, limiter=self._hello_threads)

    def _log_in(self, address: str, sync_id: int, user_name: str, password: str) -> Account:
        try:
            return self._login.check(address, sync_id, user_name, password)
        except LoginBackedOff:
            raise  # not logged each time: a guesser would fill the disk
        except LoginRefused:
            self._log.warning("log-in refused", site=sync_id, address=address)
            raise

    async def _push(self, request: Request, incoming: Incoming) -> Response:
        return await self._answer(request, incoming, Push, self._replies.push)

    async def _pull(self, request: Request, incoming: Incoming) -> Response:
        return await self._answer(request, incoming, Pull, self._replies.pull)

    async def _compare(self, request: Request, incoming: Incoming) -> Response:
        return await self._answer(request, incoming, Compare, self._replies.compare)

    async def _give(self, request: Request, incoming: Incoming) -> Response:
        return await self._answer(request, incoming, Give, self._replies.give)

    async def _answer(
        self, request: Request, incoming: Incoming, kind: type[Any], answer: Callable[[int, Any], msgspec.Struct]
    ) -> Response:
        site = self._site(request)
        form, accept = request_format(request), request.headers.get("accept-encoding", "")
        encoding = request.headers.get("content-encoding", "")
        raw = await incoming.read(self._limits.body_bytes)

        def work() -> Response:
            message = decode(unpack(raw, encoding, self._limits.message_bytes), kind, form)
            return reply(answer(site, message), form, accept)

        return await anyio.to_thread.run_sync(work, limiter=self._work_threads)

    async def _wait(self, request: Request, incoming: Incoming) -> Response:
        site = self._site(request)
        form = request_format(request)
        raw = await incoming.read(self._limits.hello_bytes)
        body = unpack(raw, request.headers.get("content-encoding", ""), self._limits.hello_bytes)
        waiting = decode(body, Waiting, form)
        answer = asyncio.ensure_future(self.room.wait(site, waiting))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise CallerGone("the caller did not wait for the answer")
            return reply(WaitReply(answer.result()), form, "")
        finally:
            for task in (answer, gone):
                task.cancel()
                with suppress(asyncio.CancelledError, MsyncdError):
                    await task

    def _site(self, request: Request) -> int:
        token = bearer_token(request.headers.get("authorization", ""))
        if token is None:
            raise LoginRefused("this request needs the token of a hello", hint="say hello first")
        request.state.site = site = self._tokens.read(token, self._login.credential)
        return site

    # --- around every endpoint ----------------------------------------------------------------------------------------

    def _endpoint(
        self, handler: Callable[[Request, Incoming], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def endpoint(request: Request) -> Response:
            started = time.monotonic()
            incoming = Incoming(request, self._limits)
            try:
                response = await handler(request, incoming)
                self._tell(request)
            except MsyncdError as error:
                self._tell(request, error)
                response = complain(request, *complaint_of(error))
            except Exception:  # noqa: BLE001 - the one place that catches all: the caller is told nothing internal
                self._log.exception("a request failed", path=request.url.path)
                what = "the primary failed on this request"
                response = complain(request, 500, Complaint("busy", what, "the primary's log says why", 30.0))
            await incoming.drain()
            if not incoming.ended:
                response.headers["Connection"] = "close"
            if self._observed is not None:
                self._observed(
                    Observed(
                        request.url.path,
                        response.status_code,
                        time.monotonic() - started,
                        incoming.size,
                        len(response.body),
                        getattr(request.state, "site", None),
                        incoming.seconds,
                    )
                )
            return response

        return endpoint

    def _tell(self, request: Request, error: MsyncdError | None = None) -> None:
        site: int | None = getattr(request.state, "site", None)
        name = request.url.path.rpartition("/")[2]
        if site is not None and error is not None:
            self._told.failed(site, name, _address(request), error)
        elif site is not None:
            self._told.answered(site, name)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def complain(request: Request, status: int, complaint: Complaint) -> Response:
    """A Complaint in the caller's format, with the headers that go with its status."""
    response = reply(complaint, reply_format(request), "", status)
    if complaint.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(complaint.retry_after))
    if status == HTTPStatus.UNAUTHORIZED:
        at_hello = request.url.path.endswith("/hello")
        response.headers["WWW-Authenticate"] = 'Basic realm="msyncd", charset="UTF-8"' if at_hello else "Bearer"
    return response
