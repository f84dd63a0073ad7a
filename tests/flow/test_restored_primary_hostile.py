"""A satellite that lies to a restored primary which asks it (P35)."""

from pathlib import Path

import msgspec
import pytest

from msyncd.errors import FactsChanged, MessageInvalid, PeerRefused
from msyncd.flow.conversation import Asks, Give, Standpoint, TypeChanges
from msyncd.flow.ledger import meta
from msyncd.model import Cursor
from msyncd.testing import OneSite, Sites
from tests.flow.lost import ask, backed_up, lose, progress, settle
from tests.flow.support import stock, stock_sites
from tests.flow.test_handover import writers


def test_p35_a_hostile_satellite_steals_no_store(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        backup = sites.primary.backup()
        stock(sites[2], "b", "BUM", 2)
        sites.sync()
        sites.primary.restore(backup)
        ask(sites)
        forge_facts(sites[3], "s-BUM", active_site=3, epoch=99)
        with pytest.raises(PeerRefused, match="site 3 knows store BUM as active on site 3"):
            sites[3].cycle()
        assert "site 3 knows store BUM" in str(progress(sites).sites[1].problem)
        assert sites.primary.here.facts.active_site("s-BUM") == 2
        ask(sites, 3)
        settle(sites, 2)
        assert writers(sites, "BUM") == [2, 3], "site 3 lies to its own application"
        assert sites.primary.rows("stock", "id, quantity") == [("b", 2)]
        sites.sync()
        assert writers(sites, "BUM") == [2]


def forge_facts(site: OneSite, store: str, *, active_site: int, epoch: int) -> None:
    """What its database says of a store, as no primary ever told it."""
    with site.here.database.write() as writer:
        writer.put("msyncd_store", {"store": store}, {"active_site": active_site, "epoch": epoch})
        number = int(meta.get(writer, "facts_number") or 0)
        meta.put(writer, "facts_number", str(number + 1))
    site.restart()


def standpoint(sites: Sites, site: int) -> Asks:
    """What the primary answers to a satellite that lies about where it stands."""
    liar = sites[site].satellite
    assert liar is not None
    hello = liar.spoken()
    asks = sites.primary.answers.hello(hello).asks
    assert asks is not None
    lie = Standpoint(asks.asking, 1, Cursor(9, 9**9), "made up", filling=False, facts_number=0)
    answered = sites.primary.answers.hello(msgspec.structs.replace(hello, standpoint=lie))
    assert answered.asks is not None
    return answered.asks


def given(sites: Sites, site: int, asks: Asks, **more: object) -> Give:
    with sites[site].here.database.read() as reader:
        database_id = meta.get(reader, "database_id") or ""
    number = sites.primary.here.facts.number
    mine = Give(asks.asking, database_id, 1, number, installation_id=sites[site].here.installation_id)
    return msgspec.structs.replace(mine, **more)


def test_p35_a_hostile_satellite_gives_only_what_goes_to_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: [], 3: []}) as sites:
        backup = backed_up(sites)
        lose(sites)
        sites.primary.restore(backup)
        ask(sites)
        before = sites.primary.rows("stock")
        asks = standpoint(sites, 3)
        columns = ("id", "store_id", "item_id", "barcode", "quantity")
        rows: list[tuple[object, ...]] = [
            ("b", "s-BUM", "i-1", None, 99),
            ("c", "s-CMS", "i-1", None, 99),
            ("b", "s-KAL", "i-1", None, 99),
            ("made-up", "s-KAL", "i-1", None, 99),
            ("made-up", "s-nowhere", "i-1", None, 99),
        ]
        for row in rows:
            forged = TypeChanges("stock", columns, rows=[row])
            sites.primary.answers.give(3, given(sites, 3, asks, types=(forged,)))
        gone = TypeChanges("stock", ("id",), deletes=[("b",), ("c",)], delete_stores=[None, None])
        sites.primary.answers.give(3, given(sites, 3, asks, types=(gone,)))
        assert sites.primary.rows("stock") == before


def test_p35_a_hostile_satellite_is_not_heard_unasked_or_with_what_cannot_be(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        backup = backed_up(sites)
        lose(sites)
        forged = TypeChanges("item", ("id", "code", "name"), rows=[("i-1", "AMO", "forged")])
        with pytest.raises(FactsChanged, match="is not asked now"):
            sites.primary.answers.give(3, given(sites, 3, Asks("x"), types=(forged,)))
        sites.primary.restore(backup)
        ask(sites)
        asks = standpoint(sites, 3)
        other = msgspec.structs.replace(asks, asking="another")
        with pytest.raises(FactsChanged, match="is not asked now"):
            sites.primary.answers.give(3, given(sites, 3, other, types=(forged,)))
        with pytest.raises(MessageInvalid, match="beyond all that can be"):
            sites.primary.answers.give(3, given(sites, 3, asks, done=True, heard=2**60))
        version = TypeChanges("patient", ("id", "name"), rows=[("p", "x")], versions=[2**60])
        with pytest.raises(MessageInvalid, match="a version lies beyond"):
            sites.primary.answers.give(3, given(sites, 3, asks, types=(version,)))
        many = TypeChanges("item", ("id",), deletes=[(f"x{n}",) for n in range(20_001)], delete_stores=[None] * 20_001)
        with pytest.raises(MessageInvalid, match="20000"):
            sites.primary.answers.give(3, given(sites, 3, asks, types=(many,)))
        assert sites[3].satellite is not None
        hello = sites[3].satellite.spoken()
        lie = Standpoint(asks.asking, 2**60, Cursor(0, 1), "m", filling=False, facts_number=0)
        with pytest.raises(MessageInvalid, match="store facts"):
            sites.primary.answers.hello(msgspec.structs.replace(hello, standpoint=lie))
        settle(sites)
        assert sites.primary.rows("item")[0][2] == "renamed"
