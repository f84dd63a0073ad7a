"""What the guard asks about a store, and the words in which it refuses, as SQL text.

The question goes to the table msyncd_store, so changed facts change the guard at once. The store's row is read FOR
SHARE: a hand-over waits for every transaction that has asked, and one with an older snapshot fails (P33).
"""

from typing import Final

from msyncd.databases import fence
from msyncd.databases.lineage import Lineage
from msyncd.databases.postgresql.names import literal
from msyncd.model import PRIMARY

REFUSE: Final = "msyncd_refuse"
"""The function that says which store may not be edited here, and why: '' stands for no store at all."""

REFUSE_SQL: Final = f"""CREATE OR REPLACE FUNCTION msyncd.{REFUSE}(wanted text, nowhere text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $msyncd$
DECLARE
  fact record;
  way record;
BEGIN
  IF wanted = '' THEN
    RAISE EXCEPTION '%', nowhere;
  END IF;
  SELECT s.code, s.active_site INTO fact FROM msyncd.msyncd_store s WHERE s.store = pg_catalog.substr(wanted, 2);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this store is not known to msyncd here, so its records can be edited nowhere'
      USING DETAIL = 'store ' || pg_catalog.substr(wanted, 2);
  END IF;
  SELECT h.from_site, h.to_site INTO way FROM msyncd.msyncd_hand_over h WHERE h.store = pg_catalog.substr(wanted, 2);
  IF FOUND AND way.from_site = way.to_site THEN
    RAISE EXCEPTION 'store % is being taken back from the % after a restore', fact.code,
      CASE WHEN way.to_site = {PRIMARY} THEN 'satellites' ELSE 'primary' END;
  ELSIF FOUND THEN
    RAISE EXCEPTION 'store % is being handed over to site %', fact.code, way.to_site;
  ELSIF fact.active_site IS NULL THEN
    RAISE EXCEPTION 'store % is active on no site, so its records can be edited nowhere', fact.code;
  END IF;
  RAISE EXCEPTION 'store % is active on site %, not here', fact.code, fact.active_site;
END $msyncd$"""


FENCED: Final = (
    f"coalesce((SELECT m.value FROM msyncd.msyncd_meta m WHERE m.name = '{fence.ASKING}' FOR SHARE), '') <> ''"
)
"""Whether a restored primary asks its satellites just now; read like a store's row, for the same reason."""


def words_of_fence(lineage: Lineage) -> str:
    """What is said then: a text in SQL."""
    return literal(fence.words(lineage))


def guarded(lineage: Lineage, site: int) -> bool:
    """Whether anything of this type can be refused on this site."""
    record_type = lineage.record_type
    if not record_type.guard or record_type.edited_on == "any_site":
        return False
    return record_type.edited_on == "active_site" or site != PRIMARY


def refuses_all(lineage: Lineage, site: int) -> bool:
    """Whether this type can be edited by nobody here but the applier."""
    return guarded(lineage, site) and lineage.record_type.edited_on == "primary"


def words_of_all(lineage: Lineage) -> str:
    """What is said where nobody here may edit: a text in SQL."""
    return literal(f"{lineage.record_type.name} is edited on the primary (sync ID {PRIMARY}) only")


def nowhere(lineage: Lineage) -> str:
    """What is said of a record that names no store: a text in SQL."""
    column = lineage.root.store_column
    return literal(
        f"{lineage.root.name} names no store{f' in {column}' if column else ''}, so it can be edited nowhere"
    )


def first_refused(stores: str, site: int) -> str:
    """SQL for one store, of a query that gives `store`, that is not active here: 's' and the store, '' for none."""
    active = "SELECT s.active_site FROM msyncd.msyncd_store s WHERE s.store = asked.store FOR SHARE"
    return (
        f"(SELECT coalesce('s' || asked.store, '') FROM (SELECT DISTINCT every.store FROM ({stores}) every) asked"
        f" WHERE ({active}) IS DISTINCT FROM {site} LIMIT 1)"
    )
