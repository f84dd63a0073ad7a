"""What is in force, in the words of the YAML and without secrets; and what differs between two configurations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msyncd.model import Through
from msyncd.settings.addresses import without_password
from msyncd.settings.values import DeclaredType, PeerSite, Secret, Settings

_SECRET_WORDS: Final = ("pass", "secret", "token", "key", "credential", "auth", "url")
_HIDDEN: Final = "(not shown)"
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class _Hidden:
    """Something that is compared but shown only as `shown`."""

    value: Any
    shown: Any = _HIDDEN


def show(settings: Settings) -> dict[str, Any]:
    """What is in force, for `msyncd status`: as the YAML calls it, with defaults, without secrets; fit for JSON."""
    shown: dict[str, Any] = _uncovered(_tree(settings))
    return shown


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that an edit changes, with both values as they may be shown. `action`: change, add, remove or order.

    Two values that are shown alike and differ are secrets.
    """

    setting: str
    action: str
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        if self.action == "add":
            return f"{self.setting} was added"
        if self.action == "remove":
            return f"{self.setting} was taken away"
        if self.action == "order":
            return f"{self.setting} stand in another order"
        before, after = _words(self.old), _words(self.new)
        return f"{self.setting} was changed" if before == after else f"{self.setting}: {before} → {after}"


def changes(old: Settings, new: Settings) -> tuple[Difference, ...]:
    """What an edit changed, without secrets; empty if nothing that counts did."""
    return tuple(_differences(_tree(old), _tree(new), ""))


def differences(old: Settings, new: Settings) -> tuple[str, ...]:
    """The same in words, one setting a line."""
    return tuple(map(str, changes(old, new)))


def _tree(settings: Settings) -> dict[str, Any]:
    here, listen = settings.this_site, settings.listen
    return {
        "this_site": {
            "sync_id": here.sync_id,
            "name": here.name,
            "database": _Hidden(here.database, without_password(here.database)),
            "active_stores": _list(here.active_stores),
            "copies_of": _list(here.copies_of),
            "user_name": here.user_name,
            "password": _password(here.password),
            "old_password": _password(here.old_password),
        },
        "sync": {
            "interval": _duration(settings.sync.interval),
            "request_size": settings.sync.request_size,
            "live": settings.sync.live,
        },
        "sync_with": {str(peer.sync_id): _peer(peer) for peer in settings.sync_with},
        "listen": {
            "host": listen.host,
            "port": listen.port,
            "tls_certificate": _text(listen.tls_certificate),
            "tls_key": _text(listen.tls_key),
        },
        "stores": _stores(settings),
        "record_types": {one.name: _record_type(one) for one in settings.record_types},
        "plugins": {one.module: {"settings": _plugin_settings(one.settings)} for one in settings.plugins},
        "log": {"level": settings.log.level, "format": settings.log.format},
        "state_directory": str(settings.state_directory),
        "max_sync_id": settings.max_sync_id,
        "allow_plain_http": settings.allow_plain_http,
        "keep": settings.keep_days,
        "compare_every": settings.compare_every_days,
        "zero_dates": settings.zero_dates,
        "authorisation": {"code_hash": _Hidden(settings.code_hash, "set" if settings.code_hash else None)},
        "console": {
            "listen": settings.console_listen,
            "users": {
                one.name: {"password_hash": _Hidden(one.password_hash, "set"), "role": one.role}
                for one in settings.console_users
            },
        },
        "metrics": {"public": settings.metrics_public},
    }


def _peer(peer: PeerSite) -> dict[str, Any]:
    return {
        "name": peer.name,
        "url": peer.url,
        "active_stores": _list(peer.active_stores),
        "copies_of": _list(peer.copies_of),
        "user_name": peer.user_name,
        "password": _password(peer.password),
        "old_password": _password(peer.old_password),
        "ca_certificate": _text(peer.ca_certificate),
        "proxy": _Hidden(peer.proxy, without_password(peer.proxy)) if peer.proxy else None,
        "public_key": peer.public_key,
    }


def _password(secret: Secret | None) -> Any:
    """How a password is given, never what it is."""
    if secret is None or secret == Secret():
        return None
    if secret.file:
        return {"file": str(secret.file)}
    return _Hidden(secret, f"${{{secret.missing}}} is not set" if secret.missing else "set")


def _stores(settings: Settings) -> dict[str, Any] | None:
    stores = settings.stores
    return {"table": stores.table, "key": stores.key, "code": stores.code, "name": stores.name} if stores else None


def _record_type(one: DeclaredType) -> dict[str, Any]:
    also = one.also_sent_to
    store: Any = {"through": one.store.column, "of": one.store.parent} if isinstance(one.store, Through) else one.store
    return {
        "table": one.table,
        "key": _list(one.key),
        "edited_on": one.edited_on,
        "sent_to": one.sent_to,
        "store": store,
        "also_sent_to": {also.kind: also.column} if also else None,
        "when_missing": dict(one.when_missing),
        "columns": {"include": _list(one.include), "exclude": _list(one.exclude)},
        "guard": "on" if one.guard else "off",
        "application_triggers": one.application_triggers,
    }


def _plugin_settings(value: Any, name: str = "") -> Any:
    """A plugin's settings; what may be a password or a token in them is not shown."""
    if isinstance(value, Mapping):
        return {str(key): _plugin_settings(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plugin_settings(inner, name) for inner in value]
    telling = any(word in name.lower() for word in _SECRET_WORDS) or (isinstance(value, str) and "://" in value)
    return _Hidden(value) if telling else value


def _list(values: tuple[str, ...] | str | None) -> list[str] | str | None:
    return list(values) if isinstance(values, tuple) else values


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _duration(seconds: float) -> str:
    """Seconds as they would be written."""
    if seconds == 0:
        return "0"
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _uncovered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _uncovered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_uncovered(inner) for inner in value]
    return value.shown if isinstance(value, _Hidden) else value


def _differences(old: Any, new: Any, path: str) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            below = f"{path}.{key}" if path else key
            if key not in old:
                yield Difference(below, "add", new=_uncovered(new[key]))
            elif key not in new:
                yield Difference(below, "remove", _uncovered(old[key]))
            else:
                yield from _differences(old[key], new[key], below)
        # Plugins work in the order in which they stand; elsewhere it means nothing.
        if path == "plugins" and set(old) == set(new) and [*old] != [*new]:
            yield Difference(path, "order", [*old], [*new])
        return
    if old == new:
        return
    yield Difference(path, "change", _uncovered(old), _uncovered(new))


def _words(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
