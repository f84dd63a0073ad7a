"""What every step needs to know of this site: one value, swapped whole when the configuration changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msyncd.databases.interface import Database
from msyncd.flow.types import TypeSet
from msyncd.model import PRIMARY, Facts, Site
from msyncd.plugins import Plugins
from msyncd.settings.values import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time by this machine's clock. Nothing in order, ownership or receipts depends on it (P38)."""
    return datetime.now(UTC)


@dataclass
class Described:
    """The schema's `version` at which the record types were last found to be as they are; None: it is not asked."""

    version: int | None = None


@dataclass(frozen=True)
class Here:
    """This site as it is configured and as the facts are."""

    settings: Settings
    database: Database
    types: TypeSet
    plugins: Plugins
    facts: Facts
    installation_id: str
    clock: Clock = utc_now
    public_key: str = ""
    """The public half of the key with which this installation signs bundles; "" where it is only looked at."""
    described: Described = field(default_factory=Described, compare=False)

    @property
    def site(self) -> int:
        """This site's sync ID."""
        return self.settings.this_site.sync_id

    @property
    def is_primary(self) -> bool:
        """Whether this site is the primary."""
        return self.site == PRIMARY

    def now(self) -> str:
        """The time as it is noted: RFC 3339 in UTC."""
        return self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def peer(self, sync_id: int) -> Site:
        """A site by its sync ID, known or not."""
        return self.facts.sites.get(sync_id) or Site(sync_id, f"site {sync_id}")

    def holds(self, store: str | None) -> bool:
        """Whether this site's tables are to hold a store's records: as its own (see StoreFact.home), or as a copy."""
        return store is None or self.facts.holds(self.site, store)
