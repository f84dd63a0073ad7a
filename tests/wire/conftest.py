"""A real primary's server on a real socket, with and without TLS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from msyncd.settings.values import Listen
from msyncd.wire.api import Observed, SyncApi
from msyncd.wire.app import build_app
from msyncd.wire.bodies import Limits
from msyncd.wire.client import PrimaryClient
from msyncd.wire.login import Login
from msyncd.wire.server import Server
from msyncd.wire.tokens import Tokens
from tests.wire.answers import FakeAccounts, FakeAnswers

KEY = b"k" * 32


@dataclass
class Clock:
    """Time that a test holds."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Primary:
    """Everything of a running primary that a test may want to turn."""

    answers: FakeAnswers
    accounts: FakeAccounts
    api: SyncApi
    server: Server
    clock: Clock
    tokens: Tokens
    observed: list[Observed] = field(default_factory=list)
    ready: list[bool] = field(default_factory=lambda: [True])

    @property
    def url(self) -> str:
        return self.server.url

    def client(self, password: str = "secret") -> PrimaryClient:
        return PrimaryClient(self.url, "sync", lambda: password)


StartPrimary = Callable[..., Primary]


def make_primary(
    listen: Listen | None = None,
    *,
    limits: Limits | None = None,
    counted: bool = True,
    answers: FakeAnswers | None = None,
) -> Primary:
    answers = answers or FakeAnswers()
    accounts, clock = FakeAccounts({2: "secret", 3: "kalo"}), Clock()
    tokens = Tokens(KEY, clock, seconds=600)
    login = Login(accounts, clock, lambda given: accounts.same(None, given))
    observed: list[Observed] = []
    api = SyncApi(
        answers,
        login,
        tokens,
        answers.news,
        counter=(lambda: answers.serial) if counted else None,
        limits=limits,
        observed=observed.append,
    )
    ready = [True]
    app = build_app(api, ready=lambda: ready[0])
    server = Server(app, listen or Listen(port=0), closing=api.close)
    return Primary(answers, accounts, api, server, clock, tokens, observed, ready)


@pytest.fixture
def start() -> Iterator[StartPrimary]:
    """Starts primaries that end with the test."""
    started: list[Primary] = []

    def begin(listen: Listen | None = None, **options: Any) -> Primary:
        primary = make_primary(listen, **options)
        primary.server.start()
        started.append(primary)
        return primary

    yield begin
    for primary in started:
        primary.server.stop(10)


@pytest.fixture
def primary(start: StartPrimary) -> Primary:
    """A primary on loopback, plain."""
    return start()


@pytest.fixture
def client(primary: Primary) -> Iterator[PrimaryClient]:
    """Site 2's client, before its hello."""
    one = primary.client()
    yield one
    one.close()


@dataclass
class Authority:
    """A private certificate authority, with a certificate and key for 127.0.0.1 in files."""

    ca: trustme.CA
    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def listen(self) -> Listen:
        return Listen(port=0, tls_certificate=self.folder / "cert.pem", tls_key=self.folder / "key.pem")

    def issue(self, *names: str) -> None:
        """A new certificate over the old one."""
        leaf = self.ca.issue_cert(*names)
        leaf.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate for 127.0.0.1 by an authority that nobody else knows."""
    one = Authority(trustme.CA(), tmp_path)
    one.ca.cert_pem.write_to_path(str(one.ca_file))
    one.issue("127.0.0.1")
    return one
