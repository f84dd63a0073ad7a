"""Real sites in a test: a primary and satellites on databases of their own, linked, with a clock that it holds.

For plugin authors and for msyncd itself. Nothing is mocked: triggers, batches and receipts are the real ones, and every
message is encoded and decoded as it would be on its way. See "Testing your plugin" in docs/plugins.md.

    with Sites(schema=SQL, record_types=YAML, active_stores={2: ["BUM"], 3: ["KAL"]}) as sites:
        sites.primary.write("INSERT INTO item VALUES ('paracetamol', 500)")
        sites.sync()
        assert sites[2].rows("item") == [("paracetamol", 500)]
"""

from msyncd.testing.application import Connection, connect
from msyncd.testing.clock import Clock
from msyncd.testing.crashing import Crashed, CrashPoint
from msyncd.testing.line import Fault, Kind, Line
from msyncd.testing.site import OneSite
from msyncd.testing.sites import Sites
from msyncd.testing.wishes import Changes

__all__ = [
    "Changes",
    "Clock",
    "Connection",
    "CrashPoint",
    "Crashed",
    "Fault",
    "Kind",
    "Line",
    "OneSite",
    "Sites",
    "connect",
]
