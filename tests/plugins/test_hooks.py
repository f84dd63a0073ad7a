"""The hooks that are told rather than asked, in and out of the transaction."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest

from msyncd.errors import TryLater
from msyncd.model import AppliedBatch, CycleSummary, Refusal
from msyncd.plugins import Plugins
from tests.plugins.support import PEER, STOCK, Ledger, loaded, nothing_here, stock, write

BATCH = AppliedBatch(2, "mark", {"stock": stock(("a", "B", 1))})

RECORDER = """
    told = []
    @hookimpl
    def msyncd_committed(batch): told.append(("committed", batch.mark))
    @hookimpl
    def msyncd_refused(refusals): told.append(("refused", [refusal.reason for refusal in refusals]))
    @hookimpl
    def msyncd_cycle_finished(cycle): told.append(("cycle_finished", cycle.sent))
    @hookimpl
    def msyncd_store_moved(store, old_site, new_site, epoch): told.append((store, old_site, new_site, epoch))
    @hookimpl
    def msyncd_site_joined(site): told.append(("site_joined", site.sync_id))
    @hookimpl
    def msyncd_config_changed(old, new): told.append(("config_changed", old, new))
    @hookimpl
    def msyncd_started(): told.append(("started",))
    @hookimpl
    def msyncd_stopping(context): context.settings; told.append(("stopping",))
    @hookimpl
    def msyncd_check(): return [Refuse(str(told))]
"""


def tell_all(plugins: Plugins) -> list[str]:
    """Call every hook that is only told; the plugins that failed, one name for each failure."""
    failures = [
        plugins.committed(BATCH),
        plugins.refused([Refusal("stock", ("a",), "never", "p")]),
        plugins.cycle_finished(CycleSummary(sent=3)),
        plugins.store_moved("B", 2, 3, 5),
        plugins.site_joined(PEER),
        plugins.config_changed("old", "new"),
        plugins.started(),
        plugins.stopping(),
    ]
    return [failed.plugin for each in failures for failed in each]


def test_each_is_told_with_what_happened(tmp_path: Path) -> None:
    write(tmp_path, "recorder.py", RECORDER)
    plugins = loaded(tmp_path, "recorder.py")
    assert tell_all(plugins) == []
    batch = stock(("a", "B", 1))
    told = str(plugins.check(STOCK, batch, nothing_here(batch), 2).decisions[0].verdict)
    for expected in (
        "('committed', 'mark')",
        "('refused', ['never'])",
        "('cycle_finished', 3)",
        "('B', 2, 3, 5)",
        "('site_joined', 2)",
        "('config_changed', 'old', 'new')",
        "('started',), ('stopping',)",
    ):
        assert expected in told


def test_one_that_raises_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    write(tmp_path, "recorder.py", RECORDER)
    broken = RECORDER.replace("told.append", "told.nothing").replace("context.settings;", "")
    write(tmp_path, "broken.py", broken)
    plugins = loaded(tmp_path, "broken.py", "recorder.py")
    assert tell_all(plugins) == ["broken"] * 8
    reports = {report.name: report for report in plugins.report()}
    assert (reports["broken"].failures, reports["recorder"].failures) == (8, 0)
    assert "msyncd_stopping" in str(reports["broken"].last_failure)


# --- in the transaction ---


@pytest.mark.parametrize("hook", ["before_apply", "applied"])
def test_what_a_raising_plugin_wrote_is_undone_and_the_others_writes_stand(tmp_path: Path, hook: str) -> None:
    for name, then in (("one", ""), ("two", "1 / 0"), ("three", "")):
        write(
            tmp_path,
            f"{name}.py",
            f"""
            @hookimpl
            def msyncd_{hook}(transaction, batch):
                transaction.execute("{name}")
                with transaction.as_application():
                    transaction.execute(batch.mark)
                {then or "pass"}
        """,
        )
    ledger = Ledger()
    plugins = loaded(tmp_path, "one.py", "two.py", "three.py")
    told = plugins.before_apply if hook == "before_apply" else plugins.applied
    failed = told(ledger, BATCH)
    assert ledger.written == ["one", "mark", "three", "mark"]
    assert [(failure.plugin, failure.hook, failure.indexes) for failure in failed] == [("two", f"msyncd_{hook}", None)]
    assert "ZeroDivisionError" in failed[0].traceback


def test_a_locked_database_in_the_transaction_puts_the_batch_off(tmp_path: Path) -> None:
    write(
        tmp_path,
        "writer.py",
        """
        from msyncd.errors import DatabaseUnavailable
        @hookimpl
        def msyncd_applied(transaction):
            transaction.execute("half")
            raise DatabaseUnavailable("locked")
    """,
    )
    ledger = Ledger()
    with pytest.raises(TryLater):
        loaded(tmp_path, "writer.py").applied(ledger, BATCH)
    assert ledger.written == []


# --- configuration, commands, routes, metrics ---


def test_plugins_find_problems_in_a_configuration(tmp_path: Path) -> None:
    write(
        tmp_path,
        "picky.py",
        """
        from msyncd.errors import Problem
        @hookimpl
        def msyncd_config_checked(old, new):
            return [Problem("msyncd.yaml", 3, 5, f"{new} is not {old}")]
    """,
    )
    write(
        tmp_path,
        "content.py",
        """
        @hookimpl
        def msyncd_config_checked(): ...
    """,
    )
    path = write(
        tmp_path,
        "broken.py",
        """
        @hookimpl
        def msyncd_config_checked(new): return new.sync
    """,
    )
    write(
        tmp_path,
        "odd.py",
        """
        @hookimpl
        def msyncd_config_checked(): return ["bad"]
    """,
    )
    problems = loaded(tmp_path, "picky.py", "content.py", "broken.py", "odd.py").config_checked("old", "new")
    assert [str(problem) for problem in problems[:1]] == ["msyncd.yaml:3:5: new is not old"]
    assert [(problem.file, problem.severity) for problem in problems[1:]] == [
        (str(path), "error"),
        (str(tmp_path / "odd.py"), "error"),
    ]
    assert "AttributeError" in problems[1].message


def test_plugins_add_commands(tmp_path: Path) -> None:
    write(
        tmp_path,
        "report.py",
        """
        import click
        @hookimpl
        def msyncd_commands(group):
            @group.command("stock-report")
            def report():
                click.echo("12 packs")
    """,
    )
    group = click.Group()
    assert loaded(tmp_path, "report.py").commands(group) == ()
    assert CliRunner().invoke(group, ["stock-report"]).output == "12 packs\n"


def test_plugins_add_routes(tmp_path: Path) -> None:
    write(
        tmp_path,
        "pages.py",
        """
        from starlette.routing import Route as WebRoute
        @hookimpl
        def msyncd_routes():
            return [WebRoute("/stock", lambda request: None)]
    """,
    )
    write(
        tmp_path,
        "odd.py",
        """
        @hookimpl
        def msyncd_routes(): return "/stock"
    """,
    )
    write(
        tmp_path,
        "none.py",
        """
        @hookimpl
        def msyncd_routes(): return None
    """,
    )
    routes, failed = loaded(tmp_path, "pages.py", "odd.py", "none.py").routes()
    assert [getattr(route, "path", None) for route in routes] == ["/stock"]
    assert [failure.plugin for failure in failed] == ["odd"]


def test_plugins_add_metrics(tmp_path: Path) -> None:
    write(
        tmp_path,
        "metrics.py",
        """
        from prometheus_client import Gauge
        @hookimpl
        def msyncd_metrics(registry):
            Gauge("stock_packs", "Packs in stock", registry=registry).set(12)
    """,
    )
    registry = CollectorRegistry()
    assert loaded(tmp_path, "metrics.py").metrics(registry) == ()
    assert b"stock_packs 12.0" in generate_latest(registry)
