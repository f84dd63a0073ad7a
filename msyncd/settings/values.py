"""What an admin wrote, validated and frozen: the shape that everything else reads. Nothing here reads a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msyncd.model import AlsoSentTo, ApplicationTriggers, EditedOn, SentTo, Through, ZeroDates


@dataclass(frozen=True, slots=True)
class Secret:
    """A password as it was written: inline, in a file, or as a hash. Never shown; read only when somebody logs in.

    `missing` is the variable of the environment that it needs and that is not set.
    """

    value: str | None = field(default=None, repr=False)
    file: Path | None = None
    hash: str | None = field(default=None, repr=False)
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the YAML something stands: `file` as shown to the admin, line and column counted from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ThisSite:
    """`this_site`. `active_stores` and `copies_of` None: not given (on a satellite the primary decides)."""

    sync_id: int
    name: str
    database: str
    active_stores: tuple[str, ...] | None
    copies_of: tuple[str, ...] | Literal["all"] | None
    user_name: str
    password: Secret
    old_password: Secret | None = None


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """`sync`: `interval` in seconds (0 pauses), `request_size` in records, `live` whether to wait on the primary."""

    interval: float = 300.0
    request_size: int = 20
    live: bool = True


@dataclass(frozen=True, slots=True)
class PeerSite:
    """One entry of `sync_with`. `user_name` and `password` None: those of this_site hold.

    `old_password` is accepted beside `password`, while that site changes over.
    """

    sync_id: int
    name: str
    url: str | None
    active_stores: tuple[str, ...] = ()
    copies_of: tuple[str, ...] | Literal["all"] = ()
    user_name: str | None = None
    password: Secret | None = None
    old_password: Secret | None = None
    ca_certificate: Path | None = None
    proxy: str | None = None
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class Listen:
    """`listen`: where the primary answers; TLS if both files are given."""

    host: str = "127.0.0.1"
    port: int = 8443
    tls_certificate: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True)
class StoresTable:
    """`stores`: the table where stores are declared, its key, the code by which the YAML calls them, their name.

    `places` are those of its values, the whole at "".
    """

    table: str
    key: str
    code: str | None = None
    name: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """One entry of `record_types`, before the database has been looked at.

    `place` is that of its name, `places` those of its values by dotted path: `table`, `columns.exclude.0`.
    """

    name: str
    table: str
    key: tuple[str, ...] | None
    edited_on: EditedOn
    sent_to: SentTo
    store: str | Through | None
    also_sent_to: AlsoSentTo | None
    when_missing: Mapping[str, Literal["wait", "clear"]]
    include: tuple[str, ...] | None
    exclude: tuple[str, ...]
    guard: bool
    application_triggers: ApplicationTriggers | None
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One entry of `plugins`: an installed plugin's name or module, a file ending in .py, or a folder ending in /.

    `place` is that of the module, `places` those of its settings by dotted path; the settings as a whole are at "".
    """

    module: str
    settings: Mapping[str, Any]
    base: Path
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`log`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True)
class User:
    """One entry of `console.users`: each role may do what those before it may, and more."""

    name: str
    password_hash: str = field(repr=False)
    role: Literal["look", "operate", "change"] = "look"


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration in force, as one value. `digest` is of every file that it was read from.

    `places` are those of the values of the main file by dotted path: `this_site.name`, `sync_with.0.active_stores.1`.
    """

    file: Path
    files: tuple[Path, ...]
    digest: str
    this_site: ThisSite
    sync: SyncSettings
    sync_with: tuple[PeerSite, ...]
    listen: Listen
    stores: StoresTable | None
    record_types: tuple[DeclaredType, ...]
    plugins: tuple[PluginEntry, ...]
    log: LogSettings
    state_directory: Path
    max_sync_id: int = 64
    allow_plain_http: bool = False
    keep_days: float = 7.0
    compare_every_days: float = 1.0
    zero_dates: ZeroDates = "null"
    console_listen: str | None = None
    console_users: tuple[User, ...] = ()
    metrics_public: bool = False
    code_hash: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_primary(self) -> bool:
        """Whether this site is the primary."""
        return self.this_site.sync_id == 1

    @property
    def stands_alone(self) -> bool:
        """Whether there is nothing to sync with: the field's "sync ID 0"."""
        return not self.sync_with
