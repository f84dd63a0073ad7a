"""Entries and items within brackets: `{a: 1, b: 2}`, `[a, b]`, on one line or one a line."""

from msyncd.settings.editing.spans import Item, Span
from msyncd.settings.editing.text import begins_line, column, is_last_in_line, line_end, line_start, newline, replaced
from msyncd.settings.editing.text import without_lines as _without_lines


def with_item(text: str, span: Span, index: int, new: str) -> str:
    """The text with a further entry or item, already written, before the one at that index or behind the last."""
    if not span.items:
        first, inner = span.value + 1, text[span.value + 1 : span.end - 1]
        last = first if inner.strip(" ") else span.end - 1
        return replaced(text, first, last, f"{new} " if inner.startswith("#") else new)
    if index < len(span.items):
        return _before(text, span.items[index], new, _gap(text, span))
    return _behind(text, span, new)


def _before(text: str, item: Item, new: str, gap: str) -> str:
    if begins_line(text, item.start):
        at = line_start(text, item.start)
        return text[: item.start] + f"{new},{newline(text)}" + text[at : item.start] + text[item.start :]
    return replaced(text, item.start, item.start, f"{new},{gap}")


def _behind(text: str, span: Span, new: str) -> str:
    last = span.items[-1]
    own_line = begins_line(text, last.start)
    lead = newline(text) + " " * column(text, last.start) if own_line else _gap(text, span)
    if last.comma is not None:  # the list ends with a comma, and goes on to do so
        at = last.comma + 1
        if own_line and is_last_in_line(text, at):
            at = line_end(text, at)
        return replaced(text, at, at, f"{lead}{new},")
    if own_line and is_last_in_line(text, last.end):
        at = line_end(text, last.end)
        return text[: last.end] + "," + text[last.end : at] + lead + new + text[at:]
    return replaced(text, last.end, last.end, f",{lead}{new}")


def _gap(text: str, span: Span) -> str:
    """What stands behind a comma in these brackets."""
    comma = next((one.comma for one in span.items if one.comma is not None), None)
    return " " if comma is None or text[comma + 1] in " \t\r\n" else ""


def without_item(text: str, span: Span, index: int) -> str:
    """The text without an entry or item, and without the comma that it needed."""
    item = span.items[index]
    before = span.items[index - 1].comma if index else None
    if begins_line(text, item.start) and is_last_in_line(text, _end(item)):
        less = _without_lines(text, item.start, _end(item))
        return less if item.comma is not None or before is None else less[:before] + less[before + 1 :]
    if item.comma is not None:
        return _with_its_comma(text, item, item.comma, last=index == len(span.items) - 1)
    if before is None:
        return replaced(text, item.start, item.end, "")
    if not text[before + 1 : item.start].strip(" "):
        return replaced(text, before, item.end, "")
    return text[:before] + text[before + 1 : item.start] + text[item.end :]


def _end(item: Item) -> int:
    return item.end if item.comma is None else item.comma + 1


def _with_its_comma(text: str, item: Item, comma: int, *, last: bool) -> str:
    start, end = item.start, comma + 1
    if last or is_last_in_line(text, end):
        while text[start - 1] == " ":
            start -= 1
    else:
        while text[end] == " ":
            end += 1
    return replaced(text, start, end, "")
