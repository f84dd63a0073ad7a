"""Another machine takes over a sync ID (P35): on the primary, the old database's registration is let go."""

from msyncd.errors import WrongUsage
from msyncd.flow.here import Here
from msyncd.flow.ledger import sites
from msyncd.flow.outcome import Outcome
from msyncd.flow.settle import quarantine_waiting


def replace_site(here: Here, site: int) -> str | None:
    """Let the next database that says hello as `site` take over; the old one is refused from then on.

    What the old one had sent stays, and fills the new one. Returns the old database's ID, None if there was none.
    Raises WrongUsage on a satellite, or for a site that is not configured.
    """
    if not here.is_primary:
        raise WrongUsage("a site is replaced on the primary", hint="run this command there")
    if site == here.site or site not in here.facts.sites:
        raise WrongUsage(f"site {site} is not in sync_with", hint="see `msyncd sites list`")
    with here.database.write() as writer:
        known = sites.known(writer, site)
        for table in ("msyncd_receipt", "msyncd_refusal", "msyncd_fill", "msyncd_staged", "msyncd_held", "msyncd_owed"):
            writer.execute(f"DELETE FROM {table} WHERE site = ?", (site,))
        quarantine_waiting(writer, site, Outcome(site))  # nothing will bring now what it waits for
        sites.note(
            writer,
            site,
            database_id=None,
            installation_id=None,
            generation=1,
            public_key=None,
            joined=0,
            heard=0,
            held_mark=None,
            record_types=None,
            problem=None,
        )
    return known.database_id
