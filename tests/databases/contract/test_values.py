"""Every kind of value between every two databases, both ways: it arrives equal, or is refused by name (P36)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from msyncd.databases import Database
from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import canonical, common_kind, same
from msyncd.databases.values import Capture
from msyncd.model import Kind, RecordType, Value
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.stock import FACTS
from tests.databases.contract.values import CASES, Case
from tests.servers import KINDS

COLUMN = "the_value"
MakeApplication = Callable[[str], Application]
OpenMsyncd = Callable[..., Database]


@dataclass
class Place:
    """A database with a table for each case: key, and a column of the case's type."""

    kind: str
    database: Database
    types: Mapping[str, RecordType]
    columns: Mapping[str, Kind]

    def write(self, case: str, values: Mapping[int, Value]) -> dict[int, str]:
        """Write values under their keys, one by one; the words with which some are refused."""
        one, refused = self.types[case], dict[int, str]()
        with self.database.write() as writer:
            writer.begin_applying(1)
            for key, value in values.items():
                try:
                    writer.upsert(one, one.columns, [(key, value)])
                except RowRejected as error:
                    refused[key] = str(error)
            writer.end_applying()
        return refused

    def write_at_once(self, case: str, values: Mapping[int, Value]) -> None:
        """Write values in one call."""
        one = self.types[case]
        with self.database.write() as writer:
            writer.begin_applying(1)
            writer.upsert(one, one.columns, list(values.items()))
            writer.end_applying()

    def clear(self, case: str, keys: Sequence[int]) -> None:
        """Take rows away again."""
        with self.database.write() as writer:
            writer.begin_applying(1)
            writer.delete(self.types[case], [(key,) for key in keys])
            writer.end_applying()

    def read(self, case: str, keys: Sequence[int]) -> dict[int, Value]:
        """What stands under these keys."""
        with self.database.read() as reader:
            rows = reader.rows(self.types[case], [(key,) for key in keys])
        return {int(str(key)): value for key, value in rows.values()}


@pytest.fixture
def make_place(make_application: MakeApplication, open_msyncd: OpenMsyncd) -> Callable[[str], Place]:
    """Makes a place on a database of any kind."""

    def make(kind: str) -> Place:
        application = make_application(kind)
        database = open_msyncd(application.url)
        if kind == "postgresql":
            application.execute("CREATE TYPE colour AS ENUM ('red', 'green', 'it''s ✚')")
        for number, case in enumerate(CASES.values()):
            declared = case.declared(kind)
            quoted = f'"{declared}"' if kind == "sqlite" and "[" in declared else declared
            application.make(f"CREATE TABLE c{number} (ID INTEGER PRIMARY KEY, {COLUMN} {quoted});")
        tables = database.describe()
        types = {
            name: spelled(tables, RecordType(name, f"c{number}", ("ID",), ("ID", COLUMN), "primary", "every_site"))
            for number, name in enumerate(CASES)
        }
        database.install(Capture(2, tuple(types.values()), FACTS))
        columns = {name: tables[one.table.casefold()].columns[1].kind for name, one in types.items()}
        return Place(kind, database, types, columns)

    return make


@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("here", KINDS)
def test_p36_values_go_there_and_back(make_place: Callable[[str], Place], here: str, there: str) -> None:
    a, b = make_place(here), make_place(there)
    wrong = [problem for name, case in CASES.items() for problem in problems(name, case, a, b)]
    assert not wrong, "\n".join(wrong)


def problems(name: str, case: Case, a: Place, b: Place) -> list[str]:
    """What does not go from a to b and back as it should."""
    values = dict(enumerate(case.values()))
    wrong = refusals(name, case, a, values, values)
    stand = a.read(name, list(values))
    wrong += [f"{a.kind}: {name}: {problem}" for problem in altered(a, name, stand, values, case.kind)]
    wrong += refusals(name, case, b, stand, values)
    arrived = b.read(name, list(stand))
    compared = common_kind(a.columns[name], b.columns[name])
    wrong += [f"{a.kind} to {b.kind}: {name}: {problem}" for problem in altered(b, name, arrived, stand, compared)]
    b.clear(name, list(arrived))
    a.clear(name, list(stand))
    a.write_at_once(name, arrived)
    back = a.read(name, list(arrived))
    back = {key: value for key, value in back.items() if key in arrived}
    wrong += [
        f"{a.kind} to {b.kind} and back: {name}: {shown(stand[key])} became {shown(back.get(key))}"
        for key in arrived
        if not same(compared, stand[key], back.get(key))
    ]
    return wrong


def refusals(
    name: str, case: Case, place: Place, brought: Mapping[int, Value], values: Mapping[int, Value]
) -> list[str]:
    """Write what is brought; what was refused or held against the case's word."""
    refused = place.write(name, brought)
    wrong = []
    for key in brought:
        expected = case.refuses(place.kind, values[key])
        if (key in refused) is not expected:
            how = "is held" if expected else f"is refused: {refused[key]}"
            wrong.append(f"{place.kind}: {name}: {shown(values[key])} {how}")
        elif key in refused and COLUMN not in refused[key]:
            wrong.append(f"{place.kind}: {name}: {shown(values[key])} is refused without its column: {refused[key]}")
    written = place.read(name, list(refused))
    wrong += [
        f"{place.kind}: {name}: {shown(values[key])} is refused and stands as {shown(written[key])}" for key in written
    ]
    return wrong


def altered(
    place: Place, name: str, found: Mapping[int, Value], expected: Mapping[int, Value], kind: Kind
) -> list[str]:
    """What stands otherwise than it was brought, or leaves its reader in another form than the canonical one."""
    wrong = [
        f"{shown(expected[key])} became {shown(value)}"
        for key, value in found.items()
        if not same(kind, expected[key], value)
    ]
    if place.kind != "sqlite":  # which gives what the application wrote
        for value in found.values():
            with suppress(ValueError):
                if repr(canonical(place.columns[name], value)) == repr(value):
                    continue
            wrong.append(f"{shown(value)} is not the canonical form of {place.columns[name]}")
    return wrong


def shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) < 80 else f"{text[:60]}… ({len(text)})"
