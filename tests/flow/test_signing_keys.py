"""Each end learns the other's signing key at hello, and the first one stands (P37)."""

from pathlib import Path

from msyncd.flow.keys import key_of
from msyncd.flow.ledger import sites
from msyncd.flow.replacing import replace_site
from msyncd.model import PRIMARY
from msyncd.settings.signing_key import SIGNING_KEY
from msyncd.testing import OneSite
from tests.flow.support import stock_sites


def _known(site: OneSite, peer: int) -> str:
    with site.here.database.read() as reader:
        return key_of(site.here, sites.known(reader, peer))


def test_p37_each_end_learns_the_key_of_the_other_at_the_first_hello(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        assert _known(country.primary, 2) == country[2].here.public_key != ""
        assert _known(country[2], PRIMARY) == country.primary.here.public_key != ""
        assert _known(country.primary, 2) != _known(country.primary, 3)


def test_p37_the_first_key_stands_and_another_is_told_in_words(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        first = country[2].here.public_key
        (country[2].here.settings.state_directory / SIGNING_KEY).unlink()
        country[2].restart()
        assert country[2].here.public_key != first
        country.sync(2)  # the line does not need it
        assert _known(country.primary, 2) == first
        with country[2].here.database.read() as reader:
            assert "another signing key" in str(sites.known(reader, PRIMARY).problem)


def test_p37_a_replaced_site_brings_a_key_of_its_own(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        replace_site(country.primary.here, 2)
        assert _known(country.primary, 2) == ""
