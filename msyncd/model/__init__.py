"""The words of the field as frozen values. No I/O: everything here can be made and compared in a test.

One word per idea; docs/glossary.md says what each means to an admin.
"""

from msyncd.model.answers import (
    Allow,
    AppliedBatch,
    Conflict,
    CycleSummary,
    Refusal,
    Refuse,
    Replace,
    Route,
    Verdict,
    Wait,
)
from msyncd.model.changes import Change, Changes
from msyncd.model.record_types import AlsoSentTo, RecordType, Through
from msyncd.model.sites import Facts, HandOver, HandOverStep, Site, StoreFact
from msyncd.model.tables import Column, ForeignKey, Table, UniqueIndex
from msyncd.model.values import (
    PRIMARY,
    START,
    ApplicationTriggers,
    Cursor,
    Direction,
    EditedOn,
    Kind,
    Operation,
    Row,
    SentTo,
    Value,
    Whole,
    ZeroDates,
)

__all__ = [
    "PRIMARY",
    "START",
    "Allow",
    "AlsoSentTo",
    "ApplicationTriggers",
    "AppliedBatch",
    "Change",
    "Changes",
    "Column",
    "Conflict",
    "Cursor",
    "CycleSummary",
    "Direction",
    "EditedOn",
    "Facts",
    "ForeignKey",
    "HandOver",
    "HandOverStep",
    "Kind",
    "Operation",
    "RecordType",
    "Refusal",
    "Refuse",
    "Replace",
    "Route",
    "Row",
    "SentTo",
    "Site",
    "StoreFact",
    "Table",
    "Through",
    "UniqueIndex",
    "Value",
    "Verdict",
    "Wait",
    "Whole",
    "ZeroDates",
]
