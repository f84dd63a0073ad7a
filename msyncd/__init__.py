"""msyncd keeps the databases of medicine stores in step: one primary, many satellites.

A plugin imports all that it needs from here::

    from msyncd import hookimpl, Allow, Refuse, Wait, Replace, Route
"""

from importlib.metadata import PackageNotFoundError, version

import pluggy

from msyncd.model import (
    Allow,
    Change,
    Changes,
    Conflict,
    RecordType,
    Refuse,
    Replace,
    Route,
    Row,
    Site,
    Value,
    Verdict,
    Wait,
)

__all__ = [
    "Allow",
    "Change",
    "Changes",
    "Conflict",
    "RecordType",
    "Refuse",
    "Replace",
    "Route",
    "Row",
    "Site",
    "Value",
    "Verdict",
    "Wait",
    "__version__",
    "hookimpl",
]

try:
    __version__ = version("msyncd")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0"

hookimpl = pluggy.HookimplMarker("msyncd")
"""Marks a function of a plugin as an implementation of the hook of the same name in msyncd.hookspecs."""
