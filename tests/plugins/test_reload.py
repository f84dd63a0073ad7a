"""Calls are counted, and a reload makes a new value beside the one that still runs."""

import gc
import sys
from pathlib import Path

from msyncd.plugins import Plugins
from tests.plugins.support import STOCK, loaded, nothing_here, stock, write


def test_calls_and_time_are_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        "slow.py",
        """
        import time
        @hookimpl
        def msyncd_started(): time.sleep(0.01)
    """,
    )
    plugins = loaded(tmp_path, "slow.py")
    plugins.started()
    plugins.started()
    (report,) = plugins.report()
    assert (report.calls, report.hooks, report.origin) == (2, ("msyncd_started",), str(tmp_path / "slow.py"))
    assert 0.02 <= report.seconds < 5


def test_an_edit_is_seen_by_the_next_load_and_not_by_the_last(tmp_path: Path) -> None:
    batch = stock(("a", "B", 1))

    def reason(plugins: Plugins) -> str:
        return str(plugins.check(STOCK, batch, nothing_here(batch), 2).decisions[0].verdict)

    # Same length, same second: the cache of bytecode would not notice.
    source = "@hookimpl\ndef msyncd_check(): return [Refuse('WORD')]\n"
    write(tmp_path, "word.py", source.replace("WORD", "old"))
    old = loaded(tmp_path, "word.py")
    write(tmp_path, "word.py", source.replace("WORD", "new"))
    new = loaded(tmp_path, "word.py")
    assert (reason(old), reason(new)) == ("Refuse(reason='old')", "Refuse(reason='new')")


def test_what_is_no_longer_used_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path, "once_only.py", "@hookimpl\ndef msyncd_started(): ...\n")
    plugins = loaded(tmp_path, "once_only.py")
    assert [name for name in sys.modules if "once_only" in name]
    del plugins
    gc.collect()
    assert not [name for name in sys.modules if "once_only" in name]


def test_the_fingerprint_of_a_hook_changes_with_files_settings_and_order(tmp_path: Path) -> None:
    source = """
        from pydantic import BaseModel
        class Settings(BaseModel):
            days: int = 1
        @hookimpl
        def msyncd_filter(): ...
    """
    write(tmp_path, "one.py", source)
    write(tmp_path, "two.py", source)
    first = loaded(tmp_path, "one.py", "two.py", rules=True).fingerprint("filter")
    assert loaded(tmp_path, "one.py", "two.py").fingerprint("msyncd_filter") == first
    assert loaded(tmp_path, "two.py", "one.py").fingerprint("filter") != first
    assert loaded(tmp_path, "one.py", "two.py", settings={"days": 2}).fingerprint("filter") != first
    write(tmp_path, "two.py", source.replace("days: int = 1", "days: int = 3"))
    assert loaded(tmp_path, "one.py", "two.py").fingerprint("filter") != first
    assert loaded(tmp_path, rules=True).fingerprint("check") == ""
