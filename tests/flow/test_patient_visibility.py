"""patient_visibility.py at work at real sites: a patient is where a join says, with what belongs to it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import ConfigurationInvalid, MsyncdError
from msyncd.flow.compare.repair import compare
from msyncd.testing import OneSite, Sites
from tests.flow.support import SCHEMA, TYPES, keys, stock_sites

PATIENTS = SCHEMA.replace(
    "patient (id TEXT PRIMARY KEY, name TEXT)",
    "patient (id TEXT PRIMARY KEY, name TEXT, kind TEXT)",
) + (
    """
CREATE TABLE visible (
    id TEXT PRIMARY KEY, patient_id TEXT NOT NULL REFERENCES patient ON DELETE CASCADE, store_id TEXT NOT NULL
);
CREATE TABLE tag (id TEXT PRIMARY KEY, patient_id TEXT NOT NULL REFERENCES patient);
CREATE TABLE prescription (
    id TEXT PRIMARY KEY, store_id TEXT NOT NULL, patient_id TEXT NOT NULL REFERENCES patient, status TEXT
);
"""
)
DECLARED = (
    TYPES.replace("table: patient, edited_on: any_site", "table: patient, edited_on: primary")
    + """
  visible:
    table: visible
    edited_on: primary
    sent_to: sites_of_store
    store: store_id
    also_sent_to: {by_plugins: patient_id}
  tag: {table: tag, edited_on: primary, sent_to: every_site}
  prescription:
    table: prescription
    edited_on: active_site
    sent_to: sites_of_store
    store: store_id
    also_sent_to: {by_plugins: patient_id}
"""
)
PLUGIN: dict[str, Any] = {
    "module": "patient_visibility",
    "settings": {
        "patients": "patient",
        "only": {"kind": "patient"},
        "join": "visible",
        "along": {"tag": "patient_id"},
        "kept_by": {"prescription": "patient_id"},
    },
}


def patient_sites(folder: Path, **more: Any) -> Sites:
    more.setdefault("plugins", [PLUGIN])
    return stock_sites(folder, schema=PATIENTS, record_types=more.pop("record_types", DECLARED), **more)


def patient(primary: OneSite, key: str, *stores: str, kind: str = "patient") -> None:
    """A patient with a tag, visible in these stores."""
    with primary.transaction():
        primary.write("INSERT INTO patient VALUES (?, 'Ama', ?)", key, kind)
        primary.write("INSERT INTO tag VALUES (?, ?)", f"t-{key}", key)
        for store in stores:
            join(primary, key, store)


def join(primary: OneSite, key: str, store: str) -> None:
    primary.write("INSERT INTO visible VALUES (?, ?, ?)", f"{key}-{store}", key, f"s-{store}")


def seen(site: OneSite) -> tuple[list[object], list[object]]:
    """The patients and tags there."""
    return keys(site, "patient"), keys(site, "tag")


def level(sites: Sites) -> bool:
    """Nothing is kept aside anywhere, and every satellite has by digests what it is to have."""
    return all(site.quarantine == site.waiting == [] for site in sites) and not any(
        one.differing
        for site in sites.satellites
        if site.satellite is not None
        for one, _ in compare(site.satellite, site.cycle)
    )


def fills_owed(primary: OneSite) -> int:
    with primary.here.database.read() as reader:
        return len(reader.execute("SELECT id FROM msyncd_fill"))


@pytest.mark.everywhere
def test_a_patient_is_where_a_join_says_and_comes_and_goes_with_it(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites:
        patient(sites.primary, "a", "BUM")
        patient(sites.primary, "b", "KAL", "KDI")
        patient(sites.primary, "c")
        sites.sync()
        assert seen(sites[2]) == (["a"], ["t-a"])
        assert seen(sites[3]) == (["b"], ["t-b"])
        assert level(sites)

        join(sites.primary, "a", "KAL")
        join(sites.primary, "c", "BUM")
        sites.primary.write("UPDATE patient SET name = 'Esi' WHERE id = 'b'")
        sites.sync()
        assert seen(sites[2]) == (["a", "c"], ["t-a", "t-c"])
        assert seen(sites[3]) == (["a", "b"], ["t-a", "t-b"])
        assert level(sites)

        sites.primary.write("DELETE FROM visible WHERE id IN ('a-BUM', 'b-KAL')")  # b is still joined to KDI
        sites.primary.write("UPDATE visible SET patient_id = 'a' WHERE id = 'c-BUM'")  # a comes back, c goes
        sites.sync()
        assert seen(sites[2]) == (["a"], ["t-a"])
        assert seen(sites[3]) == (["a", "b"], ["t-a", "t-b"])

        sites.primary.write("UPDATE visible SET store_id = 's-BUM' WHERE id = 'a-KAL'")  # it moves to another store
        sites.primary.write("DELETE FROM visible WHERE id = 'b-KDI'")
        sites.sync()
        assert seen(sites[2]) == (["a"], ["t-a"])
        assert seen(sites[3]) == ([], [])
        assert keys(sites.primary, "patient") == ["a", "b", "c"]
        assert level(sites)

        join(sites.primary, "b", "KAL")  # it was there before, and comes back with what belongs to it
        sites.sync()
        assert seen(sites[3]) == (["b"], ["t-b"])
        sites.primary.write("DELETE FROM tag WHERE patient_id = 'b'")
        sites.primary.write("DELETE FROM patient WHERE id = 'b'")
        sites.sync()
        assert seen(sites[3]) == ([], [])
        assert level(sites)


@pytest.mark.everywhere
def test_a_new_site_is_filled_with_its_patients_alone(tmp_path: Path) -> None:
    with patient_sites(tmp_path, joined=False, request_size=2) as sites:
        for number in range(7):
            patient(sites.primary, f"a{number}", "BUM" if number % 2 else "KAL")
        patient(sites.primary, "supplier", kind="facility")
        sites.sync()
        assert keys(sites[2], "patient") == ["a1", "a3", "a5", "supplier"]
        assert keys(sites[3], "tag") == ["t-a0", "t-a2", "t-a4", "t-a6", "t-supplier"]
        assert level(sites)


def test_a_patient_of_the_sites_own_making_leaves_with_its_join_too(tmp_path: Path) -> None:
    """Nobody sent it there; and it is edited on the primary in the same moment."""
    anywhere = DECLARED.replace("table: patient, edited_on: primary", "table: patient, edited_on: any_site").replace(
        "table: visible\n    edited_on: primary", "table: visible\n    edited_on: active_site"
    )
    with patient_sites(tmp_path, record_types=anywhere) as sites:
        with sites[2].transaction():
            sites[2].write("INSERT INTO patient VALUES ('a', 'Ama', 'patient')")
            sites[2].write("INSERT INTO visible VALUES ('a-BUM', 'a', 's-BUM')")
        sites.sync()
        assert keys(sites.primary, "patient") == keys(sites[2], "patient") == ["a"]
        assert keys(sites[3], "patient") == []
        sites[2].write("DELETE FROM visible")
        sites.primary.write("UPDATE patient SET name = 'Esi'")
        sites.sync()
        assert keys(sites[2], "patient") == []
        assert sites.primary.rows("patient", "name") == [("Esi",)]
        assert level(sites)


def test_a_join_of_another_store_costs_a_site_nothing(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites:
        patient(sites.primary, "a", "BUM")
        join(sites.primary, "a", "KAL")
        sites.sync()
        sites.primary.write("DELETE FROM visible WHERE store_id = 's-KAL'")
        assert sites[2].cycle().received == 0
        assert sites[3].cycle().received == 3  # the join, the patient and its tag


def test_a_copy_of_a_store_comes_with_its_patients(tmp_path: Path) -> None:
    with patient_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        patient(sites.primary, "a", "BUM")
        sites.sync()
        sites[2].write("INSERT INTO prescription VALUES ('r', 's-BUM', 'a', 'new')")
        sites.sync()
        assert seen(sites[3]) == (["a"], ["t-a"])
        assert keys(sites[3], "prescription") == ["r"]
        assert level(sites)


def test_patients_come_and_go_with_a_copy_of_their_store(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites:
        patient(sites.primary, "a", "BUM")
        sites.sync()
        sites[2].write("INSERT INTO prescription VALUES ('r', 's-BUM', 'a', 'new')")
        sites.sync()
        assert seen(sites[3]) == ([], [])
        for copies, there in (([], False), (["BUM"], True), ([], False)):
            sites.reload(copies_of={1: "all", 3: copies})
            sites.sync()
            assert seen(sites[3]) == ((["a"], ["t-a"]) if there else ([], []))
            assert keys(sites[3], "prescription") == (["r"] if there else [])
            assert level(sites)


def test_patients_move_with_their_store(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites:
        patient(sites.primary, "a", "KDI")
        sites.sync()
        sites[3].write("INSERT INTO prescription VALUES ('r', 's-KDI', 'a', 'new')")
        sites.sync()
        sites.reload(active_stores={1: ["CMS"], 2: ["BUM", "KDI"], 3: ["KAL"]})
        for _ in range(5):
            sites.sync()
        assert sites.primary.here.facts.active_site("s-KDI") == 2
        assert (seen(sites[2]), keys(sites[2], "prescription")) == ((["a"], ["t-a"]), ["r"])
        assert (seen(sites[3]), keys(sites[3], "prescription")) == (([], []), [])
        assert level(sites)


def test_a_patient_stays_where_there_are_prescriptions_until_they_go(tmp_path: Path) -> None:
    with patient_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        patient(sites.primary, "a", "BUM")
        patient(sites.primary, "b", "BUM")
        sites.sync()
        sites[2].write("INSERT INTO prescription VALUES ('r', 's-BUM', 'a', 'new')")
        sites.sync()
        sites.primary.write("DELETE FROM visible")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a"], ["t-a"])
        assert level(sites)
        sites[2].write("DELETE FROM prescription")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == ([], [])
        assert level(sites)


def test_a_prescription_that_the_primary_did_not_know_yet_breaks_nothing(tmp_path: Path) -> None:
    """The join goes while the prescription is on its way: it brings its patient back to whoever holds the store."""
    with patient_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        patient(sites.primary, "a", "BUM")
        sites.sync()
        sites.primary.write("DELETE FROM visible")
        sites.sync(3)
        assert seen(sites[3]) == ([], [])
        sites[2].write("INSERT INTO prescription VALUES ('r', 's-BUM', 'a', 'new')")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a"], ["t-a"])
        assert keys(sites[2], "prescription") == keys(sites[3], "prescription") == ["r"]
        assert level(sites)


def test_what_a_site_still_refers_to_stays_there_and_is_named(tmp_path: Path) -> None:
    """A primary that keeps no copy cannot know of the prescription; the site keeps its patient all the same."""
    with patient_sites(tmp_path, copies_of={1: ["CMS"]}) as sites:
        patient(sites.primary, "a", "BUM")
        sites.sync()
        sites[2].write("INSERT INTO prescription VALUES ('r', 's-BUM', 'a', 'new')")
        sites.sync()
        sites.primary.write("DELETE FROM visible")
        sites.sync()
        assert keys(sites[2], "patient") == ["a"]
        assert keys(sites[2], "prescription") == ["r"]
        assert [(one.record_type, one.key) for one in sites[2].quarantine] == [("patient", ("a",))]
        assert "1 prescription here still refer to it" in sites[2].quarantine[0].reason


def test_who_becomes_a_patient_leaves_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites:
        patient(sites.primary, "a", kind="facility")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a"], ["t-a"])
        sites.primary.write("UPDATE patient SET kind = 'patient'")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == ([], [])
        sites.primary.write("UPDATE patient SET kind = 'facility'")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a"], ["t-a"])
        assert level(sites)


@pytest.mark.everywhere
def test_a_plugin_that_is_listed_later_or_no_longer_decides_anew_about_everyone(tmp_path: Path) -> None:
    with patient_sites(tmp_path, plugins=[]) as sites:
        patient(sites.primary, "a", "BUM")
        patient(sites.primary, "b", "KAL")
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a", "b"], ["t-a", "t-b"])
        sites.reload(plugins=[PLUGIN])
        sites.sync()
        assert seen(sites[2]) == (["a"], ["t-a"])
        assert seen(sites[3]) == (["b"], ["t-b"])
        assert level(sites)
        sites.primary.reload()  # nothing changed: nobody is filled
        sites.primary.restart()
        assert fills_owed(sites.primary) == 0
        sites.reload(plugins=[])
        sites.sync()
        assert seen(sites[2]) == seen(sites[3]) == (["a", "b"], ["t-a", "t-b"])
        assert level(sites)


@pytest.mark.parametrize("fault", ["lost request", "lost reply", "doubled", "late", "primary restarts"])
def test_a_join_that_is_sent_twice_or_late_brings_and_takes_its_patient(tmp_path: Path, fault: Any) -> None:
    with patient_sites(tmp_path) as sites:
        for change in ("add", "take away"):
            if change == "add":
                patient(sites.primary, "a", "BUM")
            else:
                sites.primary.write("DELETE FROM visible")
            sites[2].line.fail("pull", fault)
            with suppress(MsyncdError):  # what the line does to a cycle is another test's matter
                sites[2].cycle()
            sites[2].line.deliver_late()
            sites.sync()
            assert seen(sites[2]) == ((["a"], ["t-a"]) if change == "add" else ([], []))
            assert level(sites)


@pytest.mark.parametrize("instead", ["", "    also_sent_to: {store_of_name: patient_id}\n"])
def test_a_join_that_does_not_name_its_patient_is_an_error(tmp_path: Path, instead: str) -> None:
    declared = DECLARED.replace("    also_sent_to: {by_plugins: patient_id}\n", instead, 1)
    for text, wrong in ((DECLARED, []), (declared, ["patient_visibility cannot tell which patient and store"])):
        with patient_sites(tmp_path / str(len(wrong)), record_types=text) as sites:
            here = sites.primary.here
            problems = here.plugins.config_checked(None, here.settings)
            assert [str(one).split(": ")[1][:54] for one in problems] == wrong
            assert all("also_sent_to: {by_plugins: COLUMN}" in one.hint for one in problems)


@pytest.mark.parametrize("name", ["patients", "join"])
def test_a_record_type_that_is_not_declared_is_an_error(tmp_path: Path, name: str) -> None:
    wrong = {"module": "patient_visibility", "settings": {**PLUGIN["settings"], name: "nothing"}}
    with patient_sites(tmp_path) as sites:
        sites.primary.reload(plugins=[wrong])
        here = sites.primary.here
        (problem,) = here.plugins.config_checked(None, here.settings)
        assert "needs the record type nothing, which is not declared" in problem.message
        assert problem.file.endswith("msyncd.yaml")


def test_it_needs_no_settings_with_the_sample_record_types(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "config/record_types"
    with Sites(
        schema=(sample / "msupply.sql").read_text(encoding="utf-8"),
        record_types=sample / "msupply.yaml",
        active_stores={1: ["CMS"], 2: ["BUM"], 3: ["KAL"]},
        plugins=["patient_visibility"],
        folder=tmp_path,
        joined=False,
    ) as sites:
        primary = sites.primary
        for code in ("CMS", "BUM", "KAL"):
            primary.write("INSERT INTO name (ID, code, name, type) VALUES (?, ?, ?, 'store')", f"n{code}", code, code)
            primary.write(
                "INSERT INTO store (ID, code, name, name_ID) VALUES (?, ?, ?, ?)", code, code, code, f"n{code}"
            )
        primary.reload()
        primary.write("INSERT INTO name_tag (ID, description) VALUES ('t', 'diabetic')")
        primary.write("INSERT INTO name (ID, code, name, type) VALUES ('p', 'p', 'Ama', 'patient')")
        primary.write("INSERT INTO name_tag_join (ID, name_ID, name_tag_ID) VALUES ('tj', 'p', 't')")
        primary.write("INSERT INTO name_store_join (ID, name_ID, store_ID) VALUES ('j', 'p', 'BUM')")
        sites.sync()
        stores = ["nBUM", "nCMS", "nKAL"]
        assert [row[0] for row in sites[2].rows("name", "ID")] == [*stores, "p"]
        assert [row[0] for row in sites[3].rows("name", "ID")] == stores
        assert (len(sites[2].rows("name_tag_join")), len(sites[3].rows("name_tag_join"))) == (1, 0)
        sites[2].write(
            "INSERT INTO transact (ID, name_ID, store_ID, type, status, invoice_num, entry_date)"
            " VALUES ('r', 'p', 'BUM', 'ci', 'nw', 1, '2026-03-01')"
        )
        primary.write("UPDATE name_store_join SET store_ID = 'KAL'")
        sites.sync()
        assert [row[0] for row in sites[2].rows("name", "ID")] == [*stores, "p"]  # it has the prescription
        assert [row[0] for row in sites[3].rows("name", "ID")] == [*stores, "p"]
        assert [row[0] for row in sites[3].rows("transact", "ID")] == []
        sites[2].write("DELETE FROM transact")
        sites.sync()
        assert [row[0] for row in sites[2].rows("name", "ID")] == stores
        assert level(sites)


def test_its_settings_are_checked_with_the_yaml(tmp_path: Path) -> None:
    with patient_sites(tmp_path) as sites, pytest.raises(ConfigurationInvalid, match="kept"):
        sites.primary.reload(plugins=[{"module": "patient_visibility", "settings": {"kept": {"prescription": "x"}}}])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ('{"nothing": []}', "named records of nothing, which is no record type"),
        ('{"patient": ["a"]}', "named a record of patient by something else than a key"),
        ("[]", "answered a list, not keys by record type"),
    ],
)
def test_a_plugin_that_cannot_say_what_a_change_touches_costs_that_change_alone(
    tmp_path: Path, answer: str, why: str
) -> None:
    plugin = tmp_path / "fragile.py"
    plugin.write_text(f"""from msyncd import hookimpl


@hookimpl
def msyncd_touched(record_type, keys, named):
    return {answer} if record_type.name == "visible" else None
""")
    with patient_sites(tmp_path, plugins=[plugin]) as sites:
        patient(sites.primary, "a", "BUM")
        sites.sync()
        assert seen(sites[2]) == (["a"], ["t-a"])
        assert keys(sites[2], "visible") == []
        (kept,) = sites.primary.quarantine
        assert (kept.key, kept.plugin, kept.row) == (("a-BUM",), "fragile", ("a-BUM", "a", "s-BUM"))
        assert why in kept.reason
