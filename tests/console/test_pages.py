"""The pages of daemons that run, as a browser without JavaScript has them."""

import re

import pytest

from tests.console.conftest import Consoles, Person, until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def ben(consoles: Consoles) -> Person:
    """May operate, on the primary."""
    person = Person(consoles.url(1))
    person.log_in("ben")
    return person


@pytest.fixture
def away(consoles: Consoles) -> Person:
    """Amara at the satellite's own console."""
    person = Person(consoles.url(2))
    person.log_in("amara")
    return person


NO_NEGATIVE = """
from msyncd import Refuse, hookimpl


@hookimpl
def msyncd_check(record_type, changes):
    if record_type.name != "stock":
        return None
    packs = changes.column("quantity")
    return [Refuse(f"{one} packs is below zero") if one is not None and one < 0 else None for one in packs]
"""


@pytest.fixture(scope="module")
def refusing(consoles: Consoles) -> Consoles:
    """The primary refuses stock below zero."""
    consoles.write("no_negative.py", NO_NEGATIVE)
    consoles.edit("site1.yaml", "state_directory", "plugins: [{module: no_negative.py}]\nstate_directory")
    until(lambda: "plugins.no_negative.py was added" in consoles.log(1))
    return consoles


def edit_and_wait(consoles: Consoles, old: str, new: str) -> None:
    """The plugin is edited, and the edit taken in."""
    before = consoles.log(1).count("the edited configuration is in force")
    consoles.edit("no_negative.py", old, new)
    until(lambda: consoles.log(1).count("the edited configuration is in force") > before)


def kept(consoles: Consoles, site: int, key: str) -> int | None:
    """The ID of a record's entry in a site's quarantine."""
    for number, packed in consoles.db[site].execute("SELECT id, key FROM msyncd_quarantine"):
        if key.encode() in bytes(packed):
            return int(number)
    return None


def test_the_sites_show_their_state_as_a_word_and_what_is_owed(consoles: Consoles, amara: Person) -> None:
    amara.get("/")
    assert "2 Bumban ok" in amara.text
    assert "3 Kalo ok" in amara.text
    row = re.search(r'<tr class="ok">.*?Bumban.*?</tr>', amara.page, re.DOTALL)
    assert row
    for label in (
        "State",
        "Last success",
        "To send",
        "To receive",
        "Oldest",
        "Waiting",
        "Quarantine",
        "Last day",
        "Line",
    ):
        assert f'data-label="{label}"' in row[0]
    assert 'aria-label="' in row[0]
    assert "0.1.0" in row[0]


@pytest.mark.parametrize(
    ("q", "found"), [("2", {"Bumban"}), ("bum", {"Bumban"}), ("kal", {"Kalo"}), ("7", set()), ("", {"Bumban", "Kalo"})]
)
def test_sites_are_found_by_sync_id_or_name(amara: Person, q: str, found: set[str]) -> None:
    amara.get(f"/sites?q={q}")
    assert {name for name in ("Bumban", "Kalo") if name in amara.text} == found


def test_sites_are_narrowed_by_state(amara: Person) -> None:
    amara.get("/sites?state=ok")
    assert "Bumban" in amara.text
    amara.get("/sites?state=silent")
    assert "No site fits" in amara.text


def test_a_site_shows_its_batches_and_stores(consoles: Consoles, amara: Person) -> None:
    amara.get("/sites/2?days=7")
    assert "Active there BUM" in amara.text
    assert "Copies of CMS" in amara.text
    assert "Last 7 days" in amara.text
    batches = amara.page[amara.page.index('id="batches"') :]
    assert 'data-label="Way">sent' in batches


@pytest.mark.parametrize("path", ["/sites/9", "/sites/1"])
def test_a_site_that_is_not_there_is_named(amara: Person, path: str) -> None:
    assert amara.get(path).status_code == 400
    assert "is not in sync_with" in amara.text


def test_stores_show_where_they_are_active_and_who_keeps_copies(amara: Person) -> None:
    amara.get("/stores")
    assert re.search(r"CMS 1 Central 2 Bumban", amara.text)
    assert re.search(r"BUM 2 Bumban 1 Central", amara.text)
    amara.get("/stores?q=kalo")
    assert "KAL" in amara.text
    assert "BUM" not in amara.text


def test_a_satellite_shows_its_one_primary_with_its_cycles(consoles: Consoles, away: Person) -> None:
    away.get("/")
    assert "1 Central ok" in away.text
    assert "satellite, site 2" in away.text
    away.get("/sites/1")
    assert "Cycles" in away.text
    assert "Sync now" in away.text


def test_sync_now_runs_a_cycle_and_shows_what_it_did(consoles: Consoles, away: Person) -> None:
    consoles.edit("site2.yaml", "interval: 5", "interval: 0")
    until(lambda: "paused" in (away.get("/sites/1") and away.text))
    consoles.stock(2, "now1", "s2")
    away.get("/sites/1")
    assert away.post("/sites/1/sync").status_code == 200
    until(lambda: "done 1 sent, 0 received, 0 refused" in (away.get("/sites/1") and away.text))
    assert consoles.has(1, "stock", "now1")
    consoles.edit("site2.yaml", "interval: 0", "interval: 5")
    until(lambda: "paused" not in (away.get("/") and away.text))
    away.get("/activity?q=sync now amara")
    assert "amara 127.0.0.1 sync now done" in away.text


def test_a_primary_does_not_call(ben: Person) -> None:
    ben.get("/sites/2")
    assert "Sync now" not in ben.text
    assert ben.post("/sites/2/sync").status_code == 400
    assert "satellites call it" in ben.text


def test_check_connection_from_a_satellite_goes_all_the_way(away: Person) -> None:
    away.get("/sites/1")
    away.post("/sites/1/check")
    steps = re.findall(r"<strong>([\w -]+)</strong>", away.page[away.page.index('class="steps"') :])
    assert steps == ["name", "tcp", "log-in", "versions", "sync ID", "stores", "clock"]
    assert "failed" not in away.text[away.text.index("Check connection") :].split("State")[0]


def test_check_connection_from_the_primary_needs_an_address(consoles: Consoles, ben: Person) -> None:
    ben.get("/sites/2")
    assert ben.post("/sites/2/check").status_code == 409
    assert "has no url to check" in ben.text
    entry = "{sync_id: 2, name: Bumban, active_stores: [BUM], copies_of: [CMS]"
    url = f', url: "http://127.0.0.1:{consoles.console_port}"'
    consoles.edit("site1.yaml", entry, entry + url)
    until(lambda: "URL" in (ben.get("/sites/2") and ben.text))
    ben.post("/sites/2/check")
    assert "ok tcp port" in ben.text
    consoles.edit("site1.yaml", url, "")
    until(lambda: "URL" not in (ben.get("/sites/2") and ben.text))


def test_an_edit_with_an_error_is_shown_with_its_place_until_it_is_corrected(consoles: Consoles, amara: Person) -> None:
    consoles.edit("site1.yaml", "sync_id: 3,", "sync_id: 99,")
    until(lambda: "problem with the configuration" in (amara.get("/sites") and amara.text))
    assert re.search(r"site1\.yaml:\d+:\d+ sync_id must be from 1 to 64, not 99", amara.text)
    consoles.edit("site1.yaml", "sync_id: 99,", "sync_id: 3,")
    until(lambda: "with the configuration" not in (amara.get("/sites") and amara.text))


def test_an_edit_that_was_taken_in_is_an_activity(consoles: Consoles, amara: Person) -> None:
    consoles.edit("site1.yaml", "name: Kalo", "name: Kalo town")
    until(lambda: "sync_with.3.name: Kalo → Kalo town" in (amara.get("/activity") and amara.text))
    consoles.edit("site1.yaml", "name: Kalo town", "name: Kalo")
    until(lambda: "Kalo town → Kalo" in (amara.get("/activity") and amara.text))


def test_plugins_show_the_built_in_rules_first(amara: Person) -> None:
    amara.get("/plugins")
    assert re.search(r"edited_on ok built in check", amara.text)
    assert "Every record type syncs" in amara.text


# --- quarantine -------------------------------------------------------------------------------------------------------


def test_a_refused_change_is_shown_beside_what_stands_here_and_retried(refusing: Consoles, ben: Person) -> None:
    refusing.stock(2, "q1", "s2", 5)
    until(lambda: refusing.has(1, "stock", "q1"))
    refusing.stock(2, "q1", "s2", -5)
    until(lambda: kept(refusing, 1, "q1"), 30)
    number = kept(refusing, 1, "q1")
    ben.get("/quarantine?site=2&type=stock")
    assert "stock q1 -5.0 packs is below zero no_negative 2 BUM" in ben.text
    ben.get(f"/quarantine/{number}")
    assert "quantity -5.0 5.0 differs" in ben.text
    assert "ID q1 q1 store_ID s2 s2" in ben.text
    ben.get("/sites/2")
    assert "stock q1" in ben.text[ben.text.index("Refusals") :]
    ben.get(f"/quarantine/{number}")
    ben.post("/quarantine", id=number, action="retry")
    assert "0 applied, 0 to be sent again, 1 still there" in ben.text
    assert ("q1", "s2", None, 5.0) in refusing.rows(1, "stock")
    ben.get("/activity?q=retry ben")
    assert f"retry {number} of the quarantine 0 applied" in ben.text


def test_what_stands_in_a_record_stays_text(refusing: Consoles, ben: Person) -> None:
    key = "<script>alert(1)</script>"
    refusing.stock(2, key, "s2", -1)
    until(lambda: kept(refusing, 1, key), 30)
    for path in ("/quarantine", f"/quarantine/{kept(refusing, 1, key)}", "/sites/2"):
        answer = ben.get(path)
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text


def test_what_may_be_applied_now_is_applied_by_a_retry(refusing: Consoles, ben: Person) -> None:
    refusing.stock(2, "r1", "s2", -1)
    until(lambda: kept(refusing, 1, "r1"), 30)
    edit_and_wait(refusing, "one < 0", "one < -100")
    ben.get("/quarantine?type=stock")
    ben.post("/quarantine", id=kept(refusing, 1, "r1"), action="retry")
    assert "1 applied, 0 to be sent again, 0 still there" in ben.text
    assert ("r1", "s2", None, -1.0) in refusing.rows(1, "stock")
    edit_and_wait(refusing, "one < -100", "one < 0")


def test_many_are_discarded_in_one_go_after_a_question(refusing: Consoles, ben: Person) -> None:
    for key in ("d1", "d2", "d3"):
        refusing.stock(2, key, "s2", -7)
    until(lambda: all(kept(refusing, 1, key) for key in ("d1", "d2", "d3")), 30)
    ids = [kept(refusing, 1, key) for key in ("d1", "d2")]
    ben.get("/quarantine")
    ben.post("/quarantine", id=ids, action="discard")
    assert "Discard 2 entries?" in ben.text
    assert all(kept(refusing, 1, key) for key in ("d1", "d2")), "not before the answer"
    ben.post("/quarantine", id=ids, action="discard", sure="yes")
    assert "Discarded 2 entries" in ben.text
    assert [kept(refusing, 1, key) is None for key in ("d1", "d2", "d3")] == [True, True, False]
    ben.get("/quarantine?type=stock")
    ben.post("/quarantine", type="stock", every="yes", action="discard", sure="yes")
    assert kept(refusing, 1, "d3") is None
    ben.get("/quarantine?type=stock")
    assert "Nothing is in quarantine" in ben.text


@pytest.mark.parametrize(
    ("form", "said"), [({"action": "retry"}, "nothing was chosen"), ({"id": "1", "action": "eat"}, "eat is not")]
)
def test_what_makes_no_sense_is_said_so(ben: Person, form: dict[str, str], said: str) -> None:
    ben.get("/quarantine")
    assert ben.post("/quarantine", **form).status_code == 400
    assert said in ben.text.lower()


def test_an_entry_that_has_gone_is_named(ben: Person) -> None:
    assert ben.get("/quarantine/987654").status_code == 409
    assert "nothing in quarantine has the ID 987654".lower() in ben.text.lower()
