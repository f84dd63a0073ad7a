"""What a setting and a section of the YAML are; the schema is made of them.

What is required is marked and not enforced by pydantic: a section that lacks something is still looked at for
everything else, so that all problems are reported at once.
"""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

REQUIRED: Final = "required"
# Stands for a reference that pydantic does not know; json_schema.py makes it one.
DEFINITION: Final = "x-definition"


def setting(meaning: str, default: Any = None, *, example: Any, required: bool = False) -> Any:
    """A setting: what it means to an admin, its default, an example."""
    extra: dict[str, Any] | None = {REQUIRED: True} if required else None
    return Field(default=default, description=meaning, examples=[example], json_schema_extra=extra)


class Section(BaseModel):
    """A mapping of the YAML. A key without a value counts as not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_a_value_is_not_given(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return data

    @classmethod
    def required(cls) -> frozenset[str]:
        """The names of the settings that must be given."""
        return frozenset(
            name
            for name, of in cls.model_fields.items()
            if isinstance(of.json_schema_extra, dict) and REQUIRED in of.json_schema_extra
        )
