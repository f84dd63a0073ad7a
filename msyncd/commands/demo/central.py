"""What is entered on the primary before anything moves: items, names, stores, lists, and what each store sees."""

import sqlite3
from collections.abc import Sequence
from random import Random

from msyncd.commands.demo.database import Clock, day, insert, new_id, transaction
from msyncd.commands.demo.medicines import CUSTOMERS, MEDICINES, STORES, SUPPLIERS, VACCINE, Facility, Party

ADJUSTMENTS_CODE = "invad"
"""The code of the name that stands in for the other party when a stocktake adjusts stock."""

_SMALL_LISTS: tuple[tuple[str, tuple[dict[str, object], ...]], ...] = (
    (
        "location_type",
        (
            {"description": "Room temperature", "temperature_min": 8.0, "temperature_max": 30.0},
            {"description": "Refrigerator", "temperature_min": 2.0, "temperature_max": 8.0},
        ),
    ),
    (
        "options",
        (
            {"title": "Expired", "type": "stocktake"},
            {"title": "Broken", "type": "stocktake"},
            {"title": "Found again", "type": "stocktake"},
        ),
    ),
    ("name_tag", ({"description": "Reports monthly"}, {"description": "Hard to reach"})),
    ("ship_method", ({"method": "Road"}, {"method": "Boat"}, {"method": "Plane"})),
    (
        "diagnosis",
        (
            {"icd_code": "B54", "description": "Malaria, unspecified"},
            {"icd_code": "J18", "description": "Pneumonia"},
            {"icd_code": "A09", "description": "Gastroenteritis"},
        ),
    ),
    (
        "abbreviation",
        (
            {"abbreviation": "bd", "expansion": "twice a day"},
            {"abbreviation": "tds", "expansion": "three times a day"},
            {"abbreviation": "prn", "expansion": "when needed"},
        ),
    ),
)


def create_central_data(
    connection: sqlite3.Connection, stores: Sequence[Facility] = STORES, *, random: Random, clock: Clock
) -> None:
    """Enter all central data, and the stores with what belongs to each, in one transaction."""
    with transaction(connection):
        for table, rows in _SMALL_LISTS:
            for row in rows:
                insert(connection, table, ID=new_id(random), **row)
        currency = new_id(random)
        insert(connection, "currency", ID=currency, currency="Dollar", rate=1.0, is_home_currency=1)
        _create_periods(connection, random, clock().year)
        items = _create_items(connection, random, day(clock()))
        parties = _create_parties(connection, random, currency, day(clock()))
        essential = _create_list(connection, random, items, day(clock()))
        for store in stores:
            _create_store(connection, random, store, currency, day(clock()))
        _join_stores(connection, random, items, parties, essential)


def _create_periods(connection: sqlite3.Connection, random: Random, year: int) -> None:
    schedule = new_id(random)
    insert(connection, "period_schedule", ID=schedule, name="Quarterly")
    for quarter, (start, end) in enumerate(
        (("01-01", "03-31"), ("04-01", "06-30"), ("07-01", "09-30"), ("10-01", "12-31"))
    ):
        insert(
            connection,
            "period",
            ID=new_id(random),
            period_schedule_ID=schedule,
            name=f"{year} Q{quarter + 1}",
            start_date=f"{year}-{start}",
            end_date=f"{year}-{end}",
        )


def _create_items(connection: sqlite3.Connection, random: Random, today: str) -> list[str]:
    units = _create_words(connection, random, "unit", "units", [medicine.unit for medicine in MEDICINES])
    categories = _create_words(
        connection, random, "item_category", "description", [medicine.category for medicine in MEDICINES]
    )
    items = []
    for medicine in MEDICINES:
        items.append(new_id(random))
        insert(
            connection,
            "item",
            ID=items[-1],
            code=medicine.code,
            item_name=medicine.item_name,
            unit_ID=units[medicine.unit],
            category_ID=categories[medicine.category],
            strength=medicine.strength,
            default_pack_size=medicine.pack_size,
            default_cost_price=medicine.price,
            default_sell_price=round(medicine.price * 1.1, 2),
            ven_category=medicine.ven,
            is_vaccine=int(medicine.category == VACCINE),
            critical_stock=int(medicine.ven == "V"),
            created_date=today,
        )
        barcode = f"{random.randrange(10**13):013d}"
        insert(
            connection, "barcode", ID=new_id(random), barcode=barcode, item_ID=items[-1], pack_size=medicine.pack_size
        )
        if medicine.unit in ("tablet", "capsule"):
            insert(connection, "item_direction", ID=new_id(random), item_ID=items[-1], directions="1 tds", priority=1)
    return items


def _create_words(
    connection: sqlite3.Connection, random: Random, table: str, column: str, words: Sequence[str]
) -> dict[str, str]:
    """Enter each different word once; gives its key by the word."""
    keys = {word: new_id(random) for word in dict.fromkeys(words)}
    for word, key in keys.items():
        insert(connection, table, **{"ID": key, column: word})
    return keys


def _create_name(connection: sqlite3.Connection, random: Random, party: Party, today: str, **more: object) -> str:
    key = new_id(random)
    insert(
        connection,
        "name",
        ID=key,
        code=party.code,
        name=party.name,
        address1=party.address,
        created_date=today,
        **more,
    )
    return key


def _create_parties(connection: sqlite3.Connection, random: Random, currency: str, today: str) -> list[str]:
    parties = [
        _create_name(connection, random, party, today, supplier=1, currency_ID=currency) for party in SUPPLIERS
    ] + [_create_name(connection, random, party, today, customer=1, currency_ID=currency) for party in CUSTOMERS]
    tag = connection.execute("SELECT ID FROM name_tag WHERE description = 'Reports monthly'").fetchone()[0]
    for name in parties[len(SUPPLIERS) :]:
        insert(connection, "name_tag_join", ID=new_id(random), name_ID=name, name_tag_ID=tag)
    adjustments = Party(ADJUSTMENTS_CODE, "Inventory adjustments", "")
    parties.append(_create_name(connection, random, adjustments, today, type="invad"))
    return parties


def _create_list(connection: sqlite3.Connection, random: Random, items: Sequence[str], today: str) -> str:
    key = new_id(random)
    insert(connection, "list_master", ID=key, code="EML", description="Essential medicines list", created_date=today)
    for number, item in enumerate(items, start=1):
        insert(connection, "list_master_line", ID=new_id(random), item_master_ID=key, item_ID=item, order_number=number)
    return key


def _create_store(connection: sqlite3.Connection, random: Random, store: Facility, currency: str, today: str) -> None:
    party = Party(store.code, store.name, store.name)
    name = _create_name(connection, random, party, today, type="store", customer=1, supplier=1, currency_ID=currency)
    insert(connection, "store", ID=new_id(random), code=store.code, name=store.name, name_ID=name, created_date=today)


def _join_stores(
    connection: sqlite3.Connection, random: Random, items: Sequence[str], parties: Sequence[str], master_list: str
) -> None:
    """Let every store see every item and every other name, and give it its preferences and its master list."""
    stores = connection.execute("SELECT ID, name_ID FROM store ORDER BY code").fetchall()
    for store, own_name in stores:
        insert(connection, "pref", ID=new_id(random), store_ID=store, item="months_of_stock", data="3")
        insert(connection, "list_master_name_join", ID=new_id(random), list_master_ID=master_list, name_ID=own_name)
        others = [name for _, name in stores if name != own_name]
        for name in (*parties, *others):
            insert(connection, "name_store_join", ID=new_id(random), name_ID=name, store_ID=store)
        for item in items:
            insert(connection, "item_store_join", ID=new_id(random), item_ID=item, store_ID=store)
