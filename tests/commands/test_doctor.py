"""`msyncd doctor`: what an admin would have to know is found, each thing with what to do; a bundle has no secrets."""

import json
import os
import sqlite3
import tarfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from msyncd.commands.doctor import files
from msyncd.commands.doctor.certificate import CertificateUnusable, valid_until
from msyncd.commands.doctor.machine import _unit
from msyncd.settings.secrets import hash_password
from tests.commands.support import Country, answer, invoke, run
from tests.commands.test_check import digest


@pytest.fixture
def site(country: Country) -> Country:
    """The primary, installed."""
    assert invoke("init", "-c", country.primary).exit_code == 0
    return country


def found(country: Country, name: str = "primary") -> list[dict[str, Any]]:
    document = answer("doctor", "-c", country.folder / f"{name}.yaml")
    assert document["format"] == 1
    assert document["ok"] == all(one["state"] != "error" for one in document["findings"])
    findings: list[dict[str, Any]] = document["findings"]
    return findings


def said(country: Country, area: str, state: str, name: str = "primary") -> list[str]:
    return [one["what"] for one in found(country, name) if (one["area"], one["state"]) == (area, state)]


def test_a_site_in_order_has_no_error_and_nothing_is_changed(site: Country) -> None:
    before = digest(site.folder)
    done = run("doctor", "-c", site.primary)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, _, last = done.stdout.splitlines()
    assert last == "0 errors, 3 warnings"
    assert "warning  sync           site 2, Bumban is never: last success not yet" in lines
    assert "warning  service        the daemon does not run: nothing syncs by itself" in lines
    assert any(line.startswith("ok       capture        all 4 record types bear their triggers") for line in lines)
    areas = {line[9:23].strip() for line in lines if not line.startswith(" ")}
    assert areas == {"configuration", "files", "disk", "clock", "database", "capture", "sync", "line", "service"}
    assert digest(site.folder) == before


def test_every_finding_that_is_not_in_order_says_what_to_do(country: Country) -> None:
    """A satellite that was never started, whose primary does not answer and whose files are open to all."""
    (country.folder / "password").chmod(0o644)
    country.satellite.chmod(0o666)
    findings = [one for one in found(country, "satellite") if one["state"] != "ok"]
    assert {one["area"] for one in findings} == {"files", "capture", "line", "service"}
    assert [one for one in findings if not one["hint"]] == []
    assert run("doctor", "-c", country.satellite).returncode == 1


def test_a_configuration_with_errors_is_told_with_places(country: Country) -> None:
    country.edit(country.satellite, "sync_id: 2", "sync_id: 99")
    done = run("doctor", "-c", country.satellite)
    assert done.returncode == 1
    assert "error    configuration  satellite.yaml:1:22: sync_id must be from 1 to 64, not 99" in done.stdout


def test_a_database_that_is_not_there_is_told_beside_everything_else(site: Country) -> None:
    site.database("primary").rename(site.folder / "away.db")
    assert len(said(site, "database", "error")) == 1
    assert said(site, "service", "warning") != []


def test_who_may_change_what_decides_and_who_may_read_what_is_secret(site: Country) -> None:
    plugin = site.write("odd.py", "from msyncd import hookimpl\n")
    site.edit(site.primary, "state_directory", "plugins: [{module: odd.py}]\nstate_directory")
    plugin.chmod(0o666)
    (site.folder / "password").chmod(0o644)
    (site.folder / "state1").chmod(0o755)
    assert said(site, "files", "error") == [f"everybody may change {plugin}"]
    secret, state = said(site, "files", "warning")
    assert secret == f"others may read or write {site.folder / 'password'}, which is secret"
    assert state == f"others may look into or change {site.folder / 'state1'}"
    plugin.chmod(0o644)
    (site.folder / "password").chmod(0o600)
    (site.folder / "state1").chmod(0o700)
    assert said(site, "files", "error") == said(site, "files", "warning") == []


def test_a_rebuilt_table_and_another_declaration_are_told(site: Country) -> None:
    columns = "ID INTEGER PRIMARY KEY, transaction_ID TEXT REFERENCES transact, item_ID TEXT, quantity NUMERIC"
    site.execute("primary", f"DROP TABLE trans_line; CREATE TABLE trans_line ({columns})")
    site.edit(site.folder / "types.yaml", "table: item, key: ID,", "table: item, key: ID, columns: {exclude: [price]},")
    assert said(site, "capture", "error") == [
        "trans_line: table trans_line bears no trigger of msyncd: its edits are not seen"
    ]
    assert said(site, "capture", "warning") == ["item: the triggers are those of other columns than are declared now"]
    (slow,) = said(site, "tables", "warning")
    assert "table trans_line has no index on" in slow


def test_a_log_that_a_reader_keeps_from_shrinking_is_told(site: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE_WAL", 20_000)
    path = site.database("primary")
    with closing(sqlite3.connect(path)) as writer, closing(sqlite3.connect(path)) as reader:
        writer.execute("PRAGMA journal_mode = WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM item").fetchall()
        for number in range(50):
            writer.execute("INSERT INTO item VALUES (?, ?, 1)", (str(number), "x" * 1000))
            writer.commit()
        (wal,) = said(site, "database", "warning")
        assert wal.startswith("primary.db-wal has grown to ")
        reader.commit()
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert said(site, "database", "warning") == []


def test_a_clock_that_fell_behind_is_seen_by_what_was_written_before(site: Country) -> None:
    later = time.time() + 86_400
    os.utime(site.primary, (later, later))
    (what,) = said(site, "clock", "warning")
    assert f"{site.primary} was written at" in what


def test_what_stopped_and_what_is_in_quarantine_is_told(site: Country) -> None:
    with site.serving():
        assert run("init", "-c", site.satellite).returncode == 0
        site.execute("primary", "INSERT INTO transact VALUES ('t', 'S1', 'N2', 'bad2')")
        site.execute("satellite", "DROP TABLE item; CREATE TABLE item (ID TEXT PRIMARY KEY, name TEXT)")
        run("sync", "-c", site.satellite)
        stopped = said(site, "sync", "error", "satellite")
        assert [line.split(":")[0] for line in stopped] == ["item is stopped"]
        steps = [one for one in found(site, "satellite") if one["area"] == "line"]
        assert [one["what"].split(":")[0] for one in steps] == [
            "name", "tcp", "log-in", "versions", "sync ID", "stores", "clock"
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "state", "what"),
    [
        ({"LoadState": "not-found"}, "warning", "there is no unit msyncd.service"),
        ({"LoadState": "loaded", "ActiveState": "failed"}, "error", "the unit msyncd.service has failed"),
        (
            {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"},
            "warning",
            "does not start with",
        ),
        ({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}, "ok", "is active and starts"),
    ],
)
def test_the_unit(shown: dict[str, str], state: str, what: str) -> None:
    finding = _unit(shown)
    assert (finding.state, what in finding.what) == (state, True)


# --- certificates -----------------------------------------------------------------------------------------------------


def certificate(folder: Path, ends: datetime | None = None) -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert("central.example.org", not_after=ends)
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
    files[1].write_bytes(issued.private_key_pem.bytes())
    files[1].chmod(0o600)
    return files


def test_until_when_a_certificate_is_valid(tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    assert valid_until(*certificate(tmp_path, ends)) == ends


def test_a_certificate_that_has_ended_or_whose_key_is_another_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="expired"):
        valid_until(*certificate(tmp_path, datetime.now(UTC) - timedelta(days=1)))
    mine, _ = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    with pytest.raises(CertificateUnusable, match="MISMATCH"):
        valid_until(mine, other)


def test_a_certificate_that_ends_soon_is_warned_of(site: Country) -> None:
    certificate(site.folder, datetime.now(UTC) + timedelta(days=5))
    site.edit(site.primary, "record_types:", "listen: {tls_certificate: cert.pem, tls_key: key.pem}\nrecord_types:")
    (what,) = said(site, "line", "warning")
    assert what.endswith("then no satellite gets through")


# --- the bundle -------------------------------------------------------------------------------------------------------


def test_the_support_bundle_has_what_helps_and_no_secret(site: Country) -> None:
    site.execute("primary", "INSERT INTO item VALUES ('i1', 'amoxicillin of a patient', 1)")
    code, user = hash_password("4711"), hash_password("wonderland")
    site.edit(site.primary, "password_file: password", "password: tr0ub4dor-and-3")
    site.edit(site.primary, "state_directory", f"authorisation: {{code_hash: '{code}'}}\nstate_directory")
    site.edit(
        site.primary, "state_directory", f"console: {{users: [{{name: a, password_hash: '{user}'}}]}}\nstate_directory"
    )
    # somewhere where nobody thinks of secrets
    site.edit(site.primary, "name: Bumban", "name: Bumban tr0ub4dor-and-3")
    file = site.folder / "support.tar.gz"
    done = run("doctor", "-c", site.primary, "--bundle", file)
    assert (done.returncode, done.stderr) == (0, f"{file} is written; look into it before you send it\n")
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as bundle:
        texts = {one.name: bundle.extractfile(one).read().decode() for one in bundle}  # type: ignore[union-attr]  # files
    names = {
        "doctor.json",
        "configuration.json",
        "status.json",
        "tables.json",
        "daemon.json",
        "versions.txt",
        "log.txt",
    }
    assert set(texts) == {f"msyncd-support/{name}" for name in names}
    whole = "".join(texts.values())
    for secret in ("tr0ub4dor", code, user, "amoxicillin"):
        assert secret not in whole
    assert json.loads(texts["msyncd-support/status.json"])["site"]["sync_id"] == 1
    assert "Bumban (not shown)" in texts["msyncd-support/status.json"]
    (item,) = [one for one in json.loads(texts["msyncd-support/tables.json"]) if one["record_type"] == "item"]
    assert [one["name"] for one in item["columns"]] == ["ID", "name", "price"]
    assert "msyncd " in texts["msyncd-support/versions.txt"]


def test_no_file_is_written_over(site: Country) -> None:
    file = site.write("support.tar.gz", "mine")
    done = run("doctor", "-c", site.primary, "--bundle", file)
    assert done.returncode == 2
    assert f"{file} is there already" in done.stderr
    assert file.read_text() == "mine"
