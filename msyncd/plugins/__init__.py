"""Finds, loads, checks and isolates plugins.

`Plugins.load` makes one value of what the YAML lists; the flow asks it through one method for each hook and gets
combined answers, with the changes on which a plugin failed. docs/plugins.md is for those who write plugins.
"""

from msyncd.plugins.answers import Checked, Decision, Failed, Filtered, Resolved, Routed
from msyncd.plugins.context import PluginContext, World, seeing
from msyncd.plugins.contract import HOOKS
from msyncd.plugins.finding import Entry, Place
from msyncd.plugins.manager import Plugins
from msyncd.plugins.plugin import PluginReport

__all__ = [
    "HOOKS",
    "Checked",
    "Decision",
    "Entry",
    "Failed",
    "Filtered",
    "Place",
    "PluginContext",
    "PluginReport",
    "Plugins",
    "Resolved",
    "Routed",
    "World",
    "seeing",
]
