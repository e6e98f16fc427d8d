"""A page for everyone: what axe-core finds, and how many stops the Tab key makes.

Skipped where a Chromium or axe-core is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, NO_AXE, PATIENCE, becomes, findings

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

SCREENS = ((1440, "light"), (1440, "dark"), (390, "light"))


@pytest.fixture(scope="module", params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def page(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.goto(report.as_uri())
    opened.wait_for_function("() => window.Plotly")
    opened.locator("figure:visible").first.scroll_into_view_if_needed()
    opened.locator("svg.main-svg").first.wait_for()
    yield opened
    context.close()


@pytest.mark.skipif(bool(NO_AXE), reason=NO_AXE)
def test_nothing_serious_is_found(page: Any) -> None:
    assert findings(page, "critical", "serious") == {}


@pytest.mark.skipif(bool(NO_AXE), reason=NO_AXE)
def test_what_is_serious_would_be_found(page: Any) -> None:
    page.evaluate("document.querySelector('.lead').style.color = 'rgb(128, 128, 128)'")
    page.evaluate("document.querySelector('.lead').style.background = 'rgb(120, 120, 120)'")
    assert list(findings(page, "critical", "serious")) == ["color-contrast"]
    page.evaluate("document.querySelector('.lead').removeAttribute('style')")


STOPS = """() => {
    const able = 'a[href], button, input, select, summary, [tabindex="0"]';
    return [...document.querySelectorAll(able)].filter(one => one.tabIndex >= 0 && one.offsetParent)
        .map(one => one.outerHTML.slice(0, 40));
}"""


def test_rows_of_buttons_are_one_stop(page: Any) -> None:
    heads = page.locator("thead button").count()
    assert heads > 100
    stops = page.evaluate(STOPS)
    tables = page.locator("table.sorts:visible").count()
    assert sum(stop.startswith('<button type="button" tabindex="0"') for stop in stops) < 5 * tables
    assert len(stops) < 2 * heads


def test_arrows_go_from_button_to_button(page: Any) -> None:
    row = page.locator(".answer .chooser").first
    first, second, last = row.locator("button").all()
    here = "one => one === document.activeElement && one.tabIndex === 0"
    first.focus()
    page.keyboard.press("ArrowRight")
    becomes(lambda: second.evaluate(here), True)
    assert first.evaluate("one => one.tabIndex") == -1
    page.keyboard.press("End")
    becomes(lambda: last.evaluate(here), True)
    page.keyboard.press("ArrowRight")  # stays at the end
    page.keyboard.press("ArrowLeft")
    becomes(lambda: second.evaluate(here), True)
    page.keyboard.press("Home")
    becomes(lambda: first.evaluate(here), True)
