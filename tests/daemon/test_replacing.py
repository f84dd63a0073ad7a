"""`msyncd sites replace` beside daemons that run: nothing is restarted, and the old machine's daemon is shut out."""

import json

from tests import warm
from tests.daemon.conftest import Country, until


def test_p35_a_running_daemon_is_shut_out_and_the_new_machine_taken_in(country: Country) -> None:
    country.start(1, 2)
    country.item("i1")
    until(lambda: country.has(2, "item", "i1"))
    country.stock(2, "a", "s2")
    until(lambda: country.has(1, "stock", "a"))

    done = warm.run("sites", "replace", "2", "--json", "-c", country.config(1))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["replaced"] is not None
    country.stock(2, "late", "s2")
    until(lambda: "was replaced as site 2" in str(country.report(2).get("peers")), 30)
    assert not country.has(1, "stock", "late")

    # site 3's folder becomes the new machine: an empty database, another state directory
    country.edit("site3.yaml", "sync_id: 3", "sync_id: 2")
    country.start(3)
    until(lambda: country.has(3, "stock", "a"), 30)
    country.stock(3, "b", "s2")
    until(lambda: country.has(1, "stock", "b"))
    country.item("i2")
    until(lambda: country.has(3, "item", "i2"))
    assert not country.has(2, "item", "i2")
    assert not country.has(1, "stock", "late")
    assert country.running[2].poll() is None  # it goes on trying, and says why it is refused
