"""A plan: what an edited configuration would change. One value; text and JSON are made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from msyncd.settings.show import Difference

_MOST_TYPES: Final = 6
"""Record types that are named in a line, the largest first; JSON has all."""


@dataclass(frozen=True, slots=True)
class Triggers:
    """The triggers of one table. `action`: make, drop, or renew where the record type is declared otherwise."""

    action: str
    table: str
    record_type: str


@dataclass(frozen=True, slots=True)
class StoreMove:
    """A store that the edit would make active on another site (None: on no site). `code` is what people call it.

    `hand_over`: it has records, or may have some that its site has not sent, so it becomes active there when that holds
    them. Such a one that would be active on no site stays: it is not `possible`. From a site to itself: a hand-over
    that is called off.
    """

    store: str
    code: str
    from_site: int | None
    to_site: int | None
    records: int
    possible: bool
    hand_over: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """Records of one type that would go to a site, or (`action` leave) from it.

    `records` None: not known here, since only `from_site` holds them. What plugins filter out is counted too.
    """

    action: str
    record_type: str
    from_site: int
    to_site: int
    records: int | None


@dataclass(frozen=True)
class Plan:
    """What would change. `seconds`: how long the records for a site would take, by the speed of its last batches."""

    site: int
    name: str
    first: bool = False
    settings: tuple[Difference, ...] = ()
    triggers: tuple[Triggers, ...] = ()
    stores: tuple[StoreMove, ...] = ()
    records: tuple[Flow, ...] = ()
    seconds: Mapping[int, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.first or self.settings or self.triggers or self.stores or self.records)

    def document(self) -> dict[str, Any]:
        """As `msyncd plan --json` has it."""
        return {
            "site": self.site,
            "name": self.name,
            "first": self.first,
            "changes": not self.empty,
            "settings": [asdict(one) for one in self.settings],
            "triggers": [asdict(one) for one in self.triggers],
            "stores": [asdict(one) for one in self.stores],
            "records": [asdict(one) for one in self.records],
            "seconds": {str(site): round(seconds) for site, seconds in self.seconds.items()},
            "warnings": list(self.warnings),
            "lines": list(self.lines()),
        }

    def lines(self) -> tuple[str, ...]:
        """The plan in words, one thing a line: for people, for the log of a reload, for the console."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.first:
            yield f"the first configuration of site {self.site}, {self.name}"
        yield from map(_setting, self.settings)
        for action, words in (("make", "triggers made on"), ("renew", "triggers renewed on"), ("drop", "dropped from")):
            tables = [f"{one.table} ({one.record_type})" for one in self.triggers if one.action == action]
            if tables:
                yield f"{words if action != 'drop' else 'triggers dropped from'} {', '.join(tables)}"
        yield from map(self._move, self.stores)
        yield from self._flows()
        yield from (f"warning: {one}" for one in self.warnings)

    def _move(self, one: StoreMove) -> str:
        whence = f"from {self._site(one.from_site)}" if one.from_site is not None else "until now active nowhere,"
        where = f"to {self._site(one.to_site)}" if one.to_site is not None else "to no site"
        if one.from_site == one.to_site:
            return f"the hand-over of store {one.code} is called off: it goes back {where}"
        unsent = f"records that {self._site(one.from_site)}, may not have sent"
        if one.hand_over:
            with_them = (
                f"{_count(one.records)}: nobody can edit them" if one.records else f"{unsent}: nobody can edit it"
            )
            return (
                f"store {one.code} is handed over {whence} {where}, with {with_them} "
                f"until {self._site(one.from_site)}, has sent what it has, and {self._site(one.to_site)}, has it all"
            )
        if one.possible:
            return f"store {one.code} moves {whence} {where}; it has no records"
        return (
            f"store {one.code} would move {whence} {where}, but it "
            f"{f'has {_count(one.records)}' if one.records else f'may have {unsent}'}: it stays where it is, "
            "until another site's list names it"
        )

    def _flows(self) -> Iterator[str]:
        places = dict.fromkeys((one.action, one.from_site, one.to_site, one.records is None) for one in self.records)
        for action, whence, where, unknown in places:
            mine = [
                one
                for one in self.records
                if (one.action, one.from_site, one.to_site, one.records is None) == (action, whence, where, unknown)
            ]
            yield self._flow(action, whence, where, mine)

    def _flow(self, action: str, whence: int, where: int, flows: list[Flow]) -> str:
        if flows[0].records is None:
            names = ", ".join(one.record_type for one in flows)
            return f"{self._site(where)} is filled by {self._site(whence)}, which alone knows how much: {names}"
        total = sum(one.records or 0 for one in flows)
        ordered = sorted(flows, key=lambda one: -(one.records or 0))
        parts = [f"{one.record_type} {one.records:,}" for one in ordered[:_MOST_TYPES]]
        more = len(ordered) - _MOST_TYPES
        what = f"{_count(total)} ({', '.join([*parts, *([f'{more} more'] if more > 0 else [])])})"
        if action == "leave":
            return f"{what} leave {self._site(where)}"
        seconds = self.seconds.get(where)
        took = f", about {duration(seconds)} at the speed of its last batches" if seconds is not None else ""
        return f"{what} go from {self._site(whence)} to {self._site(where)}{took}"

    def _site(self, site: int | None) -> str:
        name = self.names.get(site or 0)
        return f"site {site}, {name}" if name else f"site {site}"


def _setting(one: Difference) -> str:
    """A section that was added is told with what stands in it."""
    if one.action == "add" and isinstance(one.new, dict):
        given = [f"{key} {_shown(value)}" for key, value in one.new.items() if value not in (None, [], {}, "")]
        return f"{one}: {', '.join(given)}" if given else str(one)
    return str(one)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items() if inner is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def _count(number: int) -> str:
    return f"{number:,} {'record' if number == 1 else 'records'}"


def duration(seconds: float) -> str:
    """So long, as people say it."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{max(1, round(seconds))} s"
