"""The preferences story: locked, a wrong code, the right one, a plan, a save that is taken in, a file that changed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from msyncd.settings import load
from tests.console.conftest import PASSWORDS, Consoles, Person, quick_hash, until

pytestmark = pytest.mark.timeout(400)

CODE = "four lemons"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Consoles]:
    """A primary and a satellite that run, with an authorisation code on both."""
    one = Consoles(tmp_path)
    try:
        for site in (1, 2):
            name = f"site{site}.yaml"
            code = f"# kept as it is\nauthorisation: {{code_hash: '{quick_hash(CODE)}'}}\n"
            one.write(name, (tmp_path / name).read_text() + code)
        one.begin(1, 2)
        yield one
    finally:
        one.close()
        for site in (1, 2):
            print(one.log(site))


def visitor(town: Consoles, site: int, name: str = "amara") -> Person:
    person = Person(town.url(site))
    assert person.log_in(name).status_code == 200
    return person


def file_of(town: Consoles, site: int) -> str:
    return (town.folder / f"site{site}.yaml").read_text()


def unlocked(town: Consoles, site: int) -> Person:
    person = visitor(town, site)
    person.get("/preferences")
    person.post("/preferences/unlock", code=CODE)
    assert "Un-locked until" in person.text
    return person


def form_of(person: Person) -> dict[str, str]:
    """The fields of the window as they are shown; disabled ones are not sent, as browsers do."""
    form = re.search(
        r'<form method="post" action="/preferences(?:/sites/\w+)?" class="window".*?</form>', person.page, re.DOTALL
    )
    assert form
    live = re.sub(r"<fieldset disabled.*?</fieldset>", "", form[0], flags=re.DOTALL)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", live):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes["name"] != "csrf" and (attributes.get("type") != "checkbox" or " checked" in tag):
            fields[attributes["name"]] = attributes.get("value", "")
    return fields


def fill_in(person: Person, path: str = "/preferences", **given: str) -> None:
    person.get(path)
    person.post(path, **(form_of(person) | given))


def confirm(person: Person) -> None:
    pending = re.search(r'name="pending" value="([^"]+)"', person.page)
    assert pending, person.text
    person.post("/preferences/save", pending=pending[1])


def test_locked_everything_but_the_interval_and_the_check_is_disabled(town: Consoles) -> None:
    person = visitor(town, 2)
    person.get("/preferences")
    assert "Click to un-lock" in person.text
    assert set(form_of(person)) == {"interval"}
    assert "Check connection" in person.text
    before = file_of(town, 2)
    person.post("/preferences", interval="7", name="Other", request_size="1")
    assert "sync.interval: 5m → 7m" in person.text
    confirm(person)
    assert "Saved, and in force" in person.text
    assert file_of(town, 2) == before.replace("interval: 5,", "interval: 7,")
    for path in ("/preferences/sites/1", "/preferences/sites/new", "/preferences/sites/1/remove"):
        assert person.post(path, name="Other").status_code == 403
        assert "these preferences are locked" in person.text.lower()


def test_a_wrong_code_changes_nothing_is_noted_and_waits(town: Consoles) -> None:
    person = visitor(town, 1)
    for _ in range(6):
        person.get("/preferences")
        person.post("/preferences/unlock", code="three lemons")
        assert "That is not the authorisation code" in person.text
        assert "Click to un-lock" in person.text
    person.post("/preferences/unlock", code=CODE)
    assert "Too many wrong codes" in person.text
    person.get("/activity?q=un-lock")
    assert person.text.count("un-lock preferences refused") == 7
    pages = [person.get(path).text for path in ("/preferences", "/activity")]
    texts = [*pages, town.log(1)]
    assert [one for one in texts if "lemons" in one] == []
    assert "an authorisation code was refused" in town.log(1)
    assert "amara from 127.0.0.1" in town.log(1)


def test_the_right_code_a_plan_a_save_that_the_daemon_takes_in(town: Consoles) -> None:
    person = unlocked(town, 1)
    before = file_of(town, 1)
    fill_in(person, name="Central medical store")
    assert "What this would change" in person.text
    assert "this_site.name: Central → Central medical store" in person.text
    assert file_of(town, 1) == before, "nothing is written yet"
    confirm(person)
    assert "Saved, and in force" in person.text
    assert file_of(town, 1) == before.replace("name: Central,", "name: Central medical store,")
    assert "Central medical store" in person.text
    person.get("/activity?q=save")
    assert "amara 127.0.0.1 save preferences of this site in force" in person.text


def test_cancel_leaves_it_as_it_was(town: Consoles) -> None:
    person = unlocked(town, 1)
    before = file_of(town, 1)
    fill_in(person, name="Other")
    person.get("/preferences")
    assert form_of(person)["name"] == "Central"
    assert file_of(town, 1) == before


def test_lock_now_ends_it(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person, name="Other")
    plan = person.page
    person.post("/preferences/lock")
    assert "Click to un-lock" in person.text
    person.page = plan
    before = file_of(town, 1)
    confirm(person)
    assert "these preferences are locked" in person.text.lower()
    assert file_of(town, 1) == before


def test_what_is_wrong_is_said_all_at_once_and_nothing_is_lost_that_was_typed(town: Consoles) -> None:
    person = unlocked(town, 2)
    before = file_of(town, 2)
    fill_in(person, sync_id="99", request_size="0", name="Bumban town")
    assert "sync_id must be from 1 to 64, not 99".lower() in person.text.lower()
    assert "request_size must be from 1 to 20000, not 0".lower() in person.text.lower()
    assert form_of(person)["name"] == "Bumban town"
    assert file_of(town, 2) == before


def test_nothing_changed_is_said_so(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person)
    assert "Nothing was changed" in person.text


# --- the list ---------------------------------------------------------------------------------------------------------


def test_a_site_is_added_found_edited_and_removed(town: Consoles) -> None:
    person = unlocked(town, 1)
    before = file_of(town, 1)
    fill_in(person, "/preferences/sites/new", sync_id="4", name="Dorsi hospital", copies_of="CMS", user_name="dorsi")
    assert "sync_with.4 was added" in person.text
    confirm(person)
    person.get("/preferences?q=dorsi")
    assert "4 Dorsi hospital" in person.text
    assert "Bumban" not in person.text
    until(lambda: "Dorsi hospital" in (person.get("/sites") and person.text))
    fill_in(person, "/preferences/sites/4", url="https://dorsi.example.org", name="Dorsi")
    confirm(person)
    entry = next(one for one in load(town.config(1)).settings.sync_with if one.sync_id == 4)
    assert (entry.name, entry.url, entry.user_name, entry.copies_of) == (
        "Dorsi",
        "https://dorsi.example.org",
        "dorsi",
        ("CMS",),
    )
    person.get("/preferences")
    person.post("/preferences/sites/4/remove")
    assert "sync_with.4 was taken away" in person.text
    confirm(person)
    assert file_of(town, 1) == before


def test_a_sync_id_that_is_taken_is_refused(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person, "/preferences/sites/new", sync_id="2", name="Another")
    assert "site 2 stands in sync_with already" in person.text.lower()
    fill_in(person, "/preferences/sites/new", sync_id="65", name="Another")
    assert "must be from 1 to 64, not 65" in person.text


def test_a_changed_password_of_a_site_counts_and_is_shown_nowhere(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person, "/preferences/sites/2", password="a new secret")
    assert "a new secret" not in person.page
    confirm(person)
    assert "a new secret" not in file_of(town, 1)
    assert "password_hash" in file_of(town, 1)
    away = unlocked(town, 2)
    away.get("/sites/1")
    away.post("/sites/1/check")
    assert "failed log-in" in away.text
    fill_in(away, password="a new secret")
    assert "a new secret" not in away.page
    confirm(away)
    assert "a new secret" not in file_of(town, 2)
    away.get("/sites/1")
    away.post("/sites/1/check")
    assert "ok log-in" in away.text
    for site in (1, 2):
        assert "a new secret" not in town.log(site)


def test_a_store_without_records_moves_and_one_with_records_is_handed_over(town: Consoles) -> None:
    person = visitor(town, 1)
    person.get("/stores")
    assert "un-lock Preferences first" in person.text
    assert person.post("/preferences/stores", store="s3", to="2").status_code == 403
    person = unlocked(town, 1)
    town.stock(1, "c1", "s1")
    before = file_of(town, 1)
    person.get("/stores")
    person.post("/preferences/stores", store="s1", to="2")
    assert "store CMS is handed over from site 1, Central to site 2, Bumban, with 1 record" in person.text
    assert file_of(town, 1) == before
    person.get("/stores")
    person.post("/preferences/stores", store="s3", to="2")
    assert "store KAL moves from site 3, Kalo to site 2, Bumban; it has no records" in person.text
    confirm(person)
    person.get("/stores?q=KAL")
    assert "KAL 2 Bumban" in person.text
    assert "active_stores: [BUM, KAL]" in file_of(town, 1)
    person.get("/stores")
    person.post("/preferences/stores", store="s1", to="2")
    confirm(person)

    def arrived() -> bool:
        person.get("/stores?q=CMS")
        return "CMS 2 Bumban" in person.text

    until(arrived)
    assert town.has(2, "stock", "c1")


def test_a_site_whose_stores_have_records_is_not_removed(town: Consoles) -> None:
    until(lambda: town.has(2, "store", "s2"))  # it has met the primary, and knows its store
    town.stock(2, "k1", "s2")
    until(lambda: town.has(1, "stock", "k1"))
    person = unlocked(town, 1)
    before = file_of(town, 1)
    assert person.post("/preferences/sites/2/remove").status_code == 409
    assert "stores with records are active on site 2: BUM (1 record)".lower() in person.text.lower()
    assert file_of(town, 1) == before


# --- others who write -------------------------------------------------------------------------------------------------


def test_a_file_that_changed_underneath_is_left_alone(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person, name="Other")
    town.edit("site1.yaml", "name: Kalo", "name: Kalo town")
    confirm(person)
    assert "was changed by somebody else since the plan was made; nothing was written" in person.text
    assert "name: Kalo town" in file_of(town, 1)
    assert "Other" not in file_of(town, 1)


def test_an_edit_by_hand_is_held_back_shown_and_taken_in_by_the_code(town: Consoles) -> None:
    town.edit("site1.yaml", "name: Kalo", "name: Kalo town")
    person = visitor(town, 1)
    until(lambda: "An edit of the file is held back" in (person.get("/preferences") and person.text))
    assert "sync_with.3.name: Kalo → Kalo town" in person.text
    person.get("/sites")
    assert "Kalo town" not in person.text
    person.get("/preferences")
    person.post("/preferences/unlock", code=CODE)
    assert "The edit that was held back is in force: sync_with.3.name: Kalo → Kalo town" in person.text
    person.get("/sites")
    assert "Kalo town" in person.text


def test_a_file_with_errors_is_not_edited_here(town: Consoles) -> None:
    person = unlocked(town, 1)
    town.edit("site1.yaml", "sync_id: 3,", "sync_id: 99,")
    until(lambda: "The file has errors" in (person.get("/preferences") and person.text))
    before = file_of(town, 1)
    assert person.post("/preferences", name="Other").status_code == 409
    assert file_of(town, 1) == before


def test_two_plans_at_once_only_the_newest_can_be_saved(town: Consoles) -> None:
    person = unlocked(town, 1)
    fill_in(person, name="First")
    first = person.page
    fill_in(person, name="Second")
    second = person.page
    person.page = first
    confirm(person)
    assert "there is nothing to save any more" in person.text.lower()
    person.page = second
    confirm(person)
    assert "name: Second" in file_of(town, 1)
    person.page = second
    confirm(person)
    assert "there is nothing to save any more" in person.text.lower()


def test_only_who_may_change_sees_them(town: Consoles) -> None:
    for name in ("ben", "cora"):
        person = visitor(town, 1, name)
        person.get("/sites")
        assert "Preferences" not in person.text
        assert person.get("/preferences").status_code == 403
    assert set(PASSWORDS) == {"amara", "ben", "cora"}
