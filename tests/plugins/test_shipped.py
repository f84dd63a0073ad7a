"""newest_wins.py and notify.py, at work at real sites."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flow.support import SCHEMA, TYPES, stock_sites

ROOT = Path(__file__).parents[2]
TIMED = SCHEMA.replace(
    "patient (id TEXT PRIMARY KEY, name TEXT)", "patient (id TEXT PRIMARY KEY, name TEXT, updated_at TEXT)"
)


@pytest.mark.parametrize(
    ("at_2", "at_3", "stands", "kept"),
    [
        ("2026-11-01 10:00", "2026-11-01 09:00", "of 2", 1),
        ("2026-11-01 09:00", "2026-11-01 10:00", "of 3", 0),
        ("2026-11-01 09:00", "2026-11-01 09:00", "of 2", 1),
        ("2026-11-01 09:00", None, "of 2", 1),
    ],
    ids=["the first", "the second", "at the same time", "nobody knows"],
)
def test_the_newest_wins(tmp_path: Path, at_2: str, at_3: str | None, stands: str, kept: int) -> None:
    plugin = {"module": str(ROOT / "plugins/newest_wins.py"), "settings": {"record_types": ["patient"]}}
    with stock_sites(tmp_path, schema=TIMED, record_types=TYPES, plugins=[plugin]) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama', '2026-01-01')")
        sites.sync()
        sites[2].write("UPDATE patient SET name = 'of 2', updated_at = ?", at_2)
        sites[3].write("UPDATE patient SET name = 'of 3', updated_at = ?", at_3)
        sites.sync()
        assert {site.rows("patient", "name")[0][0] for site in sites} == {stands}
        assert len(sites.primary.quarantine) == kept


@contextmanager
def messages() -> Iterator[tuple[str, list[str], threading.Event]]:
    """A web hook that keeps what it is told; its address as notify.py takes it."""
    told: list[str] = []
    heard = threading.Event()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            heard.set()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_address[1]}/", told, heard
        server.shutdown()


def test_refusals_are_told_in_one_message_and_the_next_has_to_wait(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    with messages() as (url, told, heard):
        plugin = {"module": str(ROOT / "plugins/notify.py"), "settings": {"urls": [url], "least_minutes": 60}}
        with stock_sites(tmp_path, plugins=[plugin]) as sites:
            for number in range(2):
                sites.primary.write(f"INSERT INTO patient VALUES ('p{number}', 'Ama')")
            sites.sync()
            for site in (2, 3):
                sites[site].write("UPDATE patient SET name = ?", f"of site {site}")
            sites.sync()
            assert heard.wait(30)
            (message,) = told
            assert "patient p0" in message
            assert "patient p1" in message
            heard.clear()
            sites.primary.write("INSERT INTO patient VALUES ('q', 'Esi')")
            sites.sync()
            for site in (2, 3):
                sites[site].write("UPDATE patient SET name = ? WHERE id = 'q'", f"now of site {site}")
            sites.sync()
            assert not heard.wait(1.5), "an hour has not passed"
