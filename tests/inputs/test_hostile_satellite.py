"""A satellite with a good password and any content: the primary keeps what is not that site's, and goes on."""

from collections import Counter
from typing import Any

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from msyncd.flow.compare.messages import Compare
from msyncd.flow.conversation import Hello, PushReply, Waiting
from msyncd.wire.codec import FORMATS, MSGPACK, decode
from msyncd.wire.openapi import ENDPOINTS
from tests.inputs.conftest import Site, inputs
from tests.wire.raw import packed

COLUMNS = {
    "item": ["ID", "name", "price"],
    "store": ["ID", "code", "name_ID"],
    "transact": ["ID", "store_ID", "name_ID", "status"],
    "trans_line": ["ID", "transaction_ID", "item_ID", "quantity"],
}
SLY = ["'; DROP TABLE item; --", '"', "x' OR '1'='1", "${HOME}", "../../etc/passwd", "\x00", "\u202e", "0" * 5000]
KNOWN = ["mine", "theirs", "its", "new", "i1", "i2", "S1", "S2", "S3", "N1", "bad", "nw"]

names = st.sampled_from([*COLUMNS]) | st.sampled_from([*SLY, "msyncd_store", "sqlite_master", ""])
values: st.SearchStrategy[Any] = (
    st.sampled_from([*KNOWN, *SLY])
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(1, 4)
    | st.floats()
    | st.binary(max_size=20)
)
texts = st.sampled_from([*KNOWN, *SLY])
cursors = st.tuples(st.integers(0, 3), st.integers(0, 40)) | st.tuples(
    st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
)
counts = st.integers(0, 3) | st.integers(-(2**63), 2**64 - 1)
records = st.lists(st.tuples(names, st.lists(values, min_size=1, max_size=2)), max_size=3)


@st.composite
def type_changes(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly as a satellite writes it; sometimes with columns of another, or none that there are."""
    name = draw(names)
    columns: list[str] = COLUMNS.get(name, ["ID"])
    if draw(st.integers(0, 9)) == 0:
        columns = draw(st.lists(st.sampled_from([*SLY, "ID", "store_ID"]), min_size=1, max_size=4, unique=True))
    elif draw(st.booleans()):
        columns = list(draw(st.permutations(columns)))
    rows = draw(st.lists(st.tuples(*[values for _ in columns]), max_size=4))
    deletes = draw(st.lists(st.tuples(values), max_size=3))
    made: dict[str, Any] = {"type": name, "columns": columns, "rows": rows, "deletes": deletes}
    named: bool = draw(st.booleans())
    if deletes and named:
        made["delete_stores"] = [draw(st.none() | st.sampled_from(["S1", "S2", "S3", "nobody"])) for _ in deletes]
    if draw(st.integers(0, 9)) == 0:
        made["leaves"] = draw(st.lists(st.tuples(values), max_size=2))
    if draw(st.integers(0, 9)) == 0:
        made["bases"] = draw(st.lists(counts, min_size=len(rows), max_size=len(rows)))
    return made


@st.composite
def who(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly the database that said hello."""
    if draw(st.integers(0, 9)):
        return {"database_id": "d2", "generation": 1, "installation_id": "n2"}
    return {"database_id": draw(texts), "generation": draw(counts), "installation_id": draw(texts)}


@st.composite
def pushes(draw: st.DrawFn, site2: Site, after: list[int]) -> dict[str, Any]:
    """Mostly at the receipt's cursor and by the facts that hold, so that it is applied."""
    begins = after if draw(st.integers(0, 4)) else list(draw(cursors))
    batch = {
        "from": begins,
        "to": [begins[0], min(begins[1] + draw(st.integers(1, 5)), 2**63 - 1)],
        "mark": draw(texts),
        "types": draw(st.lists(type_changes(), max_size=4)),
        "facts_number": site2.facts_number if draw(st.integers(0, 9)) else draw(st.sampled_from([0, 1, 2**62])),
        "epochs": site2.epochs,
    }
    if draw(st.integers(0, 9)) == 0:
        batch["epochs"] = draw(st.dictionaries(st.sampled_from(["S1", "S2", "S3", *SLY]), counts, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        batch |= {"part": draw(counts), "parts": draw(counts)}
    return {"batch": batch, "heard": draw(counts), "included": draw(records), **draw(who())}


pulls = st.builds(
    lambda cursor, more, whose: {"cursor": cursor, "mark": "", **more, **whose},
    cursors,
    st.fixed_dictionaries(
        {"records": counts, "facts_number": st.sampled_from([0, 1, 2]), "heard": counts},
        optional={
            "mark": texts,
            "fill": st.tuples(counts, names, st.none() | st.lists(values, min_size=1, max_size=2)),
            "include": records,
            "digests": st.booleans(),
            "given": st.lists(st.tuples(texts, counts), max_size=2),
            "standing": st.lists(
                st.fixed_dictionaries(
                    {"type": names, "key": st.tuples(values), "columns": st.just(["ID", "name"]),
                     "row": st.tuples(values, values), "reason": texts}
                ),
                max_size=2,
            ),
        },
    ),
    who(),
)  # fmt: skip


keys = st.lists(values, min_size=1, max_size=1) | st.lists(values, min_size=1, max_size=2)
compares = st.builds(
    lambda name, more, whose: {
        "type": name, "columns": COLUMNS.get(name, ["ID"]), "kinds": [], **more, **whose
    },
    st.sampled_from([*COLUMNS]) | names,
    st.fixed_dictionaries(
        {},
        optional={
            "facts_number": counts,
            "columns": st.lists(st.sampled_from([*SLY, "ID", "name", "store_ID"]), max_size=3),
            "kinds": st.lists(st.sampled_from([*SLY, "text", "integer", "boolean"]), max_size=3),
            "cursor": cursors,
            "after": st.none() | keys,
            "ranges": st.lists(st.tuples(st.none() | keys, counts, st.binary(max_size=16)), max_size=3),
            "listing": st.booleans(),
            "keys": st.lists(keys, max_size=3),
            "send_again": st.booleans(),
            "results": st.lists(st.fixed_dictionaries({"type": names, "records": counts, "differences": counts})),
        },
    ),
    who(),
)  # fmt: skip


@pytest.fixture
def tried() -> Counter[int]:
    return Counter()


def spoken(message: dict[str, Any], form: str) -> bytes:
    if form == MSGPACK:
        return packed(message)
    return msgspec.json.encode(message)


def sent(site2: Site, tried: Counter[int], name: str, message: dict[str, Any], form: str) -> Any:
    """What it is answered: one of the statuses that a message may get, in the words of the protocol."""
    answer = site2.post(name, spoken(message, form), form)
    tried[answer.status_code] += 1
    event(f"{name}: {answer.status_code}")
    assert answer.status_code in (200, 400, 403, 409, 413), answer.text
    if answer.status_code == 200:
        return decode(answer.content, ENDPOINTS[name][1], form)
    return None


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_it_pushes_it_has_no_hand_in_what_is_not_its(site2: Site, tried: Counter[int], form: str) -> None:
    before = site2.not_its()
    place = [0, 0]

    @settings(max_examples=inputs(120), suppress_health_check=[*HealthCheck])
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        nonlocal place
        reply = sent(site2, tried, "push", data.draw(pushes(site2, place)), form)
        if reply is not None:
            place = list(reply.cursor)
        assert site2.not_its() == before

    holds()
    assert tried[200] > 10, "most of it is understood, or nothing is tried"


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_it_asks_it_is_told_only_what_goes_to_it(site2: Site, tried: Counter[int], form: str) -> None:
    before = site2.not_its()

    @settings(max_examples=inputs(80), suppress_health_check=[*HealthCheck])
    @given(pulls)
    def holds(pull: dict[str, Any]) -> None:
        if pull["facts_number"]:  # mostly by the facts that hold, so that it is answered
            pull = {**pull, "facts_number": site2.facts_number}
        reply = sent(site2, tried, "pull", pull, form)
        parts = [] if reply is None else [one for one in (reply.batch, reply.piece) if one is not None]
        rows = [row for part in parts for one in part.types if one.type == "transact" for row in one.rows]
        if not pull.get("digests"):
            assert {row[1] for row in rows} <= {"S1", "S2"}, "it keeps a copy of S1; S3 is none of its business"

    holds()
    assert site2.not_its() == before
    assert tried[200] > 5


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_it_compares_nothing_is_changed(site2: Site, tried: Counter[int], form: str) -> None:
    before = site2.not_its()

    @settings(max_examples=inputs(120), suppress_health_check=[*HealthCheck])
    @given(compares)
    def holds(question: dict[str, Any]) -> None:
        sent(site2, tried, "compare", {"facts_number": site2.facts_number, **question}, form)

    holds()
    assert site2.not_its() == before
    assert tried[200] > 5


@pytest.mark.parametrize("form", FORMATS)
def test_hello_and_compare(site2: Site, tried: Counter[int], form: str) -> None:
    before = site2.not_its()
    fields = [one.encode_name for kind in (Hello, Compare, Waiting) for one in msgspec.structs.fields(kind)]
    anything = st.recursive(values, lambda inner: st.lists(inner, max_size=3), max_leaves=6)

    @settings(max_examples=inputs(80), suppress_health_check=[*HealthCheck])
    @given(st.sampled_from(["hello", "compare", "wait"]), st.dictionaries(st.sampled_from(fields), anything))
    def holds(name: str, message: dict[str, Any]) -> None:
        whole = {"seconds": 0, **message} if name == "wait" else message
        answer = site2.post(name, spoken(whole, form), form)
        assert answer.status_code in (200, 400, 401, 403, 409, 429), answer.text

    holds()
    assert site2.not_its() == before


# --- what was found so ------------------------------------------------------------------------------------------------


def pushed(site2: Site, **changes: Any) -> requests.Response:
    """The answer to a batch of these changes, from where the primary has the site's log."""
    site2.log_in()
    batch = {"from": site2.pushed, "to": [0, site2.pushed[1] + 1], "mark": "m", "facts_number": site2.facts_number}
    types = [{"columns": COLUMNS[changes["type"]], **changes}]
    return site2.post("push", packed({"batch": {**batch, "types": types, "epochs": site2.epochs}, **site2.whose}))


@pytest.mark.parametrize(("name", "key"), [("item", "i2"), ("transact", "theirs"), ("trans_line", 2)])
def test_p11_it_lets_nothing_leave_the_primary(site2: Site, name: str, key: str | int) -> None:
    before = site2.not_its()
    answer = pushed(site2, type=name, leaves=[[key]])
    assert (answer.status_code, site2.not_its()) == (400, before)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("transact", {"rows": [[2**63, "S2", None, "nw"]]}, "transact.ID: 9223372036854775808 is beyond the 64 bits"),
        ("trans_line", {"rows": [[2**63, "its", "i1", 1]]}, "trans_line.ID: 9223372036854775808 is beyond the 64 bits"),
        ("trans_line", {"rows": [[7, "its", 2**63, 1]]}, "refers to item 9223372036854775808, which the primary does"),
        ("trans_line", {"rows": [[8, 2**63, "i1", 1]]}, "transact 9223372036854775808"),
        ("transact", {"deletes": [[2**64 - 1]], "delete_stores": ["S2"]}, "too large"),
    ],
)
def test_p21_a_key_that_only_another_database_can_hold_stops_nothing(
    site2: Site, name: str, changes: dict[str, Any], reason: str
) -> None:
    """MariaDB's unsigned integers reach to 2^64; a primary on SQLite has no number like that."""
    answer = pushed(site2, type=name, **changes)
    assert answer.status_code == 200, answer.text
    reply = decode(answer.content, PushReply)
    assert reply.applied
    assert reason in reply.refusals[-1].reason
