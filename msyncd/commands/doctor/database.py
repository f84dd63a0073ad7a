"""The doctor looks at the database: its settings, capture, what it says of the tables, and how syncing goes."""

from collections.abc import Iterator
from typing import Any, Final

from msyncd.commands.doctor.finding import Finding, unless
from msyncd.databases.health import bearing_tables, settings_of
from msyncd.errors import Problem
from msyncd.flow.checking import check_site
from msyncd.flow.looking import Look

LONG: Final = 60.0
"""Seconds after which an open transaction is worth looking for."""


def look_at_database(found: Look) -> Iterator[Finding]:
    """Settings of the database, capture, long transactions, and what the tables need."""
    for one in settings_of(found.here.database):
        yield Finding("database", "warning" if one.advice else "ok", f"{one.name}: {one.value}", one.advice)
    yield from _open_transaction(found)
    yield from _capture(found)
    for problem in check_site(found):
        yield of_problem("tables", problem)


def of_problem(area: str, problem: Problem) -> Finding:
    """A problem with its place, as `msyncd check` has it."""
    what = f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"
    return Finding(area, "error" if problem.severity == "error" else "warning", what, problem.hint)


def _open_transaction(found: Look) -> Iterator[Finding]:
    if not found.installed:
        return
    with found.here.database.read() as reader:
        seconds = reader.open_transaction_seconds()
    if seconds is not None and seconds > LONG:
        what = f"a transaction is open for {seconds:,.0f} s: what was written since cannot be sent"
        yield Finding("database", "warning", what, "find the program that holds it open, and end it")


def _capture(found: Look) -> Iterator[Finding]:
    """Whether each declared table bears its triggers, and those of the declaration that is in force."""
    if not found.installed:
        yield Finding(
            "capture", "warning", "msyncd is not installed in this database", "msyncd init, or start the daemon"
        )
        return
    types = found.here.types
    bearing = bearing_tables(found.here.database)
    with found.here.database.read() as reader:
        rows = reader.execute("SELECT name, columns FROM msyncd_record_type WHERE captured = 1")
    captured = {str(name): tuple(str(columns).split("\n")) for name, columns in rows}
    bare = [name for name in types.order if types.types[name].table.casefold() not in bearing]
    old = [name for name in types.order if name in captured and captured[name] != types.types[name].columns]
    for name in bare:
        what = f"{name}: table {types.types[name].table} bears no trigger of msyncd: its edits are not seen"
        yield Finding("capture", "error", what, "msyncd init, or start the daemon; then it is filled anew")
    for name in old:
        if name not in bare:
            what = f"{name}: the triggers are those of other columns than are declared now"
            yield Finding("capture", "warning", what, "msyncd init, or start the daemon")
    if not bare and not old:
        yield Finding("capture", "ok", f"all {len(types.order)} record types bear their triggers")


def look_at_syncing(status: dict[str, Any]) -> Iterator[Finding]:
    """What `msyncd status` says, where somebody has to do something about it."""
    for one in status["record_types"]:
        if one["state"] != "ok":
            yield Finding(
                "sync", "error", f"{one['name']} is stopped: {one['reason']}", "correct the table or the YAML"
            )
    for one in status["plugins"]:
        if one["failures"]:
            yield Finding(
                "sync", "warning", f"plugin {one['name']} has failed {one['failures']} times", "msyncd plugins"
            )
    for peer in status["peers"]:
        yield _peer(peer)
    log = status["change_log"]
    yield Finding("sync", "ok", f"the change log has {log['rows']:,} rows")


def _peer(peer: dict[str, Any]) -> Finding:
    who = f"site {peer['sync_id']}, {peer['name']}"
    if peer["problem"]:
        return Finding("sync", "warning", f"{who}: {peer['problem']}", "msyncd status, msyncd check-connection")
    if peer["state"] not in ("ok", "paused"):
        what = f"{who} is {peer['state']}: last success {peer['last_success'] or 'not yet'}"
        return Finding("sync", "warning", what, "does its daemon run? run `msyncd doctor` there")
    return unless(
        bool(peer["quarantine"]),
        "sync",
        "warning",
        f"{who} is {peer['state']}",
        f"{who}: {peer['quarantine']} in quarantine",
        "msyncd quarantine list",
    )
