"""Definitions as SQLite keeps them, taken apart: for what no PRAGMA tells."""

import re
from collections.abc import Iterator
from typing import Final

# comments and blanks, strings, quoted names, words and numbers, anything else
_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|$)|\s+|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^]]*\]|[^\s'"`\[(),;/-]+|.""",
    re.DOTALL,
)
_WORD: Final = re.compile(r"[\w$]+")
_DIRECTION: Final = re.compile(r"\s(?:ASC|DESC)\s*$", re.IGNORECASE)
_WHERE: Final = re.compile(r"\s*WHERE\b", re.IGNORECASE)


def definitions(sql: str) -> Iterator[list[str]]:
    """What stands between the commas of CREATE TABLE (…), as tokens; what is in deeper parentheses is left out."""
    depth, tokens = 0, list[str]()
    for token in _tokens(sql):
        if token.isspace():
            continue
        depth -= token == ")"
        if depth == 1 and token not in {",", ")"}:
            tokens.append(token)
        elif tokens and (depth == 0 or (depth == 1 and token == ",")):
            yield tokens
            tokens = []
        depth += token == "("


def index_terms(sql: str) -> tuple[list[str], str]:
    """What stands between the commas of CREATE INDEX … ON table (…), and what behind its WHERE; "" if nothing."""
    depth, parts, rest = 0, list[str](), ""
    for token in _tokens(sql):
        depth -= token == ")"
        if depth == 0 and parts:
            rest += token if rest or token != ")" else " "
        elif depth == 1 and token == ",":
            parts.append("")
        elif depth:
            parts[-1] += token
        depth += token == "("
        if depth == 1 and not parts:
            parts.append("")
    return [_DIRECTION.sub("", part).strip() for part in parts], _WHERE.sub("", rest, count=1).strip()


def words(sql: str) -> frozenset[str]:
    """Every word that may be a column's name, casefolded; more than these."""
    found = {unquoted(token) for token in _tokens(sql) if token[0] in '"`['}
    return frozenset(one.casefold() for one in [*found, *_WORD.findall(sql)])


def unquoted(token: str) -> str:
    """The name that a token says."""
    first = token[0]
    if first == "[":
        return token[1:-1]
    return token[1:-1].replace(first * 2, first) if first in "\"'`" else token


def _tokens(sql: str) -> Iterator[str]:
    for token in _TOKEN.findall(sql):
        yield " " if token.startswith(("--", "/*")) else token
