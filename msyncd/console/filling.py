"""The fields of Preferences and the settings behind them: how each is shown, and which edits a filled-in form means.

Only what somebody changed becomes an edit: every other line of the YAML stays as it is, and a default stays one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, Literal

from msyncd.settings.durable import write_private
from msyncd.settings.editing import AddSite, Edit, Set, SetSite, Unset, UnsetSite, Value, literal
from msyncd.settings.secrets import hash_password
from msyncd.settings.values import PeerSite, Secret, Settings

Given = Mapping[str, str]
"""What stands in the fields of a form, by name."""

Kind = Literal["text", "number", "stores", "copies", "flag"]

THIS_SITE: Final[Mapping[str, tuple[str, Kind]]] = {
    "sync_id": ("this_site.sync_id", "number"),
    "name": ("this_site.name", "text"),
    "active_stores": ("this_site.active_stores", "stores"),
    "copies_of": ("this_site.copies_of", "copies"),
    "user_name": ("this_site.user_name", "text"),
}
OF_A_SATELLITE: Final[Mapping[str, tuple[str, Kind]]] = {
    "interval": ("sync.interval", "number"),
    "request_size": ("sync.request_size", "number"),
    "live": ("sync.live", "flag"),
}
OPEN: Final = frozenset({"interval"})
"""What may be edited without the authorisation code."""

SITE: Final[Mapping[str, Kind]] = {
    "name": "text",
    "url": "text",
    "active_stores": "stores",
    "copies_of": "copies",
    "user_name": "text",
    "ca_certificate": "text",
    "proxy": "text",
}
_PASSWORDS: Final = ("password", "password_file", "password_hash")


@dataclass(frozen=True)
class Meant:
    """What a filled-in form means. `secret`: a file that is to hold a password, and the password; it is never shown."""

    edits: tuple[Edit, ...]
    secret: tuple[Path, str] | None = field(default=None, repr=False)


# --- shown ------------------------------------------------------------------------------------------------------------


def fields_of(settings: Settings) -> dict[str, str]:
    """This site and its sync, as the form shows it. What the YAML does not say is empty, except where it counts."""
    here, sync = settings.this_site, settings.sync
    return {
        "sync_id": str(here.sync_id),
        "name": here.name if "this_site.name" in settings.places else "",
        "active_stores": _listed(here.active_stores),
        "copies_of": _listed(here.copies_of),
        "user_name": here.user_name,
        "interval": minutes(sync.interval),
        "request_size": str(sync.request_size),
        "live": "yes" if sync.live else "",
    }


def fields_of_site(settings: Settings, entry: PeerSite | None) -> dict[str, str]:
    """An entry of sync_with as its form shows it; empty for one that is to be added."""
    if entry is None:
        return dict.fromkeys(("sync_id", *SITE), "")
    at = settings.sync_with.index(entry)

    def written(name: str) -> str:
        # a path is shown as the file would find it: relative to itself, where it stands below it
        value = getattr(entry, name)
        if value is None or f"sync_with.{at}.{name}" not in settings.places:
            return ""
        if isinstance(value, Path):
            return str(value.relative_to(settings.file.parent) if value.is_relative_to(settings.file.parent) else value)
        return _listed(value)

    return {"sync_id": str(entry.sync_id), **{name: written(name) for name in SITE}}


def password_of(secret: Secret | None) -> str:
    """How a password is given, never what it is."""
    if secret is None or secret == Secret():
        return "none is set"
    if secret.missing is not None:
        return f"${{{secret.missing}}} is not set"
    if secret.file is not None:
        return f"in the file {secret.file}"
    return "a hash is kept" if secret.hash is not None else "it stands in the configuration"


def minutes(seconds: float) -> str:
    """An interval as it would be written: a bare number is minutes."""
    return f"{seconds / 60:g}" if seconds % 60 == 0 else f"{seconds:g}s"


def _listed(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


# --- meant ------------------------------------------------------------------------------------------------------------


def meant_here(settings: Settings, given: Given, *, locked: bool) -> Meant:
    """The edits of this site that a form means. While it is locked only the interval counts."""
    known = fields_of(settings)
    fields = THIS_SITE if settings.is_primary else {**THIS_SITE, **OF_A_SATELLITE}
    edits: list[Edit] = []
    for name, (path, kind) in fields.items():
        if name not in given or (locked and name not in OPEN) or _same(kind, given[name], known[name]):
            continue
        edits.append(Set(path, _value(kind, given[name])) if given[name] or kind == "flag" else Unset(path))
    password = "" if locked else given.get("password", "")
    if not password:
        return Meant(tuple(edits))
    name, value, secret = _password(settings, password)
    others = (Unset(f"this_site.{one}") for one in _PASSWORDS if one != name)
    return Meant((*edits, *others, Set(f"this_site.{name}", value)), secret)


def meant_of_site(settings: Settings, entry: PeerSite | None, given: Given) -> Meant:
    """The edits of an entry of sync_with, or the new entry, that a form means."""
    password = _password(settings, given["password"]) if given.get("password") else None
    if entry is None:
        values: dict[str, Value] = {"sync_id": _value("number", given.get("sync_id", ""))}
        values |= {name: _value(kind, given[name]) for name, kind in SITE.items() if given.get(name)}
        if password is not None:
            values[password[0]] = password[1]
        return Meant((AddSite(values),), password[2] if password else None)
    known = fields_of_site(settings, entry)
    edits = [
        SetSite(entry.sync_id, name, _value(kind, given[name])) if given[name] else UnsetSite(entry.sync_id, name)
        for name, kind in SITE.items()
        if name in given and not _same(kind, given[name], known[name])
    ]
    if password is not None:
        edits += [UnsetSite(entry.sync_id, one) for one in _PASSWORDS if one != password[0]]
        edits.append(SetSite(entry.sync_id, *password[:2]))
    return Meant(tuple(edits), password[2] if password else None)


def _password(settings: Settings, password: str) -> tuple[str, str, tuple[Path, str] | None]:
    """Which setting gets which text. The primary keeps a hash; a satellite logs in, so it needs the password itself.

    It gets a file of its own for each password: until the YAML names it, nothing has changed.
    """
    if settings.is_primary:
        return "password_hash", hash_password(password), None
    file = Path("secrets") / f"password-{token_hex(4)}"
    return "password_file", str(file), (settings.file.parent / file, password)


def keep_secret(meant: Meant) -> None:
    """Write the password's file, for the daemon's user alone, before the YAML names it. Raises OSError."""
    if meant.secret is not None:
        path, password = meant.secret
        write_private(path, password.encode())


def _same(kind: Kind, given: str, known: str) -> bool:
    return given == known or (kind in ("stores", "copies") and list(_names(given)) == list(_names(known)))


def _value(kind: Kind, given: str) -> Value:
    """A field's text as a value of the YAML; what makes no sense is left to be complained of with all the rest."""
    if kind == "flag":
        return given == "yes"
    if kind == "number":
        return int(given) if given.isascii() and given.isdecimal() else literal(given)
    if kind == "copies" and given.strip().lower() == "all":
        return "all"
    return [literal(one) for one in _names(given)] if kind in ("stores", "copies") else literal(given)


def _names(given: str) -> Iterator[str]:
    return (one for one in (part.strip() for part in given.replace(";", ",").split(",")) if one)


def given_in(form: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a posted form. A box that is not ticked is not sent: its hidden twin says that it was there."""
    given = {name: str(values[-1]) for name, values in form.items() if values}
    return {name: text if name == "password" else text.strip() for name, text in given.items() if name != "csrf"}
