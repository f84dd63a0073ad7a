"""Sites and stores, and the facts about them that all sites hold alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msyncd.model.values import Value


@dataclass(frozen=True, slots=True)
class Site:
    """A server that syncs. `active_stores` and `copies_of` hold store values; copies_of may be "all"."""

    sync_id: int
    name: str
    active_stores: frozenset[str] = frozenset()
    copies_of: frozenset[str] | Literal["all"] = frozenset()

    def holds_copy(self, store: str) -> bool:
        """Whether the site is to hold a read-only copy of that store's records."""
        return self.copies_of == "all" or store in self.copies_of


HandOverStep = Literal["draining", "filling"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """A store on its way from one site to another (P31 to P34); its records can be edited nowhere meanwhile.

    "draining": what the old site has written before it heard of it is still accepted from there. "filling": no longer;
    the new site is brought all of it. `forced`: the old site is not waited for (known on the primary only).
    """

    from_site: int | None
    to_site: int
    step: HandOverStep = "draining"
    forced: bool = False

    @property
    def takes_back(self) -> bool:
        """Whether it is no move: the site was restored from a backup and takes back its own (P35)."""
        return self.from_site == self.to_site

    @property
    def ends(self) -> frozenset[int]:
        """Both sites: each is to hold the store's records until it is over."""
        return frozenset({self.from_site, self.to_site} - {None})  # type: ignore[arg-type]  # None is taken out


@dataclass(frozen=True, slots=True)
class StoreFact:
    """Where a store is active: a row of the primary's database. Not a wish: a wish stands in the YAML.

    `epoch` grows by one with each hand-over. `active_site` is the site from which the primary accepts its records;
    None: from nowhere. While `hand_over` is there, nobody's application may edit them, not there either.
    """

    store: str
    code: str
    active_site: int | None
    epoch: int = 1
    name: Value = None
    hand_over: HandOver | None = None

    @property
    def edited_at(self) -> int | None:
        """The site whose guard lets its application edit the store's records; None: none does."""
        return self.active_site if self.hand_over is None else None

    @property
    def home(self) -> frozenset[int]:
        """The sites that hold the store's records as their own: where it is active, both ends of a hand-over."""
        own = frozenset[int]() if self.active_site is None else frozenset({self.active_site})
        return own if self.hand_over is None else own | self.hand_over.ends


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbered truth about sites and stores, as the primary's database has it and as every site has heard it.

    `number` grows with each change of any of it; a site that acts on an older number is asked to say hello again.
    """

    number: int
    stores: Mapping[str, StoreFact]
    sites: Mapping[int, Site]

    def active_site(self, store: Value) -> int | None:
        """The one site on which that store's records may be edited, or None."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.active_site if fact else None

    def home(self, store: Value) -> frozenset[int]:
        """The sites that hold that store's records as their own (see StoreFact.home); copies are another matter."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.home if fact else frozenset()

    def stores_at(self, site: int) -> frozenset[str]:
        """The stores whose records a site holds as its own."""
        return frozenset(fact.store for fact in self.stores.values() if site in fact.home)

    def holds(self, site: int, store: str) -> bool:
        """Whether a site is to hold a store's records, as its own or as a copy."""
        known = self.sites.get(site)
        return site in self.home(store) or (known is not None and known.holds_copy(store))

    def epoch(self, store: str) -> int:
        """The store's epoch; 0 for a store that nobody has declared."""
        fact = self.stores.get(store)
        return fact.epoch if fact else 0

    def code(self, store: Value) -> str:
        """The code by which people know the store."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.code if fact else str(store)
