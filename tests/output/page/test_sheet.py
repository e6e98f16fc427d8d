"""The style sheet alone: where printed pages end, counted in a PDF, and what fits a tablet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chromium import MISSING

from lth_bench.output.page.render import style_sheet

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

TILE = '<figure><div style="height: 240px"></div></figure>'


def pages(browser: Any, body: str) -> int:
    """How many pages A4 a document of this style takes."""
    page = browser.new_page()
    page.set_content(f"<style>{style_sheet()}</style><main>{body}</main>")
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    return len(re.findall(rb"/Type\s*/Page\b", printed))


def block(height: int) -> str:
    return f'<div style="height: {height}px"></div>'


@pytest.mark.parametrize("columns", [2, 3])
def test_a_page_ends_between_two_rows_of_tiles(browser: Any, columns: int) -> None:
    """A page has 1012 pixels: of 400 and a group of 690, a row of 250 is on the first, and the
    rest leaves space for 400 more on the second.
    """
    tiles = TILE * (2 * columns)
    group = f'''<div class="group" data-columns="{columns}">
        <div class="choices" style="height: 30px"></div>
        <div class="figures">{tiles}</div>
        <div class="legend" style="height: 100px"></div>
        <p class="note">One line.</p></div>'''
    assert pages(browser, f'<script>document.documentElement.className = "js"</script>'
                 f"{block(400)}{group}{block(400)}") == 2  # fmt: skip


def test_a_short_table_is_on_one_page(browser: Any) -> None:
    """Of 20 rows the first are on the first page, of 10 none."""

    def document(rows: int) -> str:
        row = '<tr style="height: 40px"><td>1</td></tr>'
        return f"{block(850)}<table><tbody>{row * rows}</tbody></table>{block(640)}"

    assert (pages(browser, document(20)), pages(browser, document(10))) == (3, 3)


@pytest.mark.parametrize("width", [768, 1024])
def test_a_tablet_shows_every_column_of_the_answer(browser: Any, width: int) -> None:
    titles = ("task", "first", "accuracy %", "Δ", "better →", "verdict", "cost", "cheapest match")
    cells = (
        "MLP on digits", "late_rewind +4 tied", "97.84", "+0.08 ± 0.72", "", "matches or better",
        "2.24×", "late_rewind (2.24×)",
    )  # fmt: skip
    text = ("task", "first", "better →", "verdict", "cheapest match")
    styles = [' class="text"' if title in text else "" for title in titles]
    head = "".join(
        f"<th{style}><button>{title}</button>" for style, title in zip(styles, titles, strict=True)
    )
    row = "".join(f"<td{style}>{cell}" for style, cell in zip(styles, cells, strict=True))
    row = row.replace('"text"><td', '"text"><svg class="interval" width="180"></svg><td')
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(
        f"""<style>{style_sheet()}</style><div class="columns"><main><div class="scroll">
        <table class="sorts cards"><thead><tr>{head}<tbody><tr>{row}</table></div></main></div>"""
    )
    assert page.locator("svg").count() == 1
    over = "one => one.scrollWidth - one.clientWidth"
    assert page.locator(".scroll").evaluate(over) <= 0
    page.close()


def test_the_button_that_copies_a_command_covers_none_of_it(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1024, "height": 800})
    command = "lth-bench run quickstart --device cpu --results build/reference/quickstart.duckdb"
    page.set_content(
        f"""<style>{style_sheet()}</style><div class="columns"><main><div class="copied">
        <pre><code>{command} --cohort-size 1 --workers 1 --seeds 15</code></pre>
        <button class="copy">Copy</button></div></main></div>"""
    )
    ends = page.locator("code").evaluate(
        "one => Math.max(...[...one.getClientRects()].map(line => line.right))"
    )
    assert ends <= page.locator(".copy").bounding_box()["x"]
    page.close()
