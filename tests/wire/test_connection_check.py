"""*Check connection* names the step that fails and what to do, and leaves no trace."""

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import trustme

from msyncd import errors
from msyncd.flow.conversation import Hello, SpokenSite, SpokenStore, Welcome
from msyncd.wire.connection_check import Step, Target, check_connection
from tests.wire.answers import FakeAnswers, hello_of
from tests.wire.conftest import Authority, Primary, StartPrimary

ALL = ["name", "tcp", "log-in", "versions", "sync ID", "stores", "clock"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def target(primary: Primary, **others: Any) -> Target:
    return replace(Target(primary.url, "sync", lambda: "secret"), **others)


def check(one: Target, hello: Hello | None = None, now: datetime = NOW) -> list[Step]:
    return check_connection(one, hello or hello_of(), lambda: now)


def names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def test_all_is_well(primary: Primary) -> None:
    steps = check(target(primary))
    assert names(steps) == ALL
    assert all(step.ok and step.detail for step in steps)
    assert "127.0.0.1" in steps[0].detail


def test_it_leaves_no_trace(primary: Primary) -> None:
    check(target(primary))
    assert [hello.probe for hello in primary.answers.hellos] == [True]
    assert primary.answers.pushed == {}


def test_tls_tells_whose_certificate_it_is(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    step = check(target(primary, ca_certificate=authority.ca_file))[2]
    assert (step.name, step.ok) == ("tls", True)
    assert "TLSv1.3, certificate of 127.0.0.1, issued by" in step.detail
    assert "trustme" in step.detail


def test_a_certificate_that_ends_soon_is_told_of(start: StartPrimary, authority: Authority) -> None:
    leaf = authority.ca.issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=7))
    leaf.private_key_pem.write_to_path(str(authority.folder / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(authority.folder / "cert.pem"))
    primary = start(authority.listen)
    step = check(target(primary, ca_certificate=authority.ca_file), now=datetime.now(UTC))[2]
    assert step.ok
    assert "renew" in step.hint


def test_an_unknown_authority_stops_before_the_password(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    steps = check(target(primary))
    assert (names(steps), steps[-1].ok) == (["name", "tcp", "tls"], False)
    assert "ca_certificate" in steps[-1].hint
    other = authority.folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    assert not check(target(primary, ca_certificate=other))[-1].ok
    assert not check(target(primary, ca_certificate=authority.folder / "none.pem"))[-1].ok
    assert primary.accounts.checked == 0


def test_a_certificate_of_another_name(start: StartPrimary, authority: Authority) -> None:
    authority.issue("central.example.org")
    step = check(target(start(authority.listen), ca_certificate=authority.ca_file))[-1]
    assert (step.name, step.ok) == ("tls", False)
    assert "name in the url" in step.hint


def test_plain_http_where_tls_is_expected(primary: Primary) -> None:
    steps = check(target(primary, url=primary.url.replace("http:", "https:")))
    assert (names(steps), steps[-1].ok) == (["name", "tcp", "tls"], False)


def test_tls_where_plain_http_is_expected(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    step = check(target(primary, url=primary.url.replace("https:", "http:")))[-1]
    assert (step.name, step.ok) == ("log-in", False)
    assert step.hint.startswith("does the primary speak https there? "), step.hint
    assert "by itself" in step.hint


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    steps = check(Target(f"http://127.0.0.1:{port}", "sync", lambda: "secret"))
    assert [(step.name, step.ok) for step in steps] == [("name", True), ("tcp", False)]
    assert "firewall" in steps[-1].hint


def test_a_name_that_nobody_knows() -> None:
    steps = check(Target("https://central.invalid", "sync", lambda: "secret"))
    assert [(step.name, step.ok) for step in steps] == [("name", False)]


@pytest.mark.parametrize("url", ["http://central.example.org", "nonsense", "https://127.0.0.1:99999"])
def test_a_url_that_cannot_be(url: str) -> None:
    steps = check(Target(url, "sync", lambda: "secret"))
    assert [(step.name, step.ok, bool(step.hint)) for step in steps] == [("url", False, True)]


def test_a_wrong_password(primary: Primary) -> None:
    steps = check(target(primary, password=lambda: "wrong"))
    assert [(step.name, step.ok) for step in steps[2:]] == [("log-in", False)]
    assert "password" in steps[-1].hint


def test_a_password_file_that_is_not_there(primary: Primary) -> None:
    def missing() -> str:
        raise errors.MsyncdError("the password file cannot be read", hint="see password_file")

    steps = check(target(primary, password=missing))
    assert [(step.name, step.ok, step.hint) for step in steps[2:]] == [("log-in", False, "see password_file")]


def test_another_protocol(primary: Primary) -> None:
    newer = msgspec.convert(json.loads(msgspec.json.encode(hello_of())) | {"protocol": 99}, Hello)
    steps = check(target(primary), newer)
    assert [(step.name, step.ok) for step in steps[2:]] == [("log-in", True), ("versions", False)]


def test_a_clone(primary: Primary) -> None:
    def refuse(_name: str) -> None:
        raise errors.CloneRefused("site 2 is another machine", hint="msyncd sites replace 2")

    primary.answers.before = refuse
    steps = check(target(primary))
    assert [(step.name, step.ok) for step in steps[2:]] == [("log-in", True), ("versions", True), ("sync ID", False)]
    assert "replace 2" in steps[-1].hint


class OtherStores(FakeAnswers):
    """By whose lists site 2 has the store BUM."""

    def hello(self, hello: Hello) -> Welcome:
        return msgspec.structs.replace(
            super().hello(hello),
            site=SpokenSite(2, "Bumban", active_stores=("17",)),
            stores=(SpokenStore("17", "BUM", 2, 1),),
        )


@pytest.mark.parametrize(
    ("here", "ok"), [(("BUM",), True), (("17",), True), (None, True), (("KAL",), False), ((), False)]
)
def test_stores_are_compared_by_value_or_code(start: StartPrimary, here: tuple[str, ...] | None, ok: bool) -> None:
    primary = start(answers=OtherStores())
    step = check(target(primary), msgspec.structs.replace(hello_of(), active_stores=here))[-2]
    assert (step.name, step.ok) == ("stores", ok)
    assert "BUM" in step.detail


@pytest.mark.parametrize(("minutes", "words"), [(10, "ahead of"), (-10, "behind")])
def test_clocks_that_differ(primary: Primary, minutes: int, words: str) -> None:
    step = check(target(primary), now=NOW + timedelta(minutes=minutes))[-1]
    assert (step.name, step.ok) == ("clock", False)
    assert f"0:10:00 {words}" in step.detail


def test_through_a_proxy_the_line_is_the_proxy_s_business(primary: Primary) -> None:
    steps = check(target(primary, url="http://127.0.0.1:1", proxy=primary.url))
    assert names(steps)[0] == "log-in"
