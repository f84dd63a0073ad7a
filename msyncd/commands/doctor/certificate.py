"""Until when a certificate is valid, and whether its key fits: asked of the TLS library, without a connection."""

import ssl
from datetime import UTC, datetime
from pathlib import Path


class CertificateUnusable(Exception):
    """It cannot be used; says why."""


def valid_until(certificate: Path, key: Path) -> datetime:
    """The moment at which a server's certificate ends. Raises CertificateUnusable, also for one that has ended.

    Both ends of a handshake are played in memory: the client trusts that very certificate and nothing else.
    """
    try:
        here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        here.load_cert_chain(certificate, key)
        there = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        there.check_hostname = False
        there.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        there.load_verify_locations(certificate)
        return _handshake(here, there)
    except ssl.SSLCertVerificationError as error:
        raise CertificateUnusable(error.verify_message) from error
    except (OSError, ValueError) as error:
        raise CertificateUnusable(str(error)) from error


def _handshake(here: ssl.SSLContext, there: ssl.SSLContext) -> datetime:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = here.wrap_bio(up, down, server_side=True)
    client = there.wrap_bio(down, up)
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        found = client.getpeercert() if client.version() else None
        if found:
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    raise CertificateUnusable("the handshake did not end")
