"""What browsers are given besides pages: unchanged, licensed, kept by them, and nothing that needs another origin."""

import hashlib
import re
from pathlib import Path

import pytest
import requests

from msyncd.console import render
from tests.console.conftest import Consoles

pytestmark = pytest.mark.timeout(400)

FOLDER = Path(render.__file__).parent
STATIC = FOLDER / "static"

HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
"""SHA-256 of dist/htmx.min.js in the npm package htmx.org 2.0.11."""


def test_htmx_is_as_it_was_published_with_its_licence() -> None:
    assert hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest() == HTMX
    licence = (STATIC / "htmx.LICENSE.txt").read_text(encoding="utf-8")
    assert licence.startswith("Zero-Clause BSD")
    assert 'version:"2.0.11"' in (STATIC / "htmx.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["console.css", "console.js", "icon.svg"])
def test_nothing_points_to_another_origin(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+|url\(", text) == []


def test_templates_have_no_script_or_style_within_and_forms_their_token() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|\|\s*safe\b", text), template.name
        posts = re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL)
        without = [form for form in posts if 'name="csrf"' not in form and 'action="/login"' not in form]
        assert without == [], template.name


def test_files_are_kept_by_browsers_under_an_address_that_changes_with_them(consoles: Consoles) -> None:
    page = requests.get(f"{consoles.url(1)}/login", timeout=20).text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) == 4
    for address in addresses:
        assert address.endswith(f"?{render.digest()}")
        answer = requests.get(consoles.url(1) + address, timeout=20)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert requests.get(f"{consoles.url(1)}/static/../app.py", timeout=20).status_code == 404
    assert requests.get(f"{consoles.url(1)}/static/%2e%2e/app.py", timeout=20).status_code == 404
