"""A plugin's own settings: validated by its class `Settings`, shown without secrets."""

import difflib
import json
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from msyncd.errors import Problem
from msyncd.plugins.finding import Entry, Place, problem_at

_SECRET_WORDS = ("password", "secret", "token", "api_key", "apikey", "url")
_HIDDEN = "********"


def validated(module: ModuleType, name: str, entry: Entry) -> tuple[BaseModel | None, list[Problem]]:
    """The settings of an entry as the plugin's class `Settings` reads them; None if the plugin has no such class."""
    model = getattr(module, "Settings", None)
    if model is None:
        if entry.settings:
            hint = "remove them, or declare a class Settings(pydantic.BaseModel) in its file"
            return None, [problem_at(entry.place, f"plugin {name} takes no settings", hint)]
        return None, []
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        hint = "derive it from pydantic.BaseModel"
        return None, [problem_at(entry.place, f"Settings of plugin {name} is not a pydantic class", hint)]
    problems = _unknown_keys(model, name, entry)
    known = {key: value for key, value in entry.settings.items() if not _is_unknown(model, key)}
    try:
        return model.model_validate(known), problems
    except ValidationError as error:
        return None, problems + _invalid(error, name, entry)


def displayed(settings: BaseModel | None) -> dict[str, Any]:
    """Settings for people to read: what looks like a secret is hidden."""
    if settings is None:
        return {}
    # Through JSON and back: plain values only, and SecretStr hides itself.
    plain = json.loads(settings.model_dump_json(warnings=False))
    return {name: _hide(value, name) for name, value in plain.items()}


def _hide(value: Any, key: str = "") -> Any:
    if value is not None and any(word in key.casefold() for word in _SECRET_WORDS):
        return _HIDDEN
    if isinstance(value, dict):
        return {name: _hide(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hide(inner, key) for inner in value]
    return value


def _names(model: type[BaseModel]) -> set[str]:
    aliases = {field.alias for field in model.model_fields.values() if field.alias}
    return set(model.model_fields) | aliases


def _is_unknown(model: type[BaseModel], key: str) -> bool:
    return model.model_config.get("extra") != "allow" and key not in _names(model)


def _unknown_keys(model: type[BaseModel], name: str, entry: Entry) -> list[Problem]:
    """pydantic would ignore them; a misspelt key must not go unseen."""
    problems = []
    for key in entry.settings:
        if _is_unknown(model, key):
            close = difflib.get_close_matches(key, _names(model), 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(_names(model))) or 'none'}"
            place = _place(entry, key)
            problems.append(problem_at(place, f"plugin {name} has no setting {key}", hint))
    return problems


def _invalid(error: ValidationError, name: str, entry: Entry) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in detail["loc"])
        place = _place(entry, path)
        what = f"setting {path} of plugin {name}" if path else f"the settings of plugin {name}"
        problems.append(problem_at(place, f"{what}: {detail['msg']}", "correct the value"))
    return problems


def _place(entry: Entry, path: str) -> Place:
    """The nearest known place at or above a setting; at worst that of the entry."""
    while path and path not in entry.places:
        path = path.rpartition(".")[0]
    return entry.places.get(path, entry.place)
