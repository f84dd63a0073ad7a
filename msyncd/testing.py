"""Real sites in a test: a primary and satellites on temporary SQLite databases, linked, with a clock that it holds.

For plugin authors and for msyncd itself. Nothing is mocked: triggers, batches and receipts are the real ones, and every
message is encoded and decoded as it would be on its way. See "Testing your plugin" in docs/plugins.md.

    with Sites(schema=SQL, record_types=YAML, active_stores={2: ["BUM"], 3: ["KAL"]}) as sites:
        sites.primary.write("INSERT INTO item VALUES ('paracetamol', 500)")
        sites.sync()
        assert sites[2].rows("item") == [("paracetamol", 500)]
"""

import json
import shutil
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

import msgspec

from msyncd.databases.interface import Writer
from msyncd.databases.sqlite.database import SQLiteDatabase
from msyncd.errors import ConfigurationInvalid, MsyncdError, PeerUnreachable, Problem
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    Answers,
    Complaint,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.opening import open_site
from msyncd.flow.primary import Primary
from msyncd.flow.satellite import Satellite
from msyncd.flow.world import FlowWorld
from msyncd.model import PRIMARY, CycleSummary, Row, Value
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings import load
from msyncd.wire.codec import decode, encode
from msyncd.wire.complaints import complaint_of, error_of

M = TypeVar("M", bound=msgspec.Struct)

Kind = Literal["hello", "push", "pull", "wait", "compare"]
Fault = Literal["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"]
"""What may befall one message. `late`: it is lost to its sender and arrives when `Line.deliver_late` is called.
`crash`: the satellite dies when the primary has done its work, before the reply."""

CrashPoint = Literal["before commit", "after commit"]

MOST_ROUNDS = 50
"""Rounds of cycles after which `Sites.sync` gives up: records that go to and fro would never come to rest."""


class Crashed(BaseException):
    """The site died at the point that the test named. It has been opened again from what was on its disk."""


class Clock:
    """A clock that the test holds: it stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on, e.g. `clock.advance(days=8)`; negative amounts set it back."""
        self.now += timedelta(**amount)


class FragileDatabase(SQLiteDatabase):
    """The real thing, which can be told to die beside a commit: nothing of an open transaction is left then."""

    crash_at: tuple[CrashPoint, int] | None = None

    @contextmanager
    def write(self, *, swift: bool = False, immediate: bool = False) -> Iterator[Writer]:
        """A write transaction; the one that the test chose ends in Crashed."""
        point = self._due()
        with super().write(swift=swift, immediate=immediate) as writer:
            yield writer
            if point == "before commit":
                raise Crashed(point)
        if point == "after commit":
            raise Crashed(point)

    def _due(self) -> CrashPoint | None:
        if self.crash_at is None:
            return None
        point, left = self.crash_at
        self.crash_at = (point, left - 1) if left > 1 else None
        return point if left == 1 else None


class Line:
    """The line between a satellite and its primary. Messages cross as bytes; faults are injected by the test.

    `cut` True: nothing goes through. `messages` holds (kind, message, reply) of everything that was answered.
    `on_reply` is called while a reply is on its way: what else happens meanwhile.
    """

    def __init__(self, site: int, answers: Callable[[], Answers], restart_primary: Callable[[], None]) -> None:
        self.cut = False
        self.messages: list[tuple[Kind, Any, Any]] = []
        self.on_reply: Callable[[Kind], None] | None = None
        self._site, self._answers, self._restart_primary = site, answers, restart_primary
        self._faults: dict[str, deque[Fault | None]] = {}
        self._late: list[tuple[Kind, msgspec.Struct]] = []

    def fail(self, kind: Kind, fault: Fault, *, after: int = 0) -> None:
        """The next message of a kind, or the one `after` so many, meets with a fault."""
        self._faults.setdefault(kind, deque()).extend([*[None] * after, fault])

    def calm(self) -> None:
        """No faults any more: those that have not happened yet are called off."""
        self.cut = False
        self._faults.clear()

    def deliver_late(self) -> list[msgspec.Struct | MsyncdError]:
        """What was on its way arrives at the primary at last; nobody waits for the replies, which are returned."""
        late, self._late = self._late, []
        replies: list[msgspec.Struct | MsyncdError] = []
        for kind, message in late:
            try:
                replies.append(self._answer(kind, message))
            except MsyncdError as error:
                replies.append(error)
        return replies

    def hello(self, hello: Hello) -> Welcome:
        """Who the satellite is."""
        return self._ask("hello", hello, Welcome)

    def push(self, push: Push) -> PushReply:
        """A batch of the satellite's changes."""
        return self._ask("push", push, PushReply)

    def pull(self, pull: Pull) -> PullReply:
        """A batch or piece for the satellite."""
        return self._ask("pull", pull, PullReply)

    def wait(self, waiting: Waiting) -> WaitReply:
        """Whether there is something for the satellite."""
        return self._ask("wait", waiting, WaitReply)

    def compare(self, question: Compare) -> Compared:
        """Which records differ."""
        return self._ask("compare", question, Compared)

    def _ask(self, kind: Kind, message: msgspec.Struct, expected: type[M]) -> M:
        queue = self._faults.get(kind)
        fault = queue.popleft() if queue else None
        if fault == "late":
            self._late.append((kind, message))
        if self.cut or fault in {"lost request", "late"}:
            raise PeerUnreachable(f"the line is cut before the {kind}")
        reply = self._answer(kind, message)
        if fault == "doubled":
            reply = self._answer(kind, message)
        if fault == "primary restarts":
            self._restart_primary()
        if fault == "crash":
            raise Crashed(f"before the reply to the {kind}")
        if fault in {"lost reply", "primary restarts"}:
            raise PeerUnreachable(f"the line is cut before the reply to the {kind}")
        if self.on_reply is not None:
            self.on_reply(kind)
        return decode(encode(reply), expected)

    def _answer(self, kind: Kind, message: msgspec.Struct) -> msgspec.Struct:
        arrived: Any = decode(encode(message), type(message))
        answers = self._answers()
        answer: Callable[..., msgspec.Struct] = getattr(answers, kind)
        try:
            reply = answer(arrived) if kind == "hello" else answer(self._site, arrived)
        except MsyncdError as error:
            raise error_of(decode(encode(complaint_of(error)[1]), Complaint), logged_in=True) from error
        except Crashed as crashed:
            self._restart_primary()
            raise PeerUnreachable(f"the primary died at its {kind}: {crashed}") from crashed
        self.messages.append((kind, arrived, reply))
        return reply


class Changes(TypedDict, total=False):
    """What `reload` can change; see `Sites`."""

    record_types: str | Path | Mapping[str, Any]
    plugins: Sequence[str | Path | Mapping[str, Any]]
    active_stores: Mapping[int, Sequence[str]]
    copies_of: Mapping[int, Sequence[str] | Literal["all"]]
    request_size: int


@dataclass(frozen=True)
class Wishes:
    """The configuration of one site, as the test has it. `active_stores` and `copies_of` are those of all sites."""

    record_types: str | Path | Mapping[str, Any]
    active_stores: Mapping[int, Sequence[str]]
    copies_of: Mapping[int, Sequence[str] | Literal["all"]]
    plugins: Sequence[str | Path | Mapping[str, Any]] = ()
    request_size: int = 20

    def write(self, sync_id: int, folder: Path, satellites: Sequence[int]) -> Path:
        """Write the YAML files of a site (JSON is YAML); the path of the main one."""
        types = folder / "record_types.yaml"
        if isinstance(self.record_types, Path):
            types = self.record_types.absolute()
        elif isinstance(self.record_types, str):
            types.write_text(self.record_types, encoding="utf-8")
        else:
            types.write_text(json.dumps(self.record_types), encoding="utf-8")
        mine = {"user_name": "test", "password": "test", "database": "sqlite:///site.db"}
        content: dict[str, Any] = {
            "this_site": {"sync_id": sync_id, "name": _name(sync_id), **mine},
            "sync_with": [{"sync_id": PRIMARY, "name": _name(PRIMARY), "url": "http://127.0.0.1:1"}],
            "record_types": [str(types)],
            "plugins": [one if isinstance(one, Mapping) else {"module": str(one)} for one in self.plugins],
            "state_directory": "state",
        }
        if sync_id == PRIMARY:
            content["this_site"] |= self._stores(PRIMARY)
            content["sync_with"] = [{"sync_id": n, "name": _name(n), **self._stores(n)} for n in satellites]
        else:
            content["sync"] = {"request_size": self.request_size}
        path = folder / "msyncd.yaml"
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def _stores(self, sync_id: int) -> dict[str, Any]:
        copies = self.copies_of.get(sync_id, ())
        held = copies if copies == "all" else list(copies)
        return {"active_stores": list(self.active_stores.get(sync_id, ())), "copies_of": held}


class OneSite:
    """One site in a test: its application's connection, its daemon's objects, its files in `folder`.

    `problems` are those of the configuration in force. `primary` is None on satellites, `satellite` on the primary.
    """

    def __init__(self, sync_id: int, folder: Path, wishes: Wishes, sites: "Sites") -> None:
        self.sync_id, self.folder, self.wishes = sync_id, folder, wishes
        self.problems: tuple[Problem, ...] = ()
        self.primary: Primary | None = None
        self.satellite: Satellite | None = None
        self.line = Line(sync_id, lambda: sites.primary.answers, self._restart_primary)
        self._sites = sites
        self.connection = self._connect()
        self._open(None)

    # --- the application ---

    def write(self, sql: str, *parameters: Value) -> None:
        """Run one statement as the application does, in a transaction of its own unless `transaction` is open."""
        self.connection.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Several writes of the application in one transaction, undone if the block raises."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def rows(self, table: str, columns: str = "*") -> list[Row]:
        """The rows of a table, in the order of their first columns."""
        return sorted(self.connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)

    # --- the daemon ---

    @property
    def here(self) -> Here:
        """The site as it is now."""
        owner = self.primary or self.satellite
        assert owner is not None
        return owner.here

    @property
    def answers(self) -> Answers:
        """The primary's side of a conversation."""
        assert self.primary is not None, f"site {self.sync_id} is a satellite"
        return self.primary

    @property
    def quarantine(self) -> list[aside.Aside]:
        """What is in quarantine, oldest first."""
        with self.here.database.read() as reader:
            return aside.quarantined(reader)

    @property
    def waiting(self) -> list[aside.Aside]:
        """What waits for another record."""
        with self.here.database.read() as reader:
            return aside.waiting(reader)

    def cycle(self) -> CycleSummary:
        """One cycle with the primary. Raises MsyncdError as the daemon's loop would see it, and Crashed."""
        assert self.satellite is not None, "the primary has no cycle of its own"
        try:
            return self.satellite.cycle()
        except Crashed:
            self.restart()
            raise

    def crash_at(self, point: CrashPoint, number: int = 1) -> None:
        """The site is to die beside a commit of its daemon: the next, or the `number`-th."""
        database = self.here.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = (point, number)

    def calm(self) -> None:
        """Faults and crashes that have not happened yet are called off."""
        self.line.calm()
        database = self.here.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = None

    def restart(self) -> None:
        """Drop every object and open the site again from its disk; the application stays connected."""
        self.close()
        self._open(None)

    def reload(self, **changes: Unpack[Changes]) -> tuple[Problem, ...]:
        """Take in an edited configuration while it runs; returns its problems. Raises ConfigurationInvalid."""
        before = self.wishes
        self.wishes = replace(before, **changes)
        try:
            self._open(self.here)
        except ConfigurationInvalid:
            self.wishes = before
            raise
        return self.problems

    def close(self) -> None:
        """Let go of the daemon's connections."""
        self.here.database.close()

    def backup(self) -> Path:
        """A copy of the database as it is now, for `restore`."""
        copy = Path(tempfile.mkstemp(".db", "backup-", self.folder)[1])
        with closing(sqlite3.connect(copy)) as target:
            self.connection.backup(target)
        return copy

    def restore(self, backup: Path) -> None:
        """An admin puts an older copy of the database in place and starts everything again."""
        self.close()
        self.connection.close()
        for path in self.folder.glob("site.db*"):
            path.unlink()
        shutil.copy(backup, self.folder / "site.db")
        self.connection = self._connect()
        self._open(None)

    def _restart_primary(self) -> None:
        self._sites.primary.restart()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.folder / "site.db", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _open(self, running: Here | None) -> None:
        path = self.wishes.write(self.sync_id, self.folder, self._sites.satellite_ids)
        loaded = load(path)
        plugins, problems = Plugins.load(loaded.settings.plugins, builtin=BUILTIN)
        if [one for one in problems if one.severity == "error"]:
            raise ConfigurationInvalid(tuple(problems))
        database = running.database if running else FragileDatabase(loaded.settings.this_site.database)
        opened = open_site(loaded.settings, plugins, clock=self._sites.clock, database=database)
        self.problems = (*loaded.warnings, *problems, *opened.problems)
        self._swap(opened.here, running=running is not None)
        plugins.connect(FlowWorld(lambda: self.here))

    def _swap(self, here: Here, *, running: bool) -> None:
        """A reload swaps one value, as the daemon does; a start makes everything anew."""
        if self.sync_id == PRIMARY:
            if running and self.primary is not None:
                self.primary.here = here
            else:
                self.primary = Primary(here)
        elif running and self.satellite is not None:
            self.satellite.here = here
            self.satellite.forget_hello()
        else:
            self.satellite = Satellite(here, self.line, trust=self.satellite.trust if self.satellite else None)


class Sites:
    """A primary and its satellites: `sites.primary`, `sites[2]`. Use it as a context manager.

    schema: SQL that makes the application's tables, the same everywhere (or by sync ID).
    record_types: YAML as text, its path, or the same as a dictionary: `stores` and `record_types`.
    active_stores, copies_of: by sync ID, as in the primary's YAML. Every sync ID that either names is a site.
    plugins: names, paths or {module, settings}, loaded on every site.
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
        joined: bool = True,
        folder: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self._temporary = None if folder is not None else tempfile.TemporaryDirectory(prefix="msyncd-")
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        copies_of = {PRIMARY: "all"} if copies_of is None else copies_of
        wishes = Wishes(record_types, active_stores or {}, copies_of, plugins, request_size)
        self.satellite_ids = sorted({*wishes.active_stores, *copies_of} - {PRIMARY})
        self._sites: dict[int, OneSite] = {}
        for sync_id in (PRIMARY, *self.satellite_ids):
            self._make_database(sync_id, schema if isinstance(schema, str) else schema[sync_id])
            self._sites[sync_id] = OneSite(sync_id, self.folder / f"site{sync_id}", wishes, self)
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
            if not any(one.sent or one.received or one.refused or one.left_to_send for one in summaries):
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

    def _make_database(self, sync_id: int, schema: str) -> None:
        folder = self.folder / f"site{sync_id}"
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / "site.db")) as connection:
            connection.executescript(schema)


def _name(sync_id: int) -> str:
    return "primary" if sync_id == PRIMARY else f"site {sync_id}"
