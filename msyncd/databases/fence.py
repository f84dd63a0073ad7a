"""The fence of a restored primary: while it asks its satellites, nobody edits what they may know better.

It is one value in msyncd_meta, which every dialect's triggers on the primary read. Stores are fenced by their facts.
"""

from typing import Final

from msyncd.databases.lineage import Lineage
from msyncd.model import PRIMARY

ASKING: Final = "asking"
"""The name in msyncd_meta of the asking under way; '' if there is none."""


def fenced(lineage: Lineage, site: int) -> bool:
    """Whether this type's records can be fenced on this site other than by their store."""
    record_type = lineage.record_type
    return site == PRIMARY and record_type.guard and record_type.edited_on != "active_site"


def words(lineage: Lineage) -> str:
    """What is said of an edit meanwhile."""
    return f"{lineage.record_type.name} is being taken back from the satellites after a restore"
