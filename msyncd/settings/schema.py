"""The shape of a site's YAML: every setting with its kind, default and meaning. The JSON Schema is made from it."""

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from msyncd.settings.kinds import (
    Copies,
    Days,
    Flag,
    Interval,
    Password,
    PublicKey,
    Store,
    SyncId,
    Text,
    ZeroDatesChoice,
    one_of,
    whole,
)
from msyncd.settings.schema_record_types import StoresSection
from msyncd.settings.section import DEFINITION, Section, setting


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
    old_password_file: Password | None = setting(
        "On the primary, while satellites change over: a file with the password before, which is accepted too.",
        example="secrets/password.old",
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
    old_password_file: Password | None = setting(
        "On the primary, while that site changes over: a file with its password before, which is accepted too.",
        example="secrets/kalo.old",
    )
    ca_certificate: Text | None = setting(
        "The certificate of the private authority that signed that site's certificate.", example="private-ca.pem"
    )
    proxy: Text | None = setting("The proxy through which that site is reached.", example="http://proxy.local:3128")
    public_key: PublicKey | None = setting(
        "The key by which bundles of that site are known, where the two have never met on the line.",
        example="ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
    )


class ListenSection(Section):
    """Where the primary answers its satellites and shows the console."""

    host: Text = setting("The address on which to listen; 0.0.0.0 is all of them.", "127.0.0.1", example="0.0.0.0")
    port: whole(0, 65_535) = setting(  # type: ignore[valid-type]
        "The port; 0 takes any free one.", 8443, example=8443
    )
    tls_certificate: Text | None = setting("The certificate, with its chain, as a PEM file.", example="cert.pem")
    tls_key: Text | None = setting("The certificate's private key, as a PEM file.", example="key.pem")


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


class UserSection(Section):
    """Somebody who may log in to the console."""

    name: Text | None = setting("The name to log in with.", example="amara", required=True)
    password_hash: Text | None = setting(
        "The hash of the password, as `msyncd users add` writes it.", example="scrypt$16384$8$1$…$…", required=True
    )
    role: Annotated[Literal["look", "operate", "change"], one_of("look", "operate", "change")] = setting(
        "look: see every page. operate: also sync now, retry and discard. change: also edit the configuration.",
        "look",
        example="operate",
    )


class ConsoleSection(Section):
    """The web console."""

    listen: Text | None = setting(
        "On a satellite: ADDRESS:PORT on which the console answers. Without it a satellite has none.",
        example="127.0.0.1:8444",
    )
    users: list[UserSection] = setting(
        "Who may log in. Without any, nobody can.", [], example=[{"name": "amara", "role": "operate"}]
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
    compare_every: Days = setting(
        "On a satellite: days between comparisons of its records with the primary's. 0 turns them off.", 1.0, example=7
    )
    zero_dates: ZeroDatesChoice = setting(
        "What becomes of a zero date (0000-00-00) where this site's database has no such date: null writes no date, "
        "refuse keeps the record in quarantine.",
        "null",
        example="refuse",
    )
    authorisation: AuthorisationSection = setting(
        "The lock on these settings.", AuthorisationSection(), example={"code_hash": "scrypt$16384$8$1$…$…"}
    )
    console: ConsoleSection = setting("The web console.", ConsoleSection(), example={"listen": "127.0.0.1:8444"})
    metrics: MetricsSection = setting("The figures for Prometheus.", MetricsSection(), example={"public": False})
