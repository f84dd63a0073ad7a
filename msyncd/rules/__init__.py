"""The built-in rules: who edits a record and who receives it. Ordinary plugins on the public hooks, one file each."""

from types import ModuleType
from typing import Final

from msyncd.rules import active_site, also_sent_to, edited_on, sent_to

BUILTIN: Final[tuple[ModuleType, ...]] = (edited_on, active_site, sent_to, also_sent_to)
"""For `Plugins.load(builtin=…)`: asked before what the YAML lists."""
