"""Whether the tables still are as this site was opened with: rows are read by the columns that they had then."""

from msyncd.errors import SchemaChanged
from msyncd.flow.conversation import TypeChanges
from msyncd.flow.here import Here
from msyncd.flow.types import TypeSet, resolve


def check_described(here: Here) -> None:
    """Raises SchemaChanged if the record types would be others now: somebody has altered a table since.

    Asked behind the reading, when its transaction has ended: a column that was added before the rows were read is seen,
    and an ALTER that waits for the reading does not wait for this. Where nothing has moved it is one cheap question.
    """
    described = here.described
    if described.version is None:
        return
    now = here.database.schema_version()
    if now == described.version:
        return
    types, _ = resolve(here.settings, here.database.describe())
    changed = sorted(_changed(here.types, types))
    if changed:
        raise SchemaChanged(
            f"the database's tables have changed, and with them {', '.join(changed)}",
            hint="it goes on by itself once the daemon has looked at them anew, within seconds",
        )
    described.version = now  # as it was before describing: what is changed meanwhile is looked at again


def check_read(here: Here, types: tuple[TypeChanges, ...]) -> None:
    """The same of a batch or piece that was read; one without rows tells nothing of columns, and costs nothing."""
    if any(one.rows for one in types):
        check_described(here)


def _changed(old: TypeSet, new: TypeSet) -> set[str]:
    """The record types that travel otherwise, or no longer, or again."""
    names = {*old.types, *old.stopped, *new.types, *new.stopped}
    return {
        name
        for name in names
        if (old.types.get(name), old.stopped.get(name)) != (new.types.get(name), new.stopped.get(name))
    }
