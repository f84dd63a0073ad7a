"""The floor: SELECT, MessagePack, HTTP, decode, executemany upsert, 5,000 rows a batch, one after the other.

No capture, no checks, no receipts: what no sync over HTTP between two SQLite databases can do without.

    python -m bench.floor DATABASE PORT        # its server, started by bench.push
"""

import http.client
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from bench.workload import LINE_COLUMNS, SCHEMA, UPSERT, connect

BATCH = 5000
_decode = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode
_encode = msgspec.msgpack.Encoder().encode


def push(source: Path, port: int) -> float:
    """Push every line of a database to the floor's server; the seconds that it took."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    reader = sqlite3.connect(source)
    started = time.perf_counter()
    cursor = reader.execute(f"SELECT {', '.join(LINE_COLUMNS)} FROM trans_line")
    while rows := cursor.fetchmany(BATCH):
        client.request("POST", "/", _encode(rows))
        answer = client.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    seconds = time.perf_counter() - started
    client.close()
    reader.close()
    return seconds


class Server:
    """Takes lines and upserts them."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._connection.executescript(SCHEMA)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if body:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(UPSERT, _decode(body))
            self._connection.execute("COMMIT")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Server(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), lifespan="off", log_level="warning",
        timeout_keep_alive=600,
    )  # fmt: skip
