"""What the daemons tell a third party's plugin, each when its time has come: a file that notes whatever it is told."""

import threading
from pathlib import Path

from msyncd.daemon.assemble import load_plugins
from msyncd.daemon.daemon import Daemon
from msyncd.settings.reload import Reloader
from tests.daemon.conftest import Country, until

NOTES = """
from pathlib import Path

from pydantic import BaseModel

from msyncd import Refuse, hookimpl
from msyncd.errors import Problem


class Settings(BaseModel):
    into: str
    forbidden: str = ""


def note(context, *words):
    with Path(context.settings.into).open("a") as out:
        print(*words, file=out)


@hookimpl
def msyncd_config_checked(old, new, context):
    note(context, "checked", old and old.this_site.name, new.this_site.name)
    if new.this_site.name == context.settings.forbidden:
        at = new.places["this_site.name"]
        return [Problem(at.file, at.line, at.column, "that name is taken", "find another")]


@hookimpl
def msyncd_config_changed(old, new, context):
    note(context, "changed", old.this_site.name, new.this_site.name)


@hookimpl
def msyncd_started(context):
    note(context, "started on", context.site, "with", len(context.sites))


@hookimpl
def msyncd_stopping(context):
    note(context, "stopping")


@hookimpl
def msyncd_site_joined(site, context):
    note(context, "joined", site.sync_id)


@hookimpl
def msyncd_cycle_finished(cycle, context):
    note(context, "cycle", cycle.sent, cycle.received, "left", cycle.left_to_send, "problem", cycle.problem)


@hookimpl
def msyncd_check(record_type, changes, context):
    if record_type.name == "stock":
        return [Refuse("no") if key == ("bad",) else None for key in changes.keys]


@hookimpl
def msyncd_committed(batch, context):
    note(context, "committed", sorted(batch.new))


@hookimpl
def msyncd_refused(refusals, context):
    note(context, "refused", [(one.key[0], one.reason) for one in refusals])
"""


def listen_in(country: Country, site: int, **settings: str) -> Path:
    """List the plugin at a site; the file into which it notes."""
    into = country.folder / f"told{site}"
    into.touch()
    country.write("notes.py", NOTES)
    more = "".join(f", {name}: {value}" for name, value in settings.items())
    entry = f"plugins: [{{module: notes.py, settings: {{into: {into}{more}}}}}]\nstate_directory"
    country.edit(f"site{site}.yaml", "state_directory", entry)
    return into


def test_a_primary_and_its_satellite_from_start_to_end(country: Country) -> None:
    primary, satellite = listen_in(country, 1), listen_in(country, 2)
    country.start(1, 2)
    until(lambda: "joined 2\n" in primary.read_text())
    assert primary.read_text().splitlines()[:2] == ["checked None Central", "started on 1 with 3"]
    until(lambda: "problem None" in satellite.read_text())
    assert satellite.read_text().splitlines()[:2] == ["checked None Site 2", "started on 2 with 2"]

    country.stock(2, "good", "s2")
    until(lambda: "committed ['stock']" in primary.read_text())
    country.stock(2, "bad", "s2")
    until(lambda: "refused [('bad', 'no')]" in primary.read_text())
    until(lambda: "cycle 1 0 left 0 problem None" in satellite.read_text())

    country.edit("site2.yaml", "name: Site 2", "name: Bumban")
    until(lambda: "changed Site 2 Bumban\n" in satellite.read_text())
    lines = satellite.read_text().splitlines()
    at = lines.index("checked Site 2 Bumban")
    assert lines.index("stopping") > at
    assert lines.index("started on 2 with 3", at) < lines.index("changed Site 2 Bumban")

    country.signal(1, 15)
    assert country.ended(1) == 0
    assert primary.read_text().splitlines()[-1] == "stopping"
    country.stock(2, "alone", "s2")
    until(lambda: "cycle 0 0 left 1 problem 127.0.0.1" in satellite.read_text())
    assert "it cannot be reached" in satellite.read_text().splitlines()[-1]


def test_a_plugin_refuses_an_edit_and_a_start(country: Country) -> None:
    told = listen_in(country, 2, forbidden="Kalo")
    country.start(2)
    until(lambda: "started on 2" in told.read_text())
    country.edit("site2.yaml", "name: Site 2", "name: Kalo")
    until(lambda: "that name is taken; find another" in country.log(2))
    assert "checked Site 2 Kalo" in told.read_text()
    assert "changed" not in told.read_text()
    country.signal(2, 15)
    assert country.ended(2) == 0
    out = country.spawn(2)
    assert country.ended(2) == 78
    assert out.read_text() == "site2.yaml:2:31: that name is taken; find another\n"


def test_an_edit_that_makes_another_site_of_it_is_told_too(country: Country) -> None:
    told = listen_in(country, 2)
    peers = 'sync_with: [{sync_id: 1, name: Central, url: "http://127.0.0.1:'
    country.edit("site2.yaml", peers, "#" + peers)
    country.start(2)
    until(lambda: "there is nothing to sync with" in country.log(2))
    country.edit("site2.yaml", "#" + peers, peers)
    until(lambda: "changed Site 2 Site 2" in told.read_text())
    lines = told.read_text().splitlines()
    assert lines.index("checked Site 2 Site 2") < lines.index("started on 2 with 2") < len(lines)
    country.edit("site2.yaml", peers, "#" + peers)
    until(lambda: "stopping" in told.read_text())


def test_an_edit_between_reading_and_the_first_start_brings_its_own_plugins(country: Country) -> None:
    reloader = Reloader(country.config(2))
    plugins, _ = load_plugins(reloader.current)
    told, stop = listen_in(country, 2), threading.Event()
    daemon = threading.Thread(target=Daemon(reloader, plugins, home=country.state(2), stop=stop).run)
    country.state(2).mkdir(exist_ok=True)
    daemon.start()
    try:
        until(lambda: "started on 2" in told.read_text())
        assert told.read_text().splitlines()[0] == "checked None Site 2"
    finally:
        stop.set()
        daemon.join(30)
    assert not daemon.is_alive()
