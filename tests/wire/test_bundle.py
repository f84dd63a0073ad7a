"""A bundle as a file: it is whole and signed, or it is refused in words and gives nothing out."""

import os
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msyncd.errors import BundleRefused, MessageInvalid, MsyncdError
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.conversation import Batch, Push, TypeChanges
from msyncd.model import Cursor
from msyncd.wire import bundle
from msyncd.wire.bundle import BundleReader, Message, writing

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
HEAD = BundleHead(1, "0.1.0", "2026-01-01T00:00:00Z", 2, 1, "db", 1, "machine", 1, "mark", "ed25519:x")


def item(number: int, rows: int = 2) -> BundleItem:
    changes = TypeChanges("stock", ("id", "note"), rows=[(f"{number}-{n}", "å\x00☂" * 20) for n in range(rows)])
    return BundleItem(Push(Batch(Cursor(0, number), Cursor(0, number + 1), "mark", (changes,)), "db", 1))


def written(path: Path, items: int = 3, head: Message = HEAD) -> Path:
    with writing(path, KEY.private_bytes_raw()) as writer:
        writer.put(head)
        for number in range(items):
            writer.put(item(number))
        writer.put(BundleEnd(items, 2 * items))
    return path


def opened(path: Path) -> BundleReader:
    return BundleReader(path, lambda _head: PUBLIC)


def test_p37_what_was_written_is_read_again_as_often_as_one_likes(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a")) as reader:
        assert (reader.head, reader.end) == (HEAD, BundleEnd(3, 6))
        for _ in range(2):
            assert list(reader.items()) == [item(number) for number in range(3)]


def broken_off(path: Path) -> None:
    """Somebody ends the command while it writes."""
    with writing(path, KEY.private_bytes_raw()) as writer:
        writer.put(HEAD)
        raise KeyboardInterrupt


def test_p37_it_is_for_its_owner_alone_and_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(KeyboardInterrupt):
        broken_off(path)
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(written(path).stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_p37_exporting_again_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "a", 1)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        broken_off(path)
    assert path.read_bytes() == before
    with opened(written(path, 2)) as reader:
        assert reader.end.items == 2


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_p37_no_byte_can_be_changed_cut_or_added(tmp_path: Path, data: st.DataObject) -> None:
    whole = written(tmp_path / "a").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
                whole[:at],
                whole + data.draw(st.binary(min_size=1, max_size=70)),
                whole[:at] + whole[at + 1 :],
            ]
        )
    )
    (tmp_path / "b").write_bytes(changed)
    with pytest.raises(BundleRefused):
        opened(tmp_path / "b")


def test_p37_items_cannot_be_exchanged_or_left_out(tmp_path: Path) -> None:
    whole = written(tmp_path / "a").read_bytes()
    sections, place = [], 10
    while place < len(whole):
        end = place + 5 + int.from_bytes(whole[place + 1 : place + 5])
        sections.append(whole[place:end])
        place = end
    assert [one[:1] for one in sections] == [b"H", b"I", b"I", b"I", b"E", b"S"]
    for order in ([0, 2, 1, 3, 4, 5], [0, 1, 2, 4, 5], [0, 1, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 1, 2, 3, 5], [0, 4]):
        (tmp_path / "b").write_bytes(whole[:10] + b"".join(sections[at] for at in order))
        with pytest.raises(BundleRefused):
            opened(tmp_path / "b")


def test_p37_another_key_or_none_signs_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(BundleRefused, match="not signed with the key of site 2"):
        BundleReader(path, lambda _head: other)


def test_p37_a_file_that_is_changed_after_it_was_checked_gives_nothing_more_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a", 2000)
    with opened(path) as reader:
        items = reader.items()
        next(items)
        half = path.stat().st_size // 2
        with path.open("r+b") as file:
            file.seek(half)
            file.write(os.urandom(half))
        with pytest.raises(BundleRefused, match="changed while"):
            list(items)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ends in the middle"),
        (b"this_site: {sync_id: 1}\n", "no bundle of msyncd"),
        (bundle.MAGIC.replace(b"\r\n", b"\n") + bytes(20), "no bundle of msyncd"),
        (bundle.MAGIC + b"\x00\x02" + bytes(20), "format 2"),
        (bundle.MAGIC + b"\x00\x01H\xff\xff\xff\xff" + bytes(20), "too large"),
        (bundle.MAGIC + b"\x00\x01H\x00\x00\x00\x04abcd" + bytes(80), "zstd"),
    ],
)
def test_p37_what_is_no_bundle_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BundleRefused, match=words):
        opened(tmp_path / "a")


def test_p37_a_body_that_would_explode_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a")
    with opened(path) as reader:
        monkeypatch.setattr(bundle, "MESSAGE_BYTES", 100)
        with pytest.raises(MessageInvalid, match="larger than"):
            list(reader.items())


def test_p37_memory_is_bounded_by_an_item(tmp_path: Path) -> None:
    def peak(items: int) -> int:
        tracemalloc.start()
        with opened(written(tmp_path / "a", items)) as reader:
            assert sum(1 for _ in reader.items()) == items
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(2000) < 2 * peak(200)


@pytest.mark.parametrize("doing", [lambda path: written(path / "no" / "a"), lambda path: opened(path / "a")])
def test_a_file_that_cannot_be_had_is_one_line(tmp_path: Path, doing: Callable[[Path], object]) -> None:
    with pytest.raises(MsyncdError, match="cannot be"):
        doing(tmp_path)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fdopen = os.fdopen

    def full(handle: int, mode: str) -> IO[Any]:
        os.close(handle)
        return fdopen(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(MsyncdError, match="No space left"):
        written(tmp_path / "a", 50)
    assert list(tmp_path.iterdir()) == []
