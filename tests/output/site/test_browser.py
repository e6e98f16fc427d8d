"""The site in a headless Chromium, from a disk: no request but its own files, no console line.

Skipped where the package `playwright` or a `chromium` is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, NO_AXE, PATIENCE, becomes, findings

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    """The first page of the site; what it says or asks for from elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
    opened.on("pageerror", lambda error: said.append(f"error: {error}"))
    opened.on("request", lambda request: said.append(request.url))
    opened.goto((site / "index.html").as_uri())
    yield opened
    own = site.as_uri()
    assert [line for line in said if not line.startswith(f"{own}/")] == []
    context.close()


def test_a_reader_finds_the_way_from_the_index_to_a_ticket(page: Any) -> None:
    page.get_by_role("link", name="quickstart (one)").first.click()
    page.locator("figure svg.main-svg").first.wait_for()
    page.locator("section[aria-labelledby=pages]").get_by_role(
        "link", name="imp", exact=True
    ).click()
    page.locator("h1", has_text="imp").wait_for()
    page.get_by_role("link", name="seed 0").first.click()
    page.locator("h1", has_text="seed 0").wait_for()
    figure = page.locator("figure").first
    figure.scroll_into_view_if_needed()
    figure.locator("svg.main-svg").first.wait_for()
    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON").click()
    assert json.loads(Path(saved.value.path()).read_text())["label"] == "imp"
    page.locator(".trail a").first.click()
    page.locator("h1", has_text="Ours & <theirs>").wait_for()


def test_a_view_has_an_address(page: Any, site: Path) -> None:
    page.get_by_role("link", name="MLP on digits").first.click()
    page.locator(".chooser").first.get_by_role("button", name="50%").click()
    becomes(lambda: "?" in page.url, True)
    address = page.url
    page.goto((site / "index.html").as_uri())
    page.goto(address)
    pressed = page.locator(".chooser").first.locator("[aria-pressed=true]")
    becomes(pressed.text_content, "50%")


def test_a_phone_has_everything_within_its_width(browser: Any, site: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    files = [
        next((site / kind).glob("*.html")) for kind in ("suites", "tasks", "methods", "tickets")
    ]
    for file in (site / "index.html", site / "data" / "index.html", *files):
        page.goto(file.as_uri())
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, file
    context.close()


@pytest.mark.skipif(bool(NO_AXE), reason=NO_AXE)
def test_nothing_keeps_people_from_its_pages(browser: Any, site: Path) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    files = [next((site / kind).glob("*.html")) for kind in ("tasks", "methods", "tickets")]
    for file in (site / "index.html", site / "data" / "index.html", *files):
        page.goto(file.as_uri())
        assert findings(page, "serious", "critical") == {}, file
    context.close()
