"""The shape of the YAML: every setting with its kind, its default and its meaning. The JSON Schema is made from it.

What is required is marked and not enforced by pydantic: a section that lacks something is still looked at for
everything else, so that all problems are reported at once.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from msyncd.settings.kinds import (
    Columns,
    Copies,
    Days,
    Flag,
    Interval,
    Key,
    Password,
    Store,
    Switch,
    SyncId,
    Text,
    kind_of,
    one_of,
    shown,
    whole,
    wrong,
)

REQUIRED: Final = "required"
# Stands for a reference that pydantic does not know; json_schema.py makes it one.
DEFINITION: Final = "x-definition"


def setting(meaning: str, default: Any = None, *, example: Any, required: bool = False) -> Any:
    """A setting: what it means to an admin, its default, an example."""
    extra: dict[str, Any] | None = {REQUIRED: True} if required else None
    return Field(default=default, description=meaning, examples=[example], json_schema_extra=extra)


class Section(BaseModel):
    """A mapping of the YAML. A key without a value counts as not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_a_value_is_not_given(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}
        return data

    @classmethod
    def required(cls) -> frozenset[str]:
        """The names of the settings that must be given."""
        return frozenset(
            name
            for name, of in cls.model_fields.items()
            if isinstance(of.json_schema_extra, dict) and REQUIRED in of.json_schema_extra
        )


class ThisSiteSection(Section):
    """The server on which this file stands."""

    sync_id: SyncId | None = setting(
        "The number of this site: 1 is the primary, 2 and up (to max_sync_id) a satellite.", example=2, required=True
    )
    name: Text | None = setting("What people call this site. Default: site and its sync ID.", example="Bumban")
    database: Text | None = setting(
        "The application's database: sqlite:///FILE, postgresql://… or mariadb://… (mysql://… is the same).",
        example="sqlite:///store.db",
        required=True,
    )
    active_stores: list[Store] | None = setting(
        "The stores whose records are edited on this site. Optional on a satellite; if given it must agree with the "
        "primary.",
        example=["BUM"],
    )
    copies_of: Copies | None = setting(
        "The stores of which this site keeps a read-only copy, or all. Optional on a satellite, likewise.",
        example=["CMS"],
    )
    user_name: Text = setting("The user name with which satellites log in at the primary.", "sync", example="sync")
    password: Password | None = setting(
        "The password, inline. Better a file or ${VARIABLE}: others may read this file.", example="${MSYNCD_PASSWORD}"
    )
    password_file: Password | None = setting("A file that holds the password.", example="secrets/password")
    password_hash: Password | None = setting(
        "On the primary, instead of the password: its hash.", example="scrypt$16384$8$1$…$…"
    )


class SyncSection(Section):
    """How this satellite talks to the primary. Ignored on a primary."""

    interval: Interval = setting(
        "Time between requests to the primary: a number of minutes, or 30s, 5m, 1h. 0 pauses; the smallest is 1s.",
        300.0,
        example=5,
    )
    request_size: whole(1, 20_000) = setting(  # type: ignore[valid-type]
        "Records in the first batch; later ones adapt to the line.", 20, example=20
    )
    live: Flag = setting("Also wait on the primary for changes between intervals.", True, example=True)


class PeerSection(Section):
    """A site to sync with: on the primary a satellite, on a satellite the primary."""

    sync_id: SyncId | None = setting("The number of that site.", example=1, required=True)
    name: Text | None = setting(
        "What people call that site. Default: site and its sync ID.", example="Central medical store"
    )
    url: Text | None = setting(
        "Where that site answers. Required on a satellite; on the primary only for links and check-connection.",
        example="https://central.example.org:8443",
    )
    active_stores: list[Store] = setting(
        "On the primary: the stores that are edited on that site.", [], example=["BUM"]
    )
    copies_of: Copies = setting(
        "On the primary: the stores of which that site keeps a read-only copy, or all.", (), example=["CMS"]
    )
    user_name: Text | None = setting("The user name for that site, if it is not this_site's.", example="kalo")
    password: Password | None = setting(
        "The password for that site, if it is not this_site's.", example="${KALO_PASSWORD}"
    )
    password_file: Password | None = setting("A file that holds that password.", example="secrets/kalo")
    password_hash: Password | None = setting(
        "On the primary, instead of that password: its hash.", example="scrypt$16384$8$1$…$…"
    )
    ca_certificate: Text | None = setting(
        "The certificate of the private authority that signed that site's certificate.", example="private-ca.pem"
    )
    proxy: Text | None = setting("The proxy through which that site is reached.", example="http://proxy.local:3128")


class ListenSection(Section):
    """Where the primary answers its satellites and shows the console."""

    host: Text = setting("The address on which to listen; 0.0.0.0 is all of them.", "127.0.0.1", example="0.0.0.0")
    port: whole(0, 65_535) = setting(  # type: ignore[valid-type]
        "The port; 0 takes any free one.", 8443, example=8443
    )
    tls_certificate: Text | None = setting("The certificate, with its chain, as a PEM file.", example="cert.pem")
    tls_key: Text | None = setting("The certificate's private key, as a PEM file.", example="key.pem")


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
        "The other party's sites: {store_of_name: COLUMN} or {store: COLUMN}.", example={"store_of_name": "name_ID"}
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


class PluginSection(Section):
    """A plugin to load."""

    module: Text | None = setting(
        "An installed plugin's name or module; ending in .py a file; ending in / every *.py in it but _*.py.",
        example="transfers",
        required=True,
    )
    settings: dict[str, Any] = setting("The plugin's own settings.", {}, example={"finalised_status": "fn"})


class LogSection(Section):
    """What is logged, and how."""

    level: Annotated[Literal["debug", "info", "warning", "error"], one_of("debug", "info", "warning", "error")] = (
        setting("The least severity that is logged: debug, info, warning or error.", "info", example="info")
    )
    format: Annotated[Literal["text", "json"], one_of("text", "json")] = setting(
        "text for people, json for log collectors.", "text", example="json"
    )


class AuthorisationSection(Section):
    """The lock on the sync parameters."""

    code_hash: Text | None = setting(
        "The hash of the authorisation code, as `msyncd set-code` writes it. With it, edits wait for the code.",
        example="scrypt$16384$8$1$…$…",
    )


class ConsoleSection(Section):
    """The web console."""

    listen: Text | None = setting(
        "On a satellite: ADDRESS:PORT on which the console answers. Without it a satellite has none.",
        example="127.0.0.1:8444",
    )


class MetricsSection(Section):
    """The figures for Prometheus at /metrics."""

    public: Flag = setting("Whether /metrics answers others than this machine.", False, example=False)


class Configuration(Section):
    """The configuration of one site."""

    this_site: ThisSiteSection | None = setting(
        "This server.", example={"sync_id": 2, "database": "sqlite:///store.db"}, required=True
    )
    sync: SyncSection = setting(
        "How this satellite talks to the primary. Ignored on a primary.", SyncSection(), example={"interval": 5}
    )
    sync_with: list[PeerSection] = setting(
        "The sites to sync with: on the primary every satellite, on a satellite the primary alone. Without it the "
        "installation stands alone.",
        [],
        example=[{"sync_id": 1, "url": "https://central.example.org:8443"}],
    )
    listen: ListenSection = setting("Where the primary answers.", ListenSection(), example={"port": 8443})
    stores: StoresSection | None = setting(
        "Where stores are declared, if record_types stands in this very file.", example={"table": "store", "key": "ID"}
    )
    record_types: Annotated[Any, WithJsonSchema({DEFINITION: "RecordTypes"})] = setting(
        "The tables to keep in step: a list of files, or declarations inline.", example=["record_types/msupply.yaml"]
    )
    plugins: list[PluginSection] = setting("The plugins to load, in this order.", [], example=[{"module": "transfers"}])
    log: LogSection = setting("What is logged, and how.", LogSection(), example={"level": "info"})
    state_directory: Text | None = setting(
        "Where the installation's ID, signing key and accepted configuration are kept. Default: $STATE_DIRECTORY, else "
        ".msyncd beside this file.",
        example=".msyncd",
    )
    max_sync_id: whole(2, 100_000) = setting(  # type: ignore[valid-type]
        "The highest sync ID, the same on both ends.", 64, example=64
    )
    allow_plain_http: Flag = setting(
        "Allow HTTP without TLS beyond this machine. Passwords and stock can then be read on the way.",
        False,
        example=False,
    )
    keep: Days = setting("Days that the change log is kept longer than every site needs it.", 7.0, example=7)
    authorisation: AuthorisationSection = setting(
        "The lock on these settings.", AuthorisationSection(), example={"code_hash": "scrypt$16384$8$1$…$…"}
    )
    console: ConsoleSection = setting("The web console.", ConsoleSection(), example={"listen": "127.0.0.1:8444"})
    metrics: MetricsSection = setting("The figures for Prometheus.", MetricsSection(), example={"public": False})
