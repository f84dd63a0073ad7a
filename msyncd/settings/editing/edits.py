"""What may be asked of a file: a setting set or taken away, a site added, changed or removed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from msyncd.settings.document import parse
from msyncd.settings.editing.splice import EditRefused, Path, drop, insert, put
from msyncd.settings.editing.writing import Scalar, Value


@dataclass(frozen=True, slots=True)
class Set:
    """Give a setting a value, e.g. `Set("sync.interval", 5)`; a list or mapping as a whole."""

    path: str
    value: Value


@dataclass(frozen=True, slots=True)
class Unset:
    """Take a setting away, and its section if nothing else stands in it. Not being there is fine."""

    path: str


@dataclass(frozen=True, slots=True)
class AddSite:
    """A further site in `sync_with`, e.g. `AddSite({"sync_id": 4, "name": "Dorsi"})`."""

    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class RemoveSite:
    """Take a site out of `sync_with`."""

    sync_id: int


@dataclass(frozen=True, slots=True)
class SetSite:
    """Give a setting of a site in `sync_with` a value, e.g. `SetSite(3, "active_stores", ["KAL"])`."""

    sync_id: int
    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class UnsetSite:
    """Take a setting of a site in `sync_with` away. Not being there is fine."""

    sync_id: int
    name: str


Edit = Set | Unset | AddSite | RemoveSite | SetSite | UnsetSite


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made. Raises EditRefused if the text cannot be made to say just that."""
    for edit in edits:
        tree = _tree(text)
        wished = _copied(tree)
        for step in _steps(tree, edit):
            text = step.on_text(text)
            step.on_tree(wished)
        _compare(text, wished, edit)
    return text


def _tree(text: str) -> dict[str, Any]:
    root, flaws = parse(text.encode("utf-8", "surrogatepass"))
    if flaws or root is None or not isinstance(root.value, dict):
        raise EditRefused("the file is not in order", hint="correct it first; see `msyncd check`")
    tree: dict[str, Any] = root.plain()
    return tree


def _compare(text: str, wished: dict[str, Any], edit: Edit) -> None:
    root, flaws = parse(text.encode("utf-8", "surrogatepass"))
    if flaws or root is None or not same(root.plain(), wished):
        raise EditRefused(
            f"{_about(edit)} cannot be edited here without changing something else, by an anchor perhaps",
            hint="edit the file by hand; `msyncd check` then says whether it is in order",
        )


def _about(edit: Edit) -> str:
    if isinstance(edit, (Set, Unset)):
        return edit.path
    number = edit.values.get("sync_id") if isinstance(edit, AddSite) else edit.sync_id
    return f"site {number}"


def same(one: Any, other: Any) -> bool:
    """Whether two values of a file are the same, in kind too: true is not 1, and 1 is not 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return _kind(one) is _kind(other) and bool(one == other)


def _kind(value: Any) -> type:
    return next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), type(value))


# --- the steps of an edit ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Put:
    path: Path
    value: Value

    def on_text(self, text: str) -> str:
        return put(text, self.path, self.value)

    def on_tree(self, tree: Any) -> None:
        for step in self.path[:-1]:
            if isinstance(tree, dict) and tree.get(step) is None:
                tree[step] = {}
            tree = tree[step]
        tree[self.path[-1]] = _plain(self.value)


@dataclass(frozen=True, slots=True)
class _Insert:
    path: Path
    index: int
    value: Value

    def on_text(self, text: str) -> str:
        return insert(text, self.path, self.index, self.value)

    def on_tree(self, tree: Any) -> None:
        for step in self.path[:-1]:
            tree = tree[step]
        if isinstance(tree, dict) and tree.get(self.path[-1]) is None:
            tree[self.path[-1]] = []
        tree[self.path[-1]].insert(self.index, _plain(self.value))


@dataclass(frozen=True, slots=True)
class _Drop:
    path: Path

    def on_text(self, text: str) -> str:
        return drop(text, self.path)

    def on_tree(self, tree: Any) -> None:
        for step in self.path[:-1]:
            tree = tree[step]
        del tree[self.path[-1]]


_Step = _Put | _Insert | _Drop


def _steps(tree: dict[str, Any], edit: Edit) -> Iterator[_Step]:
    if isinstance(edit, Set):
        yield from _setting(tree, tuple(edit.path.split(".")), edit.value)
    elif isinstance(edit, Unset):
        yield from _unsetting(tree, tuple(edit.path.split(".")))
    elif isinstance(edit, AddSite):
        yield _adding(tree, edit)
    elif isinstance(edit, RemoveSite):
        yield _Drop(_site(tree, edit.sync_id))
    elif isinstance(edit, SetSite):
        yield from _setting(tree, (*_site(tree, edit.sync_id), edit.name), edit.value)
    else:
        yield from _unsetting(tree, (*_site(tree, edit.sync_id), edit.name))


def _site(tree: dict[str, Any], sync_id: int) -> Path:
    for at, one in enumerate(tree.get("sync_with") or ()):
        if isinstance(one, dict) and same(one.get("sync_id"), sync_id):
            return "sync_with", at
    raise EditRefused(f"site {sync_id} does not stand in sync_with", hint="`msyncd sites list` shows the sites")


def _adding(tree: dict[str, Any], edit: AddSite) -> _Step:
    sites = tree.get("sync_with") or []
    sync_id = edit.values.get("sync_id")
    if any(isinstance(one, dict) and same(one.get("sync_id"), sync_id) for one in sites):
        raise EditRefused(f"site {sync_id} stands in sync_with already", hint="`msyncd sites list` shows the sites")
    return _Insert(("sync_with",), len(sites), edit.values)


def _at(tree: Any, path: Path) -> Any:
    """What stands at a path; None if nothing does."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(str(step))
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def _setting(tree: dict[str, Any], path: Path, value: Value) -> Iterator[_Step]:
    """As few changes as lead to the value: items of a list and keys of a mapping that stay are not touched."""
    old, new = _at(tree, path), _plain(value)
    if same(old, new):
        return
    if isinstance(old, list) and old and isinstance(new, list) and new:
        yield from _changing_list(path, old, new)
    elif isinstance(old, dict) and old and isinstance(new, dict) and new:
        for key in new:
            yield from _setting(tree, (*path, key), new[key])
        for key in old:
            if key not in new:
                yield _Drop((*path, key))
    else:
        yield _Put(path, value)


def _changing_list(path: Path, old: list[Any], new: list[Any]) -> Iterator[_Step]:
    told = [[f"{_kind(one).__name__} {one}" for one in items] for items in (old, new)]  # true is not 1
    for what, first, last, start, end in reversed(SequenceMatcher(a=told[0], b=told[1], autojunk=False).get_opcodes()):
        if what == "equal":
            continue
        both = min(last - first, end - start)
        for at in range(both):
            yield _Put((*path, first + at), new[start + at])
        # what comes is put in before anything goes: a list that is empty in between would lose its lines
        for at in range(both, end - start):
            yield _Insert(path, first + at, new[start + at])
        for at in reversed(range(first + both, last)):
            yield _Drop((*path, at))


def _unsetting(tree: dict[str, Any], path: Path) -> Iterator[_Step]:
    inside = _at(tree, path[:-1])
    if not isinstance(inside, dict) or path[-1] not in inside:
        return
    while len(inside) == 1 and len(path) > 1 and isinstance(path[-2], str):
        path = path[:-1]
        inside = _at(tree, path[:-1])
    yield _Drop(path)


# --- plain values -----------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A value as the reader gives it: lists and mappings of plain values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return value if isinstance(value, Scalar) else [_plain(inner) for inner in value]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


__all__ = ["AddSite", "Edit", "EditRefused", "RemoveSite", "Set", "SetSite", "Unset", "UnsetSite", "edited"]
