"""What the guard asks before a write stands, and the words in which it refuses, as the body of a trigger.

The question goes to the table msyncd_store, under a shared lock: changed facts change the guard at once, and whoever
changes them waits until every write that was let through has ended (P33).
"""

from typing import Final

from msyncd.databases import fence
from msyncd.databases.mariadb.places import Placed
from msyncd.model import PRIMARY

CODE_CHARACTERS: Final = 60
"""A store's code is cut off there: the server has 512 bytes for the whole message."""


def guarded(placed: Placed) -> bool:
    """Whether anything of this type can be refused on this site."""
    record_type = placed.record_type
    if not record_type.guard or record_type.edited_on == "any_site":
        return False
    return record_type.edited_on == "active_site" or placed.site != PRIMARY


def refuses_all(placed: Placed) -> bool:
    """Whether this type can be edited by nobody here but the applier."""
    return guarded(placed) and placed.record_type.edited_on == "primary"


def refusal(placed: Placed, old: str = "") -> list[str]:
    """Statements that refuse the row about which the variables were set, if it is to be refused.

    A row whose ancestors are missing passes: its header may come later.
    """
    if fence.fenced(placed.lineage, placed.site):
        return _fence(placed)
    if not guarded(placed):
        return []
    if refuses_all(placed):
        return [f"{_signal(f'{placed.record_type.name} is edited on the primary (sync ID {PRIMARY}) only')};"]
    root = placed.lineage.root
    named = f" in {root.store_column}" if root.store_column else ""
    nowhere = _signal(f"{root.name} names no store{named}, so it can be edited nowhere")
    return [
        f"IF v_found{old} THEN",
        f"  IF v_store{old} IS NULL THEN {nowhere}; END IF;",
        (
            f"  SELECT count(*), min(s.code), min(s.active_site) INTO v_known, v_code, v_active FROM msyncd_store AS s"
            f" WHERE s.store = v_store{old} LOCK IN SHARE MODE;"
        ),
        f"  IF NOT (v_active <=> {placed.site}) THEN",
        (
            "    SELECT min(h.to_site), min(h.from_site <=> h.to_site) INTO v_to, v_back FROM msyncd_hand_over AS h"
            f" WHERE h.store = v_store{old} LOCK IN SHARE MODE;"
        ),
        (
            "    SET v_words = IF(v_known = 0,"
            " 'this store is not known to msyncd here, so its records can be edited nowhere',"
            f" CONCAT('store ', LEFT(COALESCE(v_code, v_store{old}), {CODE_CHARACTERS}), IF(v_back,"
            f" IF(v_to = {PRIMARY}, ' is being taken back from the satellites after a restore',"
            " ' is being taken back from the primary after a restore'), IF(v_to IS NOT NULL,"
            " CONCAT(' is being handed over to site ', v_to), IF(v_active IS NULL,"
            " ' is active on no site, so its records can be edited nowhere',"
            " CONCAT(' is active on site ', v_active, ', not here'))))));"
        ),
        "    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_words;",
        "  END IF;",
        "END IF;",
    ]


def _fence(placed: Placed) -> list[str]:
    """Refuses every row while a restored primary asks its satellites; the value is read like a store's row."""
    return [
        f"SELECT min(m.value) INTO v_words FROM msyncd_meta AS m WHERE m.name = '{fence.ASKING}' LOCK IN SHARE MODE;",
        f"IF v_words <> '' THEN {_signal(fence.words(placed.lineage))}; END IF;",
    ]


def _signal(words: str) -> str:
    # backslashes are escapes in the sql_mode with which the triggers are made
    escaped = words[:500].replace("\\", "\\\\").replace("'", "''")
    return f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{escaped}'"
