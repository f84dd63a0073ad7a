"""The primary answers a satellite that compares: it digests its own records of the same ranges and keys."""

from collections.abc import Iterator
from functools import partial

import msgspec

from msyncd.databases.interface import Reader
from msyncd.errors import MessageInvalid
from msyncd.flow.accepting import speaker
from msyncd.flow.compare.digests import Common, Running, common, digest, written
from msyncd.flow.compare.holding import for_satellite, owner_of
from msyncd.flow.compare.messages import Compare, Compared, Digest, Range
from msyncd.flow.fill import scope_of
from msyncd.flow.here import Here
from msyncd.flow.ledger import compared
from msyncd.flow.log import log_rows
from msyncd.flow.readable import read_apart, rows_of
from msyncd.flow.receive import key_told
from msyncd.model import Changes, Cursor, Row, Site

PAGE = 2_000
"""Rows that are read at once."""
LISTED = 2_000
"""Records in one listing at most."""
MOST_KEYS = 2_000


class Answering:
    """One question of one satellite."""

    def __init__(self, here: Here, site: int, question: Compare) -> None:
        record_type = here.types.types.get(question.type)
        if record_type is None:
            raise MessageInvalid(f"there is no record type {question.type}", hint="say hello again")
        if len(question.keys) > MOST_KEYS:
            raise MessageInvalid(f"{len(question.keys)} keys, more than {MOST_KEYS}")
        self._here, self._question, self._type = here, question, record_type
        self._site: Site = here.peer(site)
        self._shared: Common = common(here.types, record_type, question.columns, question.kinds)
        self._keys = [key_told(record_type, one) for one in question.keys]
        self._after, *self._uptos = [
            None if one is None else key_told(record_type, one)
            for one in (question.after, *(each.upto for each in question.ranges))
        ]

    def answer(self) -> Compared:
        """Which ranges differ, or how records stand. Raises FactsChanged, CloneRefused, MessageInvalid."""
        here, question = self._here, self._question
        with here.database.read() as reader:
            speaker(reader, here, self._site.sync_id, question, question.facts_number)
            if question.keys and not question.send_again:
                found = Compared(records=self._standing(reader))
            elif question.listing:
                found = self._listed(reader)
            else:
                found = Compared(differ=tuple(self._differ(reader)))
        if question.send_again or question.results:
            self._write()
        return msgspec.structs.replace(found, facts_number=here.facts.number)

    def _write(self) -> None:
        here, question = self._here, self._question
        with here.database.write() as writer:
            speaker(writer, here, self._site.sync_id, question, question.facts_number)
            if question.send_again:
                log_rows(writer, here, self._type, self._keys, only_site=self._site.sync_id)
            for one in question.results:
                compared.note(writer, self._site.sync_id, one.type, one.records, one.differences, here.now())

    def _differ(self, reader: Reader) -> Iterator[int]:
        after = self._after
        for place, (one, upto) in enumerate(zip(self._question.ranges, self._uptos, strict=True)):
            if not self._agrees(reader, after, upto, one):
                yield place
            after = upto

    def _agrees(self, reader: Reader, after: Row | None, upto: Row | None, wanted: Range) -> bool:
        running = Running()
        for changes in self._pages(reader, after, upto):
            running.add(written(_rows(changes), self._shared))
            if running.records > wanted.records:
                return False  # whatever else there is
        return running.records == wanted.records and running.digest() == wanted.digest

    def _listed(self, reader: Reader) -> Compared:
        after, upto = self._after, self._uptos[0] if self._uptos else None
        records: list[Digest] = []
        for changes in self._pages(reader, after, upto):
            records += self._digests(reader, changes)
            if len(records) >= LISTED:
                return Compared(records=tuple(records), upto=records[-1].key)
        return Compared(records=tuple(records))

    def _standing(self, reader: Reader) -> tuple[Digest, ...]:
        rows, _ = rows_of(reader, self._type, self._keys)
        found = self._digests(reader, for_satellite(reader, self._here, self._site, self._type, list(rows.values())))
        there = {tuple(one.key) for one in found}
        lacking = [key for key in self._keys if key not in there]
        return (*found, *(Digest(key, None, moving=self._moving(reader, key)) for key in lacking))

    def _digests(self, reader: Reader, changes: Changes) -> list[Digest]:
        asked = bool(self._question.keys)
        return [
            Digest(
                key,
                digest(row),
                owner_of(self._here, self._type, store),
                moving=asked and self._moving(reader, key),
            )
            for key, store, row in zip(changes.keys, changes.stores, written(_rows(changes), self._shared), strict=True)
        ]

    def _moving(self, reader: Reader, key: Row) -> bool:
        return reader.changed_since(self._here.types.ids[self._type.name], key, Cursor(*self._question.cursor))

    def _pages(self, reader: Reader, after: Row | None, upto: Row | None) -> Iterator[Changes]:
        """The records of a range that the satellite is to hold, page by page."""
        scope = scope_of(self._here, self._site, None)
        while True:
            page = partial(reader.page, after=after, limit=PAGE, scope=scope, upto=upto)
            read = read_apart(reader, self._type, page)
            if read.rows:
                yield for_satellite(reader, self._here, self._site, self._type, read.rows)
            if len(read.keys) < PAGE:
                return
            after = read.keys[-1]


def _rows(changes: Changes) -> list[Row]:
    return [row for row in changes.rows if row is not None]


def answer(here: Here, site: int, question: Compare) -> Compared:
    """See Answering."""
    return Answering(here, site, question).answer()
