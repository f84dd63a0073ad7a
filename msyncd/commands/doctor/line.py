"""The doctor looks at the line: a satellite tries it step by step, a primary looks at what it shows to satellites."""

from collections.abc import Iterator
from datetime import datetime

from msyncd.commands.doctor.certificate import CertificateUnusable, valid_until
from msyncd.commands.doctor.finding import Finding, unless
from msyncd.commands.primary import peer_of, target_of
from msyncd.flow.looking import Look, probe
from msyncd.settings.values import Settings
from msyncd.wire.connection_check import EXPIRES_SOON, check_connection


def look_at_line(found: Look, now: datetime) -> Iterator[Finding]:
    """The way to the primary; on the primary, its certificate."""
    settings = found.here.settings
    if settings.is_primary:
        yield from _certificate(settings, now)
    elif not settings.stands_alone:
        for step in check_connection(target_of(settings, peer_of(settings, "check-connection")), probe(found)):
            warned = bool(step.hint) and step.ok
            yield Finding(
                "line", "warning" if warned else "ok" if step.ok else "error", f"{step.name}: {step.detail}", step.hint
            )


def _certificate(settings: Settings, now: datetime) -> Iterator[Finding]:
    listen = settings.listen
    if listen.tls_certificate is None or listen.tls_key is None:
        yield Finding("line", "ok", f"it answers on {listen.host}:{listen.port} without TLS")
        return
    try:
        ends = valid_until(listen.tls_certificate, listen.tls_key)
    except CertificateUnusable as error:
        what = f"the certificate {listen.tls_certificate} cannot be used: {error}"
        yield Finding("line", "error", what, "renew it; it must fit listen.tls_key")
        return
    yield unless(
        ends - now < EXPIRES_SOON,
        "line",
        "warning",
        f"the certificate is valid until {ends:%Y-%m-%d}",
        f"the certificate ends on {ends:%Y-%m-%d}: then no satellite gets through",
        "renew it; it is taken in without a restart",
    )
