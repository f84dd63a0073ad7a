"""A primary's answers kept in memory: enough to try the wire. Public: other tests need a primary to call as well."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from msyncd import __version__
from msyncd.flow.compare.messages import Compare, Compared, Digest
from msyncd.flow.conversation import (
    PROTOCOL_VERSION,
    Batch,
    Give,
    GiveReply,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    SpokenSite,
    SpokenType,
    TypeChanges,
    Waiting,
    Welcome,
)
from msyncd.model import START, Cursor, Row
from msyncd.wire.login import Account

ITEM = SpokenType("item", ("ID", "name", "price", "picture"), ("ID",))


def hello_of(site: int = 2, *, probe: bool = False) -> Hello:
    """What a satellite says first."""
    return Hello(
        protocol=PROTOCOL_VERSION,
        version=__version__,
        sync_id=site,
        name=f"Site {site}",
        database_id=f"db-{site}",
        generation=1,
        installation_id=f"inst-{site}",
        record_types=(ITEM,),
        probe=probe,
    )


def push_of(rows: list[Row], upto: int = 1, after: int = 0) -> Push:
    """A batch of items."""
    changes = TypeChanges("item", ITEM.columns, rows)
    return Push(Batch(Cursor(0, after), Cursor(0, upto), "mark", (changes,)), database_id="db-2", generation=1)


PULL = Pull(START, "", records=500, database_id="db-2", generation=1, facts_number=0)


@dataclass
class FakeAnswers:
    """Keeps what is pushed, per site, and hands it out again. `before` runs in each call: to raise, to wait."""

    pushed: dict[int, list[Row]] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    before: Callable[[str], None] = lambda _name: None
    serial: int = 0
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hello(self, hello: Hello) -> Welcome:
        self.before("hello")
        self.hellos.append(hello)
        return Welcome(
            protocol=PROTOCOL_VERSION,
            version=__version__,
            token="",
            token_seconds=0.0,
            site=SpokenSite(hello.sync_id, hello.name),
            primary_name="Central",
            database_id="db-1",
            generation=1,
            record_types=(ITEM,),
            facts_number=7,
            stores=(),
            sites=(),
            pushed=START,
            pushed_mark="",
            joined=True,
            now="2026-01-01T00:00:00Z",
        )

    def push(self, site: int, push: Push) -> PushReply:
        self.before("push")
        with self.lock:
            for changes in push.batch.types:
                self.pushed.setdefault(site, []).extend(changes.rows)
            self.serial += 1
        return PushReply(applied=True, cursor=push.batch.upto, mark=push.batch.mark)

    def pull(self, site: int, pull: Pull) -> PullReply:
        self.before("pull")
        rows = self.pushed.get(site, [])
        upto = Cursor(0, self.serial)
        return PullReply(Batch(pull.cursor, upto, "m", (TypeChanges("item", ITEM.columns, rows),)), cursor=upto)

    def compare(self, site: int, question: Compare) -> Compared:
        self.before("compare")
        return Compared(records=tuple(Digest(key, b"d") for key in question.keys))

    def give(self, site: int, give: Give) -> GiveReply:
        self.before("give")
        return GiveReply(tuple((one.type, key) for one in give.types for key in one.deletes))

    def news(self, site: int, waiting: Waiting) -> bool:
        """Whether anything was pushed beyond the cursor."""
        self.before("news")
        self.asked += 1
        return self.serial > waiting.cursor.seq


@dataclass
class FakeAccounts:
    """Accounts whose hash costs `seconds`, and that count how often it ran."""

    passwords: dict[int, str] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    checked: int = 0

    def account(self, sync_id: int) -> Account | None:
        password = self.passwords.get(sync_id)
        if password is None:
            return None
        return Account("sync", lambda given: self.same(password, given), self.versions.get(sync_id, "1"))

    def highest(self) -> int:
        return 64

    def same(self, password: str | None, given: str) -> bool:
        """None: an unknown site's, which nothing equals."""
        self.checked += 1
        time.sleep(self.seconds)
        return password == given
