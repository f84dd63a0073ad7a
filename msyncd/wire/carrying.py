"""Bundles as files, at either end: written from what the flow says, and given to it once they were checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msyncd.flow.bundle.exporting import Exported
from msyncd.flow.bundle.from_primary import export_to_satellite
from msyncd.flow.bundle.from_satellite import export_to_primary
from msyncd.flow.bundle.importing import Imported, sender_key
from msyncd.flow.bundle.keeping import import_bundle
from msyncd.flow.bundle.messages import BundleHead
from msyncd.flow.here import Here
from msyncd.flow.satellite import hello_of
from msyncd.settings.signing_key import key_bytes, private_key
from msyncd.wire.bundle import BundleReader, writing


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that is there: what it holds, and its size in bytes."""

    exported: Exported
    size: int


def export_file(
    here: Here,
    path: Path,
    *,
    site: int | None = None,
    further: bool = False,
    show: Callable[[int, int | None], None] = lambda _done, _left: None,
) -> Written:
    """Write a bundle for the primary, or on the primary for a site. Raises MsyncdError with nothing under that name."""
    with writing(path, private_key(here.settings.state_directory)) as file:
        if site is None:
            exported = export_to_primary(here, hello_of(here), file.put, show, further=further)
        else:
            exported = export_to_satellite(here, site, file.put, show, further=further)
    return Written(exported, file.size)


def import_file(
    here: Here,
    path: Path,
    *,
    trust: Mapping[str, str] | None = None,
    show: Callable[[int, int | None], None] = lambda _done, _left: None,
) -> Imported:
    """Take a bundle in. Raises BundleRefused and others in words, with nothing applied."""

    def key_of(head: BundleHead) -> bytes:
        with here.database.read() as reader:
            return key_bytes(sender_key(here, reader, head))

    with BundleReader(path, key_of) as bundle:
        records = bundle.end.records
        return import_bundle(
            here,
            bundle.head,
            bundle.end,
            bundle.items,
            lambda done: show(done, max(0, records - done)),
            trust=trust,
        )
