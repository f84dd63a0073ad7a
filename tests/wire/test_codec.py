"""Every value arrives equal in both formats, and what is no message is refused in words."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msyncd.errors import MessageInvalid
from msyncd.flow.compare.messages import Compare, Compared, Digest, Range
from msyncd.flow.conversation import (
    Batch,
    Complaint,
    Hello,
    Pull,
    PullReply,
    Push,
    SpokenRefusal,
    Standing,
    TypeChanges,
    Waiting,
    Welcome,
)
from msyncd.model import START, Cursor
from msyncd.wire.codec import FORMATS, JSON, MSGPACK, decode, encode
from tests.wire.answers import FakeAnswers, hello_of

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
)


def push(**changes: Any) -> Push:
    given: dict[str, Any] = {"type": "item", "columns": ("ID", "name"), **changes}
    return Push(Batch(START, Cursor(0, 1), "m", (TypeChanges(**given),)), "db-2", 1)


@pytest.mark.parametrize("form", FORMATS)
@given(rows=st.lists(st.tuples(VALUES, VALUES)))
def test_every_value_arrives_equal(form: str, rows: list[tuple[Any, Any]]) -> None:
    message = push(rows=rows)
    back = decode(encode(message, form), Push, form)
    assert back == message
    assert [[type(value) for value in row] for row in back.batch.types[0].rows] == [
        [type(value) for value in row] for row in rows
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_not_a_number_stays_one(form: str) -> None:
    message = push(rows=[("a", math.nan), ("b", math.inf), ("c", -math.inf)])
    first, second, third = (row[1] for row in decode(encode(message, form), Push, form).batch.types[0].rows)
    assert math.isnan(first)
    assert (second, third) == (math.inf, -math.inf)


def test_json_is_what_the_documentation_says() -> None:
    message = push(rows=[("a", b"\x00\xff")], deletes=[("z",)])
    spoken = json.loads(encode(message, JSON))
    assert spoken["batch"]["types"][0]["rows"] == [["a", {"base64": "AP8="}]]
    assert (spoken["batch"]["from"], spoken["batch"]["to"]) == ([0, 0], [0, 1])


def test_an_older_end_may_say_less_and_a_newer_end_more() -> None:
    spoken = {"cursor": [0, 1], "facts_number": 1, "facts": 1, "a_new_word": {"deep": [1]}}
    assert decode(json.dumps(spoken).encode(), Waiting, JSON) == Waiting(Cursor(0, 1), 1)
    assert decode(msgspec.msgpack.encode(spoken), Waiting) == Waiting(Cursor(0, 1), 1)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rows": [("a", "b"), ("c",)]}, "1 values for 2 columns"),
        ({"rows": [("a", "b", "c")]}, "3 values for 2 columns"),
        ({"columns": ("ID", "ID")}, "named twice"),
        ({"deletes": [("a",), ("b", "c")]}, "a key does not"),
        ({"deletes": [()]}, "a key does not"),
        ({"leaves": [("a", "b", "c")]}, "a key does not"),
        ({"rows": [("a", "b")], "versions": [1, 2]}, "2 versions for 1 rows"),
        ({"rows": [("a", "b")], "bases": []}, "0 bases for 1 rows"),
        ({"deletes": [("a",)], "delete_stores": ["A", "B"]}, "2 stores for 1 deletes"),
        ({"rows": [("a", [1])]}, "cannot be a list"),
        ({"deletes": [({"a": 1},)]}, "cannot be a dict"),
    ],
)
def test_what_would_shift_values_is_refused(form: str, changes: dict[str, Any], what: str) -> None:
    body = encode(push(**changes), form)
    with pytest.raises(MessageInvalid, match=what):
        decode(body, Push, form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"cursor": [0, -1]}, r"cursor\[1\]"),
        ({"cursor": [2**63, 0]}, r"cursor\[0\]"),
        ({"facts": 2**63}, "facts"),
    ],
)
def test_a_number_that_no_database_holds_is_refused(form: str, said: dict[str, Any], place: str) -> None:
    message = {"cursor": [0, 0], "facts": 1, **said}
    body = json.dumps(message).encode() if form == JSON else msgspec.msgpack.encode(message)
    with pytest.raises(MessageInvalid, match=f"no Waiting: Expected `int` .= .*{place}"):
        decode(body, Waiting, form)


def test_a_standing_record_has_a_value_for_each_column() -> None:
    standing = (Standing("item", ("a",), ("ID", "name"), ("a",), "lines refer to it"),)
    with pytest.raises(MessageInvalid, match="1 values for 2 columns"):
        decode(encode(Pull(START, "", 1, "db-2", 1, 1, standing=standing)), Pull)


def welcome_of(refusal: SpokenRefusal) -> Welcome:
    return msgspec.structs.replace(FakeAnswers().hello(hello_of()), refusals=(refusal,))


@pytest.mark.parametrize("more", [{"include": (("item", ({},)),)}, {"fill": (1, "item", ([],))}])
def test_a_key_of_no_values_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(MessageInvalid, match="a key holds"):
        decode(encode(Pull(START, "", 1, "db-2", 1, 1, **more)), Pull)


@pytest.mark.parametrize(
    "message",
    [
        Compare("item", ("ID",), (), "db-2", 1, 1, after=([],)),
        Compare("item", ("ID",), (), "db-2", 1, 1, keys=(("a",), ({1: 2},))),
        Compare("item", ("ID",), (), "db-2", 1, 1, ranges=(Range(([],), 1, b""),)),
        Compared(records=(Digest(([],), None),)),
        Compared(upto=([],)),
        welcome_of(SpokenRefusal(1, "item", ([],), "no", "", False)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_key_of_no_values_is_refused_in_every_message(message: msgspec.Struct) -> None:
    with pytest.raises(MessageInvalid, match="a key holds"):
        decode(encode(message), type(message))


def test_a_pulled_batch_is_checked_like_a_pushed_one() -> None:
    body = encode(PullReply(batch=push(rows=[("a",)]).batch))
    with pytest.raises(MessageInvalid, match="1 values"):
        decode(body, PullReply)


def test_a_timestamp_is_no_value() -> None:
    # MessagePack has a type of its own for it, which would reach the database as a datetime
    body = encode(push(rows=[("a", "@@@@")])).replace(b"\xa4@@@@", b"\xd6\xff\x00\x00\x00\x01")
    with pytest.raises(MessageInvalid, match="cannot be a datetime"):
        decode(body, Push)


@pytest.mark.parametrize("form", FORMATS)
def test_what_cannot_be_sent_says_so(form: str) -> None:
    with pytest.raises(MessageInvalid, match="cannot be sent"):
        encode(push(rows=[("a", "\ud800")]), form)
    with pytest.raises(MessageInvalid, match="cannot be sent"):
        encode(push(rows=[("a", object())]), form)


def test_a_number_over_64_bits_is_refused_in_msgpack() -> None:
    with pytest.raises(MessageInvalid, match="cannot be sent"):
        encode(push(rows=[("a", 2**64)]))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"batch":' * 5_000, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_deep_json_is_refused(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        decode(body, Push, JSON)


@pytest.mark.parametrize("body", [b"\x91" * 100_000, b"\x81\xa5batch" * 5_000, b"\xdd\xff\xff\xff\xff"])
def test_deep_and_lying_msgpack_is_refused(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        decode(body, Push)


def test_bad_base64_is_refused() -> None:
    body = encode(push(rows=[("a", b"abc")]), JSON).replace(b"YWJj", b"YW\xc3\xa9")
    with pytest.raises(MessageInvalid, match="not base64"):
        decode(body, Push, JSON)


@pytest.mark.parametrize("form", FORMATS)
@given(body=st.binary(max_size=200))
def test_random_bytes_are_refused_or_a_message(form: str, body: bytes) -> None:
    for kind in (Hello, Push, Pull, Waiting, Complaint):
        try:
            message: msgspec.Struct = decode(body, kind, form)
        except MessageInvalid:
            continue
        assert isinstance(message, kind)


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
def test_a_message_cut_or_bent_anywhere_is_refused_or_a_message(form: str, data: st.DataObject) -> None:
    body = bytearray(encode(push(rows=[("a", b"\x01"), ("b", 1.5)], deletes=[("z",)]), form))
    place = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(MessageInvalid):
        decode(bytes(body[:place]), Push, form)
    body[place] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(body), Push, form)
    except MessageInvalid:
        return
    assert isinstance(message, Push)


def test_hello_in_both_formats() -> None:
    for form in (MSGPACK, JSON):
        assert decode(encode(hello_of(), form), Hello, form) == hello_of()
