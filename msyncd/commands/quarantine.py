"""`msyncd quarantine`: what was refused, why, the record whole; and what to do with it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Group
from msyncd.commands.options import json_option
from msyncd.commands.output import count, print_json, print_table, when
from msyncd.commands.site import look_here, open_here, settings_here
from msyncd.errors import MsyncdError, WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.ledger.aside import Aside
    from msyncd.flow.looking import Look
    from msyncd.model import Row

HEADINGS = ("id", "record", "site", "store", "reason", "by", "since")


@click.group(cls=Group, examples=["msyncd quarantine list", "msyncd quarantine retry --all --type transact"])
def quarantine() -> None:
    """What was refused and why; retry or discard it.

    A change that a rule or plugin refused, or that the database would not take, is kept here whole, and everything
    else goes on.
    """


def _narrowing(command: Any) -> Any:
    """The options by which entries are chosen."""
    command = click.option("--site", type=int, metavar="N", help="Only what came from this site (its sync ID).")(
        command
    )
    return click.option("--type", "type_", metavar="TYPE", help="Only this record type.")(command)


@quarantine.command("list", examples=["msyncd quarantine list", "msyncd quarantine list --site 2 --json"])
@_narrowing
@json_option
def list_(type_: str | None, site: int | None, as_json: bool) -> None:
    """What is in quarantine, oldest first."""
    found = look_here()
    entries = _entries(found, type_=type_, site=site)
    if as_json:
        print_json([document(one) for one in entries])
        return
    if not entries:
        click.echo("nothing is in quarantine")
        return
    rows = []
    for one in entries:
        store = "-" if one.store is None else found.here.facts.code(one.store)
        since = when(one.since)
        rows.append((one.id, f"{one.record_type} {words(one.key)}", one.site, store, one.reason, one.plugin, since))
    print_table(HEADINGS, rows, numbers=("id", "site"))


@quarantine.command("show", examples=["msyncd quarantine show 1"])
@click.argument("number", metavar="ID", type=int)
@json_option
def show(number: int, as_json: bool) -> None:
    """One entry whole, beside what stands here."""
    found = look_here()
    entries = _entries(found, ids=[number])
    if not entries:
        raise MsyncdError(f"nothing in quarantine has the ID {number}", hint="see `msyncd quarantine list`")
    here = row_here(found, entries[0])
    if as_json:
        print_json(
            document(entries[0]) | {"operation": entries[0].operation, "detail": entries[0].detail} | {"here": here}
        )
    else:
        _show(entries[0], here)


@quarantine.command(
    "retry", acts=True, examples=["msyncd quarantine retry 1 2", "msyncd quarantine retry --all --site 2"]
)
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every entry (of --type and --site, if given).")
@_narrowing
@json_option
def retry(ids: tuple[int, ...], every: bool, type_: str | None, site: int | None, as_json: bool) -> int:
    """Try entries again.

    Another site's change is checked and applied anew, this site's own is sent again. A later change of the same record
    is never overwritten. Exit status: 0 if all went, 1 if one is still there.
    """
    from msyncd.flow.retry import retry as try_again

    chosen = _chosen(ids, every=every, type_=type_, site=site)
    done = try_again(open_here(settings_here()).here, [one.id for one in chosen])
    if as_json:
        left = [{"id": one.id, "reason": one.reason} for one in done.still]
        print_json({"format": 1, "applied": done.applied, "sent_again": done.sent_again, "still": left})
    else:
        click.echo(
            f"{len(done.applied)} applied, {len(done.sent_again)} to be sent again, {len(done.still)} still there"
        )
        for one in done.still:
            click.echo(f"{one.id}: {one.reason}")
    return 1 if done.still else 0


@quarantine.command(
    "discard", acts=True, examples=["msyncd quarantine discard 3", "msyncd quarantine discard --all --type item"]
)
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every entry (of --type and --site, if given).")
@_narrowing
@json_option
def discard(ids: tuple[int, ...], every: bool, type_: str | None, site: int | None, as_json: bool) -> None:
    """Forget entries for good. The records themselves stay as they are at either end."""
    from msyncd.flow.retry import discard as forget

    chosen = _chosen(ids, every=every, type_=type_, site=site)
    number = forget(open_here(settings_here()).here, [one.id for one in chosen])
    if as_json:
        print_json({"format": 1, "discarded": number})
    else:
        click.echo(f"discarded {count(number, 'entry', 'entries')}")


# --- entries ----------------------------------------------------------------------------------------------------------


def _entries(
    found: "Look", *, ids: Sequence[int] | None = None, type_: str | None = None, site: int | None = None
) -> "list[Aside]":
    from msyncd.flow.ledger import aside

    if not found.installed:
        return []
    with found.here.database.read() as reader:
        return [
            one
            for one in aside.quarantined(reader, ids)
            if type_ in (None, one.record_type) and site in (None, one.site)
        ]


def _chosen(ids: Sequence[int], *, every: bool, type_: str | None, site: int | None) -> "list[Aside]":
    """The entries that are meant. Raises WrongUsage if none or too many ways of choosing are given."""
    narrowed = type_ is not None or site is not None
    if bool(ids) == (every or narrowed):
        raise WrongUsage("say which entries: ID…, or --all, --type T, --site N", hint="see `msyncd quarantine list`")
    there = _entries(look_here(), ids=ids or None, type_=type_, site=site)
    missing = set(ids) - {one.id for one in there}
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        raise MsyncdError(f"nothing in quarantine has the ID {names}", hint="see `msyncd quarantine list`")
    return there


def document(one: "Aside") -> dict[str, Any]:
    """An entry as `quarantine list --json` has it: store by its value; row by column, null for a delete."""
    return {
        "id": one.id,
        "record_type": one.record_type,
        "key": list(one.key),
        "site": one.site,
        "store": one.store,
        "reason": one.reason,
        "plugin": one.plugin,
        "since": one.since,
        "row": None if one.row is None else dict(zip(one.columns, one.row, strict=True)),
    }


def row_here(found: "Look", one: "Aside") -> dict[str, Any] | None:
    """The same record as it stands here, by column; None if there is none."""
    record_type = found.here.types.types.get(one.record_type)
    if record_type is None:
        return None
    with found.here.database.read() as reader:
        row = reader.rows(record_type, [one.key]).get(one.key)
    return None if row is None else dict(zip(record_type.columns, row, strict=True))


def words(key: "Row") -> str:
    """A key for people."""
    return "/".join(map(str, key))


def _show(one: "Aside", here: Mapping[str, Any] | None) -> None:
    incoming = document(one)["row"]
    click.echo(f"{one.record_type} {words(one.key)}: a {one.operation} from site {one.site}, since {when(one.since)}")
    click.echo(f"{one.plugin} said: {one.reason}")
    if one.header is not None:
        click.echo(f"kept with {one.header[0]} {words(one.header[1])}")
    click.echo("" if here is not None else "no such record stands here")
    if incoming is None:
        incoming = {}
        click.echo("the change deletes the record")
    standing = here or {}
    rows = []
    for column in dict.fromkeys((*incoming, *standing)):
        differs = here is not None and incoming and incoming.get(column) != standing.get(column)
        rows.append(("≠" if differs else "", column, _cell(incoming, column), _cell(standing, column)))
    print_table(("", "column", "in quarantine", "here"), rows)
    if one.detail:
        click.echo(one.detail)


def _cell(row: Mapping[str, Any], column: str) -> str:
    if column not in row:
        return "-"
    value = row[column]
    return "NULL" if value is None else value.hex() if isinstance(value, bytes) else str(value)
