"""Requests made from the OpenAPI document, by it and against it: each is answered as the document says.

They come from site 3, some of them with what only site 3 can know; site 2 syncs before and after.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, event, given, reject, settings
from hypothesis import strategies as st
from schemathesis import (
    APIOperation,
    Case,
    CheckFunction,
    DeserializationContext,
    GenerationMode,
    Response,
    SerializationContext,
)
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from msyncd.errors import MessageInvalid
from msyncd.wire.codec import MSGPACK, _read, _spell
from msyncd.wire.openapi import document
from tests.commands.support import invoke
from tests.inputs.conftest import Site, inputs, serving
from tests.wire.raw import BASIC

POSITIVE, NEGATIVE = GenerationMode
OPERATIONS = [
    (path, method.upper(), mode)
    for path, item in document()["paths"].items()
    for method in item
    for mode in ((POSITIVE, NEGATIVE) if method == "post" else (POSITIVE,))  # nothing to get wrong in a get
]
TABLES = {name: f"SELECT * FROM {name} ORDER BY ID" for name in ("item", "store", "transact", "trans_line")}


class Unsendable(Exception):
    """MessagePack has no word for it: numbers over 64 bits."""


@schemathesis.serializer(MSGPACK)
def to_msgpack(_: SerializationContext, value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(_read(value))
    except (OverflowError, MessageInvalid) as error:
        raise Unsendable from error


@schemathesis.deserializer(MSGPACK)
def from_msgpack(_: DeserializationContext, response: Response) -> Any:
    return _spell(msgspec.msgpack.decode(response.content))


def standing(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    return {name: site.country.rows("primary", sql) for name, sql in TABLES.items()}


def syncs(site: Site, item: str) -> None:
    """A whole cycle of the real satellite, which brings what was just written at the primary."""
    site.country.execute("primary", f"INSERT INTO item VALUES ('{item}', 'new', 1)")
    result = invoke("sync", "-c", site.country.satellite)
    assert result.exit_code == 0, result.output
    assert site.country.rows("satellite", TABLES["item"]) == site.country.rows("primary", TABLES["item"])


@pytest.fixture(scope="module")
def site3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("country")) as (country, url):
        site = Site(country, url, 3).log_in()
        syncs(site, "before")
        yield site


def known(site: Site, name: str) -> dict[str, Any]:
    """What a message has to say to be read further than its first lines, and only this site can know."""
    says: dict[str, Any] = {**site.whose, "facts_number": site.facts_number}
    match name:
        case "hello":
            says |= {"protocol": 1, "sync_id": site.sync_id}
        case "wait":
            says = {**site.whose, "facts": site.facts_number}
        case "compare":
            says |= {"type": "item", "columns": ["ID", "name", "price"], "keys": [["i1"]]}
    return says


def sent(case: Case[Any], site: Site, *, further: bool) -> int:
    """The status of the answer, which is what the document declares. `further`: with what only this site can know."""
    name = case.operation.path.rpartition("/")[2]
    # What a message may say beyond its form, such as which columns there are, no schema tells.
    excluded: list[CheckFunction] = [positive_data_acceptance]
    if isinstance(case.body, dict):
        nobody_waits = {"seconds": 0} if name == "wait" else {}
        case.body = {**case.body, **nobody_waits, **(known(site, name) if further else {})}
        if further or nobody_waits:  # may have put right what was wrong
            excluded.append(negative_data_rejection)
    headers = {"Authorization": BASIC if name == "hello" else f"Bearer {site.token}"}
    answer = case.call_and_validate(headers=headers, excluded_checks=excluded, timeout=30)
    return answer.status_code


def operation_of(site: Site, path: str, method: str) -> APIOperation[Any, Any, Any, Any]:
    return schemathesis.openapi.from_url(f"{site.url}/openapi.json")[path][method]


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS, ids=str)
def test_each_answer_is_what_the_document_declares(site3: Site, path: str, method: str, mode: GenerationMode) -> None:
    before, tried = standing(site3), Counter[int]()

    # A request is told as it was sent: to find a smaller one can take longer than a test may last.
    @settings(max_examples=inputs(40), suppress_health_check=[*HealthCheck], phases=[Phase.generate])
    @given(operation_of(site3, path, method).as_strategy(generation_mode=mode), st.booleans())
    def holds(case: Case[Any], further: bool) -> None:
        try:
            status = sent(case, site3, further=further)
        except Unsendable:
            reject()
        tried[status] += 1
        event(f"{path}: {status}")

    holds()
    assert tried.total() > 20 or method == "GET"
    assert standing(site3) == before
    syncs(site3, f"after {path} {mode}")


@pytest.mark.parametrize("path", [path for path, method, mode in OPERATIONS if mode == NEGATIVE])
def test_each_bound_of_the_document_holds(site3: Site, path: str) -> None:
    """At and beyond each minimum, with each field left out or of another type, by other methods, in other formats."""
    operation = operation_of(site3, path, "POST")
    config = operation.schema.config.generation_for(operation=operation)
    before, tried = standing(site3), Counter[int]()
    for case in operation.schema.iter_coverage_cases(
        operation, generation_modes=[*GenerationMode], generation_config=config
    ):
        with suppress(Unsendable):
            tried[sent(case, site3, further=tried.total() % 2 == 1)] += 1
    assert {400, 405, 415} <= {*tried}
    assert standing(site3) == before
    syncs(site3, f"after the bounds of {path}")
