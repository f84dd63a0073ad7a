"""Who may see and do what; that forms come from the console's own pages; that no secret is shown."""

import re
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import requests
import trustme

from msyncd.console.pages import PAGES
from msyncd.console.visit import ROLES
from tests.console.conftest import PASSWORDS, Consoles, Person, quick_hash, until
from tests.console.conftest import ROLES as PEOPLE

pytestmark = pytest.mark.timeout(400)

GIVEN = {"sync_id:int": "2", "number:int": "1"}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


def path_of(path: str) -> str:
    for name, value in GIVEN.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def visitor(consoles: Consoles, name: str) -> Person:
    person = Person(consoles.url(1))
    assert person.log_in(name).status_code == 200
    return person


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_without_a_log_in_every_page_leads_to_it(consoles: Consoles, page: object) -> None:
    path, method = path_of(page.path), page.method  # type: ignore[attr-defined]  # a Page
    answer = requests.request(method, consoles.url(1) + path, allow_redirects=False, timeout=20)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    part = requests.request(
        method, consoles.url(1) + path, headers={"HX-Request": "true"}, allow_redirects=False, timeout=20
    )
    assert part.status_code == 401
    assert part.headers["hx-redirect"].startswith("/login")


@pytest.mark.parametrize("name", PEOPLE)
def test_each_role_may_do_what_its_pages_ask_for_and_no_more(consoles: Consoles, name: str) -> None:
    person = visitor(consoles, name)
    for page in PAGES:
        person.get("/activity")
        ask = person.post if page.method == "POST" else person.get
        answer = ask(path_of(page.path))
        allowed = ROLES.index(PEOPLE[name]) >= ROLES.index(page.role)
        assert (answer.status_code == 403) == (not allowed), (page, answer.status_code)
        if not allowed:
            assert f"this needs the role {page.role}".capitalize() in person.text


def test_what_one_may_not_do_is_not_offered(consoles: Consoles) -> None:
    cora, ben = visitor(consoles, "cora"), visitor(consoles, "ben")
    for person, offered in ((cora, False), (ben, True)):
        person.get("/sites/2")
        assert ("Check connection" in person.text) is offered


def test_a_form_without_the_sessions_own_token_does_nothing(consoles: Consoles) -> None:
    ben, amara = visitor(consoles, "ben"), visitor(consoles, "amara")
    amara.get("/sites/2")
    theirs = re.search(r'name="csrf" value="([^"]+)"', amara.page)
    assert theirs
    for token in ("", "wrong", theirs[1], "ü"):
        ben.get("/sites/2")
        answer = ben.http.post(f"{ben.url}/sites/2/check", data={"csrf": token}, timeout=20)
        assert answer.status_code == 403
        assert "made by the console" in unescape(answer.text)


@pytest.mark.parametrize(
    "header", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
def test_a_form_from_elsewhere_does_nothing_even_with_the_token(consoles: Consoles, header: dict[str, str]) -> None:
    ben = visitor(consoles, "ben")
    ben.get("/sites/2")
    ben.http.headers.update(header)
    assert ben.post("/sites/2/check").status_code == 403
    stranger = Person(consoles.url(1))
    stranger.http.headers.update(header)
    assert stranger.log_in("ben").status_code == 403
    assert not stranger.http.cookies


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(consoles: Consoles) -> None:
    answer = requests.post(
        f"{consoles.url(1)}/login",
        data={"name": "cora", "password": PASSWORDS["cora"]},
        allow_redirects=False,
        timeout=20,
    )
    cookie = SimpleCookie(answer.headers["set-cookie"])["msyncd_1"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "strict", "/", "")
    proxied = requests.post(
        f"{consoles.url(1)}/login",
        data={"name": "cora", "password": PASSWORDS["cora"]},
        headers={"X-Forwarded-Proto": "https"},
        allow_redirects=False,
        timeout=20,
    )
    assert SimpleCookie(proxied.headers["set-cookie"])["msyncd_1"]["secure"] is True


def test_after_the_log_out_the_old_cookie_is_worth_nothing(consoles: Consoles) -> None:
    cora = visitor(consoles, "cora")
    cookie = cora.http.cookies.get_dict()
    cora.get("/sites")
    assert cora.post("/logout").url.endswith("/login")
    answer = requests.get(f"{consoles.url(1)}/sites", cookies=cookie, timeout=20)
    assert "/login" in answer.url


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_log_in_leads_nowhere_else(consoles: Consoles, there: str) -> None:
    person = Person(consoles.url(1))
    assert person.log_in("cora", next=there).url == f"{consoles.url(1)}/"
    person.get("/login", params={"next": there})
    assert there not in person.page


def test_the_log_in_leads_back_to_where_one_wanted_to_go(consoles: Consoles) -> None:
    person = Person(consoles.url(1))
    person.get("/stores?q=BUM")
    wanted = re.search(r'name="next" value="([^"]+)"', person.page)
    assert wanted
    answer = person.post("/login", name="cora", password=PASSWORDS["cora"], next=wanted[1])
    assert answer.url == f"{consoles.url(1)}/stores?q=BUM"


def test_every_answer_has_the_policy_and_no_page_needs_more(consoles: Consoles) -> None:
    amara = visitor(consoles, "amara")
    for page in PAGES:
        if page.method == "GET":
            answer = amara.get(path_of(page.path))
            assert answer.headers["content-security-policy"] == POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", answer.text), page.path
            for address in re.findall(r'(?:src|href|action)="([^"]*)"', answer.text):
                assert address.startswith(("/", "#")), address


def test_what_is_written_into_the_data_stays_text(consoles: Consoles) -> None:
    amara = visitor(consoles, "amara")
    for path in ("/sites", "/stores", "/activity", "/quarantine?type=<script>alert(1)</script>"):
        answer = amara.get(path if "?" in path else f"{path}?q=<script>alert(1)</script>")
        assert "<script>alert" not in answer.text


def test_no_secret_is_in_any_page_or_log(consoles: Consoles) -> None:
    amara = visitor(consoles, "amara")
    secrets = [*PASSWORDS.values(), *map(quick_hash, PASSWORDS.values()), "hunter2hunter2"]
    pages = [amara.get(path_of(page.path)).text for page in PAGES if page.method == "GET"]
    pages += [requests.get(f"{consoles.url(1)}{path}", timeout=20).text for path in ("/login", "/metrics")]
    texts = [*pages, consoles.log(1), (consoles.state(1) / "daemon.json").read_text()]
    texts.append((consoles.state(1) / "console.db").read_bytes().decode(errors="replace"))
    assert [one for one in secrets for text in texts if one in text] == []


def test_a_wrong_password_is_refused_noted_and_waited_out(consoles: Consoles) -> None:
    person = Person(consoles.url(1))
    answers = [person.log_in("dora", "wrong") for _ in range(7)]
    assert [one.status_code for one in answers] == [403] * 6 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert "Too many wrong log-ins".lower() in person.text.lower()
    amara = visitor(consoles, "amara")
    amara.get("/activity?q=dora")
    assert amara.text.count("dora 127.0.0.1 log in refused") == 6


def test_a_form_that_is_too_large_is_not_read(consoles: Consoles) -> None:
    answer = requests.post(f"{consoles.url(1)}/login", data=b"name=" + b"x" * (2 << 20), timeout=20)
    assert answer.status_code == 413
    answer = requests.post(f"{consoles.url(1)}/login", data=b"name=\xff\xfe", timeout=20)
    assert answer.status_code in {303, 400, 403}


def test_a_page_that_is_not_there_says_so_to_people_and_to_programs(consoles: Consoles) -> None:
    person = requests.get(f"{consoles.url(1)}/nowhere", headers={"Accept": "text/html"}, timeout=20)
    assert person.status_code == 404
    assert "There is no such page" in person.text
    program = requests.get(f"{consoles.url(1)}/nowhere", timeout=20)
    assert (program.status_code, program.json()["kind"]) == (404, "not_found")


def test_under_tls_the_cookie_is_secure(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    one = Consoles(tmp_path)
    try:
        one.edit(
            "site1.yaml", f"{{port: {one.port}}}", f"{{port: {one.port}, tls_certificate: cert.pem, tls_key: key.pem}}"
        )
        one.start(1)
        http = requests.Session()
        http.trust_env = False  # a variable of the environment would go before verify
        http.verify = str(tmp_path / "ca.pem")
        url = f"https://127.0.0.1:{one.port}"

        def answers() -> bool:
            try:
                return http.get(f"{url}/readyz", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        until(answers)
        answer = http.post(
            f"{url}/login", data={"name": "cora", "password": PASSWORDS["cora"]}, allow_redirects=False, timeout=20
        )
        assert SimpleCookie(answer.headers["set-cookie"])["msyncd_1"]["secure"] is True
    finally:
        one.close()


def test_without_users_nobody_gets_in_and_the_page_says_what_to_do(tmp_path: Path) -> None:
    one = Consoles(tmp_path)
    try:
        text = (tmp_path / "site1.yaml").read_text()
        one.write("site1.yaml", text[: text.index("console:")])
        one.begin(1)
        person = Person(one.url(1))
        person.get("/login")
        assert "Nobody can log in yet" in person.text
        assert "msyncd users add" in person.text
        assert person.log_in("amara").status_code == 403
    finally:
        one.close()


def test_a_user_that_is_added_while_it_runs_can_log_in(consoles: Consoles) -> None:
    more = f"console:\n  users:\n    - {{name: eve, password_hash: '{quick_hash('eve’s own')}', role: look}}"
    consoles.edit("site1.yaml", "console:\n  users:", more)
    person = Person(consoles.url(1))
    until(lambda: person.log_in("eve", "eve’s own").url == f"{consoles.url(1)}/")
    consoles.edit("site1.yaml", more, "console:\n  users:")
    until(lambda: "/login" in person.get("/sites").url)
