"""The shipped unit, with all of its hardening, under a systemd that has booted: start, reload, stop, failure."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import SCHEMA, TYPES
from tests.service.conftest import UNIT, Machine, drop_in

PASSWORD = "a-password-that-nobody-may-read"

PRIMARY = """
this_site: {sync_id: 1, name: Central, database: "sqlite:////srv/msupply/msupply.db", active_stores: [CMS],
            user_name: sync, password_file: "${CREDENTIALS_DIRECTORY}/password"}
listen: {port: 8443}
sync_with: [{sync_id: 2, name: Bumban, active_stores: [BUM]}]
record_types: [types.yaml]
"""

SATELLITE = """
this_site: {sync_id: 2, name: Bumban, database: "sqlite:///satellite.db", user_name: sync, password_file: password}
sync_with: [{sync_id: 1, url: "http://127.0.0.1:8443"}]
record_types: [/etc/msyncd/types.yaml]
state_directory: state
"""


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """As the unit's header and docs/admin.md say; the drop-in is the header's own. Nothing names a state directory."""
    machine.install_msyncd()
    machine.write("/etc/systemd/system/msyncd.service", UNIT.read_text())
    machine.write("/etc/systemd/system/msyncd.service.d/site.conf", drop_in())
    machine.command("groupadd", "--system", "msupply")
    nologin = ("--home-dir", "/var/lib/msyncd", "--shell", "/usr/sbin/nologin")
    machine.command("useradd", "--system", *nologin, "--groups", "msupply", "msyncd")
    machine.command("install", "-d", "-o", "msyncd", "-g", "msyncd", "-m", "0750", "/etc/msyncd")
    machine.write("/etc/msyncd/msyncd.yaml", PRIMARY)
    machine.write("/etc/msyncd/types.yaml", TYPES)
    machine.write("/root/msyncd-password", PASSWORD + "\n", 0o600)
    machine.write("/srv/satellite/password", PASSWORD + "\n", 0o600)
    machine.write("/srv/satellite/satellite.yaml", SATELLITE)
    (machine.root / "srv/msupply").mkdir()
    for path in ("srv/msupply/msupply.db", "srv/satellite/satellite.db"):
        with closing(sqlite3.connect(machine.root / path)) as database:
            database.executescript(SCHEMA)
    machine.command("chgrp", "-R", "msupply", "/srv/msupply")
    machine.command("chmod", "g+rwxs", "/srv/msupply")
    machine.command("chmod", "0660", "/srv/msupply/msupply.db")
    return machine


def test_the_header_shows_a_whole_drop_in() -> None:
    assert drop_in().splitlines() == [
        "[Service]",
        "ReadWritePaths=/srv/msupply",
        "SupplementaryGroups=msupply",
        "LoadCredential=password:/root/msyncd-password",
    ]


@pytest.mark.timeout(240)
def test_the_shipped_unit_under_a_booted_systemd(installed: Machine) -> None:
    console = installed.boot(Path(__file__).with_name("inside.py"), seconds=180)
    file = installed.out / "facts.json"
    assert file.exists(), console
    facts = json.loads(file.read_text())
    assert "failed" not in facts, facts
    _it_is_ready_when_it_says_so(facts)
    _it_has_little_room(facts)
    _commands_find_it(facts)
    _it_reloads(facts)
    _it_ends_and_is_started_again_or_not(facts)
    assert PASSWORD not in file.read_text()


def _it_is_ready_when_it_says_so(facts: dict[str, Any]) -> None:
    assert facts["checked"]["status"] == 0, facts["checked"]
    assert facts["started"] == {"status": 0, "out": "", "err": ""}, facts
    running = facts["running"]
    assert (running["ActiveState"], running["SubState"], running["User"]) == ("active", "running", "msyncd")
    assert facts["told"] is True  # in one line, for `systemctl status`


def _it_has_little_room(facts: dict[str, Any]) -> None:
    process = facts["process"]
    assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    assert facts["writable"] == {
        "/etc/elsewhere": False,
        "/etc/msyncd/x": True,
        "/srv/msupply/x": True,
        "/srv/elsewhere": False,
        "/var/lib/msyncd/x": True,
        "/usr/x": False,
    }
    assert facts["home"] == ""
    state = facts["state"]
    assert all(owner == "msyncd" and mode & 0o077 == 0 for name, (mode, owner) in state.items() if name != "x"), state


def _commands_find_it(facts: dict[str, Any]) -> None:
    """Typed by hand, without the service's environment: no second installation ID, and the daemon answers."""
    told = json.loads(facts["status"]["out"])
    assert told["running"] is True
    assert told["site"]["sync_id"] == 1
    assert facts["line"]["status"] == 0, facts["line"]  # the password is the credential's


def _it_reloads(facts: dict[str, Any]) -> None:
    assert facts["reloaded"]["status"] == facts["reloaded broken"]["status"] == 0
    assert facts["renamed"] is facts["told broken"] is facts["corrected"] is True
    assert facts["beside broken"] == [True, "active", "Renamed"]


def _it_ends_and_is_started_again_or_not(facts: dict[str, Any]) -> None:
    assert facts["started again"] is True  # after SIGKILL
    assert facts["stopped"]["status"] == 0
    stopped = facts["after stop"]
    assert (stopped["ActiveState"], stopped["Result"], stopped["ExecMainStatus"]) == ("inactive", "success", "0")
    assert facts["started broken"]["status"] != 0
    broken = facts["after broken"]
    assert (broken["ActiveState"], broken["ExecMainStatus"], broken["NRestarts"]) == ("failed", "78", "0")
    assert "msyncd.yaml:" in facts["journal"]
