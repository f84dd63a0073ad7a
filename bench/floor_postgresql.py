"""The floor on PostgreSQL: takes batches of lines over HTTP, and brings each in by COPY and merge.

python -m bench.floor_postgresql URL PORT        # started by bench.push_postgresql
"""

import sys
from typing import Any

import msgspec
import psycopg
import uvicorn

from bench.workload import LINE_COLUMNS, SCHEMA

_decode = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode
_NAMES = ", ".join(LINE_COLUMNS)
_SETS = ", ".join(f"{name} = excluded.{name}" for name in LINE_COLUMNS[1:])
_STAGE = "CREATE TEMPORARY TABLE stage (LIKE trans_line)"
_MERGE = f"INSERT INTO trans_line ({_NAMES}) SELECT {_NAMES} FROM stage ON CONFLICT (ID) DO UPDATE SET {_SETS}"


class Server:
    """Takes lines and merges them."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        with self._connection.transaction():
            self._connection.execute(SCHEMA.replace("REAL", "DOUBLE PRECISION").encode())
            self._connection.execute(_STAGE.encode())

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
            with self._connection.transaction(), self._connection.cursor() as cursor:
                with cursor.copy("COPY stage FROM STDIN") as copy:
                    for row in _decode(body):
                        copy.write_row(row)
                cursor.execute(_MERGE.encode())
                cursor.execute("TRUNCATE stage")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Server(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), lifespan="off", log_level="warning",
        timeout_keep_alive=600,
    )  # fmt: skip
