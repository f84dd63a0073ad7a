"""Every problem in the words and at the place that an admin sees, one table row each."""

from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid, Problem
from msyncd.settings import load
from msyncd.settings.secrets import hash_password

HASH = hash_password("1234")
SATELLITE = "this_site: {sync_id: 2, database: 'sqlite:///a.db'}\n"
PRIMARY = "this_site: {sync_id: 1, database: 'sqlite:///a.db'}\n"
PEER = "sync_with: [{sync_id: 1, url: 'https://a.org'}]\n"
TYPE = "edited_on: primary, sent_to: every_site"
STORED = "edited_on: active_site, sent_to: sites_of_store"


def problems(folder: Path, text: str | bytes, mode: int = 0o600) -> list[str]:
    """What is said of a file, errors and warnings."""
    file = folder / "msyncd.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return [str(problem).removeprefix("msyncd.yaml:") for problem in found(file)]


def found(file: Path) -> tuple[Problem, ...]:
    try:
        return load(file, environment={"HOME_STORE": "BUM", "PORT": "8000", "EMPTY": ""}).warnings
    except ConfigurationInvalid as invalid:
        return invalid.problems


SYNTAX = [
    (b"", "1:1: the file is empty"),
    (b"# nothing\n", "1:1: the file is empty"),
    (b"- a\n", "1:1: a mapping must stand here, not a list"),
    (b"just text\n", "1:1: a mapping must stand here, not text"),
    (b"this_site: {name: \xff}\n", "1:19: the file is not UTF-8 text; save it in the encoding UTF-8"),
    ("a: é\nb: ".encode() + b"\xe9\n", "2:4: the file is not UTF-8 text"),
    (b"this_site:\n\tsync_id: 2\n", "2:1: a tab stands in the indentation; indent with spaces"),
    (b"this_site: x\n\tsync_id: 2\n", "2:1: a tab stands in the indentation"),
    (b"a: 'open\n", "this is not YAML: found unexpected end of stream"),
    (b"a: {b\n# c", "2:4: this is not YAML: did not find expected"),
    (b"a: b: c\n", "1:5: this is not YAML: mapping values are not allowed"),
    (b"a: [1\nb: 2\n", "this is not YAML: "),
    (b"a: \x07\n", "1:4: a character that YAML does not allow stands here (U+0007)"),
    (b"a: 1\n---\nb: 1\n", "2:1: a second document begins here"),
    (b"a: *b\n", "1:4: *b is not declared above"),
    (b"a: &a [*a]\n", "1:8: *a is not declared above"),
    (b"a: !!python/name:os.system x\n", "1:4: the tag tag:yaml.org,2002:python/name:os.system is not understood here"),
    (b"? [a]\n: 1\n", "1:3: a key must be a word"),
    (b"<<: 3\n", "1:5: << merges mappings only"),
    (b"a: " + b"[" * 60 + b"]" * 60, "1:44: more than 40 levels stand inside each other"),
]


@pytest.mark.parametrize(("text", "expected"), SYNTAX)
def test_a_file_that_is_not_understood(tmp_path: Path, text: bytes, expected: str) -> None:
    assert any(expected in line for line in problems(tmp_path, text)), problems(tmp_path, text)


def test_a_duplicate_key_is_an_error_at_the_second(tmp_path: Path) -> None:
    text = PRIMARY + "log: {level: info}\nlog: {level: debug}\n"
    assert problems(tmp_path, text) == ["3:1: log stands twice, first in line 2; keep one of them"]


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert problems(tmp_path, "\n".join(lines))[-1].endswith("the file has more than 200000 values; use fewer aliases")


# What each needs to be all right but for one thing, the place of that thing, and what is said of it.
WRONG = [
    (
        SATELLITE.replace("2,", "99,"),
        "1:22: sync_id must be from 1 to 64, not 99; give it a free one, or raise max_syn",
    ),
    (SATELLITE.replace("2,", "0,"), "1:22: sync_id must be from 1 to 64, not 0; 1 is the primary; a site that syncs"),
    (SATELLITE.replace("2,", "x,"), "1:22: sync_id must be a whole number, not text"),
    (SATELLITE.replace("2,", "1.5,"), "1:22: sync_id must be a whole number, not 1.5"),
    (SATELLITE.replace("2,", "true,"), "1:22: sync_id must be a whole number, not true"),
    (SATELLITE.replace("2,", ","), "1:22: sync_id is missing; e.g. sync_id: 2"),
    ("sync: {}\n", "1:1: this_site is missing; e.g. this_site: {sync_id: 2, database: sqlite:///store.db}"),
    ("this_site: 3\n", "1:12: this_site must be a mapping, not a number; write `key: value` lines under it"),
    ("this_site: {sync_id: 1}\n", "1:12: database is missing; e.g. database: sqlite:///store.db"),
    (PRIMARY + "sync_wiht: []\n", "2:1: sync_wiht is not a setting; did you mean sync_with?"),
    (PRIMARY + "log: {levle: info}\n", "2:7: levle is not a setting; did you mean level?"),
    (PRIMARY + "log: {zzz: info}\n", "2:7: zzz is not a setting; known here: format, level"),
    (
        PRIMARY + "log: {level: inof}\n",
        "2:14: level must be debug, info, warning or error, not inof; did you mean info?",
    ),
    (PRIMARY + "log: {format: xml}\n", "2:15: format must be text or json, not xml"),
    (PRIMARY + "listen: {host: true}\n", '2:16: host must be text, not true; put it in quotes: "true"'),
    (PRIMARY + "listen: {host: [a]}\n", "2:16: host must be text, not a list"),
    (PRIMARY + "listen: {host: ''}\n", "2:16: host must not be empty"),
    (PRIMARY + "listen: {port: 70000}\n", "2:16: port must be from 0 to 65535, not 70000"),
    (PRIMARY + "listen: {port: 08443}\n", "2:16: port must be a whole number, not text"),
    (PRIMARY + "max_sync_id: 1\n", "2:14: max_sync_id must be from 2 to 100000, not 1"),
    (PRIMARY + "keep: -1\n", "2:7: keep must be from 0 to 3650 days, not -1"),
    (
        PRIMARY + "zero_dates: refused\n",
        "2:13: zero_dates must be null or refuse, not refused; did you mean refuse?",
    ),
    (PRIMARY + "keep: week\n", "2:7: keep must be a number of days, not text"),
    (PRIMARY + "metrics: {public: on}\n", "2:19: public must be true or false, not on"),
    (PRIMARY + "sync: {live: NO}\n", "2:14: live must be true or false, not NO"),
    (PRIMARY + "sync: {request_size: 0}\n", "2:22: request_size must be from 1 to 20000, not 0"),
    (PRIMARY + "sync: {request_size: 20001}\n", "2:22: request_size must be from 1 to 20000, not 20001"),
    (
        PRIMARY + "sync: {interval: 22:30}\n",
        "2:18: interval must be a length of time, not 22:30; write minutes as a nu",
    ),
    (PRIMARY + "sync: {interval: -5}\n", "2:18: interval must be a length of time, not -5"),
    (PRIMARY + "sync: {interval: 0.5s}\n", "2:18: interval must be at least 1s, or 0 to pause, not 0.5s"),
    (PRIMARY + "sync: {interval: 0.01}\n", "2:18: interval must be at least 1s, or 0 to pause, not 0.01"),
    (PRIMARY + "sync: {interval: 999h}\n", "2:18: interval must be at most 744h, not 999h"),
    (PRIMARY + "sync: {interval: [5]}\n", "2:18: interval must be a length of time, not a list"),
    (PRIMARY + "sync: {interval: true}\n", "2:18: interval must be a length of time, not true"),
    (PRIMARY + "name: ${NOT_SET}\n", "2:7: the variable NOT_SET is not set; set it for the service"),
    (PRIMARY + "listen: {host: '${NOT SET}'}\n", "2:16: ${NOT SET} is not the name of a variable; write ${NAME}"),
    (PRIMARY + "listen: {host: 'a${b'}\n", "2:16: ${ is not closed; write ${NAME}; for a plain ${ write $${"),
    (
        PRIMARY + "listen: {tls_key: '${CREDENTIALS_DIRECTORY}/k'}\n",
        "2:19: the variable CREDENTIALS_DIRECTORY is not set; systemd sets it for a service that has LoadCredential=",
    ),
]

STORES_AND_SITES = [
    (PRIMARY.replace("}", ", active_stores: BUM}"), "1:68: active_stores must be a list, not text; write it in br"),
    (PRIMARY.replace("}", ", copies_of: BUM}"), "1:64: copies_of must be all or a list of stores, not BUM; e.g. [BUM]"),
    (PRIMARY.replace("}", ", active_stores: [A, A]}"), "1:72: store A is listed twice here"),
    (
        PRIMARY + "sync_with:\n  - {sync_id: 2, active_stores: [A]}\n  - {sync_id: 3, active_stores: [B, A]}\n",
        "4:37: store A is active on site 2 (line 3) and on site 3; a store is active on one site only",
    ),
    (PRIMARY + "sync_with: [{sync_id: 1}]\n", "2:23: sync_id 1 is this site itself; name only other sites"),
    (
        PRIMARY + "sync_with: [{sync_id: 2}, {sync_id: 2}]\n",
        "2:37: sync_id 2 is given twice, first in line 2; give each",
    ),
    (PRIMARY + "sync_with: [{sync_id: 65}]\n", "2:23: sync_id must be from 1 to 64, not 65"),
    (PRIMARY + "sync_with: [{name: x}]\n", "2:13: sync_id is missing"),
    (PRIMARY + "sync_with: {sync_id: 2}\n", "2:12: sync_with must be a list, not a mapping"),
    (
        SATELLITE + "sync_with: [{sync_id: 3, url: 'https://a.org'}]\n",
        "2:23: a satellite syncs with the primary (sync_id 1) only, not with site 3; name it in the primary's file",
    ),
    (SATELLITE + "sync_with: [{sync_id: 1}]\n", "2:13: url is missing; e.g. url: https://central.example.org:8443"),
    (SATELLITE + "sync_with: [{sync_id: 1, url: a.org}]\n", "2:31: url must begin with https://"),
    (SATELLITE + "sync_with: [{sync_id: 1, url: 'ftp://a.org'}]\n", "2:31: url must begin with https://"),
    (SATELLITE + "sync_with: [{sync_id: 1, url: 'https://'}]\n", "2:31: url does not name a host"),
    (
        SATELLITE + "sync_with: [{sync_id: 1, url: 'https://u:p@a.org'}]\n",
        "2:31: url must not hold a user name or passwo",
    ),
    (SATELLITE + "sync_with: [{sync_id: 1, url: 'https://a.org?x=1'}]\n", "2:31: url must be a plain address"),
    (SATELLITE + "sync_with: [{sync_id: 1, url: 'https://a.org:99999'}]\n", "2:31: url must begin with https://"),
    (
        SATELLITE + "sync_with: [{sync_id: 1, url: 'http://a.org'}]\n",
        "2:31: url is plain HTTP to another machine: passwords could be read; use https://, or set allow_plain_http",
    ),
    (PRIMARY + "sync_with: [{sync_id: 2, url: 'a b'}]\n", "2:31: url must begin with https://"),
    (
        SATELLITE + "sync_with: [{sync_id: 1, url: 'https://a.org', proxy: 'socks5://b'}]\n",
        "2:55: proxy must be a proxy's URL; e.g. http://proxy.local:3128",
    ),
    (
        SATELLITE + "sync_with: [{sync_id: 1, url: 'https://a.org', ca_certificate: none.pem}]\n",
        "2:64: ca_certificate: there is no file ",
    ),
]

TRUST = [
    (PRIMARY.replace("sqlite:///a.db", "oracle://x/y"), "1:35: database begins with oracle://, which is no database t"),
    (PRIMARY.replace("sqlite:///a.db", "a.db"), "1:35: database must be a database's URL; write sqlite:///FILE"),
    (PRIMARY.replace("sqlite:///a.db", "sqlite://a.db"), "1:35: database must have three slashes before the file"),
    (PRIMARY.replace("sqlite:///a.db", "sqlite:///:memory:"), "1:35: database must be a file: what is in memory is g"),
    (PRIMARY.replace("sqlite:///a.db", "mariadb://localhost"), "1:35: database does not name a database"),
    (
        PRIMARY.replace("}", ", password: x, password_file: y}"),
        "1:81: password_file stands beside password; keep one of them",
    ),
    (
        PRIMARY.replace("}", f", password_file: y, password_hash: {HASH}}}"),
        "1:86: password_hash stands beside password_file; keep one of them",
    ),
    (PRIMARY.replace("}", ", password_hash: md5}"), "1:68: password_hash is not a hash that msyncd made"),
    (
        SATELLITE.replace("}", f", password_hash: {HASH}}}"),
        "1:68: password_hash cannot be used to log in at the primary",
    ),
    (
        PRIMARY + "authorisation: {code_hash: '1234'}\n",
        "2:28: code_hash is not a hash that msyncd made; use `msyncd set-",
    ),
    (
        PRIMARY + "listen: {host: 0.0.0.0}\n",
        "2:16: listen answers on 0.0.0.0 without TLS: passwords could be read; giv",
    ),
    (PRIMARY + "listen: {tls_certificate: none.pem}\n", "2:27: tls_certificate: there is no file "),
    (
        PRIMARY + "listen: {tls_certificate: none.pem}\n",
        "2:27: tls_certificate stands without tls_key; give both, or none",
    ),
    (PRIMARY + "listen: {tls_key: none.pem}\n", "2:19: tls_key stands without tls_certificate; give both, or none"),
    (PRIMARY + "console: {listen: 8444}\n", "2:19: listen must be ADDRESS:PORT; e.g. 127.0.0.1:8444"),
    (PRIMARY + "console: {listen: 10.0.0.1:8444}\n", "2:19: the console answers on 10.0.0.1 without TLS"),
    (PRIMARY + "plugins: [transfers]\n", "2:11: each of plugins must be a mapping, not text"),
    (PRIMARY + "plugins: [{settings: {}}]\n", "2:11: module is missing; e.g. module: transfers"),
]

RECORD_TYPES = [
    (f"a: {{{TYPE}}}", "3:6: table is missing"),
    ("a: {table: a, sent_to: every_site}", "3:6: edited_on is missing; e.g. edited_on: active_site"),
    ("a: {table: a, edited_on: primary}", "3:6: sent_to is missing"),
    (
        "a: {table: a, edited_on: primry, sent_to: every_site}",
        "3:28: edited_on must be primary, active_site or any_site,",
    ),
    ("a:", "3:5: a must be a mapping, not nothing"),
    (f"a b: {{table: a, {TYPE}}}", "3:3: 'a b' cannot be the name of a record type"),
    (f"a: {{table: a, key: [], {TYPE}}}", "3:22: key must name at least one column"),
    (f"a: {{table: a, key: {{}}, {TYPE}}}", "3:22: key must be text, not a mapping"),
    (f"a: {{table: a, {STORED}}}", "3:50: sent_to: sites_of_store needs to know the store, and store is missing"),
    (
        "a: {table: a, edited_on: active_site, sent_to: every_site}",
        "3:28: edited_on: active_site needs to know the store, and store is missing; name the column",
    ),
    (f"a: {{table: a, {STORED}, store: [x]}}", "3:73: store must be a column or {through, of}, not a list"),
    (f"a: {{table: a, {STORED}, store: {{through: x}}}}", "3:73: of is missing; e.g. of: transact"),
    (
        f"a: {{table: a, {STORED}, store: {{thruogh: x, of: a}}}}",
        "3:74: thruogh is not a setting; did you mean through?",
    ),
    (
        f"a: {{table: a, {STORED}, store: {{through: x, of: b}}}}",
        "3:90: b is not a declared record type; declare it un",
    ),
    (
        f"a: {{table: a, {STORED}, store: {{through: x, of: A}}}}",
        "3:90: A is not a declared record type; did you mean a?",
    ),
    (f"a: {{table: a, {STORED}, store: {{through: x, of: a}}}}", "3:90: the stores go in a circle: a → a"),
    (
        (
            f"a: {{table: a, {STORED}, store: {{through: x, of: b}}}}\n"
            f"  b: {{table: b, {STORED}, store: {{through: x, of: c}}}}\n"
            f"  c: {{table: c, {STORED}, store: {{through: x, of: a}}}}"
        ),
        "3:90: the stores go in a circle: a → b → c → a; let one of them name its store by a column",
    ),
    (
        f"a: {{table: a, {STORED}, store: {{through: x, of: b}}}}\n  b: {{table: b, key: [i, j], {STORED}, store: s}}",
        "3:90: b has a key of 2 columns, and one column cannot hold it",
    ),
    (
        f"a: {{table: a, {STORED}, store: {{through: x, of: b}}}}\n  b: {{table: b, {TYPE}}}",
        "3:90: b has no store, so none can be known through it; give store to b",
    ),
    (f"a: {{table: t, {TYPE}}}\n  b: {{table: T, {TYPE}}}", "4:14: table T belongs to record type a already"),
    (
        f"a: {{table: a, {TYPE}}}\n  A: {{table: b, {TYPE}}}",
        "4:3: record type A is declared twice, first in msyncd.yaml",
    ),
    (f"a: {{table: a, {TYPE}, guard: maybe}}", "3:65: guard must be on or off, not maybe"),
    (
        f"a: {{table: a, {TYPE}, application_triggers: run}}",
        "3:80: application_triggers must be fire or silent, not run",
    ),
    (f"a: {{table: a, {TYPE}, when_missing: {{x: drop}}}}", "3:76: x must be wait or clear, not drop"),
    (f"a: {{table: a, {TYPE}, also_sent_to: {{}}}}", "3:72: also_sent_to must have exactly one of store_of_name, s"),
    (
        f"a: {{table: a, {TYPE}, also_sent_to: {{store: x, store_of_name: y}}}}",
        "3:72: also_sent_to must have exactly one",
    ),
    (f"a: {{table: a, {TYPE}, also_sent_to: {{store_of: x}}}}", "3:73: store_of is not a setting; did you mean store?"),
    (
        f"a: {{table: a, {TYPE}, also_sent_to: {{store_of_name: x}}}}",
        "3:88: store_of_name needs to know the name of each store; give stores.name",
    ),
    (f"a: {{table: a, {TYPE}, columns: {{include: [x], exclude: [y]}}}}", "3:67: columns must have include or exclude"),
    (
        f"a: {{table: a, key: ID, {TYPE}, columns: {{exclude: [x, id]}}}}",
        "3:90: column id cannot be excluded: it is the k",
    ),
    (
        f"a: {{table: a, {TYPE}, store: s, columns: {{exclude: [S]}}}}",
        "3:88: column S cannot be excluded: it is what its store is known by",
    ),
    (
        f"a: {{table: a, {TYPE}, columns: {{exclude: x}}}}",
        "3:77: exclude must be a list of names, not text; write it in",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG + STORES_AND_SITES + TRUST)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    lines = problems(tmp_path, text)
    assert any(line.startswith(expected) for line in lines), lines


@pytest.mark.parametrize(("declaration", "expected"), RECORD_TYPES)
def test_what_is_wrong_with_a_record_type_is_said_at_its_place(tmp_path: Path, declaration: str, expected: str) -> None:
    lines = problems(tmp_path, f"{PRIMARY}record_types:\n  {declaration}\n")
    assert any(line.startswith(expected) for line in lines), lines


def test_one_mistake_makes_one_problem(tmp_path: Path) -> None:
    """What follows from a mistake that is reported already is not reported again."""
    text = f"""\
this_site: {{sync_id: two, database: 'sqlite:///a.db'}}
sync_with: [{{sync_id: 1, url: [x]}}]
listen: {{tls_key: [x], host: 0.0.0.0}}
record_types:
  a: {{table: [], {STORED}, store: []}}
  b: {{table: b, {STORED}, store: {{through: x, of: a}}}}
"""
    assert [line.split(": ", 1)[0] for line in problems(tmp_path, text)] == ["1:22", "2:31", "3:19", "5:14", "5:74"]


def test_a_wrong_bound_is_no_reason_to_complain_of_what_it_bounds(tmp_path: Path) -> None:
    text = SATELLITE.replace("2,", "99,") + "max_sync_id: many\n"
    assert problems(tmp_path, text) == ["2:14: max_sync_id must be a whole number, not text"]


@pytest.mark.parametrize("name", ["x" * 300, '"a\\0b"', "."])
def test_a_file_name_that_cannot_be_is_a_problem_too(tmp_path: Path, name: str) -> None:
    text = (
        SATELLITE
        + f"sync_with: [{{sync_id: 1, url: 'https://a.org', ca_certificate: {name}}}]\nrecord_types: [{name}]\n"
    )
    assert [line.split(": ", 1)[0] for line in problems(tmp_path, text)] == ["2:64", "3:16"]


def test_a_message_is_one_line_and_shows_no_password(tmp_path: Path) -> None:
    text = PRIMARY.replace("}", ', password: [geheim], password_hash: "geheim\\nno"}') + '"a\\nb": 1\n'
    lines = problems(tmp_path, text)
    assert len(lines) == 3
    assert not any("\n" in line or "geheim" in line for line in lines)


@pytest.mark.parametrize(
    ("password", "mode", "warned"),
    [
        ("password: geheim", 0o644, True),
        ("password: geheim", 0o640, True),
        ("password: geheim", 0o600, False),
        ("password: '${HOME_STORE}'", 0o644, False),
        ("password_file: secret", 0o644, False),
    ],
)
def test_an_inline_password_that_others_can_read_is_a_warning(
    tmp_path: Path, password: str, mode: int, warned: bool
) -> None:
    text = PRIMARY.replace("}", f", {password}}}")
    expected = ["1:63: a password stands in a file that others can read; chmod 600 msyncd.yaml, or use password_file"]
    assert [line[: len(expected[0])] for line in problems(tmp_path, text, mode)] == (expected if warned else [])
    assert all(problem.severity == "warning" for problem in found(tmp_path / "msyncd.yaml"))


def test_a_password_in_the_database_url_is_warned_of_too(tmp_path: Path) -> None:
    text = PRIMARY.replace("sqlite:///a.db", "postgresql://u:geheim@h/d")
    assert problems(tmp_path, text, 0o644)[0].startswith("1:35: a password stands in a file that others can read")


def test_a_variable_in_the_database_url_is_no_password(tmp_path: Path) -> None:
    text = PRIMARY.replace("sqlite:///a.db", "postgresql://u:${HOME_STORE}@h/d")
    assert problems(tmp_path, text, 0o644) == []


def test_a_site_that_would_send_nothing_is_warned_of(tmp_path: Path) -> None:
    expected = "2:12: no record_types are declared, so nothing is sent; e.g. record_types: [record_types/msupply.yaml]"
    assert problems(tmp_path, SATELLITE + PEER) == [expected]


def test_a_variable_in_braces_needs_quotes(tmp_path: Path) -> None:
    assert problems(tmp_path, "this_site: {name: ${X}}\n")[0].endswith(
        'put text that has ${NAME} in it in quotes: "${NAME}"'
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(tmp_path / "none.yaml", environment={})
    assert str(caught.value).startswith("none.yaml:1:1: cannot be read: No such file or directory; check the name")
    with pytest.raises(ConfigurationInvalid, match=r":1:1: cannot be read: it is not a file"):
        load(tmp_path, environment={})


def test_record_type_files_are_named_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "a.yaml").write_text(
        f"stores: {{table: s, key: k}}\nrecord_types:\n  a: {{table: t, {TYPE}}}\n"
    )
    (tmp_path / "types" / "b.yaml").write_text(f"record_types:\n  a: {{table: u, {TYPE}}}\n  c: {{tabel: x, {TYPE}}}\n")
    (tmp_path / "types" / "c.yaml").write_text("stores:\nrecord_types:\n")
    (tmp_path / "types" / "d.yaml").write_text("stores: {table: s, key: k}\n")
    (tmp_path / "types" / "e.yaml").write_text("a: [\n")
    names = ["types/a.yaml", "./types/b.yaml", "types/c.yaml", "types/d.yaml", "types/e.yaml", "types/f.yaml"]
    (tmp_path / "msyncd.yaml").write_text(PRIMARY + f"record_types: [{', '.join([*names, names[0]])}, 3]\n")
    assert [str(one).split(";")[0] for one in found(tmp_path / "msyncd.yaml")] == [
        "msyncd.yaml:2:88: types/f.yaml cannot be read: No such file or directory",
        "msyncd.yaml:2:102: types/a.yaml is named twice",
        "msyncd.yaml:2:116: record_types must be files or declarations, not a number",
        "types/b.yaml:2:3: record type a is declared twice, first in types/a.yaml line 3",
        "types/b.yaml:3:6: table is missing",
        "types/b.yaml:3:7: tabel is not a setting",
        "types/c.yaml:1:1: the file declares nothing",
        "types/d.yaml:1:1: stores is declared twice, first in types/a.yaml line 1",
        "types/e.yaml:2:1: this is not YAML: did not find expected node content",
    ]
