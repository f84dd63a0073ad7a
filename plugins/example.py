"""A plugin in a minute: stock below zero is not accepted.

    plugins:
      - module: example            # or the path of your own copy: plugins/no_negative_stock.py
        settings: {column: available}

A plugin is a file like this one. Nothing needs to be installed or registered: list it, and it is loaded; edit it, and
it is loaded again. docs/plugins.md has every hook.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from msyncd import Changes, RecordType, Refuse, Verdict, hookimpl
from msyncd.hookspecs import Context


class Settings(BaseModel):
    """What may be set in the YAML, checked with it. A plugin without settings has no such class."""

    record_type: str = "item_line"
    column: str = "available"


# The name says which hook this is; of the hook's arguments, name those that you need, in any order.
@hookimpl
def msyncd_check(record_type: RecordType, changes: Changes, context: Context) -> Sequence[Verdict | None] | None:
    """Asked before a batch is applied. Answer for each change, in order; None is "nothing to say"."""
    if record_type.name != context.settings.record_type:
        return None
    # By column: the fast way through a batch of thousands. `for change in changes` works too.
    quantities = changes.column(context.settings.column)
    return [
        Refuse(f"{quantity} packs is below zero") if isinstance(quantity, int | float) and quantity < 0 else None
        for quantity in quantities
    ]
