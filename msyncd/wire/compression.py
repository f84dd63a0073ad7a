"""zstd for bodies: fast on the way out, bounded on the way in."""

import io
import threading
from typing import Final

import zstandard

from msyncd.errors import MessageInvalid

ENCODING: Final = "zstd"
"""The Content-Encoding, and what Accept-Encoding must name."""

WORTH_BYTES: Final = 1024
"""Below this a body travels as it is: the frame would not pay for itself."""

_WINDOW: Final = 1 << 23  # what RFC 8878 asks every decoder to support; a larger one only costs memory
_STEP: Final = 1 << 20
_LEVEL: Final = 1
_kept = threading.local()


class MessageTooLarge(MessageInvalid):
    """A message over the size limit, as it came or once decompressed."""


def _compressor() -> zstandard.ZstdCompressor:
    """One per thread: it may not be shared, and making one costs more than a small body."""
    if not hasattr(_kept, "compressor"):
        _kept.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    compressor: zstandard.ZstdCompressor = _kept.compressor
    return compressor


def compress(body: bytes) -> bytes:
    """The body as one zstd frame."""
    return _compressor().compress(body)


def decompress(body: bytes, limit: int) -> bytes:
    """The body out of its frames (one or several), at most `limit` bytes.

    Raises MessageTooLarge as soon as the limit is passed, whatever the frames say of their size; MessageInvalid for
    what is no zstd. A frame that was cut short gives what there is of it: the message inside is then cut short too.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    pieces: list[bytes] = []
    size = 0
    try:
        with decompressor.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            while piece := reader.read(min(_STEP, limit + 1 - size)):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise MessageTooLarge(
                        f"the message is larger than {limit} bytes once decompressed",
                        hint="send a smaller batch",
                    )
    except zstandard.ZstdError as error:
        raise MessageInvalid(f"the body is not valid zstd: {error}") from error
    return b"".join(pieces)
