"""What a bundle is made of: a head, items in the order in which they are taken in, and an end."""

import msgspec

from msyncd.flow.conversation import Hello, Pull, PullReply, Push, Welcome
from msyncd.model import START, Cursor


class BundleHead(msgspec.Struct, frozen=True):
    """Who sends what to whom. A satellite's bundle has `hello` and, once it has joined, `place`; a primary's `welcome`.

    `mark` is the bundle's own and that of all its batches (P8); `knows` are the marks that the receiver may hold if it
    has nothing newer of the sender: those that the sender saw confirmed or has noted since. `for_database` is "" if the
    two have never met, `for_generation` 0 likewise. `heard` is the last bundle of the receiver that was imported.
    """

    protocol: int
    version: str
    at: str
    sender: int
    receiver: int
    database_id: str
    generation: int
    installation_id: str
    number: int
    mark: str
    public_key: str
    knows: tuple[str, ...] = ()
    for_database: str = ""
    for_generation: int = 0
    hello: Hello | None = None
    place: Pull | None = None
    welcome: Welcome | None = None
    heard: int = 0


class BundleItem(msgspec.Struct, frozen=True):
    """One step: a satellite's push, or what the primary would reply to a pull. `end`: where its log ended then.

    `initial`: of a fill that begins anew, behind which the site goes on in the log. Batches are numbered from 1; one
    that passes over what went ahead of its turn `presumes` that all since that number were taken in, one by one.
    """

    push: Push | None = None
    reply: PullReply | None = None
    end: Cursor = START
    initial: bool = False
    number: int = 0
    presumes: int | None = None


class BundleEnd(msgspec.Struct, frozen=True):
    """How many items and records there were. `closed`: they hold all that the sender's rows told when they were read.

    Not closed: a transaction that was open held up entries of the log which rows were read beyond.
    """

    items: int
    records: int
    closed: bool = True
