"""How a canonical value of any kind is taken to the form of another. See kinds.py."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from msyncd.databases.moments import as_date, as_time, as_timestamp, as_timestamptz
from msyncd.model import Kind, Value

MOST_DIGITS: Final = 131_072
"""Digits on either side of the point beyond which no database here has a number."""

_PLAIN: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_WORDS: Final = {"true": True, "t": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "f": False,
    "no": False,
    "off": False,
    "0": False,
}
_NO_NUMBERS: Final = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity"} | {
    "-infinity": "-Infinity",
    "-inf": "-Infinity",
}


def _integer(value: Value) -> Value:
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("is not a whole number")
        return int(value)
    text = _decimal(value)
    whole, _, fraction = str(text).partition(".")
    if fraction.strip("0") or not whole.lstrip("-").isdigit() or len(whole) > 4000:
        raise ValueError("is not a whole number")
    return int(whole)


def _decimal(value: Value) -> Value:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # the very number: its shortest text may mean another integer
    text = repr(value) if isinstance(value, (int, float)) else _text(value).strip()
    if (other := _NO_NUMBERS.get(text.lower())) is not None:
        return other
    if not _PLAIN.fullmatch(text):
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError("is not a number") from None
        exponent = number.as_tuple().exponent
        if not number.is_finite() or not isinstance(exponent, int):
            raise ValueError("is not a number")
        if number.adjusted() > MOST_DIGITS or exponent < -MOST_DIGITS:
            raise ValueError("is a number that no database holds")
        text = format(number, "f")
    sign, whole, fraction = text.startswith("-"), *text.lstrip("-").partition(".")[::2]
    if len(whole) > MOST_DIGITS or len(fraction) > MOST_DIGITS:
        raise ValueError("is a number that no database holds")
    plain = (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
    return f"-{plain}" if sign and plain.strip("0.") else plain


def _float(value: Value) -> Value:
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            raise ValueError("is beyond what a float holds") from None
        if number != value and number == number:
            raise ValueError("has more digits than a float holds")
        return number
    exact = str(_decimal(value))
    number = float(exact)
    # the float, or the shortest text that means it, must be the very number
    if exact.lstrip("-")[:1].isdigit() and Decimal(exact) not in (Decimal(repr(number)), Decimal(number)):
        raise ValueError("has more digits than a float holds")
    return number


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("is not text") from None
    return str(value)


def _binary(value: Value) -> Value:
    if isinstance(value, bytes):
        return value
    try:
        return _text(value).encode()
    except UnicodeEncodeError:
        raise ValueError("is not text") from None


def _boolean(value: Value) -> Value:
    if isinstance(value, (int, float)) and value in {0, 1}:
        return bool(value)
    word = _WORDS.get(_text(value).lower()) if isinstance(value, (str, bytes)) else None
    if word is None:
        raise ValueError("is neither true nor false")
    return word


def _json(value: Value) -> Value:
    text = _text(value)
    parsed_json(text)
    return text


def _array(value: Value) -> Value:
    text = _text(value)
    if not isinstance(parsed_json(text), list):
        raise ValueError("is not an array")
    return text


def parsed_json(text: str, **how: Any) -> Any:
    """What a JSON text says. Raises ValueError with the reason."""
    try:
        return json.loads(text, parse_constant=_no_constant, **how)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _uuid(value: Value) -> Value:
    try:
        if isinstance(value, bytes) and len(value) == 16:
            return str(UUID(bytes=value))
        if isinstance(value, (str, bytes)):
            return str(UUID(_text(value)))
    except ValueError:
        pass
    raise ValueError("is not a UUID")


def _written(how: Callable[[str], str]) -> Callable[[Value], Value]:
    def read(value: Value) -> Value:
        if isinstance(value, (bool, int, float)):
            raise ValueError("is a number, where a date or time goes")
        return how(_text(value))

    return read


FORMS: Final[Mapping[Kind, Callable[[Value], Value]]] = {
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "text": _text,
    "date": _written(as_date),
    "time": _written(as_time),
    "timestamp": _written(as_timestamp),
    "timestamptz": _written(as_timestamptz),
    "boolean": _boolean,
    "json": _json,
    "uuid": _uuid,
    "binary": _binary,
    "array": _array,
    "any": lambda value: value,
}
"""By kind: takes a value that is not None to its form; raises ValueError with the reason if it has none there."""
