"""A file is read, edited and saved so that nothing of it can be lost: by a crash, by another writer, by its rights."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid
from msyncd.settings.editing import (
    AddSite,
    CannotWrite,
    ChangedUnderneath,
    EditRefused,
    Set,
    SetSite,
    edit,
    read_document,
    save,
)
from msyncd.settings.loading import load

TEXT = """\
# the primary
this_site: {sync_id: 1, name: Central, database: "sqlite:///a.db", active_stores: [CMS]}   # here
sync_with:
  - {sync_id: 2, name: Bumban, active_stores: [BUM]}
record_types: {item: {table: item, key: ID, edited_on: primary, sent_to: every_site}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "msyncd.yaml"
    made.write_text(TEXT, encoding="utf-8")
    made.chmod(0o640)
    return made


def test_an_edit_is_seen_whole_before_it_is_saved_and_after(file: Path) -> None:
    document = read_document(file, environment={})
    assert document.settings is not None
    changed = edit(document, [AddSite({"sync_id": 3, "active_stores": ["KAL"]})], environment={})
    assert changed.settings is not None
    assert [one.sync_id for one in changed.settings.sync_with] == [2, 3]
    assert file.read_text(encoding="utf-8") == TEXT
    saved = save(changed)
    assert [one.sync_id for one in load(file, environment={}).settings.sync_with] == [2, 3]
    assert load(file, environment={}).settings == changed.settings
    save(edit(saved, [SetSite(3, "name", "Kalo")], environment={}))  # what was saved may be edited further
    assert "{sync_id: 3, active_stores: [KAL], name: Kalo}" in file.read_text(encoding="utf-8")


def test_what_would_be_invalid_is_refused_with_its_place(file: Path) -> None:
    document = read_document(file, environment={})
    with pytest.raises(ConfigurationInvalid) as refused:
        edit(document, [AddSite({"sync_id": 3, "active_stores": ["BUM"]})], environment={})
    assert [(one.line, one.message) for one in refused.value.problems] == [
        (5, "store BUM is active on site 2 (line 4) and on site 3")
    ]
    assert file.read_text(encoding="utf-8") == TEXT


def test_an_edit_may_mend_a_file_that_is_invalid(file: Path) -> None:
    file.write_text(TEXT.replace("sync_id: 2", "sync_id: 99"), encoding="utf-8")
    document = read_document(file, environment={})
    assert (document.settings, len(document.problems)) == (None, 1)
    with pytest.raises(ConfigurationInvalid):
        edit(document, [Set("this_site.name", "Centre")], environment={})
    save(edit(document, [SetSite(99, "sync_id", 2)], environment={}))
    assert file.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: [\n", "a: \x00\n"])
def test_what_is_no_yaml_cannot_be_edited(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigurationInvalid, EditRefused)):
        edit(read_document(file, environment={}), [Set("log.level", "debug")], environment={})


def test_a_file_that_is_not_there_cannot_be_edited(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        read_document(tmp_path / "none.yaml")


def test_mode_byte_order_mark_and_line_ends_stay(file: Path) -> None:
    content = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    file.write_bytes(content)
    save(edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={}))
    assert file.read_bytes() == content.replace(b"Central", b"Centre")
    assert file.stat().st_mode & 0o7777 == 0o640
    assert [one.name for one in file.parent.iterdir()] == ["msyncd.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 12345, 54321)
    save(edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={}))
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o7777) == (12345, 54321, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_who_may_not_keep_the_owner_changes_nothing(file: Path) -> None:
    file.parent.chmod(0o777)
    file.chmod(0o644)
    code = (
        "import os, sys, pathlib\n"
        "from msyncd.settings.editing import *\n"
        "document = edit(read_document(pathlib.Path(sys.argv[1])), [Set('this_site.name', 'Centre')])\n"
        "os.setuid(12345)\n"
        "try: save(document)\n"
        "except CannotWrite as error: print(error); sys.exit(error.exit_status)"
    )
    for above in list(file.parents)[:3]:
        above.chmod(above.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "cannot be written" in done.stdout
    assert "root" in done.stdout
    assert file.read_text(encoding="utf-8") == TEXT
    assert [one.name for one in file.parent.iterdir()] == ["msyncd.yaml"]


def test_a_symbolic_link_stays_one(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    link = folder / "link.yaml"
    link.symlink_to(Path("..") / file.name)
    save(edit(read_document(link, environment={}), [Set("this_site.name", "Centre")], environment={}))
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8") == TEXT.replace("Central", "Centre")


@pytest.mark.parametrize("how", ["edited", "replaced", "gone"])
def test_a_file_that_changed_underneath_is_never_overwritten(file: Path, how: str) -> None:
    changed = edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={})
    theirs = TEXT + "# theirs\n"
    if how == "edited":
        file.write_text(theirs, encoding="utf-8")
    elif how == "replaced":
        (file.parent / "new").write_text(theirs, encoding="utf-8")
        (file.parent / "new").replace(file)
    else:
        file.unlink()
    with pytest.raises(ChangedUnderneath, match="nothing was written"):
        save(changed)
    assert (file.read_text(encoding="utf-8") if how != "gone" else theirs) == theirs
    assert [one.name for one in file.parent.iterdir()] == ([] if how == "gone" else ["msyncd.yaml"])


@pytest.mark.parametrize("can", [True, False], ids=["exchanges", "cannot exchange"])
def test_what_somebody_saves_at_the_last_moment_is_put_back(
    file: Path, monkeypatch: pytest.MonkeyPatch, can: bool
) -> None:
    from msyncd.settings.durable import exchanged
    from msyncd.settings.editing import file as module

    theirs, calls = TEXT + "# theirs\n", list[Path]()

    def late(one: Path, other: Path) -> bool:
        if not calls and can:
            file.write_text(theirs, encoding="utf-8")
        calls.append(one)
        return exchanged(one, other) if can else False

    monkeypatch.setattr(module, "exchanged", late)
    changed = edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={})
    if can:
        with pytest.raises(ChangedUnderneath):
            save(changed)
        assert file.read_text(encoding="utf-8") == theirs
    else:
        save(changed)
        assert file.read_text(encoding="utf-8") == TEXT.replace("Central", "Centre")
    assert [one.name for one in file.parent.iterdir()] == ["msyncd.yaml"]


def test_a_file_that_was_touched_and_not_changed_is_saved(file: Path) -> None:
    changed = edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={})
    file.write_text(TEXT, encoding="utf-8")
    save(changed)
    assert "Centre" in file.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_said(file: Path) -> None:
    document = edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={})
    file.unlink()
    file.parent.rmdir()
    with pytest.raises((CannotWrite, ChangedUnderneath)):
        save(document)


ADD = """
import pathlib, sys
from msyncd.settings.editing import *
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    while True:
        try:
            save(edit(read_document(pathlib.Path(sys.argv[1])), [AddSite({"sync_id": number})]))
            print(number, flush=True)
            break
        except ChangedUnderneath:
            continue
"""


def test_writers_at_the_same_time_lose_nothing(file: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", ADD, file, str(first), str(first + 8)], stdout=subprocess.DEVNULL)
        for first in (10, 20, 30)
    ]
    assert [one.wait(100) for one in running] == [0, 0, 0]
    settings = load(file, environment={}).settings
    wished = [2, *range(10, 18), *range(20, 28), *range(30, 38)]
    assert sorted(one.sync_id for one in settings.sync_with) == wished


def test_killed_while_it_saves_it_leaves_the_old_file_or_the_new(file: Path) -> None:
    told: list[int] = []
    for turn in range(6):
        first = 10 + 8 * turn
        adding = subprocess.Popen(
            [sys.executable, "-c", ADD, file, str(first), str(first + 8)], stdout=subprocess.PIPE, text=True
        )
        assert adding.stdout is not None
        told.append(int(adding.stdout.readline()))
        time.sleep(0.003 * turn)
        adding.send_signal(signal.SIGKILL)
        told += map(int, adding.stdout.read().split())
        adding.stdout.close()
        adding.wait(20)
    there = [one.sync_id for one in load(file, environment={}).settings.sync_with]
    assert set(told) <= set(there), "what was said to be saved stands"
    assert file.read_text(encoding="utf-8").startswith(TEXT[: TEXT.index("record_types")])
    save(edit(read_document(file, environment={}), [Set("this_site.name", "Centre")], environment={}))
    assert [one.name for one in file.parent.iterdir()] == ["msyncd.yaml"], "what was left behind is swept up"
