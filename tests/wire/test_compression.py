"""What was compressed comes back, and no body may grow beyond its limit."""

import tracemalloc

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from msyncd.errors import MessageInvalid
from msyncd.wire.compression import MessageTooLarge, compress, decompress

MIB = 1 << 20


@given(st.binary())
def test_it_comes_back(body: bytes) -> None:
    assert decompress(compress(body), len(body)) == body


def test_several_frames_are_one_body() -> None:
    assert decompress(compress(b"one ") + compress(b"two"), 100) == b"one two"


def bomb(size: int, *, with_size: bool) -> bytes:
    body = zstandard.ZstdCompressor(level=19, write_content_size=with_size).compress(bytes(size))
    assert len(body) < size / 1000
    return body


@pytest.mark.parametrize("with_size", [True, False])
def test_a_bomb_is_stopped_at_the_limit_and_takes_no_more_memory(with_size: bool) -> None:
    body = bomb(256 * MIB, with_size=with_size)
    tracemalloc.start()
    with pytest.raises(MessageTooLarge):
        decompress(body, 4 * MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * MIB


def test_many_frames_count_together() -> None:
    with pytest.raises(MessageTooLarge):
        decompress(compress(bytes(MIB)) * 5, 4 * MIB)


def test_the_limit_itself_is_allowed() -> None:
    assert len(decompress(compress(bytes(MIB)), MIB)) == MIB
    with pytest.raises(MessageTooLarge):
        decompress(compress(bytes(MIB + 1)), MIB)


def test_a_huge_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = writer.compress(b"x" * 100) + writer.flush()
    with pytest.raises(MessageInvalid):
        decompress(body, MIB)


@given(st.data())
def test_a_frame_that_was_cut_short_is_never_a_whole_message(data: st.DataObject) -> None:
    body = compress(msgspec.msgpack.encode({"rows": [number * 7919 for number in range(5000)]}))
    cut = body[: data.draw(st.integers(0, len(body) - 4))]
    with pytest.raises((MessageInvalid, msgspec.DecodeError)):
        msgspec.msgpack.decode(decompress(cut, MIB))


@pytest.mark.parametrize("body", [b"no zstd at all", compress(b"x") + b"junk"])
def test_what_is_no_zstd_is_refused(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        decompress(body, MIB)
