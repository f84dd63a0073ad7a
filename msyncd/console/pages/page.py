"""What a page is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from msyncd.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Page:
    """Where, by which method, what answers, and the least role that may ask."""

    path: str
    handler: Callable[[Visit], Response]
    method: Literal["GET", "POST"] = "GET"
    role: Literal["look", "operate", "change"] = "look"
