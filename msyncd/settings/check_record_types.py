"""What must hold between the record types of all files: names, tables, stores, parents, columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from msyncd.settings.build import needed_columns
from msyncd.settings.nodes import Mark, Node
from msyncd.settings.schema_record_types import RecordTypeSection, ThroughSection
from msyncd.settings.sources import Sources
from msyncd.settings.validate import Findings, Loc

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class _Declared:
    """A record type with its place: what is wrong with it is reported there."""

    name: str
    section: RecordTypeSection
    tree: Node
    key_mark: Mark
    file: str

    def report(self, findings: Findings, path: Loc, message: str, hint: str = "") -> None:
        findings.add(self.file, self.tree.at(path).mark, message, hint)

    @property
    def through(self) -> ThroughSection | None:
        store = self.section.store
        return store if isinstance(store, ThroughSection) else None


def check_record_types(sources: Sources, findings: Findings) -> None:
    """Reports what is wrong with and between the record types, all at once."""
    has_names = _check_stores_table(sources, findings)
    declared: dict[str, _Declared] = {}
    for one in _all(sources):
        _check_name(one, declared, findings)
        _check_store(one, findings)
        _check_columns(one, findings)
        _check_also_sent_to(one, has_names or not sources.complete, findings)
    _check_tables(declared, findings)
    _check_any(declared, sources, findings)
    for one in declared.values():
        _check_parent(one, declared, sources.complete, findings)
    _check_cycles(declared, findings)


def _all(sources: Sources) -> Iterator[_Declared]:
    for one in sources.record_types:
        tree = one.part.tree.child("record_types")
        for name, section in (one.part.model.record_types or {}).items():
            below = tree.child(name) if tree else None
            if tree and below:
                yield _Declared(name, section, below, tree.keys.get(name, below.mark), one.part.file)


def _check_stores_table(sources: Sources, findings: Findings) -> bool:
    """Whether stores have a name column; `stores` may be declared once only."""
    found = []
    for one in sources.record_types:
        stores = one.part.tree.child("stores")
        if stores and (stores.value is not None or stores.pruned):
            found.append(one.part)
    for part in found[1:]:
        first = found[0]
        line = first.tree.at(("stores",)).mark.line
        mark = part.tree.keys.get("stores", part.tree.at(("stores",)).mark)
        findings.add(
            part.file, mark, f"stores is declared twice, first in {first.file} line {line}", "keep one of them"
        )
    return any(part.tree.at(("stores",)).pruned or (part.model.stores and part.model.stores.name) for part in found)


def _check_name(one: _Declared, declared: dict[str, _Declared], findings: Findings) -> None:
    if not _NAME.fullmatch(one.name):
        message = f"{one.name[:60]!r} cannot be the name of a record type"
        findings.add(one.file, one.key_mark, message, "use letters, digits and _, beginning with a letter")
    first = declared.setdefault(one.name.casefold(), one)
    if first is not one:
        message = f"record type {one.name} is declared twice, first in {first.file} line {first.key_mark.line}"
        findings.add(one.file, one.key_mark, message, "keep one of them")


def _check_tables(declared: dict[str, _Declared], findings: Findings) -> None:
    tables: dict[str, _Declared] = {}
    for one in declared.values():
        if one.section.table is None:
            continue
        first = tables.setdefault(one.section.table.casefold(), one)
        if first is not one:
            message = f"table {one.section.table} belongs to record type {first.name} already"
            one.report(findings, ("table",), message, "a table is declared once")


def _check_any(declared: dict[str, _Declared], sources: Sources, findings: Findings) -> None:
    main = sources.main
    if main and main.model.sync_with and sources.complete and not declared:
        mark, hint = main.tree.at(("sync_with",)).mark, "e.g. record_types: [record_types/msupply.yaml]"
        findings.add(main.file, mark, "no record_types are declared, so nothing is sent", hint, severity="warning")


def _check_store(one: _Declared, findings: Findings) -> None:
    section = one.section
    if section.store is not None or one.tree.at(("store",)).pruned:
        return
    for path, value, needing in (
        ("sent_to", section.sent_to, "sites_of_store"),
        ("edited_on", section.edited_on, "active_site"),
    ):
        if value == needing:
            hint = "name the column that holds its store, e.g. store: store_ID"
            one.report(findings, (path,), f"{path}: {needing} needs to know the store, and store is missing", hint)
            return


def _check_also_sent_to(one: _Declared, has_names: bool, findings: Findings) -> None:
    also = one.section.also_sent_to
    if also is None or one.tree.at(("also_sent_to",)).pruned:
        return
    tree = one.tree.at(("also_sent_to",))
    kinds = ("store_of_name", "store", "by_plugins")
    given = [kind for kind in kinds if getattr(also, kind) is not None]
    if len(given) != 1 and not any(tree.at((kind,)).pruned for kind in kinds):
        several = ("none", "", "both", "all")[len(given)]
        message = f"also_sent_to must have exactly one of store_of_name, store and by_plugins, not {several}"
        one.report(findings, ("also_sent_to",), message, "e.g. {store_of_name: name_ID}")
    elif "store_of_name" in given and not has_names:
        message = "store_of_name needs to know the name of each store"
        one.report(findings, ("also_sent_to", "store_of_name"), message, "give stores.name, the column that holds it")


def _check_columns(one: _Declared, findings: Findings) -> None:
    columns = one.section.columns
    if columns is None:
        return
    if columns.include is not None and columns.exclude is not None:
        one.report(findings, ("columns",), "columns must have include or exclude, not both", "keep one of them")
    needed = {column.casefold(): "the key" for column in one.section.key or ()}
    needed |= {column.casefold(): "what its store is known by" for column in needed_columns(one.section)}
    for at, column in enumerate(columns.exclude or ()):
        if column.casefold() in needed:
            message = f"column {column} cannot be excluded: it is {needed[column.casefold()]}"
            one.report(findings, ("columns", "exclude", at), message, "take it from the list")


def _check_parent(one: _Declared, declared: dict[str, _Declared], complete: bool, findings: Findings) -> None:
    through = one.through
    if through is None or through.of is None:
        return
    parent = declared.get(through.of.casefold())
    if parent is None or parent.name != through.of:
        if complete:
            message = f"{through.of} is not a declared record type"
            names = [parent.name] if parent else []
            one.report(
                findings,
                ("store", "of"),
                message,
                _suggestion(through.of, declared) if not names else f"did you mean {names[0]}?",
            )
        return
    if parent.section.key is not None and len(parent.section.key) > 1:
        message = f"{parent.name} has a key of {len(parent.section.key)} columns, and one column cannot hold it"
        one.report(findings, ("store", "of"), message, "name a column that holds the store itself")
    if parent.section.store is None and not parent.tree.at(("store",)).pruned:
        message = f"{parent.name} has no store, so none can be known through it"
        one.report(findings, ("store", "of"), message, f"give store to {parent.name}")


def _suggestion(name: str, declared: dict[str, _Declared]) -> str:
    import difflib

    close = difflib.get_close_matches(name.casefold(), declared, 1)
    return f"did you mean {declared[close[0]].name}?" if close else "declare it under record_types"


def _parent_of(one: _Declared, declared: dict[str, _Declared]) -> str | None:
    of = one.through.of if one.through else None
    parent = declared.get(of.casefold()) if of else None
    return parent.name.casefold() if parent and parent.name == of else None


def _check_cycles(declared: dict[str, _Declared], findings: Findings) -> None:
    """Each cycle of parents is reported once, at its first record type."""
    reported: set[str] = set()
    for start, first in declared.items():
        path: list[str] = []
        name: str | None = start
        while name is not None and name in declared and name not in path and name not in reported:
            path.append(name)
            name = _parent_of(declared[name], declared)
        if path and name == start:
            shown = " → ".join(declared[one].name for one in (*path, start))
            message = f"the stores go in a circle: {shown}"
            first.report(findings, ("store", "of"), message, "let one of them name its store by a column")
            reported.update(path)
