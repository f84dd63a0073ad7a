"""`msyncd explain`: where one record goes, and why."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import print_json
from msyncd.commands.site import look_here

if TYPE_CHECKING:
    from msyncd.flow.explain import Explanation
    from msyncd.flow.here import Here


@click.command(cls=Command, examples=["msyncd explain item 5A2F", "msyncd explain transact 81B0 --json"])
@click.argument("record_type", metavar="TYPE")
@click.argument("key", metavar="KEY...", nargs=-1, required=True)
@json_option
def explain(record_type: str, key: tuple[str, ...], as_json: bool) -> None:
    """Where a record goes and why; why it is or is not here.

    TYPE is a record type, KEY the value of its key; give several values, in order, for a key of several columns. A
    satellite explains by what its primary has told it: plugins that route are asked on the primary.
    """
    from msyncd.flow.explain import explain as explained

    found = look_here()
    told = explained(found, record_type, key)
    if as_json:
        print_json({"format": 1, "site": found.here.site, **_document(told)})
    else:
        _show(found.here, told)


def _document(told: "Explanation") -> dict[str, Any]:
    """By the names of its fields; the store by value and code."""
    document = asdict(told)
    document["quarantine"] = [{"id": number, "reason": reason} for number, reason in told.quarantine]
    document["header"] = {"record_type": told.header[0], "key": list(told.header[1])} if told.header else None
    return document


def _show(here: "Here", told: "Explanation") -> None:
    click.echo(f"{told.record_type} {_key(told.key)}")
    _line("here", f"{'yes' if told.here else 'no'}: {told.why_here}")
    if told.header is not None:
        _line("header", f"{told.header[0]} {_key(told.header[1])}: a line goes where its header goes")
    if told.store is not None:
        active = f"active on site {told.store.active_site}" if told.store.active_site else "active on no site"
        _line("store", f"{told.store.code}, {active}")
    _line("edited on", f"{told.edited_on}: {told.refusal or _may_edit(told)}")
    for number, one in enumerate(told.destinations):
        _line("goes to" if not number else "", f"site {one.site}, {here.peer(one.site).name}: {one.reason}")
    if told.not_asked:
        names = ", ".join(told.not_asked)
        _line(
            "not asked", f"{names}: a plugin that routes by the row, which is not kept here, may send it elsewhere too"
        )
    for site in told.unsent_to:
        _line("unsent", f"its last change has not reached site {site} yet")
    for text in (*told.waiting,):
        _line("waiting", text)
    for number, text in told.quarantine:
        _line("quarantine", f"{number}, {text}")
    for text in told.stopped:
        _line("stopped", text)
    for text in told.left_out:
        _line("left out", text)


def _may_edit(told: "Explanation") -> str:
    return "this site may edit it" if told.may_edit else "whether here is not known, since the record is not"


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:<10}  {text}")


def _key(key: tuple[Any, ...]) -> str:
    return "/".join(map(str, key))
