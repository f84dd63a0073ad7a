"""Validates a tree against a section of the schema: a model of all that is right, and every problem in words.

What is wrong is reported, pruned, and the rest is validated again, so that one mistake does not hide another.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from msyncd.errors import Problem
from msyncd.settings.kinds import kind_of, shown
from msyncd.settings.nodes import Mark, Node
from msyncd.settings.section import Section

S = TypeVar("S", bound=Section)
Loc = tuple[str | int, ...]
_MAPPING_ERRORS = frozenset({"model_type", "model_attributes_type", "dict_type"})
_LIST_ERRORS = frozenset({"list_type", "tuple_type"})


@dataclass(slots=True)
class Findings:
    """Collects the problems of all files."""

    problems: dict[Problem, None] = field(default_factory=dict)

    def add(self, file: str, mark: Mark, message: str, hint: str = "", *, severity: str = "error") -> None:
        """Notes a problem; never more than one line."""
        tidy = (" ".join(text.split()) for text in (file, message, hint))
        name, what, todo = tidy
        self.problems[Problem(name, mark.line, mark.column, what, todo, severity)] = None

    @property
    def errors(self) -> bool:
        """Whether anything stands in the way of using the configuration."""
        return any(problem.severity == "error" for problem in self.problems)

    def sorted(self) -> tuple[Problem, ...]:
        """All of them, by file, line and column."""
        return tuple(sorted(self.problems, key=lambda one: (one.file, one.line, one.column, one.message)))


@dataclass(frozen=True, slots=True)
class Validated(Generic[S]):
    """A section of a file: the model of what is right, and the tree without what was wrong."""

    file: str
    model: S
    tree: Node


def validate(section: type[S], tree: Node, file: str, findings: Findings) -> Validated[S]:
    """The model of a tree, whatever is wrong with it; findings has the rest."""
    if not isinstance(tree.value, dict):
        findings.add(
            file, tree.mark, f"a mapping must stand here, not {kind_of(tree.plain())}", "write `key: value` lines"
        )
        tree = Node(tree.mark, {})
    while isinstance(model := _attempt(section, tree), ValidationError):
        found = [(tuple(one["loc"]), one) for one in model.errors(include_url=False)]
        for loc, one in found:
            _explain(section, tree, loc, one, file, findings)
        # From the end, so that a removed item does not move those that are still to be removed.
        for loc in sorted({_existing(tree, loc) for loc, _ in found}, key=_order, reverse=True):
            tree = _pruned(tree, loc)
    _report_missing(model, tree, file, findings)
    return Validated(file, model, tree)


def _attempt(section: type[S], tree: Node) -> S | ValidationError:
    try:
        return section.model_validate(tree.plain())
    except ValidationError as error:
        return error


def _order(loc: Loc) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in loc)


def _existing(tree: Node, loc: Loc) -> Loc:
    """The part of a pydantic location that exists in the tree; names of union members are passed over."""
    path: list[str | int] = []
    node = tree
    for step in loc:
        below = node.child(step)
        if below is not None:
            path.append(step)
            node = below
    return tuple(path)


def _pruned(tree: Node, path: Loc) -> Node:
    """The tree without what is wrong at the path: an item goes from its list, a setting counts as not given."""
    if not path:
        return Node(tree.mark, {}, pruned=True)
    step, rest = path[0], path[1:]
    below = tree.child(step)
    if below is None:
        return tree
    if rest:
        return tree.with_child(step, _pruned(below, rest))
    if isinstance(step, int) or below.value is None:
        return tree.without_child(step)
    # An unknown key stays unknown with nothing under it, and is taken away in the next round.
    return tree.with_child(step, replace(below, value=None, pruned=True))


def _explain(section: type[Section], tree: Node, loc: Loc, error: Any, file: str, findings: Findings) -> None:
    path = _existing(tree, loc)
    node = tree.at(path)
    if node.pruned:
        return
    kind, value = error["type"], node.plain()
    if kind == "extra_forbidden":
        parent = tree.at(path[:-1])
        key = str(path[-1])
        findings.add(file, parent.keys.get(key, node.mark), *_unknown(key, _names_at(section, path[:-1])))
        return
    name = _name(path)
    if kind == "msyncd":
        message, hint = error["ctx"]["message"], error["ctx"]["hint"]
    elif kind in _MAPPING_ERRORS:
        message, hint = f"must be a mapping, not {kind_of(value)}", "write `key: value` lines under it"
    elif kind in _LIST_ERRORS:
        item = f": [{shown(value)}]" if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
        message, hint = f"must be a list, not {kind_of(value)}", f"write it in brackets{item}" if item else ""
    else:
        message, hint = str(error["msg"]), ""
    findings.add(file, node.mark, f"{name} {message}", hint)


def _name(path: Loc) -> str:
    if not path:
        return "the file"
    if isinstance(path[-1], str):
        return shown(path[-1])
    names = [step for step in path if isinstance(step, str)]
    return f"each of {shown(names[-1])}" if names else "each"


def _unknown(key: str, known: Iterable[str]) -> tuple[str, str]:
    names = sorted(known)
    close = difflib.get_close_matches(key.lower(), names, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"
    return f"{shown(key)} is not a setting", hint


def _names_at(section: type[Section], path: Loc) -> Iterable[str]:
    """The settings that are known at a path: found by following the annotations of the sections."""
    current: set[type[Section]] = {section}
    for step in path:
        if isinstance(step, int):
            continue
        following: set[type[Section]] = set()
        for one in current:
            if step in one.model_fields:
                following.update(_sections_in(one.model_fields[step].annotation))
        # A name in a mapping of sections (a record type) is no setting: its section has been reached already.
        current = following or current
    return {name for one in current for name in one.model_fields}


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _sections_in(inner)


def _report_missing(model: Section, tree: Node, file: str, findings: Findings) -> None:
    for name in model.required():
        given = tree.child(name)
        if getattr(model, name) is None and not (given and given.pruned):
            field_of = type(model).model_fields[name]
            hint = f"e.g. {name}: {_inline(field_of.examples)}"
            findings.add(file, (given or tree).mark, f"{name} is missing", hint)
    for name in type(model).model_fields:
        below = tree.child(name)
        if below is not None:
            for inner, node in _inner_sections(getattr(model, name), below):
                _report_missing(inner, node, file, findings)


def _inner_sections(value: Any, node: Node) -> Iterator[tuple[Section, Node]]:
    if isinstance(value, Section) and isinstance(node.value, dict):
        yield value, node
    elif isinstance(value, list) and isinstance(node.value, tuple):
        for inner, below in zip(value, node.value, strict=True):
            yield from _inner_sections(inner, below)
    elif isinstance(value, dict) and isinstance(node.value, dict):
        for name, inner in value.items():
            yield from _inner_sections(inner, node.value[name])


def _inline(examples: list[Any] | None) -> str:
    """An example as it would be written behind its key."""
    example = examples[0] if examples else "…"
    if isinstance(example, dict):
        return "{" + ", ".join(f"{key}: {_inline([value])}" for key, value in example.items()) + "}"
    if isinstance(example, list):
        return "[" + ", ".join(_inline([item]) for item in example) + "]"
    return shown(example)
