"""The primary's list of sites as the log-in sees it, made of the configuration in force."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from msyncd.settings.secrets import SecretUnavailable, hash_password, read_secret, verify_password
from msyncd.settings.values import PeerSite, Secret, Settings
from msyncd.wire.login import Account


class SettingsAccounts:
    """Answers from the settings of the moment. Their accounts are made once per settings value."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._made: tuple[Settings, Mapping[int, Account]] | None = None

    def account(self, sync_id: int) -> Account | None:
        """None if no such site is in sync_with."""
        settings = self._settings()
        made = self._made
        if made is None or made[0] is not settings:
            made = self._made = settings, {peer.sync_id: _account(settings, peer) for peer in settings.sync_with}
        return made[1].get(sync_id)

    def highest(self) -> int:
        """As max_sync_id says."""
        return self._settings().max_sync_id


def slow_no(_given: str) -> bool:
    """What is asked where no such site is known: as slow as a hash, and never right."""
    hash_password("nobody")
    return False


def _account(settings: Settings, peer: PeerSite) -> Account:
    mine = settings.this_site
    secret, old = (mine.password, mine.old_password) if peer.password is None else (peer.password, peer.old_password)
    secrets = [one for one in (secret, old or peer.old_password) if one is not None]
    user_name = peer.user_name or mine.user_name
    return Account(user_name, lambda given: _verify(secrets, given), _version(user_name, secrets))


def _verify(secrets: Sequence[Secret], given: str) -> bool:
    """Whether it is one of the passwords; all are tried, so that the time does not tell which."""
    right = [_is(secret, given) for secret in secrets]
    return any(right)


def _is(secret: Secret, given: str) -> bool:
    try:
        return verify_password(secret, given)
    except SecretUnavailable:
        return False  # there is no right password; `msyncd check` and the start of `run` have said so


def _version(user_name: str, secrets: Sequence[Secret]) -> str:
    """Changes with the passwords, so that tokens made with one that is no longer accepted end."""
    whole = hashlib.sha256(f"{len(user_name)} {user_name}".encode("utf-8", "surrogatepass"))
    for secret in secrets:
        try:
            password = secret.hash or read_secret(secret)
        except SecretUnavailable:
            password = ""
        whole.update(f" {len(password)} {password}".encode("utf-8", "surrogatepass"))
    return whole.hexdigest()
