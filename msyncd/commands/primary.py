"""The primary as this satellite's configuration names it."""

from typing import TYPE_CHECKING

from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.values import PeerSite, Settings
    from msyncd.wire.connection_check import Target


def peer_of(settings: "Settings", doing: str) -> "PeerSite":
    """The primary's entry in sync_with. Raises WrongUsage on a site that has no primary to call."""
    if settings.is_primary:
        raise WrongUsage(
            f"this is the primary: satellites call it, it does not {doing}",
            hint=f"run `msyncd {doing}` on a satellite; `msyncd status` shows how each stands",
        )
    if settings.stands_alone:
        raise WrongUsage("this site stands alone: there is nothing to sync with", hint="name the primary in sync_with")
    return settings.sync_with[0]


def target_of(settings: "Settings", peer: "PeerSite") -> "Target":
    """Where and how to call the primary, for check-connection. The password is read when it is needed."""
    from msyncd.settings.secrets import read_secret
    from msyncd.wire.connection_check import Target

    secret = peer.password or settings.this_site.password
    return Target(
        peer.url or "",
        peer.user_name or settings.this_site.user_name,
        lambda: read_secret(secret),
        peer.ca_certificate,
        peer.proxy,
        settings.allow_plain_http,
    )
