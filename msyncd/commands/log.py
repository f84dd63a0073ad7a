"""What is logged while a command runs: standard error has it, since standard output is the command's own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from msyncd.daemon.logging import Event, in_pairs, redact

WARNING = 30


@contextmanager
def logged_to_stderr() -> Iterator[None]:
    """Meanwhile warnings, and what is worse, are one line each there. `run` chooses a log of its own inside."""
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            redact,
            _plain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _plain(_logger: Any, _method: str, event: Event) -> str:
    """`warning: what happened: key=value`, and the traceback below."""
    level, what, exception = event.pop("level", "warning"), event.pop("event", ""), event.pop("exception", None)
    line = ": ".join(one for one in (str(level), " ".join(str(what).split()), in_pairs(event)) if one)
    return f"{line}\n{exception}" if exception else line
