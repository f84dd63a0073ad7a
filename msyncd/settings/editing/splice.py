"""Edits of a YAML text by splicing: what is not meant stays as it was, to the byte.

A path is made of keys and indexes. What is added is written in the style of what stands around it. None of this knows
what the settings mean; whoever calls it compares what the new text says with what it should say.
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from msyncd.errors import MsyncdError
from msyncd.settings.editing import brackets
from msyncd.settings.editing.spans import Item, Span, spans
from msyncd.settings.editing.text import begins_line, column, line_end, line_start, newline, replaced, without_lines
from msyncd.settings.editing.writing import Scalar, Value, entry, inline, scalar

Path = tuple[str | int, ...]


class EditRefused(MsyncdError):
    """A file cannot be edited by msyncd in the way that was asked; nothing was changed."""


def put(text: str, path: Path, value: Value) -> str:
    """The text with a value at a path, whether something stood there or not. Raises EditRefused."""
    steps, missing = _walk(text, path)
    if not missing:
        return _in_place_of(text, steps, value)
    for step in reversed(missing[1:]):
        value = {str(step): value}
    return _with_entry(text, steps, str(missing[0]), value)


def insert(text: str, path: Path, index: int, value: Value) -> str:
    """The text with a further item in the list at a path, before the one at that index or behind the last."""
    steps, missing = _walk(text, path)
    span = steps[-1].span
    if missing:
        return put(text, path, [value])
    nothing = span.kind == "scalar" and _is_nothing(text, span)
    if span.kind != "list" and not nothing:
        raise _too_special(path)
    in_lines = not any(one.span.flow for one in steps[:-1])
    if isinstance(value, Mapping) and not span.items and in_lines and span.start == span.value:
        return _as_lines(text, steps[-1], value)
    if nothing:
        return put(text, path, [value])
    if span.flow:
        return brackets.with_item(text, span, index, inline(value))
    return _with_dash(text, span, index, value)


def drop(text: str, path: Path) -> str:
    """The text without the entry or item at a path."""
    steps, missing = _walk(text, path)
    if missing or len(steps) < 2:
        raise _too_special(path)
    container, item = steps[-2].span, steps[-1]
    index = container.items.index(item)
    if container.flow:
        return brackets.without_item(text, container, index)
    if len(container.items) == 1:
        return _in_place_of(text, steps[:-1], [] if container.kind == "list" else {})
    first = item.start if item.sign is None or container.kind == "mapping" else item.sign
    if begins_line(text, first):
        return without_lines(text, first, item.end)
    if index or container.kind == "list":
        raise _too_special(path)
    following = container.items[1].start  # the first key stands beside the dash: the next one moves up
    if "#" in text[item.end : following]:
        return text[:first] + text[item.end :]
    return text[:first] + text[following:]


def _walk(text: str, path: Path) -> tuple[list[Item], Path]:
    """From the whole to the nearest that exists on a path; and the steps beyond it."""
    root = spans(text)
    if root is None:
        raise EditRefused("the file is empty", hint="begin with one of the samples in config/")
    steps = [Item(None, root.start, root.start, root, None)]
    for at, step in enumerate(path):
        below = steps[-1].span.item(step)
        if below is None:
            if isinstance(step, int) or steps[-1].span.kind in ("alias", "list"):
                raise _too_special(path)
            return steps, path[at:]
        steps.append(below)
    return steps, ()


def _too_special(path: Path) -> EditRefused:
    return EditRefused(
        f"{dotted(path)} is written in a way that cannot be edited here",
        hint="edit the file by hand; `msyncd check` then says whether it is in order",
    )


def dotted(path: Path) -> str:
    """A path as people read it."""
    return ".".join(map(str, path)) or "the file"


# --- in place of what stands there ------------------------------------------------------------------------------------


def _in_place_of(text: str, steps: list[Item], value: Value) -> str:
    item, flow = steps[-1], any(one.span.flow for one in steps[:-1])
    old = item.span
    if old.kind in ("list", "mapping") and not old.flow:
        return _in_place_of_lines(text, item, value)
    new = _written(value, flow=flow, quote=old.style if old.style in ("'", '"') else "")
    if old.style in ("|", ">"):
        _, sign, comment = text[old.value : line_end(text, old.value)].partition(" #")
        return text[: old.value] + new + (f" {sign}{comment}" if sign else "") + text[old.end :]
    if old.value < old.end:
        return replaced(text, old.value, old.end, new)
    if item.sign is None and len(steps) > 1 and item.name is not None:
        return replaced(text, item.key_end, item.key_end, f": {new}")
    # nothing stands there: behind the colon or dash, or behind an anchor
    at = old.end if old.start < old.end or item.sign is None else item.sign + (item.name is None)
    return replaced(text, at, at, f" {new}")


def _in_place_of_lines(text: str, item: Item, value: Value) -> str:
    """A list or mapping of lines becomes a value in one line; comments behind its key and above it stay."""
    old = item.span
    if item.sign is None or old.start < old.value:
        raise _too_special(() if item.name is None else (item.name,))
    if not begins_line(text, old.value):  # it begins beside its dash
        return replaced(text, old.value, old.end, _written(value))
    less, sign = without_lines(text, old.value, old.end), item.sign + (item.name is None)
    return replaced(less, sign, sign, f" {_written(value)}")


def _written(value: Value, *, flow: bool = False, quote: str = "") -> str:
    return scalar(value, flow=flow, quote=quote) if isinstance(value, Scalar) else inline(value)


# --- something new ----------------------------------------------------------------------------------------------------


def _with_entry(text: str, steps: list[Item], key: str, value: Value) -> str:
    item = steps[-1]
    span = item.span
    if span.kind == "scalar":
        if not _is_nothing(text, span) or len(steps) == 1:
            raise _too_special((*(one.name or "" for one in steps[1:]), key))
        if span.value < span.end or any(one.span.flow for one in steps):
            return _in_place_of(text, steps, {key: value})
        indent = " " * (column(text, item.start) + 2)
        return _with_lines(text, item.end, indent, _lines(key, value, flow=True))
    if span.flow:
        return brackets.with_item(text, span, len(span.items), entry(key, value, flow=True))
    sections = [one.span for one in span.items if one.span.kind == "mapping"]
    flow = bool(sections) and all(one.flow for one in sections)
    indent = " " * column(text, span.items[0].start)
    return _with_lines(text, span.end, indent, _lines(key, value, flow=flow))


def _as_lines(text: str, item: Item, value: Value) -> str:
    """What is empty becomes a list of lines, since each of its items will fill one."""
    indent = " " * (column(text, item.start) + 2)
    less = replaced(text, item.sign or item.span.start, item.span.end, "")
    return _with_lines(less, item.sign or item.span.start, indent, [f"- {inline(value)}"])


def _with_dash(text: str, span: Span, index: int, value: Value) -> str:
    """A further item in a list of lines, in the style of its neighbour."""
    beside = span.items[max(0, index - 1)]
    dash, first = beside.sign or 0, span.items[0].sign or 0
    indent = " " * column(text, first)
    offset = beside.span.start - dash if beside.span.end and line_start(text, beside.span.start) <= dash else 2
    if isinstance(value, Mapping) and value and beside.span.kind == "mapping" and not beside.span.flow:
        inner = " " * offset
        lines = [line for key, one in value.items() for line in _lines(key, one, flow=True)]
        lines = [("-" + inner[1:] if at == 0 else inner) + line for at, line in enumerate(lines)]
    else:
        lines = [f"- {_written(value)}"]
    if index:
        return _with_lines(text, beside.end, indent, lines, blank=_blank_between(text, span))
    if not begins_line(text, first):
        raise _too_special(())
    whole = "".join(f"{indent}{line}{newline(text)}" for line in lines)
    at = line_start(text, first)
    return text[:at] + whole + text[at:]


def _with_lines(text: str, behind: int, indent: str, lines: Sequence[str], *, blank: bool = False) -> str:
    """The text with lines put in below the line in which a place lies."""
    at, ends = line_end(text, behind), newline(text)
    return text[:at] + ends * blank + "".join(f"{ends}{indent}{line}" for line in lines) + text[at:]


def _lines(key: str, value: Value, *, flow: bool) -> list[str]:
    """`key: value` as lines: lists of mappings one item a line, sections as lines unless `flow`."""
    if _are_mappings(value):
        return [f"{key}:", *(f"  - {inline(one)}" for one in value)]
    if isinstance(value, Mapping) and value and not flow:
        return [f"{key}:", *(f"  {entry(name, one)}" for name, one in value.items())]
    return [entry(key, value)]


def _are_mappings(value: Value) -> TypeGuard[Sequence[Mapping[str, Value]]]:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and bool(value) and all(isinstance(one, Mapping) for one in value)  # type: ignore[union-attr]


def _blank_between(text: str, span: Span) -> bool:
    """Whether an empty line stands between the last two items."""
    if len(span.items) < 2:
        return False
    before, last = span.items[-2:]
    between = text[line_end(text, before.end) : line_start(text, last.sign or last.start)]
    return any(not line.strip() for line in between.splitlines()[1:])


def _is_nothing(text: str, span: Span) -> bool:
    return not span.style and text[span.value : span.end] in ("", "~", "null", "Null", "NULL")
