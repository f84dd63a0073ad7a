"""The story of the demo, step by step: each says what happens, in the words of the people in it, and lets it happen."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from msyncd.commands.demo import application
from msyncd.commands.demo.business import (
    count_shelves,
    finalise,
    issue,
    put_on_shelf,
    receive,
    refused_edit,
    request,
    send,
    transfer,
)
from msyncd.commands.demo.country import BUMBAN, CENTRAL, KALO, PLACES, SATELLITES, Place
from msyncd.commands.demo.database import transaction
from msyncd.commands.demo.scene import Scene

Act = Callable[[Scene], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what happens, and the sites that are to be in step after it."""

    act: Act
    level: tuple[Place, ...] = PLACES


def central_data(scene: Scene) -> Iterator[str]:
    """Before msyncd is there, the primary has data: what stood in the tables counts."""
    scene.write(CENTRAL, application.create_central_data, random=scene.random, clock=scene.clock)
    ((items, names, stores),) = scene.ask(
        CENTRAL, "SELECT (SELECT count(*) FROM item), (SELECT count(*) FROM name), (SELECT count(*) FROM store)"
    )
    yield f"The central medical store enters {items} medicines, {names} names and {stores} stores"


def daemons_start(scene: Scene) -> Iterator[str]:
    """The satellites are empty: they are filled."""
    yield "msyncd starts beside each of the three databases; the two satellites are empty"
    for daemon in scene.daemons.values():
        daemon.start()


def stores_open(scene: Scene) -> Iterator[str]:
    """Shelves and cold rooms are the store's own."""
    yield "Each store furnishes its shelves and its cold room"
    for place in PLACES:
        scene.write(place, application.open_store, place.store, random=scene.random, clock=scene.clock)


def goods_arrive(scene: Scene) -> Iterator[str]:
    """Stock and transactions are written at all three sites at once."""
    for place, times in ((CENTRAL, 4), (BUMBAN, 2), (KALO, 2)):
        for _ in range(times):
            yield receive(scene, place)


def goods_are_issued(scene: Scene) -> Iterator[str]:
    """District stores serve their health centres."""
    for place in SATELLITES:
        yield issue(scene, place)


def bumban_asks(scene: Scene) -> Iterator[str]:
    """A requisition reaches the store that it asks."""
    yield request(scene, BUMBAN, CENTRAL)


def central_drafts(scene: Scene) -> Iterator[str]:
    """Kalo sees a draft that is made out to it, and nothing else of the central store's transactions."""
    key, said = transfer(scene, CENTRAL, KALO)
    yield said
    yield f"The central medical store finalises it: invoice {finalise(scene, CENTRAL, key)} becomes a delivery at Kalo"


def kalo_shelves(scene: Scene) -> Iterator[str]:
    """What the plugin made at Kalo is Kalo's own."""
    yield from put_on_shelf(scene, KALO)


def districts_transfer(scene: Scene) -> Iterator[str]:
    """Between two satellites everything goes through the primary."""
    yield send(scene, BUMBAN, KALO)


def central_edits(scene: Scene) -> Iterator[str]:
    """Items are edited on the primary and reach every site."""
    yield "The central medical store raises the price of Paracetamol 500 mg tablets"
    scene.write(CENTRAL, application.edit_item, "PAR500T", sell_price=6.25)


def forbidden_edits(scene: Scene) -> Iterator[str]:
    """The guard refuses at once what may not be edited here."""
    yield "Bumban tries to change the price of Paracetamol 500 mg tablets itself"
    yield refused_edit(
        scene,
        BUMBAN,
        lambda connection: application.edit_item(connection, "PAR500T", sell_price=1.0),
        "item is edited on the primary (sync ID 1) only",
    )
    yield "Bumban tries to correct the central store's stock, of which it keeps a copy"
    yield refused_edit(scene, BUMBAN, _change_central_stock, "store CMS is active on site 1, not here")


def _change_central_stock(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute(
            "UPDATE item_line SET quantity = 0 WHERE store_ID = (SELECT ID FROM store WHERE code = 'CMS')"
        )


def line_drops(scene: Scene) -> Iterator[str]:
    """Kalo goes on working; so do the others."""
    scene.relays[KALO.sync_id].cut()
    yield "The line to Kalo drops. Kalo goes on working:"
    yield issue(scene, KALO)
    yield issue(scene, KALO)
    yield count_shelves(scene, KALO)
    yield "Meanwhile the others go on too:"
    yield send(scene, CENTRAL, KALO)
    yield send(scene, CENTRAL, BUMBAN)
    scene.write(CENTRAL, application.edit_item, "AMX250C", sell_price=18.0)
    yield "The central medical store changes the price of Amoxicillin"


def line_is_back(scene: Scene) -> Iterator[str]:
    """Nothing is lost or doubled."""
    yield (
        f"Kalo lacks {scene.missing(KALO)} records of the others, the central store {scene.missing(CENTRAL)} of Kalo."
        " The line is let back"
    )
    scene.relays[KALO.sync_id].let_back()


def power_fails(scene: Scene) -> Iterator[str]:
    """A crash at any instruction loses nothing; capture does not need the daemon."""
    yield "The power fails at Bumban: its msyncd is killed in the middle of its work"
    yield issue(scene, BUMBAN)
    scene.daemons[BUMBAN.sync_id].kill()
    yield "The computer is back before the daemon is, and the storekeeper goes on:"
    yield issue(scene, BUMBAN)
    yield count_shelves(scene, BUMBAN)
    yield "msyncd starts again at Bumban"
    scene.daemons[BUMBAN.sync_id].start()


def deliveries_are_shelved(scene: Scene) -> Iterator[str]:
    """Both districts have deliveries waiting."""
    for place in SATELLITES:
        yield from put_on_shelf(scene, place)


def draft_is_thrown_away(scene: Scene) -> Iterator[str]:
    """A delete travels too, with the lines."""
    key, said = transfer(scene, KALO, BUMBAN)
    yield said
    scene.until_level(PLACES)
    yield "Kalo thinks better of it and throws the draft away: it goes from every site"
    scene.write(KALO, application.delete_draft, key)


STORY: Final = (
    Step(central_data, level=(CENTRAL,)),
    Step(daemons_start),
    Step(stores_open),
    Step(goods_arrive),
    Step(goods_are_issued),
    Step(bumban_asks),
    Step(central_drafts),
    Step(kalo_shelves),
    Step(districts_transfer),
    Step(central_edits),
    Step(forbidden_edits),
    Step(line_drops, level=(BUMBAN,)),
    Step(line_is_back),
    Step(power_fails),
    Step(deliveries_are_shelved),
    Step(draft_is_thrown_away),
)
"""The story. Every step's sites are in step before the next begins."""


def tell(scene: Scene, story: tuple[Step, ...] = STORY) -> None:
    """Let the story happen. What fails is noted in `scene.failures`; sites that do not come into step end the story."""
    for step in story:
        for said in step.act(scene):
            scene.teller.say(said)
        if not settle(scene, step.level):
            return
        scene.pause(scene.pace)


def settle(scene: Scene, places: tuple[Place, ...]) -> bool:
    """Wait until these sites are in step, and say how long it took; False if it took too long."""
    seconds = scene.until_level(places)
    who = "all sites" if len(places) == len(PLACES) else " and ".join(place.short for place in places)
    if seconds is None:
        compared = [one for place in places for one in scene.compared(place)]
        wrong = [f"{one.record_type} at {one.place.short}" for one in compared if not one.equal]
        scene.failures.append(f"not in step: {', '.join(wrong)}")
        scene.teller.add(scene.failures[-1])
        return False
    scene.teller.add(f"{who} in step after {seconds:.1f} s")
    return True
