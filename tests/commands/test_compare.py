"""`msyncd compare`: what differs is named, and repaired if so wished, with a running daemon and without."""

import json

from tests.commands.support import Country, invoke, run


def test_no_difference_then_one_then_repaired(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3), ('I2', 'Paracetamol', 1)")
    with country.serving():
        assert run("compare", "-c", country.satellite).stdout.endswith("compared: no difference\n")
        country.execute(
            "satellite",
            "INSERT INTO msyncd_applying SELECT id, 1 FROM msyncd_record_type;"
            " UPDATE item SET price = 99 WHERE ID = 'I2'; DELETE FROM msyncd_applying;",
        )
        found = invoke("compare", "-c", country.satellite, "--type", "item")
        assert found.exit_code == 1
        assert "item I2\n" in found.stdout
        status = json.loads(invoke("status", "-c", country.satellite, "--json").stdout)
        assert status["peers"][0]["differences"] == 1
        mended = invoke("compare", "-c", country.satellite, "--repair", "--json")
        assert mended.exit_code == 0
        assert {one["differences"] for one in json.loads(mended.stdout)["record_types"]} == {0}
        status = json.loads(invoke("status", "-c", country.satellite, "--json").stdout)
        assert status["peers"][0]["differences"] == 0
        assert status["peers"][0]["compared"] is not None
    assert country.rows("satellite", "SELECT price FROM item WHERE ID = 'I2'") == [(1,)]


def test_the_primary_does_not_compare_and_a_type_must_be_one(country: Country) -> None:
    assert invoke("compare", "-c", country.primary).exit_code == 2
    unknown = invoke("compare", "-c", country.satellite, "--type", "itme")
    assert unknown.exit_code == 2
    assert "--type itme" in unknown.stderr


def test_a_primary_that_cannot_be_reached_is_for_later(country: Country) -> None:
    assert invoke("compare", "-c", country.satellite).exit_code == 75
