"""The page in a headless Chromium, as a reader uses it: mouse, keyboard, phone, dark, paper.

Skipped where the package `playwright` or a `chromium` is missing. Anything on the console and any
request but the one for the file itself fails a test.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from chromium import HOSTILE, MISSING, PATIENCE, becomes

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


class Visits:
    """Opens the page, and keeps everything that it complains of or asks for."""

    def __init__(self, browser: Any, report: Path) -> None:
        self.browser, self.url = browser, report.as_uri()
        self.complaints: list[str] = []
        self.contexts: list[Any] = []

    def __call__(self, width: int = 1400, height: int = 900, **options: Any) -> Any:
        """A page in a context of its own: opening one takes half a second or more."""
        viewport = {"width": width, "height": height}
        options = {"reduced_motion": "reduce"} | options  # no wait for a page to scroll
        context = self.browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.complaints.append(request.url))
        page.goto(self.url)
        return page

    def check(self) -> None:
        """AssertionError for anything but requests for the file itself."""
        assert set(self.complaints) <= {self.url}


@pytest.fixture(scope="module")
def visits(browser: Any, report: Path) -> Iterator[Visits]:
    found = Visits(browser, report)
    yield found
    for context in found.contexts:
        context.close()


@pytest.fixture
def visit(visits: Visits) -> Iterator[Visits]:
    yield visits
    visits.check()


@pytest.fixture(scope="module")
def opened(visits: Visits) -> Any:
    """A page that tests share, on a wide screen; each leaves it as it found it."""
    return visits()


@pytest.fixture
def page(opened: Any, visits: Visits) -> Iterator[Any]:
    opened.mouse.move(0, 0)
    becomes(opened.locator(".hovertext").count, 0)  # of a point that another test has pointed at
    yield opened
    visits.check()


def drawn(page: Any, number: int = 0) -> Any:
    """The figure of that number on the page, scrolled to and drawn."""
    figure = page.locator("figure:visible").nth(number)
    figure.scroll_into_view_if_needed()
    figure.locator("svg.main-svg").first.wait_for()
    return figure


def point_at(page: Any, point: Any) -> None:
    """Move the mouse onto a point, and wait for what the figure says of it."""
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".hovertext").first.wait_for()


def attribute(locator: Any, name: str, wanted: str | None) -> None:
    """Wait for an attribute's value, as after a click."""
    becomes(lambda: locator.get_attribute(name), wanted)


def column(page: Any, title: str, table: int = 0) -> list[str]:
    """The visible cells of a leaderboard's column."""
    grid = page.locator(".ranking .grid").nth(table)
    titles = [text.strip() for text in grid.locator("thead th").all_text_contents()]
    at = titles.index(title) + 1
    cells = grid.locator(f"tbody tr:not([hidden]) > :nth-child({at})").all_text_contents()
    return [cell.strip() for cell in cells]


def test_a_leaderboard_sorts_by_mouse_and_keyboard(page: Any) -> None:
    before = column(page, "method")
    head = page.locator(".ranking thead").first.get_by_role("button", name="accuracy %")
    cell = head.locator("xpath=..")
    head.click()
    attribute(cell, "aria-sort", "descending")
    numbers = [float(text.split()[0]) for text in column(page, "accuracy %")]
    assert numbers == sorted(numbers, reverse=True)
    assert column(page, "method") != before
    page.keyboard.press("Enter")
    attribute(cell, "aria-sort", "ascending")
    numbers = [float(text.split()[0]) for text in column(page, "accuracy %")]
    assert numbers == sorted(numbers)
    assert "sorted by accuracy %, ascending" in page.locator(".said").text_content()
    page.keyboard.press("Space")
    attribute(cell, "aria-sort", None)
    assert column(page, "method") == before


def test_cells_without_a_number_sort_last(page: Any) -> None:
    head = page.locator(".ranking thead").first.get_by_role("button", name="#")
    for way in ("ascending", "descending"):
        head.click()
        attribute(head.locator("xpath=.."), "aria-sort", way)
        ranks = column(page, "#")
        known = [int(rank.rstrip("=")) for rank in ranks if rank]
        assert known == sorted(known, reverse=way == "descending")
        assert ranks[len(known) :] == [""] * (len(ranks) - len(known))
        assert len(known) == 18
    head.click()
    attribute(head.locator("xpath=.."), "aria-sort", None)


def test_a_leaderboard_filters(page: Any) -> None:
    grid = page.locator(".ranking .grid").first
    assert len(column(page, "method")) == 37
    grid.get_by_role("searchbox").fill("SNIP reinit")
    becomes(lambda: column(page, "method"), ["snip/reinit"] * 3)
    assert grid.locator("output").text_content() == "3 of 37 rows"
    grid.get_by_role("searchbox").fill("")
    grid.get_by_label("density %").select_option("20")
    grid.get_by_role("button", name="reinit").press("Space")
    becomes(lambda: len(column(page, "method")), 7)  # the dense run stays
    methods = column(page, "method")
    assert not [m for m in methods if "/reinit" in m]
    assert len(column(page, "method", table=1)) == 37  # the other task's is untouched
    grid.get_by_label("density %").select_option("all")
    grid.get_by_role("button", name="reinit").click()
    becomes(lambda: len(column(page, "method")), 37)


def test_hovering_over_a_point_shows_its_numbers(page: Any) -> None:
    point_at(page, drawn(page).locator(".scatterlayer .points path").first)
    text = page.locator(".hovertext").first.text_content()
    assert re.search(r"Test accuracy: 9\d\.\d\d%", text)
    assert re.search(r"95% interval \d\d\.\d\d% to \d+\.\d\d%", text)
    assert re.search(r"Weights remaining: (50|20|10)\.00%", text)
    assert "3 seeds" in text


def test_markup_in_names_is_text_in_figures(page: Any) -> None:
    figure = drawn(page)
    index = page.evaluate(
        "name => document.querySelector('.plot').data.findIndex(trace => trace.name === name)",
        HOSTILE,
    )
    point_at(page, figure.locator(f".tracet{index} .points path").first)
    assert HOSTILE in page.locator(".hovertext").first.text_content()
    legend = page.locator(".group").first.locator(".legend")
    assert legend.get_by_role("button", name=HOSTILE, exact=True).text_content() == HOSTILE
    reason = page.locator(".failures").first.locator("td").last
    assert reason.inner_text().strip() == "first line\nsecond <i>line</i>"


def test_the_legend_hides_and_highlights_lines(page: Any) -> None:
    figure = drawn(page)
    lines = figure.locator(".scatterlayer .trace .lines path")
    before = lines.count()
    group = page.locator(".group").first
    imp = group.get_by_role("button", name="imp", exact=True)
    imp.focus()
    figure.locator(".scatterlayer .trace[style*='0.12']").first.wait_for()
    page.keyboard.press("Enter")
    becomes(lines.count, before - 1)
    attribute(imp, "aria-pressed", "false")
    assert imp.evaluate("button => button === document.activeElement")
    # the task's other figures agree
    other = page.locator(".group").nth(1).get_by_role("button", name="imp", exact=True)
    attribute(other, "aria-pressed", "false")
    imp.click()
    becomes(lines.count, before)
    # thirteen lines are a crowd: the controls wait to be asked for
    controls = group.get_by_role("button", name="with reinit")
    assert controls.get_attribute("aria-pressed") == "false"
    controls.click()
    becomes(lines.count, before + 6)
    becomes(group.get_by_role("button", name="imp/reinit").count, 1)
    controls.click()
    becomes(lines.count, before)


def test_the_choices_of_a_figure_and_its_table_of_numbers(page: Any) -> None:
    drawn(page)
    group = page.locator(".group").first
    accuracy, scale = group.locator("select").all()
    group.locator("summary").click()
    group.locator(".numbers th").first.wait_for()
    heads = group.locator(".numbers th").all_text_contents()
    assert heads == ["line", "Weights remaining", "Test accuracy", "low", "high", "seeds"]
    rows = group.locator(".numbers tbody tr")
    assert rows.count() == 1 + 3 + 6 * 3  # the dense run once more, at 100%
    scale.select_option("error, logarithmic")
    becomes(lambda: group.locator(".numbers th").all_text_contents()[2], "Test error")
    first = rows.first.locator("td").all_text_contents()
    assert first[0] == "dense"
    assert 0 < float(first[2].removesuffix("%")) < 10
    accuracy.select_option("at early stop")
    becomes(
        page.locator("figure:visible").first.locator("figcaption").text_content,
        "Test accuracy at early stop against density",
    )
    accuracy.select_option("after the last step")
    scale.select_option("all")
    group.locator("summary").click()


def test_one_task_can_be_selected(page: Any) -> None:
    only = page.locator(".only select")
    only.select_option("MLP on digits")
    becomes(page.locator("section.task:visible").count, 1)
    assert page.locator("section.task:visible h3").text_content() == "MLP on digits"
    drawn(page)
    only.select_option("all 2 tasks")
    becomes(page.locator("section.task:visible").count, 2)


def test_the_density_of_the_answer_is_in_the_link(visit: Visits) -> None:
    page = visit()
    answer = page.locator(".answer").first
    buttons = answer.locator(".chooser button")
    assert buttons.all_text_contents() == ["20%", "50%", "10%"]  # the headline first
    heading = answer.locator("h4")
    assert heading.text_content() == "Every method at 20% of the weights"
    assert answer.locator("table:visible").count() == 1
    buttons.nth(2).click()
    becomes(heading.text_content, "Every method at 10% of the weights")
    assert "10%" in answer.locator("caption:visible").text_content()
    search = page.locator(".ranking .filters input").first
    search.fill("imp")
    page.locator(".only select").select_option("MLP on digits")
    becomes(page.locator("section.task:visible").count, 1)
    becomes(lambda: "only=" in page.url, True)
    shared = page.url
    page.go_back()
    becomes(page.locator("section.task:visible").count, 2)
    page.go_back()
    page.wait_for_function("() => location.hash === '' || location.hash === '#'")
    becomes(heading.text_content, "Every method at 20% of the weights")
    assert search.input_value() == ""
    page.goto(shared)
    becomes(heading.text_content, "Every method at 10% of the weights")
    assert search.input_value() == "imp" and page.locator("section.task:visible").count() == 1
    # a link within the page keeps what is chosen
    page.locator("nav a[href='#s1-2']").click()
    page.wait_for_function("() => location.hash.startsWith('#s1-2?')")
    assert heading.text_content() == "Every method at 10% of the weights"


def test_a_choice_scrolls_nowhere(visit: Visits) -> None:
    """Not to the section that the link names either."""
    page = visit()
    page.locator("nav a[href='#s1-1']").click()
    becomes(lambda: page.url.endswith("#s1-1"), True)
    figure = drawn(page, 2)
    button = figure.locator("xpath=ancestor::div[contains(@class, 'group')]").get_by_role(
        "button", name="snip", exact=True
    )
    button.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    for pressed in ("false", "true"):
        button.click()
        attribute(button, "aria-pressed", pressed)
        becomes(lambda: ".off" in page.url, pressed == "false")
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        assert abs(page.evaluate("scrollY") - before) < 200
    page.go_back()
    attribute(button, "aria-pressed", "false")
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert abs(page.evaluate("scrollY") - before) < 200


def test_lines_that_are_off_are_in_the_link(visit: Visits) -> None:
    page = visit()
    group = drawn(page).locator("xpath=ancestor::div[contains(@class, 'group')]")
    group.get_by_role("button", name="snip", exact=True).click()
    becomes(lambda: "snip" in page.url, True)
    page.reload()
    drawn(page)
    attribute(group.get_by_role("button", name="snip", exact=True), "aria-pressed", "false")


def test_order_and_scale_are_in_the_link(visit: Visits) -> None:
    page = visit()
    page.locator(".ranking thead").first.get_by_role("button", name="accuracy %").click()
    drawn(page).locator("xpath=ancestor::div[contains(@class, 'group')]").locator(
        "select"
    ).last.select_option("error, logarithmic")
    becomes(lambda: "sort" in page.url and "figure" in page.url, True)
    order = column(page, "method")
    page.reload()
    becomes(lambda: column(page, "method"), order)
    head = page.locator(".ranking thead th[aria-sort]").first
    attribute(head, "aria-sort", "descending")
    chosen = page.locator(".group").first.locator("select").last
    becomes(lambda: chosen.evaluate("one => one.selectedOptions[0].text"), "error, logarithmic")
    button = page.locator(".ranking thead").first.get_by_role("button", name="accuracy %")
    button.click()
    button.click()  # the first order, which no link names
    becomes(lambda: "sort" in page.url, False)
    assert "figure" in page.url


def test_tables_and_figures_are_saved(visit: Visits, tmp_path: Path) -> None:
    page = visit()

    def saved(button: Any) -> tuple[str, bytes]:
        with page.expect_download() as waiting:
            button.click()
        file = tmp_path / "saved"
        waiting.value.save_as(file)
        return waiting.value.suggested_filename, file.read_bytes()

    answer = page.locator(".answer").first
    name, content = saved(answer.locator(".saves button:visible"))
    assert name.startswith("conv-2-on-cifar-10-at-20-") and name.endswith(".csv")
    rows = list(csv.reader(content.decode().splitlines()))
    assert rows[0][1] == "method" and HOSTILE in [row[1] for row in rows]
    assert {len(row) for row in rows} == {7}
    bar = page.locator(".density .saves").first
    name, content = saved(bar.get_by_role("button", name="CSV"))
    assert name == "conv-2-on-cifar-10-accuracy-against-density.csv"
    rows = list(csv.reader(content.decode().splitlines()))
    assert rows[0][:3] == ["line", "Weights remaining", "Test accuracy"]
    assert ["imp", "50.00%"] in [row[:2] for row in rows]
    name, content = saved(bar.get_by_role("button", name="SVG"))
    assert name.endswith("-test-accuracy-against-density.svg")
    drawing = ElementTree.fromstring(content)
    assert drawing.tag.endswith("}svg") and "one_shot" in "".join(drawing.itertext())
    name, content = saved(bar.get_by_role("button", name="PNG"))
    assert name.endswith(".png") and content.startswith(b"\x89PNG")
    # plotly's way from SVG to PNG is an object in the page's memory, which no network sees
    visit.complaints[:] = [one for one in visit.complaints if not one.startswith("blob:")]


def test_a_phone_has_cards_with_verdict_and_cost(visit: Visits) -> None:
    page = visit(390, 844)
    methods = page.locator(".answer").first.locator("tbody tr:visible")
    assert methods.count() > 3
    for method in methods.all()[1:]:
        for label in ("verdict", "cost"):
            box = method.locator(f"td[data-label='{label}']").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_the_page_works_with_the_keyboard(visit: Visits) -> None:
    page = visit()  # of its own: the section that it goes to stays in the address
    focusable = page.locator("a, button, input, select, [tabindex]").first
    focusable.focus()
    state = """() => {
        const here = document.activeElement;
        return [here.textContent.trim().slice(0, 30), getComputedStyle(here).outlineStyle];
    }"""
    assert page.evaluate(state)[0] == "Skip to the results"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    becomes(lambda: page.evaluate("document.activeElement.id"), "results")
    seen = []
    for _ in range(45):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(state)
        assert outline != "none", f"no focus to be seen on {text!r}"
        seen.append(text)
    assert {"task", "#"} <= set(seen)
    # the Tab key stops once at a row of buttons, in which the arrow keys go on
    page.get_by_role("button", name="#", exact=True).first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        text, outline = page.evaluate(state)
        assert outline != "none", f"no focus to be seen on {text!r}"
        seen.append(text)
    assert len(set(seen[-3:])) == 3


@pytest.mark.slow
def test_nothing_overflows_at_any_screen_width(visit: Visits) -> None:
    page = visit(320, 640, has_touch=True)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    for width in (320, 768, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        for number in range(2):
            figure = drawn(page, number)
            page.wait_for_function(
                "([plot, width]) => plot.querySelector('.main-svg').width.baseVal.value <= width",
                arg=[figure.element_handle(), width],
            )
            plot = figure.locator("svg.main-svg").first.bounding_box()
            assert plot["x"] >= 0
            assert plot["x"] + plot["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 320, "height": 640})
    nav, menu = page.get_by_role("navigation"), page.get_by_role("button", name="Contents")
    assert not nav.is_visible()
    menu.click()
    attribute(menu, "aria-expanded", "true")
    nav.get_by_role("link", name="How to read this").click()
    becomes(nav.is_visible, False)
    becomes(lambda: page.evaluate("document.activeElement.id"), "reading")


@pytest.mark.slow
def test_dark_light_and_print_themes(visit: Visits) -> None:
    page = visit(color_scheme="dark")
    drawn(page)
    colour = "getComputedStyle(document.body).backgroundColor"
    line = "document.querySelector('.scatterlayer .trace .lines path').style.stroke"
    night, night_line = page.evaluate(colour), page.evaluate(line)
    toggle = page.get_by_role("button", name="Dark mode")
    attribute(toggle, "aria-pressed", "true")
    toggle.click()
    becomes(lambda: page.evaluate(colour) != night, True)
    drawn(page)  # the button is far above: what is off the screen follows when it is back
    page.wait_for_function(f"colour => {line} !== colour", arg=night_line)
    attribute(toggle, "aria-pressed", "false")
    toggle.click()
    attribute(toggle, "aria-pressed", "true")
    page.emulate_media(color_scheme="light")  # what the reader chose stays
    becomes(lambda: page.evaluate(colour), night)
    # paper is light, whatever was chosen, and has every figure
    shown = page.locator("figure:not([hidden])").count()
    assert shown > 20
    page.emulate_media(media="print")
    plots = "document.querySelectorAll('figure:not([hidden]) .plot .main-svg:first-child')"
    page.wait_for_function(f"shown => {plots}.length === shown", arg=shown)
    widest = page.locator("figure:not([hidden]) .main-svg").evaluate_all(
        "all => Math.max(...all.map(one => one.width.baseVal.value))"
    )
    assert widest <= 700
    becomes(lambda: page.evaluate(colour), "rgb(255, 255, 255)")
    page.wait_for_function(f"colour => ![colour, ''].includes({line})", arg=night_line)
    assert not page.locator("nav").is_visible()
    page.emulate_media(media="screen")
    drawn(page)
    page.wait_for_function(f"colour => {line} === colour", arg=night_line)


def test_printing_is_light_in_dark_mode(visit: Visits) -> None:
    page = visit(color_scheme="dark", java_script_enabled=False)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_tables_are_shown_without_javascript(visit: Visits) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator(".ranking tbody tr").count() == 74
    assert page.locator("noscript p").is_visible()
    assert not page.locator("figure").first.is_visible()
    assert not page.locator(".filters").first.is_visible()


@pytest.mark.slow
def test_figures_of_optuna_use_the_page_s_colours(visit: Visits) -> None:
    page = visit(color_scheme="dark")
    place = page.locator(".plots figure")
    assert place.count() == 5  # history, importances, two slices, a contour
    for number in range(5):
        place.nth(number).scroll_into_view_if_needed()
        place.nth(number).locator("svg.main-svg").first.wait_for()
    text = place.nth(1).locator(".ytick text").all_text_contents()
    assert HOSTILE in text
    ink = "plot => [plot.layout.font.color, plot.layout.paper_bgcolor, plot.layout.colorway[0]]"
    plot = place.nth(0).locator(".plot")
    dark = plot.evaluate(ink)
    assert dark[1] == "rgba(0,0,0,0)"
    page.get_by_role("button", name="Dark mode").click()
    place.nth(0).scroll_into_view_if_needed()  # the button is far above
    page.wait_for_function(
        "([plot, before]) => plot.layout.font.color !== before",
        arg=[plot.element_handle(), dark[0]],
    )
    assert plot.evaluate(ink)[2] != dark[2]
