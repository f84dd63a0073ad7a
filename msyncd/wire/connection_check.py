"""*Check connection*: every step from the name to the stores, each with what to do. Nothing is changed anywhere."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from msyncd.errors import CloneRefused, LoginRefused, MsyncdError, PeerRefused, RestoredBackup
from msyncd.flow.conversation import Hello, Welcome
from msyncd.wire.client import Patience, PrimaryClient
from msyncd.wire.complaints import ProtocolRefused
from msyncd.wire.connections import UrlInvalid, checked_url

EXPIRES_SOON: Final = timedelta(days=21)
CLOCK_SECONDS: Final = 120.0
_SECONDS: Final = 15.0
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, whether it went well, what was found, what to do."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The primary as this site's configuration names it."""

    url: str
    user_name: str
    password: Callable[[], str]
    ca_certificate: Path | None = None
    proxy: str | None = None
    allow_plain_http: bool = False


def check_connection(target: Target, hello: Hello, now: Callable[[], datetime] | None = None) -> list[Step]:
    """Tries each step, up to the first that the next ones cannot do without. `hello` is sent as a probe.

    `now` gives the time here, with its zone. Behind a proxy the steps below log-in are the proxy's business.
    """
    clock = now or (lambda: datetime.now(UTC))
    try:
        url = checked_url(target.url, allow_plain_http=target.allow_plain_http)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    except (UrlInvalid, ValueError) as error:
        hint = error.hint if isinstance(error, MsyncdError) else "e.g. https://central.example.org:8443"
        return [Step("url", ok=False, detail=error.what if isinstance(error, MsyncdError) else str(error), hint=hint)]
    steps: list[Step] = []
    if target.proxy is None:
        steps += _line(host, port, parts.scheme == "https", target.ca_certificate, clock)
    if all(step.ok for step in steps):
        steps += _conversation(target, hello, clock)
    return steps


def check_line(url: str, ca_certificate: Path | None = None) -> list[Step]:
    """The steps below the log-in, from the primary to where a satellite's entry says that it answers."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    except (KeyError, ValueError):
        return [Step("url", ok=False, detail=f"{url} is not a url", hint="e.g. https://kalo.example.org")]
    return _line(host, port, parts.scheme == "https", ca_certificate, lambda: datetime.now(UTC))


# --- the line ---------------------------------------------------------------------------------------------------------


def _line(host: str, port: int, tls: bool, ca_file: Path | None, now: Callable[[], datetime]) -> list[Step]:
    """Name, TCP and, for https, TLS."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return [Step("name", ok=False, detail=f"{host} is not known here: {error}", hint=_NAME_HINT)]
    addresses = sorted({str(one[4][0]) for one in found})
    steps = [Step("name", ok=True, detail=f"{host} is {', '.join(addresses)}")]
    try:
        connection = socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        return [*steps, Step("tcp", ok=False, detail=f"no connection to port {port}: {error}", hint=_TCP_HINT)]
    with connection:
        steps.append(Step("tcp", ok=True, detail=f"port {port} answers"))
        if tls:
            steps.append(_tls(connection, host, ca_file, now))
    return steps


_NAME_HINT: Final = "is the url right? does this machine's name server answer?"
_TCP_HINT: Final = "does the primary run and listen there? does a firewall stand between?"


def _tls(connection: socket.socket, host: str, ca_file: Path | None, now: Callable[[], datetime]) -> Step:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        return Step("tls", ok=False, detail=f"{ca_file} cannot be read: {error}", hint="see ca_certificate")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with context.wrap_socket(connection, server_hostname=host) as secure:
            certificate, version = secure.getpeercert() or {}, secure.version()
    except ssl.SSLCertVerificationError as error:
        hint = "its clock and this one may differ" if error.verify_code in (9, 10) else _CERTIFICATE_HINT
        return Step("tls", ok=False, detail=f"the certificate is not trusted: {error.verify_message}", hint=hint)
    except OSError as error:
        return Step("tls", ok=False, detail=f"no TLS on this port: {error}", hint="does it speak plain HTTP?")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC)
    owner, issuer = _names(certificate) or host, _issuer(certificate)
    detail = f"{version}, certificate of {owner}, issued by {issuer}, until {ends:%Y-%m-%d}"
    hint = "renew the primary's certificate soon" if ends - now() < EXPIRES_SOON else ""
    return Step("tls", ok=True, detail=detail, hint=hint)


_CERTIFICATE_HINT: Final = (
    "for an authority of your own, name its file in ca_certificate; is the name in the url the certificate's?"
)


def _names(certificate: object) -> str:
    alternatives = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return ", ".join(str(value) for _, value in alternatives)


def _issuer(certificate: object) -> str:
    """The authority as its certificate names itself: the organisation, or else the common name."""
    parts = certificate.get("issuer", ()) if isinstance(certificate, dict) else ()
    named = {str(key): str(value) for relative in parts for key, value in relative}
    return named.get("commonName") or named.get("organizationName") or "an unnamed authority"


# --- the conversation -------------------------------------------------------------------------------------------------


def _conversation(target: Target, hello: Hello, now: Callable[[], datetime]) -> list[Step]:
    """Log-in, versions, sync ID, stores, clock: all from one hello that registers nothing."""
    asked = now()
    try:
        client = PrimaryClient(
            target.url,
            target.user_name,
            target.password,
            ca_certificate=target.ca_certificate,
            proxy=target.proxy,
            allow_plain_http=target.allow_plain_http,
            patience=Patience(connect=_SECONDS),
        )
        try:
            welcome = client.hello(msgspec.structs.replace(hello, probe=True, now=asked.isoformat()))
        finally:
            client.close()
    except MsyncdError as error:
        return _refused(error)
    return [
        Step("log-in", ok=True, detail=f"as {target.user_name}"),
        Step("versions", ok=True, detail=f"msyncd {hello.version} here, {welcome.version} there"),
        Step("sync ID", ok=True, detail=f"site {welcome.site.sync_id}, {welcome.site.name}, at {welcome.primary_name}"),
        _stores(hello, welcome),
        _clock(welcome, asked, now()),
    ]


def _refused(error: MsyncdError) -> list[Step]:
    """The step at which it failed, after those that must have gone well before."""
    failed = ("log-in", "versions", "sync ID")
    match error:
        case LoginRefused():
            at = 0
        case ProtocolRefused():
            at = 1
        case CloneRefused() | RestoredBackup() | PeerRefused():
            at = 2
        case _:
            at = 0
    passed = [Step(name, ok=True, detail="agreed") for name in failed[:at]]
    return [*passed, Step(failed[at], ok=False, detail=error.what, hint=error.hint)]


def _stores(hello: Hello, welcome: Welcome) -> Step:
    """Whether both ends name the same stores; a list that is not given here cannot differ."""
    differences = list(welcome.problems)
    codes = {store.store: store.code for store in welcome.stores}
    there = {codes.get(store, store) for store in welcome.site.active_stores}
    if hello.active_stores is not None:
        here = {codes.get(store, store) for store in hello.active_stores}
        if here != there:
            differences.append(f"active here {_list(here)}, by the primary {_list(there)}")
    if differences:
        hint = "the primary's lists rule: correct the configuration that is wrong"
        return Step("stores", ok=False, detail="; ".join(differences), hint=hint)
    return Step("stores", ok=True, detail=f"active here: {_list(there)}")


def _list(stores: set[str]) -> str:
    return ", ".join(sorted(stores)) or "none"


def _clock(welcome: Welcome, asked: datetime, answered: datetime) -> Step:
    """The difference of the clocks. Sync does not depend on it; certificates and people's reports do."""
    try:
        there = datetime.fromisoformat(welcome.now)
    except ValueError:
        return Step("clock", ok=True, detail="the primary did not say its time")
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    between = asked + (answered - asked) / 2
    seconds = (between - there).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return Step("clock", ok=True, detail=f"{abs(seconds):.0f} s apart")
    which = "ahead of" if seconds > 0 else "behind"
    detail = f"this clock is {timedelta(seconds=round(abs(seconds)))} {which} the primary's"
    return Step("clock", ok=False, detail=detail, hint="set the clock that is wrong, and let NTP keep it")
