"""What a restored backup loses, exactly: what the lost disk had, and had not sent.

Each record that the site wrote last stands afterwards in the later one of two states: the primary's, and the backup's.
Where the backup's is the later, the primary's may stand all the same (a conflict, whose other side is in quarantine);
and what the primary has deleted may come back, if the backup had not sent it (see docs/restore.md).
"""

from tests.faults.checker.clients import Journal, Wrote
from tests.faults.checker.verdict import Contents, state_of, store_in

States = list[object]


def note_restored(journal: Journal, site: int, primary: Contents, backup: Contents, taken: float, now: float) -> None:
    """The site's database is an older one as of `now`; it was copied at `taken`, and nobody wrote to it meanwhile.

    `primary`: what stands there, with nothing of the site's under way. Only what is lost is noted.
    """
    stands: dict[tuple[str, str], States] = {}
    touched: set[str] = set()
    for (table, key), wrote in journal.by_record().items():
        if wrote[-1].site != site or table == "item":
            continue
        at_primary, in_backup = state_of(primary, table, key), state_of(backup, table, key)
        states = stands[table, key] = _after(wrote, at_primary, in_backup, taken)
        if at_primary is not None and at_primary not in [one.state for one in wrote]:
            journal.seen.append(f"{table} {key} stood at the primary as {at_primary}, which nobody wrote")
        if states != [wrote[-1].state]:
            touched.add(next(one.store for one in wrote if one.store))
            for number, state in enumerate(states):
                one = Wrote(site, "", table, key, state, number == 0, now, now + number * 1e-6, beside=True)
                journal.wrote.append(one)
    for store in touched:
        journal.apart[store] = _apart(journal, store, primary, stands)


def _after(wrote: list[Wrote], at_primary: object, in_backup: object, taken: float) -> States:
    """The states in which a record may stand once the backup is in place; one, where that is certain."""
    known = [at for at, one in enumerate(wrote) if one.state == at_primary]
    copied = [at for at, one in enumerate(wrote) if one.state == in_backup and one.began <= taken]
    reached, held = max(known, default=-1), max(copied, default=-1)
    if at_primary == in_backup or (at_primary is not None and reached >= held):
        return [at_primary]
    if at_primary is None and not known:  # it never came there, and is not known to have been deleted
        return [in_backup]
    return [at_primary, in_backup]


def _apart(journal: Journal, store: str, primary: Contents, stands: dict[tuple[str, str], States]) -> int | None:
    """How far the store's stock is from its documents: a batch may have brought the one and not yet the other."""
    keys = {one.key for one in journal.wrote if one.table == "doc" and one.store == store}
    keys |= {key for key, row in primary["doc"].items() if store_in("doc", row) == store}
    documents = [stands.get(("doc", key), [state_of(primary, "doc", key)]) for key in keys]
    stock = stands.get(("stock", f"b-{store}"), [state_of(primary, "stock", f"b-{store}")])
    if len(stock) > 1 or any(len(one) > 1 for one in documents):
        return None
    lines = sum(int(quantity) for (one,) in documents if isinstance(one, tuple) for _, quantity in one)
    return (stock[0] if isinstance(stock[0], int) else 0) - lines
