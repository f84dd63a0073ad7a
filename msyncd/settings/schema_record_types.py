"""The shape of record types, in a file of their own or inline: every setting with its kind, default and meaning."""

from typing import Annotated, Literal

from pydantic import PlainValidator, WithJsonSchema

from msyncd.settings.kinds import Columns, Key, Switch, Text, kind_of, one_of, shown, wrong
from msyncd.settings.section import DEFINITION, Section, setting


class StoresSection(Section):
    """Where stores are declared. Without it a store is its column's value."""

    table: Text | None = setting("The table that holds the stores.", example="store", required=True)
    key: Text | None = setting("Its column with the value by which records name a store.", example="ID", required=True)
    code: Text | None = setting("Its column with the code by which this file may call a store.", example="code")
    name: Text | None = setting("Its column with the name that stands for the store.", example="name_ID")


class ThroughSection(Section):
    """A record's store is its parent's."""

    through: Text | None = setting("The column that holds the parent's key.", example="transaction_ID", required=True)
    of: Text | None = setting("The record type of the parent.", example="transact", required=True)


class AlsoSentToSection(Section):
    """A further destination: the sites of another store."""

    store_of_name: Text | None = setting("A column with a name that may stand for a store.", example="name_ID")
    store: Text | None = setting("A column with a store's value.", example="to_store_ID")
    by_plugins: Text | None = setting(
        "A column that names another record: plugins decide by it where that one goes.", example="name_ID"
    )


class ColumnsSection(Section):
    """Which columns travel: all but those excluded, or only those included. Key and store always do."""

    include: Columns | None = setting("Only these columns travel.", example=["code", "name"])
    exclude: Columns | None = setting("These columns stay as they are on each site.", example=["local_note"])


def _store_column(value: object) -> "str | ThroughSection":
    if isinstance(value, dict):
        return ThroughSection.model_validate(value)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return shown(value)
    hint = "e.g. store: store_ID, or store: {through: transaction_ID, of: transact}"
    raise wrong(f"must be a column or {{through, of}}, not {kind_of(value)}", hint)


StoreColumn = Annotated[
    str | ThroughSection,
    PlainValidator(_store_column),
    WithJsonSchema({"anyOf": [{"type": "string"}, {DEFINITION: "ThroughSection"}]}),
]
Missing = Annotated[Literal["wait", "clear"], one_of("wait", "clear")]


class RecordTypeSection(Section):
    """A declared table: its key, who edits it, who receives it."""

    table: Text | None = setting("The table.", example="transact", required=True)
    key: Key | None = setting(
        "The column, or the list of columns, that tells its records apart. Default: the table's primary key.",
        example="ID",
    )
    edited_on: Annotated[
        Literal["primary", "active_site", "any_site"] | None, one_of("primary", "active_site", "any_site")
    ] = setting(
        "Where its records may be edited: primary, active_site (where their store is active) or any_site.",
        example="active_site",
        required=True,
    )
    sent_to: Annotated[
        Literal["every_site", "sites_of_store", "primary_only"] | None,
        one_of("every_site", "sites_of_store", "primary_only"),
    ] = setting(
        "Who receives them: every_site, sites_of_store (its active site and its copies) or primary_only.",
        example="sites_of_store",
        required=True,
    )
    store: StoreColumn | None = setting(
        "The column that names the record's store; or {through: COLUMN, of: RECORD TYPE} if it is its parent's.",
        example="store_ID",
    )
    also_sent_to: AlsoSentToSection | None = setting(
        "The other party's sites: {store_of_name: COLUMN} or {store: COLUMN}; or {by_plugins: COLUMN}.",
        example={"store_of_name": "name_ID"},
    )
    when_missing: dict[str, Missing] = setting(
        "By column: what to do where the record is missing to which it refers. wait (default) keeps the record aside "
        "until it is there; clear empties the column there until then.",
        {},
        example={"item_line_ID": "clear"},
    )
    columns: ColumnsSection | None = setting(
        "Which columns travel: {exclude: [...]} or {include: [...]}.", example={"exclude": ["local_note"]}
    )
    guard: Switch = setting(
        "on: an edit on a site that may not make it is refused there. off: it is captured, and the primary refuses it.",
        True,
        example="off",
    )
    application_triggers: Annotated[Literal["fire", "silent"] | None, one_of("fire", "silent")] = setting(
        "Whether the application's own triggers on the table run for records that msyncd writes.", example="silent"
    )


class RecordTypesFile(Section):
    """A file of record types, or the same inline."""

    stores: StoresSection | None = setting(
        "Where stores are declared. Without it a store is its column's value.", example={"table": "store", "key": "ID"}
    )
    record_types: dict[str, RecordTypeSection] | None = setting(
        "The declared tables, by the name of their record type.",
        example={"item": {"table": "item", "edited_on": "primary", "sent_to": "every_site"}},
    )
