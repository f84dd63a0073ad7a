"""A real primary on a real database, and a satellite that has its password and means no good."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog

from msyncd.daemon import logging
from msyncd.settings.values import LogSettings
from msyncd.wire.codec import JSON, MSGPACK
from tests.commands.support import Country
from tests.wire.raw import BASIC

STANDS = """
INSERT INTO item VALUES ('i1', 'amoxicillin', 1), ('i2', 'paracetamol', 2);
INSERT INTO transact VALUES ('mine', 'S1', NULL, 'nw'), ('theirs', 'S3', NULL, 'nw'), ('its', 'S2', NULL, 'nw');
INSERT INTO trans_line VALUES (1, 'mine', 'i1', 5), (2, 'theirs', 'i1', 5), (3, 'its', 'i1', 5);
"""
NOT_ITS = {
    "item": "SELECT * FROM item ORDER BY ID",
    "store": "SELECT * FROM store ORDER BY ID",
    "transact": "SELECT * FROM transact WHERE store_ID IN ('S1', 'S3') ORDER BY ID",
    "trans_line": "SELECT l.* FROM trans_line AS l JOIN transact AS t ON t.ID = l.transaction_ID"
    " WHERE t.store_ID IN ('S1', 'S3') ORDER BY l.ID",
    "schema": "SELECT name, sql FROM sqlite_master ORDER BY name",
}
"""What site 2 has no hand in, whatever it sends."""


def inputs(usual: int) -> int:
    """How many inputs to try: as many as usual, or MSYNCD_TEST_INPUTS times as many."""
    return usual * int(os.environ.get("MSYNCD_TEST_INPUTS", "1"))


@dataclass
class Site:
    """Posts as a site, which has said hello once: site 2 as database `d2`."""

    country: Country
    url: str
    sync_id: int = 2
    token: str = ""
    facts_number: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    pushed: list[int] = field(default_factory=list)

    def post(self, name: str, body: bytes, form: str = MSGPACK, **headers: str) -> requests.Response:
        authorization = BASIC if name == "hello" else f"Bearer {self.token}"
        given = {"Content-Type": form, "Authorization": authorization, **headers}
        return requests.post(f"{self.url}/sync/v1/{name}", data=body, headers=given, timeout=30)

    def not_its(self) -> dict[str, list[tuple[Any, ...]]]:
        return {what: self.country.rows("primary", sql) for what, sql in NOT_ITS.items()}

    @property
    def whose(self) -> dict[str, Any]:
        """What only this site can know, and says in every message."""
        return {"database_id": f"d{self.sync_id}", "generation": 1, "installation_id": f"n{self.sync_id}"}

    def log_in(self) -> "Site":
        hello = {
            "protocol": 1, "version": "0", "sync_id": self.sync_id, "name": "a site", **self.whose,
            "record_types": [
                {"name": "item", "columns": ["ID", "name", "price"], "key": ["ID"]},
                {"name": "store", "columns": ["ID", "code", "name_ID"], "key": ["ID"]},
                {"name": "transact", "columns": ["ID", "store_ID", "name_ID", "status"], "key": ["ID"]},
                {"name": "trans_line", "columns": ["ID", "transaction_ID", "item_ID", "quantity"], "key": ["ID"]},
            ],
        }  # fmt: skip
        answer = self.post("hello", json.dumps(hello).encode(), JSON)
        assert answer.status_code == 200, answer.text
        welcome = answer.json()
        self.token, self.facts_number, self.pushed = welcome["token"], welcome["facts_number"], welcome["pushed"]
        self.epochs = {store: epoch for store, _, _, epoch, *_ in welcome["stores"]}
        return self


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Country, str]]:
    """A primary with some records in its tables serves at this address."""
    country = Country(folder)
    country.execute("primary", STANDS)
    logging.configure(LogSettings(format="json"))  # a traceback for people takes a second
    with country.serving():
        found = re.search(r'url: "(http[^"]+)"', country.satellite.read_text())
        assert found
        yield country, found[1]
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def site2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The primary serves as long as the module lasts: what one input leaves behind meets the next."""
    with serving(tmp_path_factory.mktemp("country")) as (country, url):
        yield Site(country, url).log_in()
