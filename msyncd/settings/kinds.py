"""The kinds of values that settings take: how each is checked, what is said if it is wrong, its JSON Schema."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from msyncd.model import ZeroDates
from msyncd.settings.nodes import WrittenFloat, WrittenInt
from msyncd.settings.signing_key import key_bytes

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|m|h)?")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_INTERVAL: Final = 744 * 3600.0


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """What a value gets that is not as it must be. The message follows the setting's name: "must be …, not …"."""
    return PydanticCustomError("msyncd", "{message}", {"message": message, "hint": hint})


def shown(value: object) -> str:
    """A value as messages show it: short, on one line."""
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.written
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "".join(char if char.isprintable() else "�" for char in str(value))
    return text if len(text) <= 60 else text[:59] + "…"


def kind_of(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return shown(value)
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def _text(value: object) -> str:
    if isinstance(value, (WrittenInt, WrittenFloat)):
        return value.written
    if isinstance(value, bool):
        raise wrong(f"must be text, not {shown(value)}", f'put it in quotes: "{shown(value)}"')
    if not isinstance(value, str):
        raise wrong(f"must be text, not {kind_of(value)}")
    if not value.strip():
        raise wrong("must not be empty")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong(f"must be true or false, not {shown(value) if isinstance(value, str) else kind_of(value)}")
    return value


def _switch(value: object) -> bool:
    words = {"on": True, "off": False}
    if isinstance(value, str) and value in words:
        return words[value]
    if not isinstance(value, bool):
        raise wrong(f"must be on or off, not {shown(value) if isinstance(value, str) else kind_of(value)}")
    return value


def whole_number(value: object) -> int:
    """A whole number, or the problem in words."""
    if isinstance(value, bool) or not isinstance(value, int):
        what = shown(value) if isinstance(value, float) else kind_of(value)
        raise wrong(f"must be a whole number, not {what}")
    return int(value)


def whole(low: int, high: int) -> Any:
    """A whole number from low to high."""

    def check(value: object) -> int:
        number = whole_number(value)
        if not low <= number <= high:
            raise wrong(f"must be from {low} to {high}, not {number}")
        return number

    return Annotated[int, PlainValidator(check), WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})]


def _days(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(f"must be a number of days, not {kind_of(value)}")
    if not 0 <= value <= 3650:
        raise wrong(f"must be from 0 to 3650 days, not {shown(value)}")
    return float(value)


def _interval(value: object) -> float:
    """Seconds of an interval as it is written: a bare number is minutes."""
    form = "write minutes as a number, or 30s, 5m, 1h"
    text = shown(value) if isinstance(value, (int, float)) else value
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) and not isinstance(value, bool) else None
    if not found:
        what = shown(value) if isinstance(value, (str, int, float)) else kind_of(value)
        raise wrong(f"must be a length of time, not {what}", form)
    seconds = float(found[1]) * _SECONDS[found[2] or "m"]
    if 0 < seconds < 1:
        raise wrong(f"must be at least 1s, or 0 to pause, not {shown(value)}", form)
    if seconds > LONGEST_INTERVAL:
        raise wrong(f"must be at most {LONGEST_INTERVAL / 3600:.0f}h, not {shown(value)}", form)
    return seconds


def _column_list(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise wrong(f"must be a list of names, not {kind_of(value)}", f"write it in brackets: [{_example(value)}]")
    return tuple(_text(item) for item in value)


def _key(value: object) -> tuple[str, ...]:
    columns = _column_list(value) if isinstance(value, (list, tuple)) else (_text(value),)
    if not columns:
        raise wrong("must name at least one column", "e.g. key: ID, or key: [a, b]")
    return columns


def _copies(value: object) -> "tuple[str, ...] | Literal['all']":
    if value == "all" or value == ["all"]:
        return "all"
    if not isinstance(value, (list, tuple)):
        raise wrong(f"must be all or a list of stores, not {shown(value)}", f"e.g. [{_example(value)}]")
    return tuple(_text(item) for item in value)


def _example(value: object) -> str:
    return shown(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else "CMS"


def _public_key(value: object) -> str:
    text = _text(value)
    try:
        key_bytes(text)
    except ValueError:
        raise wrong(f"must be a key, not {shown(text)}", "`msyncd export` on that site says it: ed25519:…") from None
    return text


def one_of(*words: str) -> BeforeValidator:
    """Says which words there are if the value is none of them; a close one is suggested."""

    def check(value: object) -> object:
        if not isinstance(value, str) or value not in words:
            from difflib import get_close_matches

            close = get_close_matches(str(value).lower(), words, 1)
            choice = f"{', '.join(words[:-1])} or {words[-1]}"
            what = shown(value) if isinstance(value, (str, int, float)) else kind_of(value)
            raise wrong(f"must be {choice}, not {what}", f"did you mean {close[0]}?" if close else "")
        return value

    return BeforeValidator(check)


ZeroDatesChoice = Annotated[
    # a bare null in YAML is nothing, and what is not given is null
    ZeroDates, one_of("null", "refuse"), WithJsonSchema({"enum": ["null", "refuse", None]})
]
_TEXTS = {"type": "array", "items": {"type": "string"}}

Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]
# A store code may be all digits.
Store = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": ["string", "integer"]})]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
Switch = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"enum": ["on", "off", True, False]})]
Days = Annotated[float, PlainValidator(_days), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 3650})]
Interval = Annotated[float, PlainValidator(_interval), WithJsonSchema({"type": ["integer", "number", "string"]})]
SyncId = Annotated[int, PlainValidator(whole_number), WithJsonSchema({"type": "integer", "minimum": 1})]
# A password may be all digits; it is shown as it is written and expanded only when the values are built.
Password = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": ["string", "integer"]})]
PublicKey = Annotated[str, PlainValidator(_public_key), WithJsonSchema({"type": "string"})]
Columns = Annotated[tuple[str, ...], PlainValidator(_column_list), WithJsonSchema(_TEXTS)]
Key = Annotated[
    tuple[str, ...], PlainValidator(_key), WithJsonSchema({"anyOf": [{"type": "string"}, {**_TEXTS, "minItems": 1}]})
]
Copies = Annotated[
    tuple[str, ...] | Literal["all"],
    PlainValidator(_copies),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": ["string", "integer"]}}]}),
]
