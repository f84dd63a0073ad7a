"""By which key a peer's bundles are known (P37): as this site's own YAML says, else the first that the peer showed."""

from msyncd.flow.here import Here
from msyncd.flow.ledger.sites import Known


def key_of(here: Here, known: Known) -> str:
    """The public key of a peer; "" if none is known yet."""
    written = next((one.public_key for one in here.settings.sync_with if one.sync_id == known.sync_id), None)
    return written or known.public_key


def other_key(here: Here, known: Known, shown: str) -> tuple[str, ...]:
    """What is to be said where a site shows another key than the one by which it is known. It syncs all the same."""
    stands = key_of(here, known)
    if not stands or not shown or stands == shown:
        return ()
    words = (
        f"site {known.sync_id} shows another signing key than before, so bundles from it are refused;"
        f" if its state directory was lost, run `msyncd sites replace {known.sync_id}` on the primary, or correct"
        " public_key there"
    )
    return (words,)
