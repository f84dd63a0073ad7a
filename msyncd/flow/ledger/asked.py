"""Whom a restored primary asks for what it lost, and how each of them stands (P35).

While `asking` in msyncd_meta is not empty, the fence is closed: the guard reads it too. The rows stay afterwards, so
that who was left out can still be asked for its own when it calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from msyncd.databases.fence import ASKING
from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.model import START, Cursor

State = Literal["asked", "given", "left_out"]
_STATES: dict[str, State] = {one: one for one in get_args(State)}
UPTO = "asking_upto"
"""In msyncd_meta: where the change log ended when the fence had closed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One satellite. `place`: how far it had the log of the primary as that was before.

    `ahead`: it has seen what this database does not know, so its records count. `anew`: this database does not know
    what it holds, so it begins anew afterwards. `filling`: it was being filled, so what it lacks says nothing. `reach`:
    up to there it had this very log for certain.
    """

    site: int
    asking: str
    state: State = "asked"
    ahead: bool = False
    anew: bool = False
    filling: bool = False
    place: Cursor = START
    reach: Cursor = START


def asking(reader: Reader) -> str:
    """The asking under way; "" if there is none."""
    return meta.get(reader, ASKING) or ""


def prepare(writer: Writer) -> None:
    """The fence is a row that can be locked, before it is ever closed."""
    if meta.get(writer, ASKING) is None:
        meta.put(writer, ASKING, "")


def close(writer: Writer, asking: str, sites: Sequence[int]) -> None:
    """Begin: the fence closes, and waits for those who are writing beyond it."""
    meta.put(writer, ASKING, asking)
    upto = writer.log_written()
    meta.put(writer, UPTO, f"{upto.major} {upto.seq}")
    writer.execute("DELETE FROM msyncd_asked")
    for site in sites:
        put(writer, Asked(site, asking))


def upto(reader: Reader) -> Cursor:
    """Where the change log ended when the fence had closed."""
    major, seq = map(int, (meta.get(reader, UPTO) or "0 0").split())
    return Cursor(major, seq)


def everyone(reader: Reader) -> list[Asked]:
    """All who were asked at the last asking, by sync ID."""
    return [
        Asked(
            int(str(site)),
            str(which),
            _STATES[str(state)],
            bool(ahead),
            bool(anew),
            bool(filling),
            Cursor(int(str(place[0])), int(str(place[1]))),
            Cursor(int(str(place[2])), int(str(place[3]))),
        )
        for site, which, state, ahead, anew, filling, *place in reader.execute(
            "SELECT site, asking, state, ahead, anew, filling, place_major, place_seq, reach_major, reach_seq"
            " FROM msyncd_asked ORDER BY site"
        )
    ]


def of(reader: Reader, site: int) -> Asked | None:
    """How a satellite stands; None: it was not asked."""
    return next((one for one in everyone(reader) if one.site == site), None)


def put(writer: Writer, one: Asked) -> None:
    """Note how a satellite stands."""
    writer.put(
        "msyncd_asked",
        {"site": one.site},
        {
            "asking": one.asking,
            "state": one.state,
            "ahead": int(one.ahead),
            "anew": int(one.anew),
            "filling": int(one.filling),
            "place_major": one.place.major,
            "place_seq": one.place.seq,
            "reach_major": one.reach.major,
            "reach_seq": one.reach.seq,
        },
    )


def forget(writer: Writer, site: int) -> None:
    """It is not to be asked any more."""
    writer.execute("DELETE FROM msyncd_asked WHERE site = ?", (site,))


def ask_again(writer: Writer) -> None:
    """What they gave may not be all that is wanted of them now."""
    for one in everyone(writer):
        if one.state == "given":
            put(writer, replace(one, state="asked"))
