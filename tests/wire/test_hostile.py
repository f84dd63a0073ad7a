"""Whatever is sent, the primary answers with the right status and a Complaint, tells nothing internal, and goes on."""

import json
import random
import time

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from msyncd import errors
from msyncd.flow.compare.messages import Compare
from msyncd.flow.conversation import Give
from msyncd.wire.bodies import Limits
from msyncd.wire.codec import FORMATS, JSON, MSGPACK, encode
from msyncd.wire.compression import compress
from msyncd.wire.login import FREE_FAILURES
from tests.wire.answers import PULL, hello_of, push_of
from tests.wire.conftest import Primary, StartPrimary
from tests.wire.raw import BASIC, Raw, complaint, packed, status_of

MIB = 1 << 20
SMALL = Limits(body_bytes=MIB, message_bytes=2 * MIB, hello_bytes=MIB // 16, pause_seconds=0.5, body_seconds=2)
PUSH = encode(push_of([("a", "b", 1.0, None)]))


@pytest.fixture
def raw(primary: Primary) -> Raw:
    return Raw(primary.url).log_in()


@pytest.fixture
def small(start: StartPrimary) -> Raw:
    """With small limits."""
    return Raw(start(limits=SMALL).url).log_in()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"", {}, 400, "invalid"),
        (b"\xc1garbage{", {}, 400, "invalid"),
        (PUSH[: len(PUSH) // 2], {}, 400, "invalid"),
        (b"\x91" * 100_000, {}, 400, "invalid"),
        (b"[" * 100_000, {}, 400, "invalid"),
        (b"not zstd", {"Content_Encoding": "zstd"}, 400, "invalid"),
        (PUSH, {"Content_Encoding": "br"}, 415, "invalid"),
        (PUSH, {"Authorization": "Bearer forged"}, 401, "login"),
        (PUSH, {"Authorization": BASIC}, 401, "login"),
        (PUSH, {"Authorization": ""}, 401, "login"),
    ],
)
def test_each_defect_has_its_status(
    raw: Raw, form: str, body: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    answer = raw.post("push", body, **{"Content_Type": form, **headers})
    assert (answer.status_code, complaint(answer).kind) == (status, kind)
    assert answer.headers["Content-Type"] == form
    assert complaint(answer).what


@pytest.mark.parametrize("given", ["", "text/plain", "application/xml", "multipart/form-data"])
def test_an_unknown_format_is_answered_in_json(raw: Raw, given: str) -> None:
    answer = raw.post("push", PUSH, Content_Type=given)
    assert (answer.status_code, answer.headers["Content-Type"]) == (415, JSON)


def test_what_is_not_there_and_what_may_not_be_done(raw: Raw) -> None:
    assert complaint(raw.post("nothing", b"")).kind == "not_found"
    answer = requests.get(f"{raw.url}/sync/v1/push", timeout=20)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert complaint(answer).what == "Method Not Allowed"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300),
    name=st.sampled_from(["hello", "push", "pull", "wait", "compare", "give"]),
    form=st.sampled_from(FORMATS),
    encoding=st.sampled_from(["", "zstd", "identity"]),
)
def test_random_bytes_never_break_it(raw: Raw, body: bytes, name: str, form: str, encoding: str) -> None:
    authorization = BASIC if name == "hello" else f"Bearer {raw.token}"
    answer = raw.post(name, body, Content_Type=form, Content_Encoding=encoding, Authorization=authorization)
    assert answer.status_code in (200, 400)


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused(small: Raw) -> None:
    rows = packed({"batch": {"from": [0, 0], "to": [0, 1], "mark": "x" * 30 * MIB}})
    bomb = compress(rows)
    assert len(bomb) < MIB // 2
    answer = small.post("push", bomb, Content_Encoding="zstd")
    assert (answer.status_code, complaint(answer).kind) == (413, "too_large")


def test_a_bomb_at_hello_is_refused_before_any_password(start: StartPrimary) -> None:
    primary = start(limits=SMALL)
    bomb = compress(packed({"name": "x" * MIB}))
    assert len(bomb) < SMALL.hello_bytes
    answer = Raw(primary.url).post("hello", bomb, Content_Encoding="zstd", Authorization=BASIC)
    assert answer.status_code == 413
    assert primary.accounts.checked == 0


def test_a_large_body_is_refused_though_its_sender_is_still_sending(small: Raw) -> None:
    for body in (bytes(MIB + 1), iter([bytes(MIB // 4)] * 5)):  # a declared length, and in chunks
        answer = small.post("push", body)
        assert (answer.status_code, complaint(answer).kind) == (413, "too_large")
    assert small.post("push", PUSH).status_code == 200


def test_a_huge_declared_length_is_not_waited_for(small: Raw) -> None:
    with small.connect() as sock:
        sock.sendall(
            b"POST /sync/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: 99999999999\r\n\r\n" % small.token.encode()
        )
        started = time.monotonic()
        assert status_of(sock) == 413
        assert time.monotonic() - started < 5


def test_a_body_without_a_token_is_not_kept(small: Raw) -> None:
    answer = small.post("push", bytes(MIB // 2), Authorization="Bearer forged")
    assert answer.status_code == 401  # and not a broken connection: the sender learns why


@pytest.mark.parametrize("form", [JSON, MSGPACK])
def test_a_body_that_stops_coming_is_given_up(small: Raw, form: str) -> None:
    with small.connect() as sock:
        sock.sendall(
            b"POST /sync/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: 1000\r\n\r\nabc" % (form.encode(), small.token.encode())
        )
        assert status_of(sock) == 408


# --- log-in -----------------------------------------------------------------------------------------------------------


def test_guessing_is_slowed(primary: Primary) -> None:
    wrong = Raw(primary.url)
    body = encode(hello_of())
    with capture_logs() as logged:
        answers = [wrong.post("hello", body, Authorization="Basic c3luYzp3cm9uZw==") for _ in range(FREE_FAILURES + 3)]
    expected = {"event": "log-in refused", "log_level": "warning", "site": 2, "address": "127.0.0.1"}
    assert logged == [expected] * (FREE_FAILURES + 1)  # those who wait fill no disk, and no password is shown
    assert {complaint(answer).kind for answer in answers} == {"login"}
    assert [answer.status_code for answer in answers] == [401] * (FREE_FAILURES + 1) + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert primary.accounts.checked == FREE_FAILURES + 1
    assert wrong.post("hello", body, Authorization=BASIC).status_code == 429
    primary.clock.now += 2
    assert wrong.post("hello", body, Authorization=BASIC).status_code == 200


@pytest.mark.parametrize("given", ["", "Basic", "Basic ?", "Basic c3luYw==", "Bearer x", "Basic //8="])
def test_hello_without_a_password_is_asked_for_one(primary: Primary, given: str) -> None:
    answer = Raw(primary.url).post("hello", encode(hello_of()), Authorization=given)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert primary.accounts.checked == 0


def test_another_protocol_is_told_what_to_do(primary: Primary) -> None:
    spoken = json.loads(encode(hello_of(), JSON)) | {"protocol": 99}
    answer = Raw(primary.url).post("hello", json.dumps(spoken), Content_Type=JSON, Authorization=BASIC)
    assert (answer.status_code, complaint(answer).kind) == (403, "protocol")
    assert "upgrade" in complaint(answer).hint


def test_a_token_ends_with_its_password(primary: Primary, raw: Raw) -> None:
    primary.accounts.versions[2] = "2"
    assert raw.post("push", PUSH).status_code == 401
    assert primary.answers.pushed == {}


# --- what goes wrong inside -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.FactsChanged("older facts", hint="say hello"), 409, "facts"),
        (errors.DatabaseUnavailable("locked"), 503, "busy"),
        (errors.CloneRefused("another database"), 403, "clone"),
        (errors.RestoredBackup("an older copy"), 403, "restored"),
        (errors.PeerRefused("no"), 403, "refused"),
        (errors.JoiningUndecided("both ends hold records"), 403, "refused"),
        (errors.MessageInvalid("a value that no column takes"), 400, "invalid"),
    ],
)
def test_the_flow_s_errors_are_told(primary: Primary, raw: Raw, error: Exception, status: int, kind: str) -> None:
    def fail(_name: str) -> None:
        raise error

    primary.answers.before = fail
    answer = raw.post("push", PUSH)
    told = complaint(answer)
    assert (answer.status_code, told.kind, told.what) == (status, kind, error.args[0])
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("kind", [errors.DatabaseUnavailable, errors.DatabaseDamaged])
def test_a_caller_is_not_told_where_the_database_is(
    primary: Primary, raw: Raw, kind: type[errors.DatabaseUnavailable | errors.DatabaseDamaged]
) -> None:
    error = kind("it is locked", where="/srv/central.db", hint="trying again")

    def fail(_name: str) -> None:
        raise error

    primary.answers.before = fail
    answer = raw.post("push", PUSH)
    assert (answer.status_code, complaint(answer).what) == (503, "it is locked")
    assert "/srv" not in answer.text
    assert error.what == "/srv/central.db: it is locked", "this end's own log has it"


@pytest.mark.parametrize("name", ["push", "pull", "wait", "compare", "give"])
def test_a_surprise_is_logged_once_and_not_shown(primary: Primary, raw: Raw, name: str) -> None:
    def fail(_name: str) -> None:
        raise KeyError("a patient's name")

    primary.answers.before = fail
    bodies = {
        "push": PUSH,
        "pull": encode(PULL),
        "wait": packed({"cursor": [0, 0], "facts": 1}),
        "compare": encode(Compare("item", (), (), "", 1, 1)),
        "give": encode(Give("a", "", 1, 1)),
    }
    with capture_logs() as logged:
        answer = raw.post(name, bodies[name])
    assert answer.status_code == 500
    assert "patient" not in answer.text
    assert [(one["log_level"], one["path"]) for one in logged] == [("error", f"/sync/v1/{name}")]
    primary.answers.before = lambda _name: None
    assert raw.post("push", PUSH).status_code == 200


def test_headers_say_little_and_protect(raw: Raw) -> None:
    answer = raw.post("push", PUSH)
    assert "Server" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_line_that_breaks_in_mid_request_is_nothing_to_log(primary: Primary, raw: Raw) -> None:
    generator = random.Random(7)
    head = b"POST /sync/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\n"
    whole = head % (MSGPACK.encode(), raw.token.encode()) + b"Content-Length: %d\r\n\r\n" % len(PUSH) + PUSH
    with capture_logs() as logged:
        for _ in range(20):
            with raw.connect() as sock:
                sock.sendall(whole[: generator.randrange(len(whole))])
        time.sleep(0.3)
    assert logged == []
    assert primary.answers.pushed == {}
    assert raw.post("push", PUSH).status_code == 200
