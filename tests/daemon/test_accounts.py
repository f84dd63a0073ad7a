"""Who may log in at the primary, after its configuration."""

from pathlib import Path

import pytest

from msyncd.daemon.accounts import SettingsAccounts
from msyncd.settings import load
from msyncd.settings.secrets import hash_password
from msyncd.settings.values import Settings
from tests.daemon.conftest import PRIMARY, TYPES


def settings_with(folder: Path, kalo: str) -> Settings:
    (folder / "types.yaml").write_text(TYPES)
    text = PRIMARY.format(port=8443).replace("active_stores: [KAL]", f"active_stores: [KAL], {kalo}")
    (folder / "site1.yaml").write_text(text)
    return load(folder / "site1.yaml").settings


def test_a_sites_own_log_in_or_that_of_all(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "user_name: kalo, password: mangoes")
    accounts = SettingsAccounts(lambda: settings)
    bumban, kalo = accounts.account(2), accounts.account(3)
    assert bumban is not None
    assert kalo is not None
    assert (bumban.user_name, bumban.verify("hunter2hunter2"), bumban.verify("mangoes")) == ("sync", True, False)
    assert (kalo.user_name, kalo.verify("mangoes"), kalo.verify("hunter2hunter2")) == ("kalo", True, False)
    assert accounts.account(1) is None
    assert accounts.account(4) is None


@pytest.mark.parametrize(
    "edit", ["user_name: kalo, password: papayas", "user_name: other, password: mangoes", "user_name: kalo"]
)
def test_tokens_end_when_password_or_user_name_changes(tmp_path: Path, edit: str) -> None:
    now = [settings_with(tmp_path, "user_name: kalo, password: mangoes")]
    accounts = SettingsAccounts(lambda: now[0])
    before = [accounts.account(site) for site in (2, 3)]
    now[0] = settings_with(tmp_path, edit)
    after = [accounts.account(site) for site in (2, 3)]
    versions = [(one.version, two.version) for one, two in zip(before, after, strict=True) if one and two]
    assert [one == two for one, two in versions] == [True, False]


@pytest.mark.parametrize("whose", ["its own", "that of all"])
def test_while_a_site_changes_over_the_password_before_is_accepted_too(tmp_path: Path, whose: str) -> None:
    (tmp_path / "new").write_text("papayas\n")
    (tmp_path / "old").write_text("mangoes\n")
    both = "password_file: new, old_password_file: old"
    settings = settings_with(tmp_path, f"user_name: kalo, {both}" if whose == "its own" else "user_name: kalo")
    if whose == "that of all":
        file = tmp_path / "site1.yaml"
        file.write_text(file.read_text().replace("password: hunter2hunter2", both))
        settings = load(file).settings
    during = SettingsAccounts(lambda: settings).account(3)
    assert during is not None
    assert (during.verify("papayas"), during.verify("mangoes"), during.verify("guavas")) == (True, True, False)
    ended = SettingsAccounts(lambda: settings_with(tmp_path, "user_name: kalo, password: papayas")).account(3)
    assert ended is not None
    assert (ended.verify("papayas"), ended.verify("mangoes")) == (True, False)
    assert ended.version != during.version, "tokens that were given for the old password end with it"


def test_a_hash_is_enough_at_the_primary(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, f'user_name: kalo, password_hash: "{hash_password("mangoes")}"')
    kalo = SettingsAccounts(lambda: settings).account(3)
    assert kalo is not None
    assert kalo.verify("mangoes")
    assert not kalo.verify("papayas")


def test_a_password_that_is_not_there_lets_nobody_in(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "password_file: nowhere")
    kalo = SettingsAccounts(lambda: settings).account(3)
    assert kalo is not None
    assert not kalo.verify("")
