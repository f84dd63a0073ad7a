"""The settings that an admin writes in YAML: read, validated with places, frozen."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msyncd.settings.loading import Loaded as Loaded
    from msyncd.settings.loading import load as load

__all__ = ["Loaded", "load"]


def __getattr__(name: str) -> Any:
    # Late, since pydantic takes its time to import, and msyncd.settings.values alone does not need it.
    if name in __all__:
        from msyncd.settings import loading

        return getattr(loading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
