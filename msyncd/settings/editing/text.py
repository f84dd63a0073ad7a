"""Lines of a text, and putting something else in the place of a part of it."""

import re
from typing import Final

BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What ends a line, as YAML 1.1 has it."""
_BREAKS: Final = "\r\n\x85\u2028\u2029"
_COMMENT_BEHIND: Final = re.compile(r"[\]},]*( {2,})#")


def line_start(text: str, at: int) -> int:
    """Where the line begins in which a place lies."""
    return 1 + max(text.rfind(char, 0, at) for char in _BREAKS)


def line_end(text: str, at: int) -> int:
    """Where the line ends in which a place lies, before its line break."""
    found = BREAK.search(text, at)
    return found.start() if found else len(text)


def column(text: str, at: int) -> int:
    """How many characters stand before a place in its line."""
    return at - line_start(text, at)


def begins_line(text: str, at: int) -> bool:
    """Whether nothing but space stands before a place in its line."""
    return not text[line_start(text, at) : at].strip()


def is_last_in_line(text: str, at: int) -> bool:
    """Whether nothing but space and a comment stands behind a place in its line."""
    rest = text[at : line_end(text, at)].strip()
    return not rest or rest.startswith("#")


def newline(text: str) -> str:
    """How this text ends its lines."""
    found = BREAK.search(text)
    return found[0] if found and found[0] in ("\r\n", "\n", "\r") else "\n"


def replaced(text: str, start: int, end: int, new: str) -> str:
    """Something else in place of a part. A comment behind it stays in its column where there is room."""
    behind = _COMMENT_BEHIND.match(text, end)
    if behind and not BREAK.search(new) and not BREAK.search(text, start, end):
        gap = behind.end(1) - behind.start(1)
        kept = max(2, gap - (len(new) - (end - start)))
        return text[:start] + new + text[end : behind.start(1)] + " " * kept + text[behind.end(1) :]
    return text[:start] + new + text[end:]


def without_lines(text: str, first: int, last: int) -> str:
    """The text without the lines from that of one place to that of another."""
    start, end = line_start(text, first), line_end(text, last)
    following = BREAK.match(text, end)
    if following:
        return text[:start] + text[following.end() :]
    # the last lines of a text that does not end with a line break: nor does it then
    before = next(
        (found.start() for found in BREAK.finditer(text, max(0, start - 2), start) if found.end() == start), 0
    )
    return text[:before]
