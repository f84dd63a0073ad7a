"""Where in a YAML text each value stands, to the character: what an edit of the text needs to know, and no more.

Places are indexes into the text without its byte order mark. A span ends behind the last character of its value: blank
lines and comments that follow do not belong to it.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import yaml

from msyncd.settings.document import LOADER
from msyncd.settings.editing.text import BREAK, line_end

Kind = Literal["scalar", "mapping", "list", "alias"]


@dataclass(frozen=True, slots=True)
class Span:
    """A value in the text: `start` is that of its anchor or tag if it has one, `value` that of the value itself.

    `flow`: a mapping or list in brackets. `style` is a scalar's: "", one of the quotes, or "|" and ">".
    """

    kind: Kind
    start: int
    value: int
    end: int
    flow: bool = False
    style: str = ""
    items: "tuple[Item, ...]" = ()

    def item(self, step: "str | int") -> "Item | None":
        """The entry under a key, or the item at an index; None if there is none."""
        if self.kind == "mapping":
            return next((one for one in self.items if one.name == step), None)
        if self.kind == "list" and isinstance(step, int) and 0 <= step < len(self.items):
            return self.items[step]
        return None


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a mapping or an item of a list. `start` is that of the key, or of the item behind its dash.

    `sign` is the place behind the colon, or that of the dash; None where there is none. `comma` is that of the comma
    behind it.
    """

    name: str | None
    start: int
    key_end: int
    span: Span
    sign: int | None
    comma: int | None = None

    @property
    def end(self) -> int:
        """Behind the last character of the entry."""
        return max(self.span.end, self.sign or 0, self.key_end)


def spans(text: str) -> Span | None:
    """The spans of the one document of a text that can be read; None if it is empty."""
    return _Reader(text).document()


class _Reader:
    """Makes spans of the parser's events; signs and commas are known by the scanner's tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=LOADER))
        self._closed = 0
        self._properties: dict[int, int] = {}
        places: dict[type, list[int]] = {
            kind: [] for kind in (yaml.ScalarToken, yaml.ValueToken, yaml.BlockEntryToken, yaml.FlowEntryToken)
        }
        token: Any  # that a mark has an index is not known of every loader
        for token in yaml.scan(text, Loader=LOADER):
            if isinstance(token, (yaml.AnchorToken, yaml.TagToken)):
                self._properties[token.start_mark.index] = token.end_mark.index
            elif type(token) in places:
                places[type(token)].append(token.start_mark.index)
        self._scalars, self._colons, self._dashes, self._commas = places.values()

    def document(self) -> Span | None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                return self._span(next(self._events))
        return None

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return Span("alias", start, start, end)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, start, end)
        mapping = isinstance(event, yaml.MappingStartEvent)
        flow = bool(event.flow_style)
        items = list(self._entries() if mapping else self._items(flow))
        kind: Kind = "mapping" if mapping else "list"
        if flow:
            return Span(kind, start, end - 1, self._closed, True, items=self._with_commas(items, self._closed))
        first = items[0].start if mapping else items[0].sign or 0
        return Span(kind, start, first, items[-1].end, items=tuple(items))

    def _scalar(self, event: Any, start: int, end: int) -> Span:
        value = start
        while value in self._properties:
            value = self._properties[value]
            while value < end and self._text[value] in " \t\r\n":
                value += 1
        if event.style is None and event.value == "":
            return Span("scalar", start, end, end)
        value = _first(self._scalars, value, end) or value
        style = event.style or ""
        if style in ("|", ">"):
            end = self._content_end(value, end)
        return Span("scalar", start, value, end, style=style)

    def _content_end(self, value: int, end: int) -> int:
        """Of a block scalar: behind its last line, unless it keeps the empty lines that follow."""
        header = self._text[value : line_end(self._text, value)].split("#")[0]
        content = self._text[value:end]
        kept = content if "+" in header else content.rstrip(" \t\r\n\x85\u2028\u2029")
        # the last line break is not part of it: what comes after begins a line of its own
        last = BREAK.search(kept[-2:]) if "+" in header else None
        return value + len(kept) - (len(last[0]) if last else 0)

    def _entries(self) -> Iterator[Item]:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._span(event)
            name = str(event.value) if isinstance(event, yaml.ScalarEvent) else None
            span = self._span(next(self._events))
            colon = _first(self._colons, key.end, span.start + 1)
            yield Item(name, key.start, key.end, span, None if colon is None else colon + 1)
        self._closed = _behind(event)

    def _items(self, flow: bool) -> Iterator[Item]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            span = self._span(event)
            dash = None if flow else self._dashes[bisect_left(self._dashes, span.start) - 1]
            yield Item(None, span.start, span.start, span, dash)
        self._closed = _behind(event)

    def _with_commas(self, items: list[Item], closing: int) -> tuple[Item, ...]:
        below = [*(one.start for one in items[1:]), closing][: len(items)]
        return tuple(
            replace(one, comma=_first(self._commas, one.end, end)) for one, end in zip(items, below, strict=True)
        )


def _behind(event: Any) -> int:
    end: int = event.end_mark.index
    return end


def _first(places: list[int], least: int, below: int) -> int | None:
    """The first of the places that is not below one bound and is below the other."""
    at = bisect_left(places, least)
    return places[at] if at < len(places) and places[at] < below else None
