"""*Check connection* from a satellite's console against a real primary, with each kind of failure and what to do."""

import re

import pytest

from tests.console.conftest import Consoles, Person, until

pytestmark = pytest.mark.timeout(400)

URL = 'url: "http://127.0.0.1:{port}"'
FAILURES = {
    "name": ("site2.yaml", URL, 'url: "https://nowhere.invalid"', "is the url right"),
    "tcp": ("site2.yaml", URL, 'url: "http://127.0.0.1:1"', "does the primary run and listen there"),
    "tls": ("site2.yaml", URL, 'url: "https://127.0.0.1:{port}"', "does it speak plain HTTP"),
    "log-in": ("site2.yaml", "password: hunter2hunter2", "password: wrong", "compare user_name and password"),
    "stores": ("site2.yaml", "name: Site 2,", "name: Site 2, active_stores: [KAL],", "the primary's lists rule"),
}


@pytest.mark.parametrize("step", FAILURES)
def test_the_step_that_fails_is_shown_with_what_to_do(consoles: Consoles, step: str) -> None:
    file, right, wrong, hint = (text.replace("{port}", str(consoles.port)) for text in FAILURES[step])
    site = int(file[4])
    edited(consoles, site, file, right, wrong)
    try:
        person = Person(consoles.url(2))
        person.log_in("ben")
        person.get("/sites/1")
        assert person.post("/sites/1/check").status_code == 200
        steps = dict(re.findall(r'class="pill (\w+)">\w+</span>\s*<strong>([\w -]+)</strong>', person.page))
        assert steps["failed"] == step
        assert hint in person.text
        assert "hunter2" not in person.page
        person.get("/activity?q=check")
        assert f"check connection to site 1 failed: {step}" in person.text
    finally:
        edited(consoles, site, file, wrong, right)


def test_another_installation_of_this_site_is_refused(consoles: Consoles) -> None:
    db = consoles.db[1]
    known = db.execute("SELECT installation_id FROM msyncd_site WHERE sync_id = 2").fetchone()
    db.execute("UPDATE msyncd_site SET installation_id = 'another' WHERE sync_id = 2")
    try:
        person = Person(consoles.url(2))
        person.log_in("ben")
        person.get("/sites/1")
        person.post("/sites/1/check")
        assert "failed sync ID another installation already syncs as site 2" in person.text
        assert "msyncd sites replace 2" in person.text
    finally:
        db.execute("UPDATE msyncd_site SET installation_id = ? WHERE sync_id = 2", known)


def edited(consoles: Consoles, site: int, file: str, old: str, new: str) -> None:
    """An edit by hand, taken in."""
    before = consoles.log(site).count("the edited configuration is in force")
    consoles.edit(file, old, new)
    until(lambda: consoles.log(site).count("the edited configuration is in force") > before)
