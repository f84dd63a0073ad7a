"""The line between a satellite and its primary, on which a test can let anything happen to a message."""

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from msyncd.errors import MsyncdError, PeerUnreachable
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    Answers,
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
from msyncd.testing.crashing import Crashed
from msyncd.wire.codec import decode, encode
from msyncd.wire.complaints import complaint_of, error_of

M = TypeVar("M", bound=msgspec.Struct)

Kind = Literal["hello", "push", "pull", "wait", "compare", "give"]
Fault = Literal["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"]
"""What may befall one message. `late`: it is lost to its sender and arrives when `Line.deliver_late` is called.
`crash`: the satellite dies when the primary has done its work, before the reply."""


class Line:
    """The line between a satellite and its primary. Messages cross as bytes; faults are injected by the test.

    `cut` True: nothing goes through. `messages` holds (kind, message, reply) of everything that was answered.
    `on_reply` is called while a reply is on its way: what else happens meanwhile.
    """

    def __init__(self, site: int, answers: Callable[[], Answers], restart_primary: Callable[[], None]) -> None:
        self.cut = False
        self.messages: list[tuple[Kind, Any, Any]] = []
        self.on_reply: Callable[[Kind], None] | None = None
        self._site, self._answers, self._restart_primary = site, answers, restart_primary
        self._faults: dict[str, deque[Fault | None]] = {}
        self._late: list[tuple[Kind, msgspec.Struct]] = []

    def fail(self, kind: Kind, fault: Fault, *, after: int = 0) -> None:
        """The next message of a kind, or the one `after` so many, meets with a fault."""
        self._faults.setdefault(kind, deque()).extend([*[None] * after, fault])

    def calm(self) -> None:
        """No faults any more: those that have not happened yet are called off."""
        self.cut = False
        self._faults.clear()

    def deliver_late(self) -> list[msgspec.Struct | MsyncdError]:
        """What was on its way arrives at the primary at last; nobody waits for the replies, which are returned."""
        late, self._late = self._late, []
        replies: list[msgspec.Struct | MsyncdError] = []
        for kind, message in late:
            try:
                replies.append(self._answer(kind, message))
            except MsyncdError as error:
                replies.append(error)
        return replies

    def hello(self, hello: Hello) -> Welcome:
        """Who the satellite is."""
        return self._ask("hello", hello, Welcome)

    def push(self, push: Push) -> PushReply:
        """A batch of the satellite's changes."""
        return self._ask("push", push, PushReply)

    def pull(self, pull: Pull) -> PullReply:
        """A batch or piece for the satellite."""
        return self._ask("pull", pull, PullReply)

    def wait(self, waiting: Waiting) -> WaitReply:
        """Whether there is something for the satellite."""
        return self._ask("wait", waiting, WaitReply)

    def compare(self, question: Compare) -> Compared:
        """Which records differ."""
        return self._ask("compare", question, Compared)

    def give(self, give: Give) -> GiveReply:
        """What a restored primary has lost."""
        return self._ask("give", give, GiveReply)

    def _ask(self, kind: Kind, message: msgspec.Struct, expected: type[M]) -> M:
        queue = self._faults.get(kind)
        fault = queue.popleft() if queue else None
        if fault == "late":
            self._late.append((kind, message))
        if self.cut or fault in {"lost request", "late"}:
            raise PeerUnreachable(f"the line is cut before the {kind}")
        reply = self._answer(kind, message)
        if fault == "doubled":
            reply = self._answer(kind, message)
        if fault == "primary restarts":
            self._restart_primary()
        if fault == "crash":
            raise Crashed(f"before the reply to the {kind}")
        if fault in {"lost reply", "primary restarts"}:
            raise PeerUnreachable(f"the line is cut before the reply to the {kind}")
        if self.on_reply is not None:
            self.on_reply(kind)
        return decode(encode(reply), expected)

    def _answer(self, kind: Kind, message: msgspec.Struct) -> msgspec.Struct:
        arrived: Any = decode(encode(message), type(message))
        answers = self._answers()
        answer: Callable[..., msgspec.Struct] = getattr(answers, kind)
        try:
            reply = answer(arrived) if kind == "hello" else answer(self._site, arrived)
        except MsyncdError as error:
            raise error_of(decode(encode(complaint_of(error)[1]), Complaint), logged_in=True) from error
        except Crashed as crashed:
            self._restart_primary()
            raise PeerUnreachable(f"the primary died at its {kind}: {crashed}") from crashed
        self.messages.append((kind, arrived, reply))
        return reply
