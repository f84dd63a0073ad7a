"""The example session of docs/protocol.md, word by word, with a primary that means it."""

import json
import re
from pathlib import Path

import pytest

from msyncd.wire.codec import JSON
from tests.inputs.conftest import Site, serving

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
EXAMPLES = dict(re.findall(r"^```json (\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
STATUSES = {"hello": 200, "push": 200, "pull": 200, "wait": 200, "compare": 200, "give": 409}


def test_the_example_session_is_understood_by_a_primary(tmp_path: Path) -> None:
    with serving(tmp_path) as (country, url):
        site = Site(country, url)
        assert [*EXAMPLES] == [*STATUSES]
        for name, status in STATUSES.items():
            answer = site.post(name, EXAMPLES[name].encode(), JSON)
            assert answer.status_code == status, (name, answer.text)
            told = answer.json()
            site.token = told.get("token", site.token)
            if name == "push":
                assert (told["applied"], told["cursor"], told["refusals"]) == (True, [0, 2], [])
        assert country.rows("primary", "SELECT * FROM transact WHERE ID = 'A1'") == [("A1", "S2", None, "nw")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"to": [0, 0]}, "ends where it begins, or before"),
        ({"from": [0, 2], "to": [0, 1]}, "ends where it begins, or before"),
        ({"part": 3, "parts": 2}, "part 3 of 2"),
        ({"part": 0, "parts": 2}, "part 0 of 2"),
        ({"part": 1, "parts": 10**9}, "part 1 of 1000000000"),
    ],
)
def test_p14_a_batch_that_goes_on_nowhere_is_none(tmp_path: Path, wrong: dict[str, object], words: str) -> None:
    """Sent twice it would be applied twice; and a receipt never goes back."""
    with serving(tmp_path) as (country, url):
        site = Site(country, url)
        site.token = site.post("hello", EXAMPLES["hello"].encode(), JSON).json()["token"]
        good = json.loads(EXAMPLES["push"])
        if "from" in wrong:
            assert site.post("push", json.dumps(good).encode(), JSON).json()["applied"]
        tables = ("transact", "msyncd_receipt", "msyncd_staged")
        before = [country.rows("primary", f"SELECT * FROM {table}") for table in tables]
        answer = site.post("push", json.dumps({**good, "batch": {**good["batch"], **wrong}}).encode(), JSON)
        assert answer.status_code == 400
        assert words in answer.text
        assert before == [country.rows("primary", f"SELECT * FROM {table}") for table in tables]


def test_why_a_record_type_is_not_synced_is_said_to_who_sends_it(tmp_path: Path) -> None:
    with serving(tmp_path) as (country, url):
        site = Site(country, url)
        hello = json.loads(EXAMPLES["hello"])
        hello["record_types"][0]["columns"] = ["ID", "store_ID", "name_ID", "status", "colour"]
        site.token = site.post("hello", json.dumps(hello).encode(), JSON).json()["token"]
        answer = site.post("push", EXAMPLES["push"].encode(), JSON)
        assert answer.status_code == 409
        assert "transact is not synced here" in answer.json()["what"]
        assert "colour" in answer.json()["what"]
