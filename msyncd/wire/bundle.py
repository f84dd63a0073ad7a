"""A bundle as a file (P37): sections of compressed messages, and a signature over all of them. See docs/protocol.md.

Written and read one section at a time, whatever its size. It appears under its name when it is whole, for its owner
alone; nothing of it is given out before the signature over the whole file was seen to be right.
"""

import os
import secrets
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeVar

import msgspec

from msyncd.errors import BundleRefused, MessageInvalid, MsyncdError
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.settings.durable import sync_folder
from msyncd.wire.codec import decode, encode
from msyncd.wire.compression import compress, decompress

MAGIC: Final = b"\x89MSYNC\r\n"
"""The first byte is no text, and the last two are lost when a file is carried as text: both are noticed."""
FORMAT: Final = 1
SECTION_BYTES: Final = 64 << 20
MESSAGE_BYTES: Final = 256 << 20
SIGNATURE_BYTES: Final = 64
_START: Final = struct.Struct(">8sH")
_SECTION: Final = struct.Struct(">cI")
_HEAD, _ITEM, _END, _SIGNATURE = b"H", b"I", b"E", b"S"
_KINDS: Final = {BundleHead: _HEAD, BundleItem: _ITEM, BundleEnd: _END}
_SIGNED: Final = b"msyncd bundle\0"

M = TypeVar("M", bound=msgspec.Struct)

Message = BundleHead | BundleItem | BundleEnd


class BundleWriter:
    """Writes a bundle beside its place under another name; `finish` signs it and puts it there."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path, self._key = path, key
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
        handle = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._digest = blake2b()
        self.size = 0
        self._write(_START.pack(MAGIC, FORMAT))

    def put(self, message: Message) -> None:
        """Write the next message. Raises OSError, MessageInvalid."""
        body = compress(encode(message))
        if len(body) > SECTION_BYTES:
            raise MessageInvalid(f"a batch of {len(body):,} bytes is too large for a bundle", hint="use the line")
        self._write(_SECTION.pack(_KINDS[type(message)], len(body)) + body)

    def finish(self) -> None:
        """Sign it, make it durable, and put it under its name. Raises OSError."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        signature = Ed25519PrivateKey.from_private_bytes(self._key).sign(_SIGNED + self._digest.digest())
        self._write(_SECTION.pack(_SIGNATURE, len(signature)) + signature)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        with suppress(OSError):  # some file systems of sticks cannot make names durable by themselves
            sync_folder(self._path.parent)

    def give_up(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # what is still to be flushed may not fit on the disk
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


@contextmanager
def writing(path: Path, key: bytes) -> Iterator[BundleWriter]:
    """Inside, a bundle is written; it is there once the block has ended. Raises MsyncdError if the disk does not."""
    writer: BundleWriter | None = None
    try:
        writer = BundleWriter(path, key)
        yield writer
        writer.finish()
    except OSError as error:
        raise MsyncdError(
            f"{path} cannot be written: {error.strerror or error}", hint="nothing was lost: export again"
        ) from error
    finally:
        if writer is not None:
            writer.give_up()


class BundleReader:
    """A bundle that is whole and signed by whom it should be: `head`, `end`, and the items as often as one likes."""

    def __init__(self, path: Path, key_of: Callable[[BundleHead], bytes]) -> None:
        """Reads the whole file once. `key_of` gives the key of a head's sender, or raises. Raises BundleRefused."""
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise MsyncdError(f"{path} cannot be read: {error.strerror}", hint="is it the right file?") from error
        try:
            self._check(key_of)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def items(self) -> Iterator[BundleItem]:
        """The items, in their order. Raises BundleRefused if the file was changed since it was checked."""
        self._file.seek(self._first_item)
        for seen in self._items:
            kind, body = self._section()
            if kind != _ITEM or _short(body) != seen:
                raise self._refused("it was changed while it was read", "import it again")
            yield decode(decompress(body, MESSAGE_BYTES), BundleItem)

    def _check(self, key_of: Callable[[BundleHead], bytes]) -> None:
        digest = blake2b()
        start = self._read(_START.size)
        magic, form = _START.unpack(start)
        if magic != MAGIC:
            raise self._refused("this is no bundle of msyncd", "is it the right file? was it carried as text?")
        if form != FORMAT:
            raise self._refused(f"it has format {form}, and format {FORMAT} is known here", "upgrade msyncd here")
        digest.update(start)
        self._items: list[bytes] = []
        kind, body = self._section(digest)
        if kind != _HEAD:
            raise self._refused("it has no head", "export it again")
        self.head = self._decoded(body, BundleHead)
        self._first_item = self._file.tell()
        while True:
            kind, body = self._section(digest)
            if kind != _ITEM:
                break
            self._items.append(_short(body))
        if kind != _END:
            raise self._refused("it has no end", "export it again")
        self.end = self._decoded(body, BundleEnd)
        kind, signature = self._section()
        if kind != _SIGNATURE or len(signature) != SIGNATURE_BYTES or self._file.read(1):
            raise self._refused("it does not end with its signature", "export it again")
        self._verify(key_of(self.head), signature, digest.digest())

    def _verify(self, key: bytes, signature: bytes, digest: bytes) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, _SIGNED + digest)
        except (InvalidSignature, ValueError):
            raise self._refused(
                f"it is not signed with the key of site {self.head.sender}",
                "it was damaged or changed on its way, or comes from elsewhere; nothing was applied",
            ) from None

    def _section(self, digest: "blake2b | None" = None) -> tuple[bytes, bytes]:
        start = self._read(_SECTION.size)
        kind, length = _SECTION.unpack(start)
        if length > SECTION_BYTES:
            raise self._refused(f"a section of {length:,} bytes is too large", "it was damaged; export it again")
        body = self._read(length)
        if digest is not None and kind != _SIGNATURE:
            digest.update(start)
            digest.update(body)
        return kind, body

    def _read(self, size: int) -> bytes:
        try:
            found = self._file.read(size)
        except OSError as error:
            raise MsyncdError(f"{self._path} cannot be read: {error.strerror}", hint="copy it again") from error
        if len(found) < size:
            raise self._refused("it ends in the middle", "copy it again")
        return found

    def _decoded(self, body: bytes, kind: type[M]) -> M:
        try:
            return decode(decompress(body, MESSAGE_BYTES), kind)
        except MessageInvalid as error:
            raise self._refused(error.what, "it was damaged, or made by another version") from error

    def _refused(self, what: str, hint: str) -> BundleRefused:
        return BundleRefused(f"{self._path.name}: {what}", hint=hint)


def _short(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()
