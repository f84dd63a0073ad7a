"""Values as YAML text: plain where that is safe for every reader of YAML 1.1 and 1.2, else in quotes."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from msyncd.settings.nodes import number

Scalar = str | int | float | bool
Value = Scalar | Sequence["Value"] | Mapping[str, "Value"]

_INDICATORS: Final = re.compile(r"""[-?:,\[\]{}#&*!|>'"%@`=<~]""")
_FLOW: Final = re.compile(r"[,\[\]{}:]")
# Words that some reader takes for something else than text: YAML 1.1 knows y and n, YAML 1.2 octal numbers with 0o.
_TELLING: Final = re.compile(
    r"y|n|yes|no|on|off|true|false|null|~|0o[0-7]+|0x[0-9a-f_]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?"
    r"|[-+]?\.inf|\.nan|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[-+]?[0-9_,.:]+",
    re.IGNORECASE,
)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_RESOLVERS: Final = yaml.SafeLoader.yaml_implicit_resolvers


def literal(text: str) -> str:
    """A text that means itself: what would be taken for a `${VARIABLE}` is not."""
    return text.replace("${", "$${")


def scalar(value: Scalar, *, flow: bool = False, quote: str = "") -> str:
    """One value. `flow`: it stands in brackets. `quote`: the quotes that the old value had."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    if quote == "'" and all(map(str.isprintable, value)):
        return "'" + value.replace("'", "''") + "'"
    return quoted(value) if quote or not is_plain(value, flow=flow) else value


def inline(value: Value) -> str:
    """A value in one line, lists and mappings in brackets, to stand within brackets."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value, flow=True)


def entry(key: str, value: Value, *, flow: bool = False) -> str:
    """`key: value` in one line."""
    nested = flow or isinstance(value, Mapping) or not isinstance(value, Scalar)
    return f"{key}: {inline(value) if nested else scalar(value)}"  # type: ignore[arg-type]  # a scalar if not nested


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether the text may stand without quotes and is read as this very text, whoever reads it."""
    if not text or text != text.strip() or _INDICATORS.match(text) or not text.isprintable():
        return False
    if ": " in text or " #" in text or text.endswith(":") or (flow and _FLOW.search(text)):
        return False
    if text.startswith(("---", "...")) or _TELLING.fullmatch(text) or number(text) is not None:
        return False
    return not any(pattern.match(text) for _, pattern in _RESOLVERS.get(text[0], ()))


def quoted(text: str) -> str:
    """The text in double quotes, with escapes for what a file should not hold as it is."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
