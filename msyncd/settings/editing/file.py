"""A configuration file as it is edited: read, changed, and written so that nothing of it can be lost.

The new file is written whole beside the old one, made durable, and put in its place by a rename: whoever reads, or a
crash at any moment, finds the old or the new. A file that somebody else has changed since it was read is left alone.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem, TryLater
from msyncd.settings.document import decoded, read
from msyncd.settings.durable import alone, exchanged, sync_folder
from msyncd.settings.editing.edits import Edit, edited
from msyncd.settings.loading import attempt
from msyncd.settings.sources import absolute
from msyncd.settings.values import Settings

_MARK = b"\xef\xbb\xbf"
_RIGHTS = ("system.posix_acl_access", "security.selinux")


class ChangedUnderneath(TryLater):
    """Somebody else has changed the file since it was read; nothing was written."""


class CannotWrite(MsyncdError):
    """The file cannot be written; it stands as it stood."""


@dataclass(frozen=True)
class Document:
    """The main file of a configuration. `digest` is that of what stood in it when it was read.

    `settings` is what the text, with the other files as they are, says; None if it has errors, which are in `problems`.
    """

    path: Path
    digest: str
    text: str = field(repr=False)
    settings: Settings | None = field(repr=False)
    problems: tuple[Problem, ...] = ()
    mark: bool = False

    @property
    def content(self) -> bytes:
        """The text as it is written, with the byte order mark that the file had."""
        return (_MARK if self.mark else b"") + self.text.encode("utf-8")


def read_document(path: Path, *, environment: Mapping[str, str] = os.environ) -> Document:
    """The file as it stands, to be edited. Raises ConfigurationInvalid if it cannot be read as YAML."""
    path = absolute(Path.cwd(), str(path))
    parsed = read(path)
    if parsed.root is None:
        places = [Problem(path.name, one.mark.line, one.mark.column, one.message, one.hint) for one in parsed.flaws]
        raise ConfigurationInvalid(tuple(places or [Problem(path.name, 1, 1, "the file is empty")]))
    made = attempt(path, environment, {path: parsed.content})
    settings = made.loaded.settings if made.loaded else None
    mark = parsed.content.startswith(_MARK)
    return Document(path, _digest(parsed.content), decoded(parsed.content), settings, made.problems, mark)


def edit(document: Document, edits: Sequence[Edit], *, environment: Mapping[str, str] = os.environ) -> Document:
    """The document with the edits made, nothing written yet; every line that they do not concern is as it was.

    Raises EditRefused if the file is written in a way that cannot be edited so, and ConfigurationInvalid, with every
    problem and its place, if the result would have errors.
    """
    changed = replace(document, text=edited(document.text, edits))
    made = attempt(document.path, environment, {document.path: changed.content})
    if made.loaded is None:
        raise ConfigurationInvalid(made.problems)
    return replace(changed, settings=made.loaded.settings, problems=made.problems)


def save(document: Document) -> Document:
    """Write the document in the place of its file, with that file's mode and owner; the document as it now stands.

    Raises ChangedUnderneath if the file is not the one that was read, CannotWrite if it cannot be written.
    """
    target = document.path.resolve()  # a symbolic link stays one
    try:
        with alone(target.parent):
            _sweep(target)
            _check(document, target)
            temporary = _written(document.content, target)
            try:
                _check(document, target)
                _put_in_place(document, temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(target.parent)
    except OSError as error:
        hint = "run this as the user that owns it, or as root; the daemon needs ReadWritePaths for its folder"
        raise CannotWrite(f"{document.path} cannot be written: {error.strerror or error}", hint=hint) from error
    return replace(document, digest=_digest(document.content))


def _check(document: Document, file: Path) -> None:
    try:
        now: str | None = _digest(file.read_bytes())
    except FileNotFoundError:
        now = None
    if now != document.digest:
        what = "was changed by somebody else since it was read" if now else "is not there any more"
        raise ChangedUnderneath(f"{document.path} {what}; nothing was written", hint="look at it, then do it again")


def _put_in_place(document: Document, temporary: Path, target: Path) -> None:
    """Exchange the two, then look at what was taken out: somebody may have saved just before. Theirs goes back then."""
    if not exchanged(temporary, target):
        temporary.replace(target)  # this file system cannot exchange: that moment stays open
        return
    try:
        _check(document, temporary)
    except ChangedUnderneath:
        exchanged(temporary, target)
        raise


def _written(content: bytes, target: Path) -> Path:
    """The new file beside the old, durable, with the old one's mode, owner and rights. Raises OSError."""
    old = target.stat()
    temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            made = os.fstat(out.fileno())
            if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
                os.fchown(out.fileno(), old.st_uid, old.st_gid)
            for name in _RIGHTS:
                with suppress(OSError):  # there is none, or this file system knows none
                    os.setxattr(out.fileno(), name, os.getxattr(target, name))
            os.fchmod(out.fileno(), old.st_mode & 0o7777)
            os.fsync(out.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _prefix(target: Path) -> str:
    return f".{target.name}.msyncd-"


def _sweep(target: Path) -> None:
    """What a save left that was killed: nobody else is saving now."""
    for left in target.parent.iterdir():
        if left.name.startswith(_prefix(target)):
            left.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
