"""Edits as an admin would make them by hand: one line changes, and everything else stays as it was."""

import pytest

from msyncd.settings.document import parse
from msyncd.settings.editing import AddSite, Edit, EditRefused, RemoveSite, Set, SetSite, Unset, UnsetSite, Value
from msyncd.settings.editing.edits import edited

FLOW = """\
this_site: {sync_id: 1, name: Central, active_stores: [CMS], copies_of: all}   # here
sync_with:
  # the oldest
  - {sync_id: 2, name: Bumban, active_stores: [BUM]}  # since 2019

  # Kalo town
  - {sync_id: 3, name: "Kalo: the town", copies_of: [CMS, BUM]}
  # - {sync_id: 4}
log: {level: info}
"""

BLOCK = """\
sync:
  interval: 5                   # minutes
  live: true
sync_with:
- sync_id: 2
  name: 'Bumban'   # the district
  active_stores:
  - BUM            # the store
  - BUP            # the post
  # none more
- sync_id: 3

  name: Kalo
# the end
"""


def test_a_value_in_place_of_another() -> None:
    assert edited(BLOCK, [Set("sync.interval", "30s")]) == BLOCK.replace(
        "5                   #", "30s                 #"
    )
    assert edited(BLOCK, [Set("sync.interval", 0), Set("sync.live", False)]) == BLOCK.replace(
        "interval: 5", "interval: 0"
    ).replace("live: true", "live: false")
    assert edited(BLOCK, [SetSite(2, "name", "O'Neill")]) == BLOCK.replace("'Bumban'   #", "'O''Neill'  #")
    assert edited(FLOW, [SetSite(2, "name", "a, b")]) == FLOW.replace("name: Bumban", 'name: "a, b"')
    assert edited(FLOW, [SetSite(3, "name", "Kalo")]) == FLOW.replace('"Kalo: the town"', '"Kalo"')


def test_the_same_value_changes_nothing() -> None:
    same: list[Edit] = [
        Set("this_site.sync_id", 1),
        SetSite(3, "copies_of", ["CMS", "BUM"]),
        Unset("sync.live"),
        UnsetSite(2, "url"),
    ]
    assert edited(FLOW, same) == FLOW


TELLING = [
    "NO",
    "on",
    "y",
    "22:30",
    "010",
    "0o17",
    "12",
    "1e3",
    ".5",
    "~",
    "null",
    "2020-01-01",
    "",
    " a",
    "- a",
    "a #b",
]
INDICATING = ["a: b", "{a}", "*a", "&a", "!a", "%a", "@a", "`a", "?", "a:", "\ta", "a\nb", "é\u2028b", "'", '"', "="]


@pytest.mark.parametrize("text", [*TELLING, *INDICATING])
def test_what_a_reader_could_take_for_something_else_is_quoted(text: str) -> None:
    for document, edit in ((BLOCK, Set("sync.interval", text)), (FLOW, SetSite(2, "active_stores", ["A", text]))):
        root, flaws = parse(edited(document, [edit]).encode())
        assert root is not None
        assert not flaws
        found = root.at(("sync", "interval") if document is BLOCK else ("sync_with", 0, "active_stores", 1))
        assert (found.value, found.unquoted) == (text, False)


@pytest.mark.parametrize("text", ["BUM", "Bumban district store", "30s", "https://a.org:8443", "${X}/p", "日本", "a'b"])
def test_what_is_clear_stands_without_quotes(text: str) -> None:
    assert f"interval: {text} " in edited(BLOCK, [Set("sync.interval", text)])


def test_lists_change_item_by_item() -> None:
    more = edited(FLOW, [SetSite(3, "copies_of", ["KAL", "CMS", "BUM", "DOR"])])
    assert more == FLOW.replace("[CMS, BUM]", "[KAL, CMS, BUM, DOR]")
    assert edited(FLOW, [SetSite(3, "copies_of", ["BUM"])]) == FLOW.replace("[CMS, BUM]", "[BUM]")
    assert edited(FLOW, [SetSite(3, "copies_of", ["CMS"])]) == FLOW.replace("[CMS, BUM]", "[CMS]")
    assert edited(FLOW, [SetSite(3, "copies_of", [])]) == FLOW.replace("[CMS, BUM]", "[]")
    assert edited(FLOW, [SetSite(3, "copies_of", "all")]) == FLOW.replace("[CMS, BUM]", "all")
    assert edited(FLOW, [Set("this_site.copies_of", ["BUM"])]) == FLOW.replace(
        "copies_of: all}   #", "copies_of: [BUM]}  #"
    )


def test_lists_of_lines_keep_each_ones_comment() -> None:
    assert edited(BLOCK, [SetSite(2, "active_stores", ["BUP"])]) == BLOCK.replace(
        "  - BUM            # the store\n", ""
    )
    assert edited(BLOCK, [SetSite(2, "active_stores", ["BUM", "BUP", "010"])]) == BLOCK.replace(
        "# the post\n", '# the post\n  - "010"\n'
    )
    assert edited(BLOCK, [SetSite(2, "active_stores", ["NEW", "BUM", "BUP"])]) == BLOCK.replace(
        "  - BUM", "  - NEW\n  - BUM"
    )
    gone = edited(BLOCK, [SetSite(2, "active_stores", [])])
    assert "  active_stores: []\n  # none more\n- sync_id: 3\n" in gone


def test_a_site_is_added_in_the_style_of_its_neighbour() -> None:
    site: dict[str, Value] = {"sync_id": 4, "name": "Dorsi", "active_stores": ["DOR", "12"]}
    assert edited(FLOW, [AddSite(site)]) == FLOW.replace(
        "  # - {sync_id: 4}\n",
        '\n  - {sync_id: 4, name: Dorsi, active_stores: [DOR, "12"]}\n  # - {sync_id: 4}\n',
    )
    assert edited(BLOCK, [AddSite(site)]) == BLOCK.replace(
        "# the end\n", '- sync_id: 4\n  name: Dorsi\n  active_stores: [DOR, "12"]\n# the end\n'
    )


@pytest.mark.parametrize("there", ["sync_with:  # none yet\n", "sync_with: []  # none yet\n", "# none yet\n"])
def test_the_first_site(there: str) -> None:
    text = "this_site: {sync_id: 1}\n" + there + "log: {level: info}\n"
    more = edited(text, [AddSite({"sync_id": 2}), AddSite({"sync_id": 3, "name": "Kalo"})])
    assert "  - {sync_id: 2}\n  - {sync_id: 3, name: Kalo}\n" in more
    assert more.count("# none yet") == 1
    assert edited(more, [RemoveSite(2)]).count("sync_id") == 2


def test_a_site_is_removed_with_its_own_lines_and_no_others() -> None:
    assert edited(FLOW, [RemoveSite(2)]) == FLOW.replace(
        "  - {sync_id: 2, name: Bumban, active_stores: [BUM]}  # since 2019\n", ""
    )
    assert edited(BLOCK, [RemoveSite(3)]) == BLOCK.replace("- sync_id: 3\n\n  name: Kalo\n", "")
    assert edited(BLOCK, [RemoveSite(3), RemoveSite(2)]) == "\n".join(
        [*BLOCK.splitlines()[:3], "sync_with: []", "  # none more", "# the end", ""]
    )


def test_a_setting_is_added_and_taken_away() -> None:
    assert edited(FLOW, [Set("log.format", "json")]) == FLOW.replace("{level: info}", "{level: info, format: json}")
    assert edited(FLOW, [Unset("log.level")]) == FLOW.replace("log: {level: info}\n", "")
    assert edited(FLOW, [Set("console.listen", "127.0.0.1:8444")]) == FLOW + 'console: {listen: "127.0.0.1:8444"}\n'
    assert edited(BLOCK, [Unset("sync.interval")]) == BLOCK.replace("  interval: 5                   # minutes\n", "")
    assert edited(BLOCK, [Unset("sync.interval"), Unset("sync.live")]) == BLOCK[BLOCK.index("sync_with") :]
    assert edited(BLOCK, [SetSite(3, "url", "https://a.org")]) == BLOCK.replace(
        "name: Kalo\n", "name: Kalo\n  url: https://a.org\n"
    )
    assert edited(BLOCK, [UnsetSite(3, "name")]) == BLOCK.replace("\n  name: Kalo\n", "\n")
    assert edited("a:\n- b: 1\n  c: 2\n", [Set("d.e", [])]) == "a:\n- b: 1\n  c: 2\nd:\n  e: []\n"


def test_lists_of_sections_change_item_by_item_too() -> None:
    text = """\
console:
  users:                       # who may log in
    - {name: amara, role: change}   # the admin
    - name: bo
      role: look               # for a while
"""
    amara: Value = {"name": "amara", "role": "change"}
    bo: Value = {"name": "bo", "role": "look"}
    cleo: Value = {"name": "cleo", "role": "operate"}
    assert edited(text, [Set("console.users", [amara, bo, cleo])]) == text + "    - name: cleo\n      role: operate\n"
    assert edited(text, [Set("console.users", [bo])]) == text.replace(
        "    - {name: amara, role: change}   # the admin\n", ""
    )
    assert edited(text, [Set("console.users", [amara])]) == text.replace(
        "    - name: bo\n      role: look               # for a while\n", ""
    )
    first = edited("log: {level: info}\n", [Set("console.users", [amara])])
    assert first == "log: {level: info}\nconsole: {users: [{name: amara, role: change}]}\n"


def test_the_first_key_of_a_site_is_taken_away_by_moving_the_next_one_up() -> None:
    text = "sync_with:\n  - name: Bumban\n    sync_id: 2\n"
    assert edited(text, [UnsetSite(2, "name")]) == "sync_with:\n  - sync_id: 2\n"
    text = "sync_with:\n  - name: Bumban  # the district\n    sync_id: 2\n"
    left = edited(text, [UnsetSite(2, "name")])
    assert "# the district" in left
    assert "    sync_id: 2\n" in left


def test_line_ends_byte_order_and_a_missing_last_line_break_stay() -> None:
    text = BLOCK.replace("\n", "\r\n").rstrip()
    assert text.endswith("# the end")
    assert edited(text, [AddSite({"sync_id": 4})]) == text.replace("# the end", "- sync_id: 4\r\n# the end")
    bare = "sync_with:\n- sync_id: 2\n- sync_id: 3"
    assert edited(bare, [RemoveSite(3)]) == "sync_with:\n- sync_id: 2"
    assert edited(bare, [Set("log.level", "debug")]) == bare + "\nlog:\n  level: debug"


def test_brackets_over_several_lines() -> None:
    text = "a: {b: 1,   # one\n    c: [x, y,\n        z],\n    d: 4}\nl: [\n  one,  # 1\n  two   # 2\n]\n"
    assert edited(text, [Unset("a.c")]) == "a: {b: 1,   # one\n    d: 4}\nl: [\n  one,  # 1\n  two   # 2\n]\n"
    assert edited(text, [Set("l", ["one"])]) == text.replace("one,  # 1\n  two   # 2", "one  # 1")
    assert edited(text, [Set("l", ["two"])]) == text.replace("  one,  # 1\n", "")
    assert edited(text, [Set("l", ["one", "two", "x"])]) == text.replace("two   # 2\n", "two,   # 2\n  x\n")
    assert edited(text, [Set("a.e", True)]) == text.replace("    d: 4}", "    d: 4,\n    e: true}")
    assert edited("l: [a,b,]\n", [Set("l", ["a", "b", "c"])]) == "l: [a,b,c,]\n"
    assert edited("l: [ a ]\n", [Set("l", ["b"])]) == "l: [ b ]\n"


def test_what_stands_in_blocks_of_text() -> None:
    text = "name: |  # in full\n  one\n  two\n\n# behind\nlog: {}\n"
    assert edited(text, [Set("name", "three")]) == "name: three  # in full\n\n# behind\nlog: {}\n"
    assert edited(text, [Set("keep", 3)]) == text + "keep: 3\n"
    kept = "a: {b: 1}\nname: |+\n  one\n\n"
    assert edited(kept, [Set("keep", 3)]) == kept + "keep: 3\n"


def test_anchors() -> None:
    text = "base: &base {name: x, url: &url https://a.org}\nsync_with:\n  - {<<: *base, sync_id: 2}\n  - sync_id: 3\n"
    # a key that only the merge brings is overridden; a value that nobody else uses keeps its anchor
    assert edited(text, [SetSite(2, "name", "Kalo")]) == text.replace("sync_id: 2}", "sync_id: 2, name: Kalo}")
    assert edited("a: &x 1\n", [Set("a", 2)]) == "a: &x 2\n"
    assert edited("a: &x 1\nb: *x\n", [Set("b", 2)]) == "a: &x 1\nb: 2\n"
    for edit in (Set("base.name", "y"), UnsetSite(2, "name"), Unset("base")):
        with pytest.raises(EditRefused, match="by hand"):
            edited(text, [edit])


def test_what_is_refused() -> None:
    for edit, words in (
        (AddSite({"sync_id": 2}), "site 2 stands in sync_with already"),
        (RemoveSite(9), "site 9 does not stand in sync_with"),
        (SetSite(9, "name", "x"), "site 9 does not stand in sync_with"),
        (Set("this_site.name.first", "x"), "this_site.name"),
    ):
        with pytest.raises(EditRefused, match=words):
            edited(FLOW, [edit])
    for text in ("a: 1\na: 2\n", "a: [\n", "- a\n", ""):
        with pytest.raises(EditRefused, match="in order"):
            edited(text, [Set("a", 1)])
    assert "geheim" not in str(_refusal("a: &x 1\nb: *x\n", Set("a", "geheim")))


def _refusal(text: str, edit: Edit) -> EditRefused:
    with pytest.raises(EditRefused) as refused:
        edited(text, [edit])
    return refused.value
