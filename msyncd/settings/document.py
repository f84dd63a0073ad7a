"""Reads one YAML file into a tree of nodes that know their places. It knows nothing of what the settings mean.

Only what YAML 1.2 calls a number, true, false or nothing is one: `NO`, `on`, `22:30`, `010` and dates stay text, as
they are written. A key that stands twice is a problem. Anchors and merges work, within bounds that nobody reaches.
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from msyncd.settings.nodes import Mark, Node, number

MAX_BYTES: Final = 4_000_000
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 40

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_PLAIN_TAGS = frozenset({f"tag:yaml.org,2002:{name}" for name in ("map", "seq")})
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where pyyaml was built with it: six times faster."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with the file as YAML, with its place in it."""

    mark: Mark
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read: the tree if the file could be understood, what is wrong with it, its bytes and its mode."""

    root: Node | None
    flaws: tuple[Flaw, ...] = ()
    content: bytes = b""
    mode: int = 0
    unreadable: bool = False


class _Broken(Exception):
    """Stops reading at the first thing that cannot be understood."""

    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.flaw = Flaw(mark, message, hint)


def read(path: Path, instead: bytes | None = None) -> Parsed:
    """Reads a file whole. Never raises for what is in it: flaws say what is wrong, with places.

    `instead` is taken for what stands in it: an edit that is not saved yet, or what was accepted before it was edited.
    """
    if instead is not None:
        root, flaws = parse(instead)
        return Parsed(root, flaws, instead, _mode(path))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Broken(Mark(1, 1), "cannot be read: it is not a file", "name a YAML file")
        if status.st_size > MAX_BYTES:
            raise _Broken(Mark(1, 1), f"cannot be read: it is larger than {MAX_BYTES // 1_000_000} MB", "is it YAML?")
        content = path.read_bytes()
    except _Broken as broken:
        return Parsed(None, (broken.flaw,), unreadable=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "check the name, and that the user of msyncd may read it"
        return Parsed(None, (Flaw(Mark(1, 1), f"cannot be read: {reason}", hint),), unreadable=True)
    root, flaws = parse(content)
    return Parsed(root, flaws, content, status.st_mode)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def parse(content: bytes) -> tuple[Node | None, tuple[Flaw, ...]]:
    """Understands the bytes of a file: the tree (None if there is none) and all flaws that were found."""
    flaws: list[Flaw] = []
    text = ""
    try:
        text = decoded(content)
        return _Composer(text, flaws).document(), tuple(flaws)
    except _Broken as broken:
        return None, (*flaws, broken.flaw)
    except yaml.YAMLError as error:
        return None, (*flaws, _syntax_flaw(error, text))


def decoded(content: bytes) -> str:
    """The text of a file, without its byte order mark."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        raise _Broken(_mark_after(before), "the file is not UTF-8 text", "save it in the encoding UTF-8") from None
    if found := _UNPRINTABLE.search(text):
        message = f"a character that YAML does not allow stands here (U+{ord(found[0]):04X})"
        raise _Broken(_mark_after(text[: found.start()]), message, "take it away")
    return text


def _mark_after(text: str) -> Mark:
    return Mark(text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def _syntax_flaw(error: yaml.YAMLError, text: str) -> Flaw:
    """pyyaml's words for what it could not understand; a tab, the usual reason, is named as such."""
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    mark = Mark(at.line + 1, at.column + 1) if at else Mark(1, 1)
    lines = text.splitlines()
    if lines and mark.line > len(lines) + text.endswith("\n"):  # the parser counts a line break that is not there
        mark = Mark(len(lines), len(lines[-1]) + 1)
    for line in (mark.line, mark.line - 1):
        indent = re.match(r" *\t", lines[line - 1]) if 0 < line <= len(lines) else None
        if indent:
            hint = "indent with spaces; YAML does not allow tabs"
            return Flaw(Mark(line, indent.end()), "a tab stands in the indentation", hint)
    problem = str(getattr(error, "problem", None) or error).split("\n", 1)[0]
    hint = "check indentation, colons and quotes here and in the line above"
    if 0 < mark.line <= len(lines) and "${" in lines[mark.line - 1]:
        hint = 'within { } or [ ], put text that has ${NAME} in it in quotes: "${NAME}"'
    return Flaw(mark, f"this is not YAML: {problem}", hint)


class _Composer:
    """Makes nodes of the parser's events. An anchor is known once its node is complete, so nothing is circular."""

    def __init__(self, text: str, flaws: list[Flaw]) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=LOADER))
        self._anchors: dict[str, Node] = {}
        self._flaws = flaws
        self._count = 0

    def document(self) -> Node | None:
        """The one document of the stream; None for an empty stream."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Broken(_mark(event), "a second document begins here", "keep one document in a file")
                root = self._node(next(self._events), 0)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise _Broken(_mark(event), f"more than {MAX_DEPTH} levels stand inside each other", "write it flatter")
        self._counted(1, event)
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise _Broken(_mark(event), f"*{event.anchor} is not declared above", f"declare it with &{event.anchor}")
        self._counted(found.size, event)
        return found

    def _counted(self, nodes: int, event: Any) -> None:
        # An alias counts as everything behind it: a few lines of aliases of aliases would else fill the memory.
        self._count += nodes
        if self._count > MAX_NODES:
            raise _Broken(_mark(event), f"the file has more than {MAX_NODES} values", "use fewer aliases")

    def _scalar(self, event: Any) -> Node:
        text, mark = str(event.value), _mark(event)
        unquoted = event.tag is None and event.implicit[0]
        if not unquoted:
            self._check_tag(event, _TEXT_TAGS)
            return Node(mark, text, text)
        if text in _NOTHING:
            return Node(mark, None, text, unquoted=True)
        value = _FLAGS[text] if text in _FLAGS else number(text)
        return Node(mark, text if value is None else value, text, unquoted=True)

    def _sequence(self, event: Any, depth: int) -> Node:
        self._check_tag(event, _PLAIN_TAGS)
        items: list[Node] = []
        while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return Node(_mark(event), tuple(items), size=1 + sum(item.size for item in items))

    def _mapping(self, event: Any, depth: int) -> Node:
        self._check_tag(event, _PLAIN_TAGS)
        own: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            key = self._key(inner, depth)
            value = self._node(next(self._events), depth + 1)
            if key.text == "<<" and key.unquoted:
                merged += self._merge_sources(value)
            elif key.text in own:
                message = f"{_short(key.text)} stands twice, first in line {keys[key.text].line}"
                self._flaws.append(Flaw(key.mark, message, "keep one of them"))
            else:
                own[key.text], keys[key.text] = value, key.mark
        for source in merged:
            for name, node in _entries(source):
                if name not in own:
                    own[name], keys[name] = node, source.keys[name]
        return Node(_mark(event), own, size=1 + sum(1 + node.size for node in own.values()), keys=keys)

    def _key(self, event: Any, depth: int) -> Node:
        key = self._node(event, depth + 1)
        if isinstance(key.value, (tuple, dict)) or (key.value is None and key.text == ""):
            raise _Broken(_mark(event), "a key must be a word", "write it as `key: value`")
        return key

    def _merge_sources(self, value: Node) -> list[Node]:
        sources = list(value.value) if isinstance(value.value, tuple) else [value]
        for source in sources:
            if not isinstance(source.value, dict):
                raise _Broken(value.mark, "<< merges mappings only", "name the anchor of a mapping: <<: *name")
        return sources

    def _check_tag(self, event: Any, known: frozenset[str]) -> None:
        if event.tag is not None and event.tag not in known:
            raise _Broken(_mark(event), f"the tag {_short(event.tag)} is not understood here", "take it away")


def _entries(node: Node) -> list[tuple[str, Node]]:
    return list(node.value.items()) if isinstance(node.value, dict) else []


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
