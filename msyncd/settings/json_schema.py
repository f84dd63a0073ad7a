"""The JSON Schema of the YAML, for editors: one for a site's file and for a file of record types alike."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from msyncd.settings.schema import Configuration
from msyncd.settings.schema_record_types import RecordTypesFile, ThroughSection
from msyncd.settings.section import DEFINITION, Section

_REF: Final = "#/$defs/"


def json_schema() -> dict[str, Any]:
    """The schema as `msyncd schema` prints it and as config/msyncd.schema.json holds it."""
    _, made = models_json_schema(
        [(one, "validation") for one in (Configuration, RecordTypesFile, ThroughSection)],
        ref_template=_REF + "{model}",
    )
    definitions = made["$defs"]
    for section in _sections():
        if section.__name__ in definitions:
            _tidy(definitions[section.__name__], section)
    definitions["RecordTypes"] = _record_types()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "msyncd",
        "description": "The configuration of one site, or a file of record types that it names.",
        "anyOf": [{"$ref": _REF + "Configuration"}, {"$ref": _REF + "RecordTypesFile"}],
        "$defs": _referring(dict(sorted(definitions.items()))),
    }


def settings_in(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every setting of the schema: the name of its section, its own name, its schema."""
    for section, definition in schema["$defs"].items():
        for name, setting in definition.get("properties", {}).items():
            yield section, name, setting


def _sections() -> list[type[Section]]:
    return list(Section.__subclasses__())


def _tidy(definition: dict[str, Any], section: type[Section]) -> None:
    """Says what is required, and takes away that nothing may stand for a value: an editor need not offer it."""
    if section.required():
        definition["required"] = sorted(section.required())
    for name, setting in definition["properties"].items():
        # pydantic leaves it out where the section that is referred to says the same.
        setting["description"] = section.model_fields[name].description
        setting.pop("title", None)
        setting.pop("required", None)
        if setting.get("default", 0) is None or "$ref" in setting:
            setting.pop("default", None)
        choices = [one for one in setting.get("anyOf", ()) if one != {"type": "null"}]
        if len(choices) == 1:
            del setting["anyOf"]
            setting.update(choices[0])
        elif choices:
            setting["anyOf"] = choices
        if "enum" in setting:
            words = setting["enum"]  # where null is a word, it may also stand bare
            setting["enum"] = [word for word in words if word is not None or "null" in words]
    # Defaults in the words of the YAML: minutes, and on.
    for name, default in (("interval", 5), ("guard", "on")):
        if name in definition["properties"]:
            definition["properties"][name]["default"] = default


def _referring(schema: Any) -> Any:
    """The schema with its placeholders made references."""
    if isinstance(schema, list):
        return [_referring(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _referring(inner) for key, inner in schema.items() if key != DEFINITION}
    return {**made, "$ref": _REF + schema[DEFINITION]} if DEFINITION in schema else made


def _record_types() -> dict[str, Any]:
    """A list of files and inline declarations, or the declarations themselves."""
    file = {"type": "string", "description": "A file of record types, relative to this one."}
    declarations = {"type": "object", "additionalProperties": {"$ref": _REF + "RecordTypeSection"}}
    items = {"anyOf": [file, {"$ref": _REF + "RecordTypesFile"}, declarations]}
    return {"anyOf": [{"type": "array", "items": items}, declarations, file]}
