"""Templates become pages: escaped by default, and an unknown name is an error, not nothing."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from msyncd import __version__
from msyncd.console import plots, words

_FOLDER = Path(__file__).parent

NAVIGATION = tuple(
    (name, f"/{name}") for name in ("sites", "stores", "quarantine", "activity", "plugins", "preferences")
)
"""The pages by name, in the order in which the header has them."""


@cache
def digest() -> str:
    """Changes with the files that pages need, so that browsers may keep them for long."""
    made = hashlib.sha256()
    for file in sorted((_FOLDER / "static").iterdir()):
        made.update(file.read_bytes())
    return made.hexdigest()[:12]


@cache
def environment() -> Environment:
    """Made once."""
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        when=words.when,
        ago=words.ago,
        number=words.number,
        size=words.size,
        speed=words.speed,
        seconds=words.seconds,
        count=words.count,
        capitalize_first=words.sentence,
    )
    made.globals.update(NAVIGATION=NAVIGATION, version=__version__, STATES=words.STATES, plots=plots, files=digest())
    return made


def render(template: str, **values: Any) -> str:
    """A page, or a part of one."""
    return environment().get_template(template).render(**values)
