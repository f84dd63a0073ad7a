"""Each loop fails in every call that its step makes, one after the other, and in the end all is as it should be."""

from collections.abc import Iterator

import pytest

from msyncd.daemon.assemble import assemble, load_plugins
from msyncd.daemon.chores import handing_over, retrying, trimming
from msyncd.daemon.cycling import Asked, Cycling
from msyncd.daemon.keeping import Keeping
from msyncd.daemon.listening import Listening
from msyncd.daemon.living import Living
from msyncd.daemon.notify import Notifier
from msyncd.daemon.report import Report
from msyncd.daemon.settling import Settling
from msyncd.daemon.verifying import Verifying
from msyncd.daemon.watching import LocalWrites
from msyncd.flow.ledger import aside, handovers
from msyncd.flow.ledger.aside import Aside
from msyncd.flow.opening import open_site
from msyncd.settings import load
from msyncd.settings.reload import Reloader
from tests.daemon.conftest import Country, until
from tests.daemon.faults import fail_everywhere


class Pair:
    """The primary with its server, and site 2, opened in this process; their loops are stepped by hand."""

    def __init__(self, country: Country) -> None:
        self.country = country
        self.reports = {site: Report(country.folder) for site in (1, 2)}
        self.primary = assemble(load(country.config(1)).settings)
        self.listening = Listening(self.primary, self.reports[1])
        self.listening.step()
        self.satellite = assemble(load(country.config(2)).settings)
        self.cycling = Cycling(self.satellite, self.reports[2])

    def close(self) -> None:
        assert self.satellite.client is not None
        self.satellite.close()
        self.listening.close()
        self.primary.close()


@pytest.fixture
def pair(country: Country) -> Iterator[Pair]:
    one = Pair(country)
    yield one
    one.close()


def test_the_cycle(pair: Pair) -> None:
    country = pair.country
    pair.cycling.step()

    given = list[int]()

    def give(number: int) -> None:
        given.append(number)
        country.item(f"i{number}")
        country.stock(2, f"k{number}", "s2")
        assert pair.satellite.satellite is not None
        pair.satellite.satellite.forget_hello()
        pair.cycling.wanted()

    callers = ("daemon/cycling.py", "daemon/line.py", "flow/satellite.py", "flow/pushing.py", "flow/pulling.py")
    failed = fail_everywhere(pair.cycling.step, callers, before=give)
    assert {
        "pull_all",
        "push_all",
        "PrimaryClient.pull",
        "PrimaryClient.hello",
        "Report.peer",
    } <= set(failed)
    pair.cycling.wanted()
    pair.cycling.step()
    for table in ("item", "stock"):
        assert country.rows(1, table) == country.rows(2, table)
        assert country.count(2, table) == len(given)
    assert pair.reports[2].document()["peers"]["1"]["last_error"] is None


def test_the_first_cycle_of_a_site(country: Country) -> None:
    """The hello that joins, and the fill."""
    pair = Pair(country)
    try:
        for number in range(50):
            country.item(f"i{number}")
        callers = ("daemon/cycling.py", "daemon/line.py", "flow/satellite.py")
        failed = fail_everywhere(pair.cycling.step, callers, before=lambda _: pair.cycling.wanted())
        assert "Satellite.hello" in failed
        assert country.rows(1, "item") == country.rows(2, "item")
        assert country.rows(1, "store") == country.rows(2, "store")
    finally:
        pair.close()


def test_whoever_asked_for_a_cycle_is_told_of_each_failure(pair: Pair) -> None:
    told = []

    def ask(number: int) -> None:
        pair.country.item(f"i{number}")
        told.append(Asked())
        pair.cycling.ask(told[-1])

    failed = fail_everywhere(pair.cycling.step, ("daemon/line.py", "flow/satellite.py"), before=ask)
    answers = []
    for asked in told:
        lines = []
        while not asked.lines.empty():
            lines.append(asked.lines.get())
        answers.append([one for one in lines if "progress" not in one])
    assert [len(one) for one in answers] == [1] * len(told)
    assert sum("Injected" in one[0].get("error", {}).get("what", "") for one in answers) == len(failed)
    assert "result" in answers[-1][0]


def test_the_live_line(pair: Pair) -> None:
    country = pair.country
    pair.cycling.step()
    living = Living(pair.satellite, pair.cycling)

    def change(number: int) -> None:
        pair.cycling.wanted()
        pair.cycling.step()
        country.item(f"i{number}")

    failed = fail_everywhere(living.step, ("daemon/living.py",), before=change)
    assert {"PrimaryClient.wait", "Satellite.waiting", "Cycling.wanted"} <= set(failed)
    pair.cycling.step()
    assert country.rows(1, "item") == country.rows(2, "item")
    # and it does not hear the same news twice: the next poll comes after the cycle
    country.item("last")
    living.step()
    pair.cycling.step()
    assert country.has(2, "item", "last")


def test_the_look_out_for_local_writes(pair: Pair) -> None:
    pair.cycling.step()
    seen = list[int]()
    writes = LocalWrites(pair.satellite, lambda: seen.append(1))
    failed = fail_everywhere(
        writes.step, ("daemon/watching.py",), before=lambda number: pair.country.stock(2, f"k{number}", "s2")
    )
    assert {"SQLiteDatabase.data_version", "_inode"} <= set(failed)
    assert seen
    seen.clear()
    writes.step()
    writes.step()
    assert not seen  # nothing was written
    pair.country.stock(2, "last", "s2")
    writes.step()
    assert seen
    writes.close()


def test_the_schema(pair: Pair) -> None:
    country = pair.country
    pair.cycling.step()
    verifying = Verifying(pair.primary)

    def looks() -> None:
        verifying.step()  # it has changed
        verifying.step()  # and it is quiet now

    looks()

    def rebuild(number: int) -> None:
        """As a migration of the application does: the table is made anew, and its triggers are gone."""
        country.db[1].executescript(
            f"""
            CREATE TABLE item_new (ID TEXT PRIMARY KEY, name TEXT);
            INSERT INTO item_new SELECT ID, name FROM item;
            INSERT INTO item_new VALUES ('unseen{number}', '');
            PRAGMA foreign_keys=OFF;
            DROP TABLE item;
            ALTER TABLE item_new RENAME TO item;
            """
        )

    callers = ("daemon/verifying.py", "flow/opening.py")
    failed = fail_everywhere(looks, callers, before=rebuild)
    assert {"open_site", "SQLiteDatabase.install"} <= set(failed)
    looks()
    country.item("seen")
    pair.cycling.wanted()
    pair.cycling.step()
    assert country.rows(1, "item") == country.rows(2, "item")
    assert country.has(2, "item", f"unseen{len(failed)}")


def test_what_was_rejected_is_tried_again_though_the_table_was_altered_while_nobody_looked(pair: Pair) -> None:
    """The first look of a daemon that starts; one that fails does so at the next."""
    country = pair.country
    pair.cycling.step()
    first = Verifying(pair.primary)
    first.step()  # opening has made triggers
    first.step()

    def reject(number: int) -> None:
        columns = ("ID", "store_ID", "item_ID", "quantity")
        one = Aside("stock", (f"k{number}",), 2, "write", "s2", columns, (f"k{number}", "s2", None, 1.0), "too much",
                    "database", "")  # fmt: skip
        with pair.primary.here.database.write() as writer:
            aside.quarantine(writer, [one])
        country.db[1].execute(f"ALTER TABLE stock ADD COLUMN extra{number} TEXT")

    def starts() -> None:
        opened = open_site(pair.primary.here.settings, pair.primary.here.plugins, database=pair.primary.here.database)
        pair.primary.here = opened.here
        pair.primary.schema_version = pair.primary.here.database.schema_version()
        Verifying(pair.primary).step()

    failed = fail_everywhere(starts, ("daemon/verifying.py", "flow/retry.py"), before=reject)
    assert {"retry_altered", "rejected", "_apply_again"} <= set(failed)
    reject(1000)
    starts()
    assert not country.rows(1, "msyncd_quarantine")
    assert country.has(1, "stock", "k1000")
    assert all(country.has(1, "stock", f"k{number}") for number in range(1, len(failed)))


def test_store_facts(pair: Pair) -> None:
    country = pair.country
    settling = Settling(pair.primary)

    def declare(number: int) -> None:
        country.db[1].execute("INSERT INTO store VALUES (?, ?)", (f"x{number}", f"X{number}"))

    callers = ("daemon/settling.py", "daemon/site.py")
    failed = fail_everywhere(settling.step, callers, before=declare)
    assert {"settle_facts", "declared_stores"} <= set(failed)
    settling.step()
    assert {f"x{number}" for number in range(len(failed))} <= set(pair.primary.here.facts.stores)
    number = pair.primary.here.facts.number
    settling.step()
    assert pair.primary.here.facts.number == number
    pair.cycling.step()
    assert pair.satellite.here.facts.number == number


@pytest.mark.parametrize("name", ["trimming", "waiting", "hand-over"])
def test_chores(pair: Pair, name: str) -> None:
    pair.cycling.step()
    country, here = pair.country, pair.primary.here
    for number in range(20):
        country.item(f"i{number}")
    with here.database.write() as writer:
        one = here.types.types["stock"]
        row = ("k1", "s2", None, 1.0)
        aside.keep_waiting(
            writer, [Aside("stock", ("k1",), 2, "write", "s2", one.columns, row, "item", "", here.now())]
        )
    chores = {"trimming": trimming, "waiting": retrying, "hand-over": handing_over}
    loop = chores[name](pair.primary)
    if name == "hand-over":
        with here.database.write() as writer:
            handovers.force(writer, "s9", 2)
    callers = ("daemon/chores.py", "flow/trimming.py", "flow/retry.py", "flow/advancing.py")
    failed = fail_everywhere(loop._step, callers)
    assert failed
    loop._step()


def test_the_server(pair: Pair) -> None:
    country = pair.country
    settings = pair.primary.here.settings
    pair.listening.close()
    failed = fail_everywhere(pair.listening.step, ("daemon/listening.py", "daemon/assemble.py"))
    assert {"serve", "Server.start", "token_key"} <= set(failed)
    country.item("i1")
    pair.cycling.step()
    assert country.has(2, "item", "i1")
    assert pair.primary.here.settings is settings
    assert pair.reports[1].document()["listening"] == f"http://127.0.0.1:{country.port}"


def test_taking_in_a_configuration(country: Country) -> None:
    reloader = Reloader(country.config(2))
    report = Report(country.folder)
    keeping = Keeping(reloader, load_plugins(reloader.current)[0], report, Notifier({}))
    try:
        fail_everywhere(keeping.step, ("daemon/keeping.py", "daemon/assemble.py"))
        keeping.step()
        assert keeping.life is not None
        until(lambda: all(loop.alive for loop in keeping.life.loops) if keeping.life else False)

        def edit(number: int) -> None:
            country.edit("types.yaml", country.config(2).parent.joinpath("types.yaml").read_text(), _types(number))
            keeping._look = True

        callers = ("daemon/keeping.py", "daemon/swapping.py", "flow/opening.py")
        failed = fail_everywhere(keeping.step, callers, before=edit)
        assert {"swap", "open_site", "load_plugins"} <= set(failed)
        edit(0)
        keeping.step()
        assert "note0" in keeping.life.site.here.types.types
        assert country.db[2].execute("SELECT count(*) FROM sqlite_master WHERE tbl_name = 'note'").fetchone()[0] > 1
    finally:
        keeping.end()


def _types(number: int) -> str:
    from tests.daemon.conftest import TYPES

    return TYPES + f"  note{number}: {{table: note, key: ID, edited_on: primary, sent_to: every_site}}\n"
