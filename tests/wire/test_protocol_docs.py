"""docs/protocol.md and /openapi.json say what the messages are: no field, status or limit differs."""

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
import requests

from msyncd.flow import conversation
from msyncd.flow.compare import messages
from msyncd.flow.compare.messages import Compare, Range
from msyncd.flow.conversation import Complaint
from msyncd.wire.bodies import MIB, Limits
from msyncd.wire.codec import FORMATS, JSON, encode
from msyncd.wire.compression import WORTH_BYTES
from msyncd.wire.login import FREE_FAILURES, LONGEST_WAIT
from msyncd.wire.openapi import ENDPOINTS, STATUSES, document
from msyncd.wire.tokens import TOKEN_SECONDS
from msyncd.wire.waiting import LONGEST_SECONDS
from tests.wire.conftest import Primary
from tests.wire.raw import BASIC, Raw

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
MESSAGES = {
    name: kind
    for module in (conversation, messages)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
}


def section(title: str) -> str:
    """From a heading to the next."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"docs/protocol.md has no section {title}"
    return found[1]


def table(title: str) -> list[list[str]]:
    """The rows of a section's table."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def default(field: Any) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`".replace("`[0,0]`", "`[0, 0]`")


def test_every_message_is_there_and_no_other() -> None:
    titles = re.findall(r"^### (\w+)$", TEXT, re.MULTILINE)
    assert sorted(titles) == sorted(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_field_with_its_default(name: str) -> None:
    told = [(field.strip("`"), value) for field, value, _ in table(name)]
    assert told == [(field.encode_name, default(field)) for field in msgspec.structs.fields(MESSAGES[name])]
    assert all(meaning for _, _, meaning in table(name))


def test_lists_are_told_apart_from_maps() -> None:
    for name, kind in MESSAGES.items():
        assert ("not a map" in section(name)) == kind.__struct_config__.array_like, name


def test_every_status_and_kind() -> None:
    told = table("Statuses")
    assert {int(status) for status, _, _ in told} == {*STATUSES, 404}
    assert {kind.strip("`") for _, kind, _ in told} == set(get_args(get_type_hints(Complaint)["kind"]))


def test_the_limits() -> None:
    limits = Limits()
    assert [most for _, most in table("Limits")] == [
        f"{limits.body_bytes // MIB} MiB",
        f"{limits.message_bytes // MIB} MiB",
        f"{limits.hello_bytes // MIB} MiB",
        f"{limits.pause_seconds:.0f} s",
        f"{limits.body_seconds:.0f} s",
        f"{LONGEST_SECONDS:.0f} s",
    ]
    assert (FREE_FAILURES, LONGEST_WAIT, TOKEN_SECONDS, WORTH_BYTES) == (5, 300, 3600, 1024)  # as the text says


@pytest.mark.parametrize("form", FORMATS)
def test_the_formats(form: str) -> None:
    assert f"`{form}`" in section("Bodies")


def test_the_example_session_works(primary: Primary) -> None:
    raw = Raw(primary.url)
    examples = re.findall(r"^```json (\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in examples] == list(ENDPOINTS)
    for name, body in examples:
        given = {"Authorization": BASIC} if name == "hello" else {}
        answer = raw.post(name, body.encode(), Content_Type=JSON, **given)
        assert answer.status_code == 200, answer.text
        raw.token = json.loads(answer.content).get("token", raw.token)
        kind = ENDPOINTS[name][1]
        assert set(answer.json()) == {field.encode_name for field in msgspec.structs.fields(kind)}
    assert primary.answers.pushed[2] == [("A1", "S2", None, "nw")]


def test_openapi_is_served_and_whole(primary: Primary) -> None:
    served = requests.get(f"{primary.url}/openapi.json", timeout=10).json()
    assert served == json.loads(json.dumps(document()))
    assert served["openapi"].startswith("3.1")
    assert sorted(served["paths"]) == sorted(re.findall(r"^\| `(?:GET|POST) (\S+)`", TEXT, re.MULTILINE))
    schemas = served["components"]["schemas"]
    assert set(schemas) >= set(MESSAGES)
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(served)):
        assert reference in schemas


def test_openapi_tells_binary_values_as_json_has_them() -> None:
    digest = document()["components"]["schemas"]["Range"]["prefixItems"][2]
    written = json.loads(encode(Compare("item", (), (), "", 1, 1, ranges=(Range(None, 0, b"\xff"),)), JSON))
    assert set(written["ranges"][0][2]) == set(digest["properties"]) == {"base64"}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_openapi_tells_the_statuses_of_each_endpoint(name: str) -> None:
    responses = document()["paths"][f"/sync/v1/{name}"]["post"]["responses"]
    assert {"200", "400", "401", "413", "415", "500", "503"} <= set(responses)
    assert ("429" in responses) == (name == "hello")
    assert ("409" in responses) == (name != "hello")
