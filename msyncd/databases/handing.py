"""The hand-overs of which the guard's words tell: written together with the store facts, by every dialect alike."""

from msyncd.databases.interface import Writer
from msyncd.model import Facts


def renew_hand_overs(facts: Facts, writer: Writer) -> None:
    """Bring msyncd_hand_over to these facts; what else the primary notes there of a hand-over stays."""
    there = {
        str(row[0]): row[1:]
        for row in writer.execute("SELECT store, from_site, to_site, step, forced FROM msyncd_hand_over")
    }
    under_way = {store: fact.hand_over for store, fact in facts.stores.items() if fact.hand_over is not None}
    for store in sorted(there.keys() - under_way.keys()):
        writer.execute("DELETE FROM msyncd_hand_over WHERE store = ?", (store,))
    for store, one in sorted(under_way.items()):
        row = (one.from_site, one.to_site, one.step, int(one.forced))
        if there.get(store) != row:
            values = dict(zip(("from_site", "to_site", "step", "forced"), row, strict=True))
            writer.put("msyncd_hand_over", {"store": store}, values)
