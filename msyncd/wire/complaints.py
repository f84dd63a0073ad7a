"""Errors as HTTP statuses and Complaints on the primary's side, and back into errors on the satellite's."""

from typing import Final, Literal, NamedTuple

from msyncd.errors import (
    CloneRefused,
    DatabaseDamaged,
    FactsChanged,
    HelloAgain,
    LoginRefused,
    MessageInvalid,
    MsyncdError,
    PeerRefused,
    RestoredBackup,
    TryLater,
)
from msyncd.flow.conversation import Complaint
from msyncd.wire.compression import MessageTooLarge
from msyncd.wire.login import LoginBackedOff

Kind = Literal[
    "login", "clone", "restored", "protocol", "facts", "busy", "invalid", "too_large", "refused", "not_found"
]

RETRY_SECONDS: Final = 5.0
"""What a busy primary asks for, if the error does not say."""


class PeerBusy(TryLater):
    """The other end cannot answer now. `retry_after` seconds, if it said so."""

    def __init__(self, what: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, hint=hint)
        self.retry_after = retry_after


class TokenExpired(HelloAgain):
    """The token of the last hello does not hold any more: say hello again, then repeat."""


class ProtocolRefused(PeerRefused):
    """The two ends speak different protocols: one of them has to be upgraded."""


class FormatUnknown(MessageInvalid):
    """A body in a format or encoding that this end does not read."""


class BodyTooSlow(TryLater):
    """A request's body did not arrive in time."""


class CallerGone(TryLater):
    """The caller closed the connection before it had an answer."""


class Verdict(NamedTuple):
    """How an error is told."""

    status: int
    kind: Kind


# The first that fits holds, so the narrower class stands before the wider.
_VERDICTS: Final[tuple[tuple[type[MsyncdError], Verdict], ...]] = (
    (MessageTooLarge, Verdict(413, "too_large")),
    (FormatUnknown, Verdict(415, "invalid")),
    (MessageInvalid, Verdict(400, "invalid")),
    (LoginBackedOff, Verdict(429, "login")),
    (LoginRefused, Verdict(401, "login")),
    (CloneRefused, Verdict(403, "clone")),
    (RestoredBackup, Verdict(403, "restored")),
    (ProtocolRefused, Verdict(403, "protocol")),
    (FactsChanged, Verdict(409, "facts")),
    (BodyTooSlow, Verdict(408, "busy")),
    (TryLater, Verdict(503, "busy")),
    (DatabaseDamaged, Verdict(503, "busy")),  # the caller has nothing to mend: it waits until it is restored
    (MsyncdError, Verdict(403, "refused")),
)

_BY_STATUS: Final[dict[int, Kind]] = {
    400: "invalid",
    401: "login",
    404: "not_found",
    405: "not_found",
    407: "refused",
    408: "busy",
    413: "too_large",
    415: "invalid",
    429: "busy",
}


def complaint_of(error: MsyncdError) -> tuple[int, Complaint]:
    """The HTTP status and the Complaint that tell this error to the caller; not where this end's database is."""
    verdict = next(verdict for kind, verdict in _VERDICTS if isinstance(error, kind))
    retry_after: float | None = getattr(error, "retry_after", None)
    if verdict.kind == "busy" and retry_after is None:
        retry_after = RETRY_SECONDS
    what: str = getattr(error, "told", error.what)
    hint = "it has to be restored there" if isinstance(error, DatabaseDamaged) else error.hint
    return verdict.status, Complaint(verdict.kind, what, hint, retry_after)


def error_of(complaint: Complaint, *, logged_in: bool, by: str = "the primary") -> MsyncdError:
    """The error that a Complaint tells. `logged_in`: the call carried a token, not a password.

    `by` is named where the words could be taken for this end's own trouble; "" if they say it themselves.
    """
    what, hint = complaint.what, complaint.hint
    match complaint.kind:
        case "login" if logged_in:
            return TokenExpired(what, hint=hint)
        case "login":
            return LoginRefused(what, hint=hint, retry_after=complaint.retry_after)
        case "clone":
            return CloneRefused(what, hint=hint)
        case "restored":
            return RestoredBackup(what, hint=hint)
        case "protocol":
            return ProtocolRefused(what, hint=hint)
        case "facts":
            return FactsChanged(what, hint=hint)
        case "busy":
            named = what if not by or what.startswith(by) else f"{by}: {what}"
            return PeerBusy(named, hint=hint, retry_after=complaint.retry_after)
        case "too_large":
            return MessageTooLarge(what, hint=hint)
        case "invalid":
            return MessageInvalid(what, hint=hint)
        case "refused" | "not_found":
            return PeerRefused(what, hint=hint)


def complaint_of_status(status: int, host: str) -> Complaint:
    """For an answer that is not msyncd's own: something between the two ends spoke, such as a reverse proxy."""
    what = f"{host} answered with HTTP status {status}, and not as msyncd does"
    kind = _BY_STATUS.get(status, "busy" if status >= 500 else "refused")
    hints: dict[Kind, str] = {
        "not_found": "is the url that of an msyncd primary?",
        "too_large": "a reverse proxy limits the size of requests: raise its limit, or lower request_size",
        "login": "a reverse proxy asks for a log-in of its own",
        "busy": "the primary behind a reverse proxy may be down",
    }
    return Complaint(kind, what, hints.get(kind, "is a reverse proxy or a log-in page of the network in between?"))
