"""The files of a configuration: the main one, and the record types that it names or holds inline."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msyncd.settings.document import Parsed, read
from msyncd.settings.expand import expand_tree
from msyncd.settings.kinds import kind_of
from msyncd.settings.nodes import Mark, Node
from msyncd.settings.schema import Configuration
from msyncd.settings.schema_record_types import RecordTypesFile
from msyncd.settings.validate import Findings, Validated, validate

_FILE_KEYS = frozenset({"stores", "record_types"})


@dataclass(frozen=True, slots=True)
class RecordTypes:
    """Record types from one place: a file, or inline. `base` is the folder of the file in which they stand."""

    base: Path
    part: Validated[RecordTypesFile]


@dataclass(slots=True)
class Sources:
    """All that was read. `complete` is False if some of it could not be understood at all.

    `referred` are files that must be there, such as certificates. `instead` is taken for what stands in those files.
    """

    path: Path
    environment: Mapping[str, str]
    findings: Findings
    main: Validated[Configuration] | None = None
    mode: int = 0
    record_types: list[RecordTypes] = field(default_factory=list)
    contents: dict[Path, bytes] = field(default_factory=dict)
    referred: list[Path] = field(default_factory=list)
    complete: bool = True
    instead: Mapping[Path, bytes] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        """The folder of the main file, to which its paths are relative."""
        return self.path.parent

    def digest(self) -> str:
        """One digest of every file that was read."""
        whole = hashlib.sha256()
        for path, content in self.contents.items():
            whole.update(f"{os.path.relpath(path, self.base)}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            whole.update(content)
        return whole.hexdigest()


def read_all(
    path: Path, environment: Mapping[str, str], findings: Findings, instead: Mapping[Path, bytes] | None = None
) -> Sources:
    """Reads the main file and all that it names, and validates each by itself."""
    sources = Sources(absolute(Path.cwd(), str(path)), environment, findings, instead=instead or {})
    document = read(sources.path, sources.instead.get(sources.path))
    sources.mode = document.mode
    sources.contents[sources.path] = document.content
    name = sources.path.name
    tree = _understood(document, name, sources)
    if tree is not None:
        tree = expand_tree(tree, environment, name, findings)
        sources.main = validate(Configuration, tree, name, findings)
        _read_record_types(sources.main.tree, sources)
    return sources


def absolute(base: Path, text: str) -> Path:
    """A path as written, relative to a folder, made absolute; symbolic links stay, since they may be swapped."""
    return Path(os.path.normpath(base / text))


def _understood(document: Parsed, name: str, sources: Sources) -> Node | None:
    for flaw in document.flaws:
        sources.findings.add(name, flaw.mark, flaw.message, flaw.hint)
    if document.root is None or (document.root.value is None and document.root.unquoted):
        sources.complete = False
        if not document.flaws:
            sources.findings.add(
                name, Mark(1, 1), "the file is empty", "docs/configuration.md and config/ show examples"
            )
        return None
    return document.root


def _read_record_types(tree: Node, sources: Sources) -> None:
    stores, declared = tree.child("stores"), tree.child("record_types")
    if stores is not None and stores.value is not None:
        _add_inline(Node(stores.mark, {"stores": stores}), sources)
    if declared is None or declared.value is None:
        return
    if isinstance(declared.value, dict):
        _add_inline(Node(declared.mark, {"record_types": declared}), sources)
        return
    for item in declared.value if isinstance(declared.value, tuple) else (declared,):
        if isinstance(item.value, str) and item.value.strip():
            _add_file(item, item.value, sources)
        elif isinstance(item.value, dict):
            shaped = not _FILE_KEYS.isdisjoint(item.value)
            _add_inline(item if shaped else Node(item.mark, {"record_types": item}), sources)
        else:
            message = f"record_types must be files or declarations, not {kind_of(item.plain())}"
            sources.findings.add(sources.path.name, item.mark, message, "e.g. [record_types/msupply.yaml]")


def _add_inline(tree: Node, sources: Sources) -> None:
    part = validate(RecordTypesFile, tree, sources.path.name, sources.findings)
    sources.record_types.append(RecordTypes(sources.base, part))


def _add_file(item: Node, written: str, sources: Sources) -> None:
    path, main = absolute(sources.base, written), sources.path.name
    if path in sources.contents:
        sources.findings.add(main, item.mark, f"{written} is named twice", "name it once")
        return
    document = read(path, sources.instead.get(path))
    sources.contents[path] = document.content
    if document.unreadable:
        sources.complete = False
        for flaw in document.flaws:
            sources.findings.add(main, item.mark, f"{written} {flaw.message}", flaw.hint)
        return
    name = written if Path(written).is_absolute() else os.path.normpath(written)
    tree = _understood(document, name, sources)
    if tree is None:
        return
    tree = expand_tree(tree, sources.environment, name, sources.findings)
    part = validate(RecordTypesFile, tree, name, sources.findings)
    sources.record_types.append(RecordTypes(path.parent, part))
    if not part.tree.pruned and not any(below.value or below.pruned for below in _below(part.tree)):
        sources.findings.add(name, tree.mark, "the file declares nothing", "add record_types, or do not name it")


def _below(tree: Node) -> list[Node]:
    return list(tree.value.values()) if isinstance(tree.value, dict) else []
