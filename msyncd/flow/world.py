"""What the flow lends to plugins as their `context`: the site as it is now, and sending again."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msyncd.errors import WrongUsage
from msyncd.flow.here import Here
from msyncd.flow.log import log_rows
from msyncd.model import Facts, RecordType, Row

if TYPE_CHECKING:
    from dataset import Database


class FlowWorld:
    """The world of plugins (see msyncd.plugins.World). `now` gives the site as it is at each access."""

    def __init__(self, now: Callable[[], Here]) -> None:
        self._now = now

    @property
    def site(self) -> int:
        """This site's sync ID."""
        return self._now().site

    @property
    def facts(self) -> Facts:
        """Sites and stores."""
        return self._now().facts

    @property
    def record_types(self) -> Mapping[str, RecordType]:
        """The record types in force."""
        return self._now().types.types

    def database(self) -> "Database":
        """The application's database for look-ups, on the calling thread."""
        return self._now().database.lookups()

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        """Log the records anew: filters and routes decide anew, and they are sent or withdrawn.

        On the primary for the given sites; on a satellite for the primary, whatever sites are named.
        """
        here = self._now()
        one = here.types.types.get(record_type)
        if one is None:
            raise WrongUsage(f"there is no record type {record_type} to send again")
        wanted = [tuple(key) for key in keys]
        with here.database.write() as writer:
            for site in sorted(set(sites)) if here.is_primary else [None]:
                log_rows(writer, here, one, wanted, only_site=site)
