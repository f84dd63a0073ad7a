"""Makes the frozen values of a configuration that was found to be right."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msyncd.model import AlsoSentTo, Through
from msyncd.settings.addresses import database_url, site_url
from msyncd.settings.expand import expand
from msyncd.settings.nodes import Node, WrittenFloat, WrittenInt
from msyncd.settings.schema import PeerSection, ThisSiteSection
from msyncd.settings.schema_record_types import AlsoSentToSection, RecordTypeSection, StoresSection, ThroughSection
from msyncd.settings.sources import RecordTypes, Sources, absolute
from msyncd.settings.state_directory import choose
from msyncd.settings.values import (
    DeclaredType,
    Listen,
    LogSettings,
    PeerSite,
    Place,
    PluginEntry,
    Secret,
    Settings,
    StoresTable,
    SyncSettings,
    ThisSite,
    User,
)

T = TypeVar("T")


def build(sources: Sources) -> Settings:
    """The configuration as one value. Call it only when no error was found."""
    main = given(sources.main)
    model, base = main.model, sources.base
    listen = model.listen
    return Settings(
        file=sources.path,
        files=tuple(sources.contents),
        digest=sources.digest(),
        this_site=_this_site(given(model.this_site), sources),
        sync=SyncSettings(model.sync.interval, model.sync.request_size, model.sync.live),
        sync_with=tuple(_peer(peer, sources) for peer in model.sync_with),
        listen=Listen(listen.host, listen.port, _path(listen.tls_certificate, base), _path(listen.tls_key, base)),
        stores=_stores(sources.record_types),
        record_types=tuple(_declared(sources.record_types)),
        plugins=tuple(plugin_entries(sources)),
        log=LogSettings(model.log.level, model.log.format),
        state_directory=choose(model.state_directory, sources.path, sources.environment).path,
        max_sync_id=model.max_sync_id,
        allow_plain_http=model.allow_plain_http,
        keep_days=model.keep,
        compare_every_days=model.compare_every,
        zero_dates=model.zero_dates,
        console_listen=model.console.listen,
        console_users=tuple(User(given(one.name), given(one.password_hash), one.role) for one in model.console.users),
        metrics_public=model.metrics.public,
        code_hash=model.authorisation.code_hash,
        places=dict(places_in(main.tree, main.file)),
    )


def given(value: T | None) -> T:
    """A value that validation has seen to be there."""
    assert value is not None
    return value


def places_in(tree: Node, file: str, path: str = "") -> Iterator[tuple[str, Place]]:
    """The place of every value by its dotted path, e.g. `sync_with.0.active_stores.1`; the whole is at ""."""
    yield path, Place(file, tree.mark.line, tree.mark.column)
    if isinstance(tree.value, dict):
        steps: list[tuple[str | int, Node]] = list(tree.value.items())
    else:
        steps = list(enumerate(tree.value)) if isinstance(tree.value, tuple) else []
    for step, below in steps:
        yield from places_in(below, file, f"{path}.{step}" if path else str(step))


def _this_site(section: ThisSiteSection, sources: Sources) -> ThisSite:
    sync_id = given(section.sync_id)
    return ThisSite(
        sync_id=sync_id,
        name=section.name or f"site {sync_id}",
        database=given(database_url(given(section.database), sources.base).url),
        active_stores=None if section.active_stores is None else tuple(section.active_stores),
        copies_of=section.copies_of,
        user_name=section.user_name,
        password=_secret(section, sources) or Secret(),
        old_password=_old_secret(section, sources),
    )


def _peer(section: PeerSection, sources: Sources) -> PeerSite:
    sync_id = given(section.sync_id)
    return PeerSite(
        sync_id=sync_id,
        name=section.name or f"site {sync_id}",
        url=site_url(section.url).url if section.url else None,
        active_stores=tuple(section.active_stores),
        copies_of=section.copies_of,
        user_name=section.user_name,
        password=_secret(section, sources),
        old_password=_old_secret(section, sources),
        ca_certificate=_path(section.ca_certificate, sources.base),
        proxy=section.proxy,
        public_key=section.public_key,
    )


def _secret(section: ThisSiteSection | PeerSection, sources: Sources) -> Secret | None:
    """The password as written. One whose variable is not set is known as such: only who logs in needs it."""
    for written, kind in (
        (section.password, "value"),
        (section.password_file, "file"),
        (section.password_hash, "hash"),
    ):
        if written is None:
            continue
        if kind == "file":
            return _in_file(written, sources)
        expanded = expand(written, sources.environment)
        if expanded.missing:
            return Secret(missing=expanded.missing[0])
        return Secret(value=expanded.text) if kind == "value" else Secret(hash=expanded.text)
    return None


def _old_secret(section: ThisSiteSection | PeerSection, sources: Sources) -> Secret | None:
    return _in_file(section.old_password_file, sources) if section.old_password_file is not None else None


def _in_file(written: str, sources: Sources) -> Secret:
    expanded = expand(written, sources.environment)
    return (
        Secret(missing=expanded.missing[0]) if expanded.missing else Secret(file=absolute(sources.base, expanded.text))
    )


def _path(written: str | None, base: Path) -> Path | None:
    return absolute(base, written) if written else None


def _stores(parts: list[RecordTypes]) -> StoresTable | None:
    for part in (one.part for one in parts):
        section: StoresSection | None = part.model.stores
        if section is not None:
            places = dict(places_in(given(part.tree.child("stores")), part.file))
            return StoresTable(given(section.table), given(section.key), section.code, section.name, places)
    return None


def _declared(parts: list[RecordTypes]) -> Iterator[DeclaredType]:
    for one in parts:
        tree = one.part.tree.child("record_types")
        for name, section in (one.part.model.record_types or {}).items():
            yield _declared_type(name, section, given(given(tree).child(name)), given(tree).keys, one.part.file)


def _declared_type(
    name: str, section: RecordTypeSection, tree: Node, keys: Mapping[str, Any], file: str
) -> DeclaredType:
    columns, store, also = section.columns, section.store, section.also_sent_to
    mark = keys.get(name, tree.mark)
    return DeclaredType(
        name=name,
        table=given(section.table),
        key=section.key,
        edited_on=given(section.edited_on),
        sent_to=given(section.sent_to),
        store=Through(given(store.through), given(store.of)) if isinstance(store, ThroughSection) else store,
        also_sent_to=_destination(also) if also else None,
        when_missing=dict(section.when_missing),
        include=_included(section),
        exclude=(columns.exclude or ()) if columns else (),
        guard=section.guard,
        application_triggers=section.application_triggers,
        place=Place(file, mark.line, mark.column),
        places=dict(places_in(tree, file)),
    )


def _destination(also: AlsoSentToSection) -> AlsoSentTo:
    if also.store_of_name is not None:
        return AlsoSentTo("store_of_name", also.store_of_name)
    return AlsoSentTo("by_plugins", also.by_plugins) if also.by_plugins else AlsoSentTo("store", given(also.store))


def _included(section: RecordTypeSection) -> tuple[str, ...] | None:
    """The columns that travel, with those that every end needs: key, store and the other party always do."""
    if section.columns is None or section.columns.include is None:
        return None
    return tuple(dict.fromkeys((*(section.key or ()), *section.columns.include, *needed_columns(section))))


def needed_columns(section: RecordTypeSection) -> tuple[str, ...]:
    """The columns by which a record is routed: its store's or parent's, and the other party's."""
    store, also = section.store, section.also_sent_to
    column = store.through if isinstance(store, ThroughSection) else store
    found = (column, *((also.store_of_name, also.store, also.by_plugins) if also else ()))
    return tuple(one for one in found if one is not None)


def plugin_entries(sources: Sources) -> Iterator[PluginEntry]:
    """The plugins that are listed. Where errors were found, those in whose entries there is none."""
    main = given(sources.main)
    for at, section in enumerate(main.model.plugins):
        tree = main.tree.at(("plugins", at))
        module, settings = tree.child("module"), tree.child("settings")
        if module is None or section.module is None or tree.damaged:
            continue
        yield PluginEntry(
            module=section.module,
            settings=_unwritten(section.settings),
            base=sources.base,
            place=Place(main.file, module.mark.line, module.mark.column),
            places=dict(places_in(settings, main.file)) if settings else {},
        )


def _unwritten(value: Any) -> Any:
    """A plugin's settings as plain values: its own class decides what they must be."""
    if isinstance(value, dict):
        return {key: _unwritten(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unwritten(inner) for inner in value]
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value
