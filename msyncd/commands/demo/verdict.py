"""The end of the story: whether every site holds what it should, and nothing was kept aside."""

from dataclasses import asdict, dataclass
from typing import Any

from msyncd.commands.demo.compare import Compared
from msyncd.commands.demo.country import PLACES, Place
from msyncd.commands.demo.scene import Scene
from msyncd.commands.demo.standing import Aside


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sites hold in the end; `failures`: what went wrong on the way, in words."""

    compared: tuple[Compared, ...]
    aside: tuple[tuple[Place, Aside], ...]
    failures: tuple[str, ...]
    seconds: float
    carried: int

    @property
    def good(self) -> bool:
        """Everything is equal, nothing waits or is in quarantine, and nothing went wrong on the way."""
        return not self.failures and not self.wrong

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is not as it should be in the end."""
        return (
            *(_described(one) for one in self.compared if not one.equal),
            *(f"{place.name}: {aside.waiting} records wait for others" for place, aside in self.aside if aside.waiting),
            *(f"{place.name}: {aside.quarantine} in quarantine" for place, aside in self.aside if aside.quarantine),
        )

    def words(self) -> list[str]:
        """For people."""
        if self.good:
            records = sum(one.holds for one in self.compared)
            return [
                f"All sites hold exactly what they should: {records:,} records, compared value by value.",
                "Nothing waits for another record, and nothing is in quarantine.",
                f"The story took {self.seconds:.0f} s; {self.carried / 1000:,.0f} kB went over the lines.",
            ]
        return ["This should not be:", *(f"  {one}" for one in (*self.failures, *self.wrong))]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": 1,
            "good": self.good,
            "seconds": round(self.seconds, 1),
            "bytes_carried": self.carried,
            "sites": [self._site(place, aside) for place, aside in self.aside],
            "failures": list(self.failures),
        }

    def _site(self, place: Place, aside: Aside) -> dict[str, Any]:
        found = [one for one in self.compared if one.place == place]
        types = {
            one.record_type: {
                "holds": one.holds,
                "should_hold": one.should_hold,
                "missing": one.missing,
                "surplus": one.surplus,
                "differing": one.differing,
                "equal": one.equal,
            }
            for one in found
        }
        return {"sync_id": place.sync_id, "name": place.name, **asdict(aside), "record_types": types}


def judge(scene: Scene, seconds: float) -> Verdict:
    """Look at every site once more."""
    return Verdict(
        tuple(one for place in PLACES for one in scene.compared(place)),
        tuple((place, scene.aside(place)) for place in PLACES),
        tuple(scene.failures),
        seconds,
        scene.carried(),
    )


def _described(one: Compared) -> str:
    amounts = {"missing": one.missing, "too many": one.surplus, "differing": one.differing}
    words = ", ".join(f"{count} {what}" for what, count in amounts.items() if count)
    return f"{one.place.name}, {one.record_type}: holds {one.holds}, should hold {one.should_hold} ({words})"
