"""The daemon's log: text or JSON on standard error, with the journal's priorities, and never a password or token."""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from msyncd.settings.values import LogSettings

HIDDEN: Final = "(not shown)"
_SECRET_KEYS: Final = ("password", "passwd", "secret", "token", "authorization", "credential", "cookie", "code_hash")
_IN_URL: Final = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]*@")
_IN_HEADER: Final = re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9+/=_.~-]{8,}")
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Event = MutableMapping[str, Any]


def redact(_logger: Any, _method: str, event: Event) -> Event:
    """A processor: what is named like a secret, or looks like one in a text, is not shown."""
    return {key: _hidden(str(key), value) for key, value in event.items()}


def _hidden(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in _SECRET_KEYS):
        return HIDDEN
    if isinstance(value, str):
        return _IN_HEADER.sub(rf"\1 {HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", value))
    if isinstance(value, Mapping):
        return {name: _hidden(str(name), one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(key, one) for one in value]
    return value


def configure(
    settings: LogSettings, *, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ
) -> None:
    """From now on the log is written so. Called again after a reload."""
    journal = "JOURNAL_STREAM" in environment
    renderer = _Json(prefixed=journal) if settings.format == "json" else _Text(prefixed=journal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


class _Forward(logging.Handler):
    """What libraries log goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("msyncd.library")
        log.log(record.levelno, record.getMessage(), library=record.name, exc_info=record.exc_info or None)


def _prefixed(text: str, level: str) -> str:
    """The journal takes the priority from the beginning of each line."""
    return "\n".join(f"<{_PRIORITIES.get(level, 6)}>{line}" for line in text.splitlines())


class _Json:
    def __init__(self, *, prefixed: bool) -> None:
        self._prefixed = prefixed

    def __call__(self, _logger: Any, _method: str, event: Event) -> str:
        text = json.dumps(event, ensure_ascii=False, default=str)
        return _prefixed(text, str(event.get("level", "info"))) if self._prefixed else text


class _Text:
    """`time level what happened key=value`, and the traceback below. The journal has the time itself."""

    def __init__(self, *, prefixed: bool) -> None:
        self._prefixed = prefixed

    def __call__(self, _logger: Any, _method: str, event: Event) -> str:
        at, level, what = event.pop("timestamp", ""), str(event.pop("level", "info")), event.pop("event", "")
        exception = event.pop("exception", None)
        pairs = in_pairs(event)
        line = " ".join(part for part in (f"{level:<7}", _one_line(str(what)), pairs) if part)
        text = f"{line}\n{exception}" if exception else line
        return _prefixed(text, level) if self._prefixed else f"{at} {text}"


def in_pairs(event: Event) -> str:
    """What is left of an event as `key=value key="a value"`."""
    return " ".join(f"{key}={_shown(value)}" for key, value in event.items())


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return json.dumps(text, ensure_ascii=False) if not text or re.search(r'[\s"=]', text) else text


def _one_line(text: str) -> str:
    return " ".join(text.split())
