"""The OpenAPI document, made from the messages themselves, so that it cannot differ from them."""

from functools import cache
from typing import Any, Final

import msgspec

from msyncd import __version__
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    Complaint,
    Give,
    GiveReply,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.wire.codec import FORMATS

ENDPOINTS: Final[dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]]] = {
    "hello": (Hello, Welcome),
    "push": (Push, PushReply),
    "pull": (Pull, PullReply),
    "wait": (Waiting, WaitReply),
    "compare": (Compare, Compared),
    "give": (Give, GiveReply),
}
"""What is sent to each endpoint, and what it replies."""

STATUSES: Final[dict[int, str]] = {
    400: "The body cannot be read as this message.",
    401: "Wrong user name or password (hello), or a token that is missing, over, forged or revoked (all others).",
    403: "Refused: another database under this sync ID, a restored backup, another protocol, or not allowed.",
    405: "The method is not POST.",
    408: "The body did not arrive in time.",
    409: "The store facts changed: say hello again, then repeat.",
    413: "The body is too large, as it came or decompressed.",
    415: "The content type or content encoding is not known.",
    429: "Too many wrong log-ins: wait for Retry-After seconds.",
    500: "The primary failed on this request; its log says why.",
    503: "Busy, or its database is not there: wait for Retry-After seconds.",
}
"""What a Complaint may come with, in words."""

_ONLY_AT_HELLO: Final = frozenset({429})
_NOT_AT_HELLO: Final = frozenset({409})


_BINARY: Final = {"type": "string", "contentEncoding": "base64"}
_SPELT: Final = {"type": "object", "properties": {"base64": _BINARY}, "required": ["base64"]}


def _spelt(schema: Any) -> Any:
    """The schema with binary values as the codec writes them in JSON."""
    if schema == _BINARY:
        return _SPELT
    if isinstance(schema, dict):
        return {key: _spelt(one) for key, one in schema.items()}
    return [_spelt(one) for one in schema] if isinstance(schema, list) else schema


def _component(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {form: {"schema": _component(kind)} for form in FORMATS}


def _operation(name: str) -> dict[str, Any]:
    takes, gives = ENDPOINTS[name]
    left_out = _NOT_AT_HELLO if name == "hello" else _ONLY_AT_HELLO
    complaints = {
        str(status): {"description": words, "content": _content(Complaint)}
        for status, words in STATUSES.items()
        if status not in left_out
    }
    return {
        "operationId": name,
        "summary": (takes.__doc__ or "").partition("\n")[0],
        "security": [{"basic": []}] if name == "hello" else [{"token": []}],
        "requestBody": {"required": True, "content": _content(takes)},
        "responses": {"200": {"description": gives.__doc__ or "", "content": _content(gives)}, **complaints},
    }


def _health(words: str, statuses: tuple[int, ...]) -> dict[str, Any]:
    return {
        "get": {
            "summary": words,
            "security": [],
            "responses": {
                str(status): {"description": words, "content": {"application/json": {"schema": {"type": "object"}}}}
                for status in statuses
            },
        }
    }


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the primary's interface."""
    kinds = [*(kind for pair in ENDPOINTS.values() for kind in pair), Complaint]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "msyncd",
            "version": __version__,
            "description": 'How satellites talk to the primary. In JSON a binary value is {"base64": "…"}.',
        },
        "paths": {
            **{f"/sync/v1/{name}": {"post": _operation(name)} for name in ENDPOINTS},
            "/healthz": _health("Whether the process lives.", (200,)),
            "/readyz": _health("Whether it can answer satellites.", (200, 503)),
            "/openapi.json": _health("This document.", (200,)),
        },
        "components": {
            "schemas": _spelt(schemas),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }
