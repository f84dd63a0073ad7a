"""A JSON array as PostgreSQL's own: elements of one kind, each as its text, so that no number is rounded."""

from json import dumps, loads
from typing import Any, Final

from msyncd.model import Kind


class _Number(str):
    """A number just as it is written."""

    __slots__ = ()


_NUMBERS: Final[frozenset[Kind]] = frozenset({"integer", "decimal", "float"})


def array(of: Kind, text: str) -> str:
    """The array in PostgreSQL's notation. Raises ValueError for an element that would read back as something else."""
    if of == "json":
        return _nested(loads(text), of)
    return _nested(loads(text, parse_int=_Number, parse_float=_Number), of)


def _nested(values: list[Any], of: Kind) -> str:
    return "{" + ",".join([_element(value, of) for value in values]) + "}"


def _element(value: Any, of: Kind) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list) and of != "json":
        return _nested(value, of)
    if of == "json":
        text = dumps(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = value
    else:
        raise ValueError("holds an object, which is no element of the column's array")
    if of != "json" and isinstance(value, bool) is not (of == "boolean"):
        raise ValueError("holds an element of another kind than the column's array")
    if of not in {"json", "boolean"} and (isinstance(value, _Number) or value in _NO_NUMBERS) is not (of in _NUMBERS):
        raise ValueError("holds an element of another kind than the column's array")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_NO_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity"})
