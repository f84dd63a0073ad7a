"""What happens in stores, one sentence each; the story picks from it, and afterwards chance does."""

import sqlite3
from collections.abc import Callable, Iterator
from random import Random

from msyncd.commands.demo import application
from msyncd.commands.demo.country import CENTRAL, PLACES, SATELLITES, Place
from msyncd.commands.demo.scene import Scene

_INVOICE = """SELECT t.invoice_num, n.name, (SELECT count(*) FROM trans_line WHERE transaction_ID = t.ID)
    FROM transact AS t JOIN name AS n ON n.ID = t.name_ID WHERE t.ID = ?"""
_DELIVERIES = """SELECT t.ID, n.name, (SELECT count(*) FROM trans_line WHERE transaction_ID = t.ID)
    FROM transact AS t JOIN store AS s ON s.ID = t.store_ID JOIN name AS n ON n.ID = t.name_ID
    WHERE s.code = ? AND t.type = 'si' AND t.status = 'nw' ORDER BY t.invoice_num"""


def receive(scene: Scene, place: Place) -> str:
    """Goods from a supplier."""
    key = scene.write(place, application.receive_goods, place.store, random=scene.random, clock=scene.clock, lines=4)
    _, supplier, lines = _invoice(scene, place, key)
    return f"{place.name} receives {lines} lines from {supplier}"


def issue(scene: Scene, place: Place) -> str:
    """Goods to a customer."""
    key = scene.write(place, application.issue_goods, place.store, random=scene.random, clock=scene.clock)
    _, customer, lines = _invoice(scene, place, key)
    return f"{place.name} issues {lines} lines to {customer}"


def request(scene: Scene, place: Place, supplier: Place) -> str:
    """A requisition to another store."""
    stores = (place.store, supplier.store)
    key = scene.write(place, application.request_goods, *stores, random=scene.random, clock=scene.clock)
    ((lines,),) = scene.ask(place, "SELECT count(*) FROM requisition_line WHERE requisition_ID = ?", key)
    return f"{place.name} asks {_middle(supplier)} for {lines} items"


def transfer(scene: Scene, place: Place, receiver: Place) -> tuple[str, str]:
    """A draft to another store: its key, and what is said of it."""
    stores = (place.store, receiver.store)
    key = scene.write(place, application.transfer, *stores, random=scene.random, clock=scene.clock)
    _, _, lines = _invoice(scene, place, key)
    return key, f"{place.name} drafts a transfer of {lines} lines to {_middle(receiver)}"


def finalise(scene: Scene, place: Place, key: str) -> str:
    """Send a draft off; gives the number of the invoice."""
    scene.write(place, application.finalise, key, random=scene.random, clock=scene.clock)
    return _invoice(scene, place, key)[0]


def send(scene: Scene, place: Place, receiver: Place) -> str:
    """A transfer, drafted and sent off."""
    key, _ = transfer(scene, place, receiver)
    number = finalise(scene, place, key)
    _, _, lines = _invoice(scene, place, key)
    return f"{place.name} sends {lines} lines to {_middle(receiver)}, invoice {number}"


def put_on_shelf(scene: Scene, place: Place) -> Iterator[str]:
    """Check every delivery that came from another store, and put it on the shelf."""
    for key, sender, lines in scene.ask(place, _DELIVERIES, place.store):
        scene.write(place, application.finalise, key, random=scene.random, clock=scene.clock)
        yield f"{place.name} checks the delivery from {sender} and shelves {lines} lines"


def refused_edit(scene: Scene, place: Place, edit: Callable[[sqlite3.Connection], None], message: str) -> str:
    """Try what is forbidden here; the refusal's words. It counts as a failure if it is not refused in these words."""
    try:
        scene.write(place, edit)
    except sqlite3.DatabaseError as refusal:
        if str(refusal) == message:
            return f"Refused at once: {refusal}"
        scene.failures.append(f"refused in other words than “{message}”: {refusal}")
    else:
        scene.failures.append(f"an edit at {place.short} was not refused: {message}")
    return scene.failures[-1]


def count_shelves(scene: Scene, place: Place) -> str:
    """A stocktake."""
    key = scene.write(place, application.stocktake, place.store, random=scene.random, clock=scene.clock)
    ((lines, wrong),) = scene.ask(
        place,
        "SELECT count(*), sum(snapshot_qty <> stock_take_qty) FROM stock_take_lines WHERE stock_take_ID = ?",
        key,
    )
    return f"{place.name} counts {lines} batches; {wrong} differ from the books"


def busy(scene: Scene) -> Iterator[str]:
    """One piece of ordinary business, picked by chance. A line that is down comes back by and by."""
    random = scene.random
    place = random.choice(PLACES)
    try:
        yield from _business(scene, random, place)
    except application.OutOfStockError:
        yield f"{place.name} has nothing left to issue"
        yield receive(scene, place)


def _business(scene: Scene, random: Random, place: Place) -> Iterator[str]:
    down = [one for one in SATELLITES if scene.relays[one.sync_id].is_cut]
    what = random.random()
    if down and what < 0.15:
        scene.relays[down[0].sync_id].let_back()
        yield f"The line to {down[0].short} is back"
    elif what < 0.35:
        yield receive(scene, place)
    elif what < 0.60:
        yield issue(scene, place)
    elif what < 0.72:
        yield send(scene, place, random.choice([one for one in PLACES if one != place]))
    elif what < 0.85:
        deliveries = [said for one in PLACES for said in put_on_shelf(scene, one)]
        yield from deliveries or [issue(scene, place)]
    elif what < 0.90:
        yield count_shelves(scene, place)
    elif what < 0.95 and place != CENTRAL:
        yield request(scene, place, CENTRAL)
    elif what < 0.97 and not down:
        one = random.choice(SATELLITES)
        scene.relays[one.sync_id].cut()
        yield f"The line to {one.short} drops"
    else:
        yield _new_price(scene, random)


def _new_price(scene: Scene, random: Random) -> str:
    code, item_name, price = random.choice(scene.ask(CENTRAL, "SELECT code, item_name, default_cost_price FROM item"))
    sell_price = round(float(price) * random.uniform(1.05, 1.3), 2)
    scene.write(CENTRAL, application.edit_item, code, sell_price=sell_price)
    return f"{CENTRAL.name} sells {item_name} for {sell_price:.2f} from now on"


def _invoice(scene: Scene, place: Place, key: str) -> tuple[str, str, str]:
    """Its number, the other party, and how many lines it has."""
    ((number, name, lines),) = scene.ask(place, _INVOICE, key)
    return number, name, lines


def _middle(place: Place) -> str:
    """A store's name within a sentence."""
    return f"the {place.name[0].lower()}{place.name[1:]}" if place == CENTRAL else place.name
