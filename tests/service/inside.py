"""Runs inside the booted container, as its only job: what systemd, the daemon and commands do is noted in a file.

It asserts nothing; the test outside does, with what is found here. Only the standard library: it is not installed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

YAML = Path("/etc/msyncd/msyncd.yaml")
SHOWN = "ActiveState,SubState,StatusText,User,MainPID,NRestarts,Result,ExecMainStatus"
PLACES = ("/etc/elsewhere", "/etc/msyncd/x", "/srv/msupply/x", "/srv/elsewhere", "/var/lib/msyncd/x", "/usr/x")


def run(*command: str) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def unit() -> dict[str, str]:
    lines = run("systemctl", "show", "msyncd", "-p", SHOWN)["out"].splitlines()
    return dict(line.split("=", 1) for line in lines)


def as_service_user(*command: str) -> dict[str, Any]:
    """As an admin types it: nothing of the service's environment is there."""
    return run("runuser", "-u", "msyncd", "--", *command)


def until(happened: Callable[[], object], seconds: float = 30.0) -> bool:
    ends = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def status() -> Any:
    told = as_service_user("msyncd", "status", "--json")
    return json.loads(told["out"]) if told["status"] == 0 else {}


def named() -> str | None:
    return dict(status().get("site", {})).get("name")


def broken() -> bool:
    return any(one["severity"] == "error" for one in status().get("configuration", {}).get("problems", []))


def note(name: str, found: Any) -> None:
    facts[name] = found
    Path(sys.argv[1]).write_text(json.dumps(facts, indent=1))


def main() -> None:
    good = YAML.read_text()
    note("checked", as_service_user("msyncd", "check"))
    note("started", run("systemctl", "start", "msyncd"))
    note("running", unit())
    note("told", until(lambda: unit()["StatusText"]))
    pid = unit()["MainPID"]
    note("process", dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()))
    note("writable", {one: run("nsenter", "-t", pid, "-m", "touch", one)["status"] == 0 for one in PLACES})
    note("home", run("nsenter", "-t", pid, "-m", "ls", "/root")["out"])
    note("status", as_service_user("msyncd", "status", "--json"))
    note("line", run("msyncd", "check-connection", "-c", "/srv/satellite/satellite.yaml", "--json"))

    YAML.write_text(good.replace("Central", "Renamed"))
    note("reloaded", run("systemctl", "reload", "msyncd"))
    note("renamed", until(lambda: named() == "Renamed"))
    YAML.write_text("this_site: [\n")
    note("reloaded broken", run("systemctl", "reload", "msyncd"))
    note("told broken", until(broken))
    note("beside broken", [unit()["MainPID"] == pid, unit()["ActiveState"], named()])
    YAML.write_text(good)
    note("corrected", until(lambda: named() == "Central" and not broken()))

    os.kill(int(pid), signal.SIGKILL)
    note("started again", until(lambda: unit()["ActiveState"] == "active" and unit()["MainPID"] not in ("0", pid)))
    note("stopped", run("systemctl", "stop", "msyncd"))
    note("after stop", unit())
    YAML.write_text("this_site: [\n")
    note("started broken", run("systemctl", "start", "msyncd"))
    time.sleep(6)  # longer than RestartSec: it must not be tried again
    note("after broken", unit())
    note("state", {one.name: [one.stat().st_mode & 0o777, one.owner()] for one in Path("/var/lib/msyncd").iterdir()})
    note("journal", run("journalctl", "-u", "msyncd", "-o", "cat", "--no-pager")["out"])


facts: dict[str, Any] = {}
try:
    main()
except BaseException as error:
    note("failed", repr(error))
    raise
