"""A primary as several real `msyncd run` processes on one PostgreSQL, with the same configuration."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from msyncd.daemon.assemble import assemble
from msyncd.daemon.site import Site
from msyncd.settings.loading import load
from msyncd.testing.application import connect
from tests import warm
from tests.daemon.conftest import free_port
from tests.servers import Databases
from tests.workers.balancer import Balancer

SCHEMA = """
CREATE TABLE store (id VARCHAR(40) PRIMARY KEY, code VARCHAR(40) NOT NULL);
CREATE TABLE item (id VARCHAR(40) PRIMARY KEY, name TEXT);
CREATE TABLE stock (id VARCHAR(40) PRIMARY KEY, store_id VARCHAR(40) NOT NULL,
                    item_id VARCHAR(40) REFERENCES item (id), quantity INTEGER);
"""
TYPES = """
stores: {table: store, key: id, code: code}
record_types:
  store: {table: store, key: id, edited_on: primary, sent_to: every_site}
  item: {table: item, key: id, edited_on: primary, sent_to: every_site}
  stock: {table: stock, key: id, edited_on: active_site, sent_to: sites_of_store, store: store_id}
"""
PRIMARY = """
this_site: {{sync_id: 1, name: Central, database: "{url}", active_stores: [CMS], copies_of: all,
            user_name: sync, password: hunter2hunter2}}
listen:
  port: ${{WORKER_PORT}}
sync_with:
{satellites}
record_types: [types.yaml]
state_directory: state1
"""
SATELLITE = """
this_site: {{sync_id: {site}, name: Site {site}, database: "{url}", user_name: sync,
            password: hunter2hunter2}}
sync: {{interval: 1s, live: true}}
sync_with: [{{sync_id: 1, name: Central, url: "http://127.0.0.1:{port}"}}]
record_types: [types.yaml]
state_directory: state{site}
"""


def until(what: str, happened: Callable[[], object], seconds: float = 90.0) -> float:
    """Wait for something; how many seconds it took. Fails if it does not come."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds, f"not in time: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


class Country:
    """The primary's workers by number, and satellites by sync ID, each with a store S2, S3, …; nothing runs yet.

    `url`: the primary's database; `satellites`: those of the others.
    """

    def __init__(self, folder: Path, url: str, ports: list[int], satellites: Mapping[int, str]) -> None:
        self.folder, self.url, self.ports = folder, url, ports
        self.balancer = Balancer(ports)
        self.satellites = list(satellites)
        self.running: dict[str, warm.Process] = {}
        self.db: dict[int, Any] = {1: connect(url)}
        self.db[1].script(SCHEMA)
        for site in (1, *self.satellites):
            self.db[1].execute("INSERT INTO store VALUES (?, ?)", (f"s{site}", "CMS" if site == 1 else f"S{site}"))
        (folder / "types.yaml").write_text(TYPES)
        self.configure()
        for site, its in satellites.items():
            self._write(f"site{site}.yaml", SATELLITE.format(site=site, url=its, port=self.balancer.port))
            self.db[site] = connect(its)
            wal = "PRAGMA journal_mode=WAL;\n" if its.startswith("sqlite:") else ""
            self.db[site].script(wal + SCHEMA)

    def configure(self, active: Mapping[int, str] | None = None, **copies: str) -> None:
        """Write the primary's YAML, as editors save; `site2="S3"`: which copies a satellite has.

        `active`: which stores, where they are not its own.
        """
        lines = [
            f"  - {{sync_id: {site}, name: Site {site}, active_stores: [{(active or {}).get(site, f'S{site}')}],"
            f" copies_of: [{copies.get(f'site{site}', '')}]}}"
            for site in self.satellites
        ]
        self._write("site1.yaml", PRIMARY.format(url=self.url, satellites="\n".join(lines)))

    def on_another_machine(self, name: str) -> None:
        """The primary's YAML as it is now, and a state directory, on a machine of that name."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "types.yaml").write_text(TYPES)
        self._write(f"{name}/site1.yaml", (self.folder / "site1.yaml").read_text())

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_text(text)
        temporary.chmod(0o600)
        temporary.replace(file)

    # --- processes ----------------------------------------------------------------------------------------------------

    def start(self, *numbers: int, port: int | None = None, machine: str = ".") -> None:
        """Start workers of the primary; returns when each listens, on its own port or all on one."""
        for number in numbers:
            environment = {"WORKER_PORT": str(port or self.ports[number - 1])}
            self._run(f"worker{number}", f"{machine}/site1.yaml", **environment)
        for number in numbers:
            until(f"worker {number} listens", lambda number=number: self.listens(number))  # type: ignore[misc]

    def listens(self, number: int) -> bool:
        assert self.running[f"worker{number}"].poll() is None, self.logs()
        return "listening" in self.log(f"worker{number}")

    def start_satellites(self) -> None:
        """Start the satellites' daemons."""
        for site in self.satellites:
            self._run(f"site{site}", f"site{site}.yaml")

    def _run(self, name: str, configuration: str, **environment: str) -> None:
        log = self.folder / f"{name}.log"
        self.running[name] = warm.Process(
            "run", "-c", self.folder / configuration, out=log, err=log, environment=environment
        )

    def kill(self, number: int) -> None:
        """SIGKILL a worker, at whatever instruction it is."""
        daemon = self.running.pop(f"worker{number}")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        (self.folder / f"worker{number}.log").unlink()

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        """The last lines that each daemon said."""
        return "\n".join(f"--- {name}\n" + "\n".join(self.log(name).splitlines()[-30:]) for name in self.running)

    def satellite(self, site: int) -> Site:
        """A satellite in this process, whose cycles a test runs."""
        return assemble(load(self.folder / f"site{site}.yaml").settings)

    def close(self) -> None:
        for daemon in self.running.values():
            daemon.terminate()
        for daemon in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
        self.balancer.close()
        for one in self.db.values():
            one.close()

    # --- what stands where --------------------------------------------------------------------------------------------

    def stock(self, site: int, key: str, quantity: int = 1) -> None:
        """A line of stock of the site's own store."""
        self.db[site].execute("INSERT INTO stock VALUES (?, ?, NULL, ?)", (key, f"s{site}", quantity))

    def may_write(self, site: int) -> bool:
        """Whether the site knows by now that its store is active there: then a line of stock stands there."""
        try:
            self.stock(site, f"mine{site}", 0)
        except self.db[site].errors:
            return False
        return True

    def rows(self, site: int, table: str, where: str = "true") -> list[tuple[Any, ...]]:
        return sorted(self.db[site].execute(f"SELECT * FROM {table} WHERE {where}"), key=repr)

    def connections(self) -> list[tuple[str, str]]:
        """State and last statement of each connection of msyncd's."""
        sql = (
            "SELECT state, left(query, 80) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'msyncd'"
        )
        return [(str(state), str(query)) for state, query in self.db[1].execute(sql)]

    def transaction_ages(self) -> list[float]:
        """For how many seconds each transaction of msyncd's is open."""
        sql = (
            "SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'msyncd' AND xact_start IS NOT NULL"
        )
        return [float(seconds) for (seconds,) in self.db[1].execute(sql)]

    def end_connections(self) -> int:
        """End every connection of msyncd's, as a database does that is started anew; how many there were."""
        with psycopg.connect(self.url, autocommit=True) as other:
            return len(
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'msyncd'"
                ).fetchall()
            )


@pytest.fixture
def country(tmp_path: Path, databases: Databases) -> Iterator[Country]:
    """Three workers at most, two satellites; a test starts what it needs."""
    with databases.fresh("postgresql", tmp_path) as url:
        satellites = {site: f"sqlite:///{tmp_path / f'site{site}.db'}" for site in (2, 3)}
        one = Country(tmp_path, url, [free_port() for _ in range(3)], satellites)
        try:
            yield one
        finally:
            one.close()
            print(one.logs())  # shown if the test fails
