"""What the guard asks before a write, and the words in which it refuses, as SQL text.

The question goes to the table msyncd_store, so changed facts change the guard at once. RAISE takes only literal
messages; so every refusal about a store goes through one view, whose trigger holds the words for all stores.
"""

from collections.abc import Sequence
from typing import Final

from msyncd.databases import fence as fences
from msyncd.databases.lineage import Lineage
from msyncd.databases.sqlite.names import quoted
from msyncd.model import PRIMARY, Facts, StoreFact

VIEW: Final = "msyncd_refuse_store"
VIEW_SQL: Final = f"CREATE VIEW {VIEW} AS SELECT store FROM msyncd_store"
WORDS: Final = "msyncd_refuse_store_words"
FENCED: Final = f"(SELECT value FROM msyncd_meta WHERE name = '{fences.ASKING}') <> ''"
"""Whether a restored primary asks its satellites just now."""


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("'", "''") + "'"


def words(facts: Facts, site: int) -> str:
    """The trigger that says which store may not be edited here, and why."""
    whens = "".join(
        f"\n    WHEN {literal(store)} THEN {_abort(_refusal(fact, site))}"
        for store, fact in sorted(facts.stores.items())
    )
    unknown = _abort("this store is not known to msyncd here, so its records can be edited nowhere")
    case = f"CASE NEW.store{whens}\n    ELSE {unknown} END" if whens else unknown
    return f'CREATE TRIGGER "{WORDS}" INSTEAD OF INSERT ON "{VIEW}" FOR EACH ROW\nBEGIN\n  SELECT {case};\nEND'


def _refusal(fact: StoreFact, site: int) -> str:
    if fact.hand_over is not None and fact.hand_over.takes_back:
        whence = "the satellites" if fact.hand_over.to_site == PRIMARY else "the primary"
        return f"store {fact.code} is being taken back from {whence} after a restore"
    if fact.hand_over is not None:
        return f"store {fact.code} is being handed over to site {fact.hand_over.to_site}"
    if fact.active_site is None:
        return f"store {fact.code} is active on no site, so its records can be edited nowhere"
    if fact.active_site == site:
        # only seen where msyncd_store already says otherwise, and these words are about to be made anew
        return f"store {fact.code} is not active here now"
    return f"store {fact.code} is active on site {fact.active_site}, not here"


def guarded(lineage: Lineage, site: int) -> bool:
    """Whether anything of this type can be refused on this site."""
    record_type = lineage.record_type
    if not record_type.guard or record_type.edited_on == "any_site":
        return False
    return record_type.edited_on == "active_site" or site != PRIMARY


def refuses_all(lineage: Lineage, site: int) -> bool:
    """Whether this type can be edited by nobody here but the applier."""
    return guarded(lineage, site) and lineage.record_type.edited_on == "primary"


def fence(lineage: Lineage) -> str:
    """The statement that refuses an edit while the fence is closed."""
    return f"SELECT {_abort(fences.words(lineage))}"


def condition(lineage: Lineage, site: int, aliases: Sequence[str]) -> str:
    """When a write is to be refused, for the rows of these aliases; empty if always."""
    if refuses_all(lineage, site):
        return ""
    last = _refused(lineage, site, aliases[-1])
    # the row before an update stands elsewhere only if the column that says where has changed
    earlier = [f"({_moved(lineage)} AND {_refused(lineage, site, alias)})" for alias in aliases[:-1]]
    return " OR ".join([last, *earlier])


def _moved(lineage: Lineage) -> str:
    """Whether an update changes the column that decides the row's store."""
    return " OR ".join(f"NEW.{name} COLLATE BINARY IS NOT OLD.{name}" for name in map(quoted, lineage.store_columns()))


def refusals(lineage: Lineage, site: int, aliases: Sequence[str], source: str = "", where: str = "") -> list[str]:
    """Statements that refuse the rows of these aliases, if they are to be refused; `source` and `where` find them."""
    if refuses_all(lineage, site):
        message = f"{lineage.record_type.name} is edited on the primary (sync ID {PRIMARY}) only"
        return [_select(_abort(message), [source] if source else [], [where] if where else [])]
    statements: list[str] = []
    for alias in aliases:
        tables, conditions, root = lineage.chain(alias)
        tables = [source, *tables] if source else tables
        conditions = [where, *conditions] if where else conditions
        column, holder = lineage.root.store_column, lineage.root.name
        value = f"{root}.{quoted(column)}" if column else "NULL"
        nowhere = _abort(f"{holder} names no store{f' in {column}' if column else ''}, so it can be edited nowhere")
        statements.append(_select(nowhere, tables, [*conditions, f"{value} IS NULL"]))
        if column:
            refuse = _select(f"CAST({value} AS TEXT)", tables, [*conditions, _not_here(value, site)])
            statements.append(f"INSERT INTO {VIEW} {refuse}")
    return statements


def _refused(lineage: Lineage, site: int, alias: str) -> str:
    """The row's store is not active here. A row whose ancestors are missing passes: its header may come later."""
    tables, conditions, root = lineage.chain(alias)
    column = lineage.root.store_column
    not_here = _not_here(f"{root}.{quoted(column)}", site) if column else "1"
    return f"EXISTS ({_select('1', tables, [*conditions, not_here])})" if tables else not_here


def _not_here(value: str, site: int) -> str:
    return f"(SELECT active_site FROM msyncd_store WHERE store = CAST({value} AS TEXT)) IS NOT {site}"


def _abort(message: str) -> str:
    return f"RAISE(ABORT, {literal(message)})"


def _select(what: str, tables: Sequence[str], conditions: Sequence[str]) -> str:
    source = f" FROM {', '.join(tables)}" if tables else ""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {what}{source}{where}"
