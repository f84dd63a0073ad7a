"""The configuration of a site in a test, as YAML files on its disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from msyncd.model import PRIMARY


class Changes(TypedDict, total=False):
    """What `reload` can change; see `Sites`."""

    record_types: str | Path | Mapping[str, Any]
    plugins: Sequence[str | Path | Mapping[str, Any]]
    active_stores: Mapping[int, Sequence[str]]
    copies_of: Mapping[int, Sequence[str] | Literal["all"]]
    request_size: int


@dataclass(frozen=True)
class Wishes:
    """The configuration of one site, as the test has it. What is by sync ID is that of all sites."""

    record_types: str | Path | Mapping[str, Any]
    active_stores: Mapping[int, Sequence[str]]
    copies_of: Mapping[int, Sequence[str] | Literal["all"]]
    plugins: Sequence[str | Path | Mapping[str, Any]] = ()
    request_size: int = 20
    databases: Mapping[int, str] = field(default_factory=dict)

    def write(self, sync_id: int, folder: Path, satellites: Sequence[int]) -> Path:
        """Write the YAML files of a site (JSON is YAML); the path of the main one."""
        types = folder / "record_types.yaml"
        if isinstance(self.record_types, Path):
            types = self.record_types.absolute()
        elif isinstance(self.record_types, str):
            types.write_text(self.record_types, encoding="utf-8")
        else:
            types.write_text(json.dumps(self.record_types), encoding="utf-8")
        mine = {"user_name": "test", "password": "test", "database": self.databases.get(sync_id, "sqlite:///site.db")}
        content: dict[str, Any] = {
            "this_site": {"sync_id": sync_id, "name": _name(sync_id), **mine},
            "sync_with": [{"sync_id": PRIMARY, "name": _name(PRIMARY), "url": "http://127.0.0.1:1"}],
            "record_types": [str(types)],
            "plugins": [one if isinstance(one, Mapping) else {"module": str(one)} for one in self.plugins],
            "state_directory": "state",
        }
        if sync_id == PRIMARY:
            content["this_site"] |= self._stores(PRIMARY)
            content["sync_with"] = [{"sync_id": n, "name": _name(n), **self._stores(n)} for n in satellites]
        else:
            content["sync"] = {"request_size": self.request_size}
        path = folder / "msyncd.yaml"
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def _stores(self, sync_id: int) -> dict[str, Any]:
        copies = self.copies_of.get(sync_id, ())
        held = copies if copies == "all" else list(copies)
        return {"active_stores": list(self.active_stores.get(sync_id, ())), "copies_of": held}


def _name(sync_id: int) -> str:
    return "primary" if sync_id == PRIMARY else f"site {sync_id}"
