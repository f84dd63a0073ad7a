"""The docs' own commands for a new district store: add the site, hand over its file, start it, watch it fill."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.commands.support import ROOT, Country

SECTION = re.search(
    r"^## A new district store joins$(.*?)^## ", (ROOT / "docs" / "admin.md").read_text(), re.DOTALL | re.MULTILINE
)
TYPED = "import sys; from msyncd.commands import main; sys.exit(main())"


def commands() -> list[list[str]]:
    """What the page says to type, word by word."""
    assert SECTION
    blocks = re.findall(r"^```sh\n(.*?)^```", SECTION[1], re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


class Servers:
    """The primary's server and the new one, each a folder; what is typed there is run there."""

    def __init__(self, country: Country, port: int) -> None:
        self.country, self.port = country, port
        self.new = country.folder / "dorsi"
        self.new.mkdir()
        self.daemons: list[subprocess.Popen[bytes]] = []

    def type(self, words: list[str], config: Path) -> "subprocess.CompletedProcess[str]":
        """A command of the page, with this machine's places in it."""
        assert words[:4] == ["sudo", "-u", "msyncd", "msyncd"]
        here = {
            "https://central.example.org:8443": f"https://localhost:{self.port}",
            "/var/lib/msyncd/dorsi.yaml": str(self.country.folder / "dorsi.yaml"),
        }
        typed = [here.get(word, word) for word in words[4:]]
        return subprocess.run(
            [sys.executable, "-c", TYPED, *typed, "-c", str(config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )

    def start(self, config: Path) -> None:
        """What `systemctl enable --now msyncd` does."""
        with config.with_suffix(".log").open("wb") as log:
            code = "import sys; from msyncd.commands import main; sys.exit(main(['run']))"
            environment = {**os.environ, "MSYNCD_CONFIG": str(config)}
            self.daemons.append(
                subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=log, stderr=log)
            )

    def stop(self) -> list[int]:
        for one in self.daemons:
            one.send_signal(signal.SIGTERM)
        return [one.wait(30) for one in self.daemons]


def awaited(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """The primary runs, with TLS of a private authority; store DOR is there, and active nowhere."""
    country = Country(tmp_path)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(country.folder / "private-ca.pem")
    ours = authority.issue_cert("localhost")
    ours.private_key_and_cert_chain_pem.write_to_path(country.folder / "both.pem")
    country.edit(
        country.primary,
        "state_directory",
        "listen: {port: 0, tls_certificate: both.pem, tls_key: both.pem}\nstate_directory",
    )
    country.execute("primary", "INSERT INTO store VALUES ('S4', 'DOR', 'N4'); INSERT INTO item VALUES ('I1', 'A', 1)")
    report = country.folder / "state1" / "daemon.json"
    made = Servers(country, 0)
    made.start(country.primary)

    def listening() -> str | None:
        return json.loads(report.read_text()).get("listening") if report.exists() else None

    try:
        made.port = int(awaited(listening).rsplit(":", 1)[1])
        yield made
    finally:
        ends = made.stop()
        for log in sorted(country.folder.rglob("*.log")):  # shown if the test fails
            print(log.name, log.read_text(), sep="\n")
    assert ends == [0] * len(ends)


def test_a_new_district_store_joins_by_the_docs_own_commands(servers: Servers) -> None:
    country, new = servers.country, servers.new
    add, *there = commands()
    done = servers.type(add, country.primary)
    assert done.returncode == 0, done.stderr
    assert "sync_with.4 was added: name Dorsi district store, active_stores [DOR], copies_of [CMS]" in done.stdout
    assert "go from site 1, Central to site 4, Dorsi district store" in done.stdout
    assert "the running daemon has taken it in" in done.stdout

    # what a person carries, and the application's own database on the new server
    config = new / "msyncd.yaml"
    config.write_bytes((country.folder / "dorsi.yaml").read_bytes())
    config.chmod(0o600)
    for name in ("types.yaml", "private-ca.pem"):
        (new / name).write_bytes((country.folder / name).read_bytes())
    country.execute("satellite", "SELECT 1")
    country.database("satellite").rename(new / "store.db")
    text = config.read_text()
    config.write_text(re.sub(r"database: .*", "database: sqlite:///store.db", text))

    for words in there:
        if words[:2] == ["sudo", "systemctl"]:
            assert words == ["sudo", "systemctl", "enable", "--now", "msyncd"]
            servers.start(config)
            continue
        done = servers.type(words, config)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def filled() -> bool:
        status = json.loads(servers.type([*there[-1], "--json"], config).stdout)
        return [(one["state"], one["to_receive"]) for one in status["peers"]] == [("ok", 0)]

    awaited(filled)
    country.database("satellite").symlink_to(new / "store.db")
    assert country.rows("satellite", "SELECT ID, code FROM store ORDER BY ID") == country.rows(
        "primary", "SELECT ID, code FROM store ORDER BY ID"
    )
    assert country.rows("satellite", "SELECT * FROM item") == [("I1", "A", 1)]
    # the store is edited there now, and only there
    country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S4', NULL, 'new')")
    awaited(lambda: country.rows("primary", "SELECT ID, store_ID FROM transact") == [("T1", "S4")])
