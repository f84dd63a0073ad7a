"""Random documents in every style, random edits: each value is as wished, and all other lines are as they were."""

import random
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msyncd.settings.document import parse
from msyncd.settings.editing import Edit, EditRefused, Set, Unset
from msyncd.settings.editing.edits import edited, same
from msyncd.settings.editing.writing import scalar

KEYS = ("name", "url", "active", "copies", "log", "sync")
TEXTS = ("BUM", "NO", "12", "010", "a, b", "x: y", "#1", "日本 🙂", "it's", '"q"', "a\nb", "", "all", "5m", "${X}")
scalars = st.one_of(
    st.sampled_from(TEXTS), st.integers(-5, 99), st.booleans(), st.text(max_size=6).filter(str.isprintable)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from(KEYS), values, min_size=2, max_size=5)
Path = tuple[str | int, ...]


@dataclass
class Written:
    """A document as some admin would have written it, each line with the path of what begins there.

    A comment has the path of that in which it stands, with "#" as its last step.
    """

    chance: random.Random
    lines: list[tuple[str, Path]] = field(default_factory=list)
    flow: set[Path] = field(default_factory=set)

    def mapping(self, value: dict[str, Any], indent: str, path: Path, lead: str = "") -> None:
        for at, (key, inner) in enumerate(value.items()):
            self._between(indent if at or not lead else None, path)
            self._value(f"{lead if at == 0 and lead else indent}{key}:", inner, indent, (*path, key))

    def _list(self, value: list[Any], indent: str, path: Path) -> None:
        for at, inner in enumerate(value):
            self._between(indent, path)
            if isinstance(inner, dict) and inner and self.chance.random() < 0.5:
                self.mapping(inner, indent + "  ", (*path, at), lead=f"{indent}- ")
            else:
                self._value(f"{indent}-", inner, indent, (*path, at))

    def _value(self, head: str, value: Any, indent: str, path: Path) -> None:
        inside = isinstance(value, (dict, list)) and value and self.chance.random() < 0.6
        if not inside:
            text = self._inline(value, path)
            self.lines.append((f"{head} {text}{self._comment()}", path))
            return
        self.lines.append((head + self._comment().replace("\t", " "), path))
        deeper = indent + self.chance.choice(["  ", "    "])
        if isinstance(value, dict):
            self.mapping(value, deeper, path)
        else:
            # a list may stand as far left as its key
            self._list(value, indent if head.endswith(":") and self.chance.random() < 0.3 else deeper, path)

    def _inline(self, value: Any, path: Path, *, within: bool = False) -> str:
        if isinstance(value, dict):
            self.flow.add(path)
            inner = [f"{key}: {self._inline(one, (*path, key), within=True)}" for key, one in value.items()]
            return self._bracketed("{", inner, "}")
        if isinstance(value, list):
            self.flow.add(path)
            inner = [self._inline(one, (*path, at), within=True) for at, one in enumerate(value)]
            return self._bracketed("[", inner, "]")
        return scalar(value, flow=within, quote=self.chance.choice(["", "'", '"']) if isinstance(value, str) else "")

    def _bracketed(self, opening: str, inner: list[str], closing: str) -> str:
        pad = self.chance.choice(["", " "])
        comma = self.chance.choice(["", "", ","]) if inner else ""
        return opening + pad + self.chance.choice([", ", ",  "]).join(inner) + comma + pad + closing

    def _comment(self) -> str:
        return self.chance.choice(["", "", " # a: [b", "      # {x", "\t# tab"])

    def _between(self, indent: str | None, path: Path) -> None:
        if indent is not None and self.chance.random() < 0.3:
            line = self.chance.choice(["", f"{indent}# - c: d", "# left", f"{indent}    # deep\t"])
            self.lines.append((line, (*path, "#")))


def written(tree: dict[str, Any], seed: int) -> tuple[Written, str]:
    chance = random.Random(seed)
    made = Written(chance)
    made.mapping(tree, "", ())
    ends = chance.choice(["\n", "\r\n"])
    start = chance.choice(["", "", f"# top{ends}", f"---{ends}"])
    return made, start + ends.join(line for line, _ in made.lines) + chance.choice(["", ends, f"{ends}# end{ends}"])


def plain(text: str) -> Any:
    root, flaws = parse(text.encode())
    assert not flaws
    assert root is not None
    return root.plain()


def mapping_paths(tree: Any, path: Path = ()) -> list[Path]:
    """Every path that leads through mappings only: what a dotted path can name."""
    if not isinstance(tree, dict):
        return []
    return [one for key, inner in tree.items() for one in ((*path, key), *mapping_paths(inner, (*path, key)))]


def untouched(made: Written, path: Path) -> list[str]:
    """The lines that an edit at a path must leave: all but its own, and the one in whose brackets it stands."""
    container = path[:-1]
    own = {path, container}
    while container in made.flow:  # it stands within brackets, and so in the line of their beginning
        container = container[:-1]
        own.add(container)
    return [line for line, at in made.lines if at not in own and at[: len(path)] != path]


def is_within(lines: list[str], text: str) -> bool:
    """Whether the lines stand in the text in this order."""
    rest = iter(text.replace("\r\n", "\n").split("\n"))
    return all(line in rest for line in lines)


@settings(max_examples=120, deadline=None)
@given(documents, st.integers(0, 10**6), st.integers(0, 10**6), values)
def test_a_value_is_set(tree: dict[str, Any], seed: int, which: int, value: Any) -> None:
    made, text = written(tree, seed)
    assume(same(plain(text), tree))
    paths = mapping_paths(tree)
    path = paths[which % len(paths)]
    after = edited(text, [Set(".".join(map(str, path)), value)])
    wished = plain(text)
    inside = wished
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    assert same(plain(after), wished)
    assert is_within(untouched(made, path), after)
    assert after.count("\r\n") == after.count("\n") or "\r\n" not in text
    assert edited(after, [Set(".".join(map(str, path)), value)]) == after


@settings(max_examples=100, deadline=None)
@given(documents, st.integers(0, 10**6), st.integers(0, 10**6), scalars)
def test_a_setting_is_added_and_taken_away_again(tree: dict[str, Any], seed: int, which: int, value: Any) -> None:
    made, text = written(tree, seed)
    paths = [(), *(one for one in mapping_paths(tree) if isinstance(_at(tree, one), dict))]
    path = (*paths[which % len(paths)], "added")
    name = ".".join(map(str, path))
    more = edited(text, [Set(name, value)])
    assert same(_at(plain(more), path), value)
    assert is_within(untouched(made, path), more)
    # a comment that had to make way does not come back so far
    assert re.sub(" +#", " #", edited(more, [Unset(name)])) == re.sub(" +#", " #", text)


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


@settings(max_examples=100, deadline=None)
@given(documents, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_setting_is_taken_away(tree: dict[str, Any], seed: int, which: int) -> None:
    made, text = written(tree, seed)
    paths = mapping_paths(tree)
    path = paths[which % len(paths)]
    while len(path) > 1 and len(_at(tree, path[:-1])) == 1:
        path = path[:-1]
    assume(len(path) > 1 or len(tree) > 1)
    wished = plain(text)
    del _at(wished, path[:-1])[path[-1]]
    after = edited(text, [Unset(".".join(map(str, path)))])
    assert same(plain(after), wished)
    assert is_within(untouched(made, path), after)


lists = st.lists(scalars, max_size=6)


@settings(max_examples=120, deadline=None)
@given(lists, lists, st.integers(0, 10**6))
def test_a_list_becomes_another(before: list[Any], after: list[Any], seed: int) -> None:
    made, text = written({"name": "x", "copies": before, "log": {"level": 1}}, seed)
    new = edited(text, [Set("copies", after)])
    assert same(plain(new)["copies"], after)
    kept = bool(before and after)
    assert is_within([line for line, at in made.lines if at[0] != "copies" or (kept and at[-1] == "#")], new)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.sampled_from(KEYS), scalars)
def test_any_text_at_all_is_edited_rightly_or_refused(text: str, key: str, value: Any) -> None:
    assume(not any(0xD800 <= ord(char) <= 0xDFFF for char in text))
    whole = f"{key}: {text}\nother: [1, 2]\n"
    edit: Edit
    for edit in (Set("other", [1, value]), Set(key, value), Unset("other")):
        try:
            after = edited(whole, [edit])
        except EditRefused:
            continue
        assert same(plain(after).get("other"), {"Set": [1, value]}.get(type(edit).__name__)) or edit.path == key
