"""The rights that msyncd's role needs are those that the documentation lists: with just these it does everything."""

from pathlib import Path

import pytest

from msyncd.databases.values import Capture
from msyncd.errors import DatabaseUnavailable
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.conftest import OpenMsyncd
from tests.databases.contract.stock import FACTS, HEADER, SCHEMA, TYPES
from tests.databases.postgresql.roles import GRANTS, plain_role


def test_with_the_rights_that_are_listed_everything_is_done(application: Application, open_msyncd: OpenMsyncd) -> None:
    application.make(SCHEMA)
    with plain_role(application) as (role, url):
        database = open_msyncd(url)
        tables = database.describe()
        types = tuple(spelled(tables, one) for one in TYPES)
        ids = database.install(Capture(2, types, FACTS)).ids
        with database.write() as writer:
            database.renew_guard(FACTS, writer, 2)
        application.execute(HEADER)  # by another role, which has no right in the schema msyncd
        with database.write() as writer:
            writer.begin_applying(1)
            writer.upsert(types[0], types[0].columns, [(f"i{n}", None, None) for n in range(3000)])
            writer.delete(types[0], [("i1",)])
            writer.end_applying()
        assert database.wait_for_change(0.01) in (True, False)
        with database.read() as reader:
            assert reader.changed_since(ids["transact"], ("t1",), reader.log_start())
            assert reader.open_transaction_seconds() is None  # it may not see who has one open
        # without the right to silence triggers, nobody is promised that they are silent
        assert not tables["transact"].silenceable
        database.remove()
        assert application.execute("SELECT to_regnamespace('msyncd')") == [(None,)]
        database.close()
        assert role


def test_the_documentation_lists_these_rights() -> None:
    text = Path("docs/databases.md").read_text(encoding="utf-8")
    for one in GRANTS:
        assert one.format(database="stock", role="msyncd", owner="stock_owner") in text


def test_a_right_that_is_lacking_is_named_with_where_to_look(application: Application, open_msyncd: OpenMsyncd) -> None:
    application.make(SCHEMA)
    with plain_role(application) as (role, url):
        asked = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = ?::regrole"
        ((owner,),) = application.execute(asked, (role,))
        application.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        application.execute(f"REVOKE {owner} FROM {role}")
        database = open_msyncd(url)
        tables = database.describe()
        with pytest.raises(DatabaseUnavailable, match=r"permission denied.*docs/databases.md"):
            database.install(Capture(2, tuple(spelled(tables, one) for one in TYPES), FACTS))
        database.close()
