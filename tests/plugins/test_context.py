"""What a plugin sees of the daemon: its own settings, and the world as it is now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msyncd.errors import MsyncdError
from msyncd.model import Facts, RecordType, Row, Site, StoreFact
from msyncd.plugins import Plugins
from tests.plugins.support import STOCK, Listed, loaded, nothing_here, stock, write


@dataclass
class World:
    """A world that changes while plugins watch."""

    site: int = 1
    facts: Facts = field(default_factory=lambda: Facts(1, {"B": StoreFact("B", "BUM", 2)}, {1: Site(1, "Centre")}))
    record_types: Mapping[str, RecordType] = field(default_factory=lambda: {"stock": STOCK})
    sent_again: list[Any] = field(default_factory=list)
    looked_up: int = 0

    def database(self) -> Any:
        self.looked_up += 1
        return {"item": "table"}

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        self.sent_again.append((record_type, list(keys), list(sites)))


def test_each_plugin_has_its_own_context_and_sees_the_world_as_it_is_now(tmp_path: Path) -> None:
    source = """
        from pydantic import BaseModel
        class Settings(BaseModel):
            word: str = "NAME"
        @hookimpl
        def msyncd_check(changes, context):
            facts = [context.site, sorted(context.sites), context.stores["B"].active_site, list(context.record_types)]
            return [Refuse(f"{context.settings.word} {facts}")]
        @hookimpl
        def msyncd_started(context):
            context.log.info("started", table=context.db["item"])
            context.send_again("stock", [("a",)], [2])
    """
    for name in ("one", "two"):
        write(tmp_path, f"{name}.py", source.replace("NAME", name))
    world = World()
    plugins, problems = Plugins.load([Listed("one.py", tmp_path), Listed("two.py", tmp_path)], world=world)
    assert problems == []
    batch = stock(("a", "B", 1))
    assert "one [1, [1], 2, ['stock']]" in str(plugins.check(STOCK, batch, nothing_here(batch), 2))
    world.facts = Facts(2, {"B": StoreFact("B", "BUM", 3)}, {1: Site(1, "Centre"), 3: Site(3, "Kalo")})
    assert "one [1, [1, 3], 3, ['stock']]" in str(plugins.check(STOCK, batch, nothing_here(batch), 2))
    assert world.looked_up == 0
    assert plugins.started() == ()
    assert (world.looked_up, world.sent_again) == (2, [("stock", [("a",)], [2])] * 2)


def test_before_there_is_a_database_a_plugin_is_told_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        "early.py",
        """
        @hookimpl
        def msyncd_started(context): context.db
        @hookimpl
        def msyncd_stopping(context): context.send_again("stock", [], [])
    """,
    )
    plugins = loaded(tmp_path, "early.py")
    assert "there is no database here" in plugins.started()[0].reason
    assert MsyncdError.__name__ in plugins.stopping()[0].reason
