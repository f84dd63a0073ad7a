"""What primary and satellite say to each other, as values. How they become bytes is the wire's business.

Every message is a msgspec struct: MessagePack by default, JSON on request. Unknown fields are ignored, so that a newer
end can say more; a field that is left out has its default, so that an older end can say less.
"""

from typing import Any, Literal, Protocol

import msgspec

from msyncd.databases.values import LOCK_SECONDS
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.model import START, Cursor, Whole

PROTOCOL_VERSION = 1
"""Both ends must speak the same."""

SpokenRow = tuple[Any, ...]
"""A model.Row on the wire."""


class SpokenType(msgspec.Struct, frozen=True):
    """A record type as one end speaks it: its columns, and why it is stopped there, if it is."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    stopped: str | None = None
    rows: bool = False
    """Whether the table held any row that the site is not itself the source of (asked when joining)."""
    kinds: tuple[str, ...] = ()
    """The kinds of the columns, in their order (see databases/kinds.py): for comparing."""


class SpokenStore(msgspec.Struct, frozen=True, array_like=True):
    """A store fact on the wire."""

    store: str
    code: str
    active_site: Whole | None
    epoch: Whole
    name: Any = None
    from_site: Whole | None = None
    to_site: Whole | None = None
    """Not None: the store is being handed over to that site, from `from_site` if it was active anywhere."""
    step: str = ""


class SpokenSite(msgspec.Struct, frozen=True):
    """A site on the wire."""

    sync_id: Whole
    name: str
    active_stores: tuple[str, ...] = ()
    copies_of: tuple[str, ...] | Literal["all"] = ()


class Standpoint(msgspec.Struct, frozen=True):
    """What a satellite knows that its restored primary may have lost (P35): it goes with a hello, once it is asked.

    `asking`: what Welcome.asks named. `generation`: of the primary, as it is known there. `cursor` and `mark`: its
    place in the primary's log. `filling`: it was being filled. `stores`: the store facts that are otherwise than the
    welcome said, `facts_number` the number of all of them.
    """

    asking: str
    generation: Whole
    cursor: Cursor
    mark: str
    filling: bool
    facts_number: Whole
    stores: tuple[SpokenStore, ...] = ()


class Asks(msgspec.Struct, frozen=True):
    """What a restored primary asks a satellite for (P35): nothing else travels before the satellite has given it.

    `heard`: the satellite has told where it stands. `records`: its central records are wanted, and its copies of
    `stores`. `problem`: what it told cannot be taken in, in words.
    """

    asking: str
    heard: bool = False
    records: bool = False
    stores: tuple[str, ...] = ()
    problem: str = ""


class Hello(msgspec.Struct, frozen=True):
    """Who I am, what I speak, what I believe."""

    protocol: Whole
    version: str
    sync_id: Whole
    name: str
    database_id: str
    generation: Whole
    installation_id: str
    record_types: tuple[SpokenType, ...]
    facts_number: Whole = 0
    active_stores: tuple[str, ...] | None = None
    copies_of: tuple[str, ...] | Literal["all"] | None = None
    public_key: str = ""
    heard: Whole = 0
    now: str = ""
    restored: bool = False
    """True while what an older copy of this database had sent is still to be taken back (P35)."""
    probe: bool = False
    """True for *check connection*: nothing is registered, no token is given."""
    gives: bool = False
    """Whether it can answer a restored primary that asks for what it lost."""
    standpoint: Standpoint | None = None


class Welcome(msgspec.Struct, frozen=True):
    """The primary's answer to hello. `problems`: what one of the two ends has to correct, in words."""

    protocol: Whole
    version: str
    token: str
    token_seconds: float
    site: SpokenSite
    primary_name: str
    database_id: str
    generation: Whole
    record_types: tuple[SpokenType, ...]
    facts_number: Whole
    stores: tuple[SpokenStore, ...]
    sites: tuple[SpokenSite, ...]
    pushed: Cursor
    pushed_mark: str
    joined: bool
    problems: tuple[str, ...] = ()
    refusals: tuple["SpokenRefusal", ...] = ()
    now: str = ""
    public_key: str = ""
    site_generation: Whole = 0
    """The generation of the caller's database that called last; later than it shows: it is an older copy."""
    asks: Asks | None = None
    renewed: str = ""
    """Not empty: the primary was restored, and this site begins anew at it, once for each asking (P35)."""
    filled: Whole = 0
    """The latest fill that the caller has taken in whole; later than it knows of: it is an older copy (P35)."""
    anew: Whole = 0
    """Not 0: others had this site's place since this database did; it joins anew, once for each number (P35)."""


class TypeChanges(msgspec.Struct, frozen=True):
    """The changes of one record type in a batch: rows in the order of `columns`, the key first.

    `bases` and `versions` go with `rows` of a type that any site may edit: the version that a push is based on, the
    version that a pull brings. `delete_bases` go with `deletes` of a push likewise.
    """

    type: str
    columns: tuple[str, ...]
    rows: list[SpokenRow] = []
    deletes: list[SpokenRow] = []
    delete_stores: list[str | None] = []
    leaves: list[SpokenRow] = []
    bases: list[Whole] | None = None
    versions: list[Whole] | None = None
    delete_bases: list[Whole] | None = None

    def __len__(self) -> int:
        return len(self.rows) + len(self.deletes) + len(self.leaves)


class Batch(msgspec.Struct, frozen=True, rename={"after": "from", "upto": "to"}):
    """Changes of consistent order with their records, applied as one transaction.

    `after` and `upto` are cursors of the sender's change log; `part` of `parts` for a batch too large for one message.
    """

    after: Cursor
    upto: Cursor
    mark: str
    types: tuple[TypeChanges, ...] = ()
    facts_number: Whole = 0
    epochs: dict[str, Whole] = {}
    part: Whole = 1
    parts: Whole = 1
    more: bool = False
    """Whether the sender's log goes on beyond this batch."""

    def __len__(self) -> int:
        return sum(len(one) for one in self.types)


class Piece(msgspec.Struct, frozen=True):
    """A piece of a fill: every record in the site's audience with `after` < key <= `upto` of one root record type.

    Its lines come with it. What the site holds in that range beyond the piece leaves. `upto` None: to the end.
    """

    fill: Whole
    type: str
    after: SpokenRow | None
    upto: SpokenRow | None
    types: tuple[TypeChanges, ...] = ()
    stores: tuple[str, ...] | None = None
    family: str | None = None
    """The one root type of a fill that is of one family of types only; None: all of them, one after the other."""
    following: str = ""
    """The root type that comes next, where this piece goes to the end of its own; empty if there is none."""
    last: bool = False
    """Whether the fill ends with this piece; the reply's cursor is then where the change log goes on."""
    digests: bool = False
    done: Whole = 0
    of: Whole = 0


class SpokenRefusal(msgspec.Struct, frozen=True):
    """A refusal as the site is told it. `number` is what the site confirms to have heard."""

    number: Whole
    type: str
    key: SpokenRow
    reason: str
    plugin: str
    may_edit: bool


class Push(msgspec.Struct, frozen=True):
    """A batch of the satellite's own changes. `database_id` and `generation` say which database speaks."""

    batch: Batch
    database_id: str
    generation: Whole
    heard: Whole = 0
    included: tuple[tuple[str, SpokenRow], ...] = ()
    """Records that the batch was to take in (PushReply.needs); those that it does not bring this site does not have."""
    installation_id: str = ""
    bundles: tuple[str, ...] = ()
    """Marks of the bundles that this site has exported and that may still be under way (P37)."""


class PushReply(msgspec.Struct, frozen=True):
    """The receipt: applied up to here. `needs` names records that the batch must take in before it can be applied."""

    applied: bool
    cursor: Cursor
    mark: str
    refusals: tuple[SpokenRefusal, ...] = ()
    needs: tuple[tuple[str, SpokenRow], ...] = ()
    waiting: Whole = 0
    seconds: float = 0.0
    facts_number: Whole = 0
    waited: float = 0.0
    lock_seconds: float = LOCK_SECONDS
    """How long applying a batch should take there at most. `waited`: for its turn, which `seconds` leaves out."""


class Handing(msgspec.Struct, frozen=True):
    """What an end of a hand-over tells of it. `drained`: the old site's guard has closed, and all is sent and received.

    `kept`: how many of the store's changes wait or are in quarantine there.
    """

    store: str
    epoch: Whole
    drained: bool = False
    kept: Whole = 0


class Pull(msgspec.Struct, frozen=True):
    """The satellite's place in the primary's log, and how much it wants. `fill` is its place in a running fill."""

    cursor: Cursor
    mark: str
    records: Whole
    database_id: str
    generation: Whole
    facts_number: Whole
    heard: Whole = 0
    fill: tuple[Whole, str, SpokenRow | None] | None = None
    include: tuple[tuple[str, SpokenRow], ...] = ()
    digests: bool = False
    """Asked when joining: pieces bring digests of rows instead of rows, and nothing counts as sent."""
    types: tuple[SpokenType, ...] = ()
    """With `digests`: the record types as this site speaks them, so that both ends digest what both have."""
    standing: tuple["Standing", ...] = ()
    given: tuple[tuple[str, Whole], ...] = ()
    """Requests for a store's records that this site has met: store and number, as PushReply.wanted gave them."""
    installation_id: str = ""
    filled: tuple[Whole, ...] = ()
    """Fills that bundles have completed here (P37)."""
    run: str = ""
    """The last reply's, if it was taken in and nothing since: then what went ahead of its turn is not sent again."""
    handing: tuple[Handing, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """A record deleted at the primary that stands here still, since others that are edited here refer to it (P22)."""

    type: str
    key: SpokenRow
    columns: tuple[str, ...]
    row: SpokenRow
    reason: str


class PullReply(msgspec.Struct, frozen=True):
    """The next batch, or the next piece of a fill. `level`: nothing more is owed to the site."""

    batch: Batch | None = None
    piece: Piece | None = None
    cursor: Cursor = START
    level: bool = True
    to_receive: Whole | None = None
    refusals: tuple[SpokenRefusal, ...] = ()
    facts_number: Whole = 0
    wanted: tuple[tuple[str, Whole], ...] = ()
    """Stores of which the primary asks this site for every record (P29), each with the request's number."""
    end: Cursor | None = None
    """Where the primary's log ended when a batch was read that is not the last: a cycle need not go on beyond."""
    seconds: float = 0.0
    """How long the primary took to read it: that is not the line's doing."""
    run: str = ""
    """Names the unbroken run of batches to which this one belongs; empty: the log ends with it."""
    bundles: tuple[str, ...] = ()
    """Marks of the bundles that the primary has exported for this site and that may still be under way (P37)."""


class Give(msgspec.Struct, frozen=True):
    """Records for a restored primary (P35), which decides of each whether it is taken.

    `rows` of `types` are what the satellite has otherwise, `deletes` what it does not have at all. `done` ends it, with
    how far the primary as it was before had this site's own log (`pushed`, None: as far as this one has it).
    """

    asking: str
    database_id: str
    generation: Whole
    facts_number: Whole
    types: tuple[TypeChanges, ...] = ()
    done: bool = False
    pushed: Cursor | None = None
    pushed_mark: str = ""
    heard: Whole = 0
    installation_id: str = ""


class GiveReply(msgspec.Struct, frozen=True):
    """It is taken in. `needs`: it is not, before these records come along, since they hold unique values in the way."""

    needs: tuple[tuple[str, SpokenRow], ...] = ()


class Waiting(msgspec.Struct, frozen=True, rename={"facts_number": "facts"}):
    """A request that waits until there is something beyond the cursor, or `seconds` are over.

    It confirms the cursor as a pull does, for a site that says who it is and which mark it holds.
    """

    cursor: Cursor
    facts_number: Whole
    seconds: float = 30.0
    mark: str = ""
    database_id: str = ""
    generation: Whole = 0
    installation_id: str = ""


class WaitReply(msgspec.Struct, frozen=True):
    """Whether there is something for the site."""

    news: bool


class Complaint(msgspec.Struct, frozen=True):
    """Why a request was not answered: `kind` for programs, `what` and `hint` for people."""

    kind: Literal[
        "login", "clone", "restored", "protocol", "facts", "busy", "invalid", "too_large", "refused", "not_found"
    ]
    what: str
    hint: str = ""
    retry_after: float | None = None


class Peer(Protocol):
    """The primary as its satellite sees it. Any method may raise PeerUnreachable, PeerRefused, HelloAgain, TryLater."""

    def hello(self, hello: Hello) -> Welcome: ...
    def push(self, push: Push) -> PushReply: ...
    def pull(self, pull: Pull) -> PullReply: ...
    def wait(self, waiting: Waiting) -> WaitReply: ...
    def compare(self, question: Compare) -> Compared: ...
    def give(self, give: Give) -> GiveReply: ...


class Answers(Protocol):
    """The primary's side of the same: what the server asks when a satellite calls. `site` is who logged in."""

    def hello(self, hello: Hello) -> Welcome: ...
    def push(self, site: int, push: Push) -> PushReply: ...
    def pull(self, site: int, pull: Pull) -> PullReply: ...
    def wait(self, site: int, waiting: Waiting) -> WaitReply: ...
    def compare(self, site: int, question: Compare) -> Compared: ...
    def give(self, site: int, give: Give) -> GiveReply: ...
