"""`msyncd status`: how this site stands with its peers, with or without a running daemon."""

from typing import Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import count, print_json, print_table, when
from msyncd.commands.reading import status_here
from msyncd.commands.site import shown
from msyncd.errors import Problem

PEER_HEADINGS = ("site", "name", "state", "last success", "to send", "to receive", "oldest", "waiting", "quarantine")
NUMBERS = ("site", "to send", "to receive", "waiting", "quarantine")


@click.command(cls=Command, examples=["msyncd status", "msyncd status --json"])
@json_option
def status(as_json: bool) -> None:
    """Each peer: state, last success, to send, to receive.

    Also since when the oldest change waits to be sent, what waits for another record and what is in quarantine; the
    configuration with its problems, record types that are stopped, plugins and the change log. A state is ok, late (a
    day without success), silent (three days), paused, refused or never. A dash is not known. Times are UTC.

    Exit status: 0 if it could be read, whatever it says.
    """
    document = status_here(config_path())
    if as_json:
        print_json(document)
    else:
        _show(document)


def _show(status: dict[str, Any]) -> None:
    site, configuration = status["site"], status["configuration"]
    running = "the daemon runs" if status["running"] else "the daemon does not run"
    click.echo(f"site {site['sync_id']}, {site['name']}; msyncd {status['version']}; {running}")
    click.echo(f"configuration {configuration['file']}{_lock(configuration)}")
    _show_held(configuration["held"])
    for one in configuration["problems"]:
        click.echo(f"  {shown(Problem(**one))}")
    click.echo()
    if status["peers"]:
        print_table(PEER_HEADINGS, [_peer(one) for one in status["peers"]], numbers=NUMBERS)
    else:
        click.echo("this site stands alone: there is nothing to sync with")
    for one in status["peers"]:
        if one["problem"]:
            click.echo(f"site {one['sync_id']}: {one['problem']}")
    _show_kept(status["peers"])
    _show_hand_overs(status["hand_overs"])
    _show_restored(status["restored"], primary=site["sync_id"] == 1)
    _show_asking(status["asking"])
    click.echo()
    _show_rest(status)


def _lock(configuration: dict[str, Any]) -> str:
    if configuration["locked"]:
        return "; locked"
    until = configuration["unlocked_until"]
    return f"; unlocked until {when(until)}" if until else ""


def _show_held(held: dict[str, Any] | None) -> None:
    """An edit that awaits the code, as a plan."""
    if held is None:
        return
    click.echo(f"  an edit is held back since {when(held['since'])}; `msyncd unlock` takes it in:")
    for line in held["plan"]["lines"]:
        click.echo(f"    {line}")


def _peer(one: dict[str, Any]) -> tuple[Any, ...]:
    to_send, to_receive = ("-" if one[name] is None else f"{one[name]:,}" for name in ("to_send", "to_receive"))
    return (
        one["sync_id"],
        one["name"],
        one["state"],
        when(one["last_success"]),
        to_send,
        to_receive,
        when(one["oldest"]),
        one["waiting"],
        one["quarantine"],
    )


def _show_kept(peers: list[dict[str, Any]]) -> None:
    """Bundles that wait for an earlier one. A daemon of an older version says nothing of them."""
    from msyncd.flow.kept import KeptBundle

    for peer in peers:
        for one in peer.get("kept_bundles", ()):
            kept = KeptBundle(**one | {"made": when(one["made"])})
            click.echo(f"site {peer['sync_id']}: {kept.words()} ({count(kept.records, 'record')})")


def _show_hand_overs(under_way: list[dict[str, Any]]) -> None:
    from msyncd.flow.handover_waits import HandOverStatus

    for one in under_way:
        since = f" (since {when(one['since'])})" if one["since"] else ""
        click.echo(f"{HandOverStatus(**one).words()}{since}")


def _show_asking(asking: dict[str, Any] | None) -> None:
    from msyncd.flow.asking import AskedSite, Asking

    if asking is not None:
        click.echo(Asking(asking["under_way"], tuple(AskedSite(**one) for one in asking["sites"])).words())


def _show_restored(found: dict[str, Any] | None, *, primary: bool) -> None:
    """What came of a restored backup."""
    if found is None:
        return
    what = "what it had lost" if primary else "what it had sent"
    click.echo(f"this database was restored from a backup, and took back {what} on {when(found['at'])}")
    for name, one in found["record_types"].items():
        came = f"{one['taken_back']:,} taken back, {one['gone']:,} deleted since"
        written = f"{one['sent']:,} written since and sent, {one['in_quarantine']:,} written since and in quarantine"
        click.echo(f"  {name}: {came}, {written}")


def _show_rest(status: dict[str, Any]) -> None:
    """Record types, plugins, change log: a line each, and one more for each that is not in order."""
    types, plugins, log = status["record_types"], status["plugins"], status["change_log"]
    stopped = [one for one in types if one["state"] != "ok"]
    click.echo(f"record types: {len(types)}, {len(stopped)} stopped")
    for one in stopped:
        click.echo(f"  {one['name']} is stopped: {one['reason']}")
    for one in plugins:
        failed = f", {count(one['failures'], 'failure')}" if one["failures"] else ""
        click.echo(f"plugin {one['name']}: {one['state']}{failed}")
    since = f", oldest {when(log['oldest'])}" if log["oldest"] else ""
    click.echo(f"change log: {count(log['rows'], 'row')}{since}")
