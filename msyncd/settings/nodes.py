"""A value of a YAML file with its place, and the numbers that remember how they were written."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")


class WrittenInt(int):
    """A whole number that remembers how it was written, so that a store code 12 can be taken as text."""

    written: str


class WrittenFloat(float):
    """A number that remembers how it was written."""

    written: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line and a column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file with its place. `text` is a scalar as it was written, `keys` the places of a mapping's keys.

    `pruned`: it was wrong, has been reported, and counts as not given from here on.
    """

    mark: Mark
    value: "bool | int | float | str | tuple[Node, ...] | dict[str, Node] | None"
    text: str = ""
    unquoted: bool = False
    size: int = 1
    keys: dict[str, Mark] = field(default_factory=dict)
    pruned: bool = False

    def plain(self) -> Any:
        """The value without places: text, numbers that remember their text, lists and mappings."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    @property
    def damaged(self) -> bool:
        """Whether anything in it was pruned."""
        return self.pruned or any(one.damaged for one in self._below())

    def _below(self) -> "Collection[Node]":
        if isinstance(self.value, dict):
            return self.value.values()
        return self.value if isinstance(self.value, tuple) else ()

    def child(self, step: str | int) -> "Node | None":
        """The value under a key or at an index; None if there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, tuple) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def at(self, path: Sequence[str | int]) -> "Node":
        """The node at that path, or the nearest above it that exists."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def with_child(self, step: str | int, node: "Node") -> "Node":
        """The same node with another one under a key or at an index."""
        if isinstance(self.value, dict):
            return self._holding({**self.value, str(step): node})
        assert isinstance(self.value, tuple)
        return self._holding(tuple(node if at == step else old for at, old in enumerate(self.value)))

    def without_child(self, step: str | int) -> "Node":
        """The same node without that key or item."""
        if isinstance(self.value, dict):
            return self._holding({key: node for key, node in self.value.items() if key != step})
        assert isinstance(self.value, tuple)
        return self._holding(tuple(node for at, node in enumerate(self.value) if at != step))

    def _holding(self, value: "tuple[Node, ...] | dict[str, Node]") -> "Node":
        return Node(self.mark, value, self.text, self.unquoted, self.size, self.keys, self.pruned)


def number(text: str) -> WrittenInt | WrittenFloat | None:
    """The number that the text is in YAML 1.2's words, remembering the text; None if it is none."""
    if _WHOLE.fullmatch(text):
        whole = WrittenInt(text)
        whole.written = text
        return whole
    if _FRACTION.fullmatch(text):
        fraction = WrittenFloat(text)
        fraction.written = text
        return fraction
    return None
