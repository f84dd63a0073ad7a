"""HTTP as others may speak it: requests made by hand, to see what the server makes of them."""

import base64
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from msyncd.flow.conversation import Complaint
from msyncd.wire.codec import JSON, MSGPACK, decode, encode
from tests.wire.answers import hello_of

BASIC = "Basic " + base64.b64encode(b"sync:secret").decode()


@dataclass
class Raw:
    """Posts bytes to a primary."""

    url: str
    token: str = ""

    def post(self, name: str, body: Any, **headers: str) -> requests.Response:
        """`headers` with _ for -. Content type msgpack, unless given."""
        given = {"Content-Type": MSGPACK, "Authorization": f"Bearer {self.token}"}
        given.update({key.replace("_", "-"): value for key, value in headers.items()})
        return requests.post(f"{self.url}/sync/v1/{name}", data=body, headers=given, timeout=30)

    def log_in(self) -> "Raw":
        """Says hello as site 2."""
        answer = self.post("hello", encode(hello_of(), JSON), Content_Type=JSON, Authorization=BASIC)
        assert answer.status_code == 200, answer.text
        self.token = json.loads(answer.content)["token"]
        return self

    def connect(self) -> socket.socket:
        """A bare connection."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def complaint(response: requests.Response) -> Complaint:
    """The complaint that a response holds, in whatever format it says."""
    return decode(response.content, Complaint, response.headers["Content-Type"])


def status_of(sock: socket.socket) -> int:
    """The status of the response on a bare connection."""
    received = b""
    while b"\r\n" not in received:
        piece = sock.recv(4096)
        assert piece, received
        received += piece
    return int(received.split()[1])


def packed(value: Any) -> bytes:
    """Any value as MessagePack."""
    return msgspec.msgpack.encode(value)
