"""However an edit is saved, it is noticed; and nothing that happens ends the watching."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msyncd.settings.watch import Watcher, contents_digest, names_to_watch

WAIT = 10.0


class Heard:
    """Counts the calls, and reads what stood in the file at each; of `files`, it knows what it read last."""

    def __init__(self, file: Path, files: Callable[[], Iterable[Path]] | None = None) -> None:
        self.file, self.texts, self._any = file, list[str](), threading.Condition()
        self.files = files or (lambda: [file])
        self._read = contents_digest(self.files())

    def read(self) -> str:
        return self._read

    def __call__(self) -> None:
        with self._any:
            self._read = contents_digest(self.files())
            self.texts.append(self.file.read_text() if self.file.exists() else "")
            self._any.notify_all()

    def waits_for(self, text: str) -> bool:
        with self._any:
            return self._any.wait_for(lambda: text in self.texts, WAIT)


@contextmanager
def watching(file: Path, *, poll: float = 60.0) -> Iterator[Heard]:
    """Watches one file. The poll is slow, so that only events can be the reason for being noticed."""
    heard = Heard(file)
    watcher = Watcher(heard.files, heard.read, heard, quiet=0.05, poll=poll)
    watcher.start()
    try:
        yield heard
    finally:
        watcher.stop()


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def save_in_place(file: Path) -> None:
    file.write_text("new")


def save_by_rename(file: Path) -> None:
    written(file.with_name(".msyncd.yaml.swp"), "new").rename(file)


def save_with_backup(file: Path) -> None:
    file.rename(file.with_name("msyncd.yaml~"))
    file.write_text("new")


def delete_and_make_again(file: Path) -> None:
    file.unlink()
    time.sleep(0.3)
    file.write_text("new")


def swap_the_folder(file: Path) -> None:
    new = file.parent.with_name("next")
    written(new / file.name, "new")
    file.parent.rename(file.parent.with_name("previous"))
    new.rename(file.parent)


def make_the_folder_again(file: Path) -> None:
    shutil.rmtree(file.parent)
    time.sleep(0.3)
    written(file, "new")


@pytest.mark.parametrize(
    "save",
    [save_in_place, save_by_rename, save_with_backup, delete_and_make_again, swap_the_folder, make_the_folder_again],
)
def test_an_edit_is_noticed(tmp_path: Path, save: Callable[[Path], None]) -> None:
    file = written(tmp_path / "etc" / "msyncd.yaml", "old")
    with watching(file) as heard:
        save(file)
        assert heard.waits_for("new")
        # What replaced it is watched in turn.
        written(file, "newer")
        assert heard.waits_for("newer")


def test_a_symlinked_folder_that_is_swapped_whole_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes updates a mounted folder: msyncd.yaml → ..data/msyncd.yaml, and ..data is swapped by a rename."""
    written(tmp_path / "etc" / "..v1" / "msyncd.yaml", "old")
    written(tmp_path / "etc" / "..v2" / "msyncd.yaml", "new")
    data, file = tmp_path / "etc" / "..data", tmp_path / "etc" / "msyncd.yaml"
    data.symlink_to("..v1")
    file.symlink_to("..data/msyncd.yaml")
    with watching(file) as heard:
        data.with_name("..tmp").symlink_to("..v2")
        data.with_name("..tmp").rename(data)
        assert heard.waits_for("new")
        written(tmp_path / "etc" / "..v2" / "msyncd.yaml", "newer")
        assert heard.waits_for("newer")


def test_the_target_of_a_symlink_elsewhere_is_noticed(tmp_path: Path) -> None:
    target = written(tmp_path / "shared" / "site.yaml", "old")
    file = tmp_path / "etc" / "msyncd.yaml"
    file.parent.mkdir()
    file.symlink_to(target)
    with watching(file) as heard:
        save_by_rename(target)
        assert heard.waits_for("new")


def test_the_poll_notices_what_no_event_told(tmp_path: Path) -> None:
    """A folder that appears where its parent was missing too has no watch yet."""
    file = tmp_path / "a" / "b" / "msyncd.yaml"
    with watching(file, poll=0.2) as heard:
        written(file, "new")
        assert heard.waits_for("new")


def test_a_failing_reader_is_called_again(tmp_path: Path) -> None:
    file = written(tmp_path / "msyncd.yaml", "old")
    calls = list[str]()
    done = threading.Event()

    read = contents_digest([file])

    def fails_first() -> None:
        calls.append(file.read_text())
        if len(calls) == 1:
            raise RuntimeError("the first time it fails")
        nonlocal read
        read = contents_digest([file])
        done.set()

    watcher = Watcher(lambda: [file], lambda: read, fails_first, quiet=0.05, poll=0.2)
    watcher.start()
    try:
        file.write_text("new")
        assert done.wait(WAIT)
        assert calls == ["new", "new"]
    finally:
        watcher.stop()


def test_nothing_is_told_while_contents_stay(tmp_path: Path) -> None:
    file = written(tmp_path / "msyncd.yaml", "old")
    with watching(file, poll=0.05) as heard:
        os.utime(file)
        written(tmp_path / "store.db", "other files of the folder do not matter")
        file.write_text("old")
        time.sleep(0.5)
        assert heard.texts == []


def test_what_stood_there_before_somebody_else_read_an_edit_is_an_edit_again(tmp_path: Path) -> None:
    """Such as a command that edits the file and tells the daemon so; then somebody takes the edit back at once."""
    file = written(tmp_path / "msyncd.yaml", "old")
    with watching(file) as heard:
        file.write_text("new")
        heard()
        file.write_text("old")
        assert heard.waits_for("old")


def test_a_burst_is_told_once(tmp_path: Path) -> None:
    file = written(tmp_path / "msyncd.yaml", "old")
    heard = Heard(file)
    watcher = Watcher(heard.files, heard.read, heard, quiet=0.4, poll=60)
    watcher.start()
    try:
        for number in range(20):
            file.write_text(str(number))
            time.sleep(0.01)
        assert heard.waits_for("19")
        assert heard.texts == ["19"]
    finally:
        watcher.stop()


def test_files_that_an_edit_names_are_watched_from_then_on(tmp_path: Path) -> None:
    main, other = written(tmp_path / "a" / "msyncd.yaml", "old"), tmp_path / "b" / "types.yaml"
    heard = Heard(other, lambda: [main, other] if main.read_text() == "both" else [main])
    watcher = Watcher(heard.files, heard.read, heard, quiet=0.05, poll=60)
    watcher.start()
    try:
        written(other, "first")
        main.write_text("both")
        assert heard.waits_for("first")
        other.write_text("second")
        assert heard.waits_for("second")
    finally:
        watcher.stop()


def test_a_plugin_that_is_added_to_a_watched_folder_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    heard = Heard(folder / "new.py", lambda: [folder])
    watcher = Watcher(heard.files, heard.read, heard, quiet=0.05, poll=60)
    watcher.start()
    try:
        written(folder / "new.py", "new")
        assert heard.waits_for("new")
    finally:
        watcher.stop()


def test_the_digest_is_of_contents(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "one")
    first = contents_digest([file])
    assert contents_digest([file]) == first
    file.write_text("two")
    assert contents_digest([file]) != first
    file.unlink()
    missing = contents_digest([file])
    assert missing != first
    written(file, "")
    assert contents_digest([file]) != missing


def test_only_names_that_matter_are_watched(tmp_path: Path) -> None:
    file = written(tmp_path / "etc" / "msyncd.yaml", "old")
    watched = names_to_watch([file])
    assert watched[tmp_path / "etc"] == {"msyncd.yaml"}
    assert watched[tmp_path] == {"etc"}


def test_names_that_cannot_be_are_missing_files(tmp_path: Path) -> None:
    impossible = [tmp_path / ("x" * 300), tmp_path / "a\0b"]
    assert contents_digest(impossible) == contents_digest(impossible)
    assert tmp_path in names_to_watch(impossible)


def test_a_circle_of_symlinks_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert tmp_path in names_to_watch([tmp_path / "a"])
