"""A primary and its satellites in a test."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from msyncd.model import PRIMARY, CycleSummary
from msyncd.testing.application import connect
from msyncd.testing.clock import Clock
from msyncd.testing.site import OneSite
from msyncd.testing.wishes import Changes, Wishes

MOST_ROUNDS = 50
"""Rounds of cycles after which `Sites.sync` gives up: records that go to and fro would never come to rest."""


class Sites:
    """A primary and its satellites: `sites.primary`, `sites[2]`. Use it as a context manager.

    schema: SQL that makes the application's tables, the same everywhere (or by sync ID).
    record_types: YAML as text, its path, or the same as a dictionary: `stores` and `record_types`.
    active_stores, copies_of: by sync ID, as in the primary's YAML. Every sync ID that either names is a site.
    plugins: names, paths or {module, settings}, loaded on every site.
    databases: by sync ID, the URL of an empty database for a site that is not to be on a temporary SQLite file; the
      driver must be installed, and whoever made the database drops it.
    joined: every satellite has met the primary once; False leaves that to the test.
    """

    def __init__(
        self,
        *,
        schema: str | Mapping[int, str],
        record_types: str | Path | Mapping[str, Any],
        active_stores: Mapping[int, Sequence[str]] | None = None,
        copies_of: Mapping[int, Sequence[str] | Literal["all"]] | None = None,
        plugins: Sequence[str | Path | Mapping[str, Any]] = (),
        request_size: int = 20,
        databases: Mapping[int, str] | None = None,
        joined: bool = True,
        folder: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self._temporary = None if folder is not None else tempfile.TemporaryDirectory(prefix="msyncd-")
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        copies_of = {PRIMARY: "all"} if copies_of is None else copies_of
        wishes = Wishes(record_types, active_stores or {}, copies_of, plugins, request_size, databases or {})
        self.satellite_ids = sorted({*wishes.active_stores, *copies_of} - {PRIMARY})
        self._sites: dict[int, OneSite] = {}
        for sync_id in (PRIMARY, *self.satellite_ids):
            folder = self.folder / f"site{sync_id}"
            folder.mkdir(parents=True, exist_ok=True)
            self._make_tables(wishes, sync_id, schema if isinstance(schema, str) else schema[sync_id])
            self._sites[sync_id] = OneSite(sync_id, folder, wishes, self)
        if joined:
            self.sync()

    def __getitem__(self, sync_id: int) -> OneSite:
        return self._sites[sync_id]

    def __iter__(self) -> Iterator[OneSite]:
        return iter(self._sites.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def primary(self) -> OneSite:
        """The primary."""
        return self._sites[PRIMARY]

    @property
    def satellites(self) -> list[OneSite]:
        """The satellites, by sync ID."""
        return [self._sites[sync_id] for sync_id in self.satellite_ids]

    def sync(self, *sync_ids: int) -> None:
        """Run cycles, of these satellites or of all, until nothing moves any more. AssertionError: that never comes."""
        chosen = [self._sites[sync_id] for sync_id in sync_ids or self.satellite_ids]
        summaries: list[CycleSummary] = []
        for _ in range(MOST_ROUNDS):
            summaries = [one.cycle() for one in chosen]
            moving = any(one.sent or one.received or one.refused or one.left_to_send for one in summaries)
            if not moving and all(one.here.facts.number == self.primary.here.facts.number for one in chosen):
                return
        raise AssertionError(f"records still move after {MOST_ROUNDS} rounds: {summaries}")

    def reload(self, **changes: Unpack[Changes]) -> None:
        """Every site takes in the same edit: the primary first."""
        for one in self:
            one.reload(**changes)

    def close(self) -> None:
        """Let go of everything; temporary files go away."""
        for one in self:
            one.close()
            one.connection.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _make_tables(self, wishes: Wishes, sync_id: int, schema: str) -> None:
        url = wishes.databases.get(sync_id, f"sqlite:///{self.folder / f'site{sync_id}' / 'site.db'}")
        with closing(connect(url)) as connection:
            connection.script(schema)
