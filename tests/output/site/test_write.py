from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

PAGE = runpy.run_path(str(Path(__file__).parents[1] / "page" / "conftest.py"))["Page"]
CONFTEST = Path(__file__).with_name("conftest.py")
MACHINE = re.compile(r"\blab\b|/home/|/data/lab|\bann\b")


def pages(site: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(site.rglob("*.html")):
        yield file.relative_to(site).as_posix(), file.read_text(encoding="utf-8")


def named(site: Path, folder: str, words: str) -> str:
    """The text of the only page in a folder whose title has these words."""
    (found,) = (
        text for path, text in pages(site)
        if path.startswith(folder) and words in PAGE(text).root.one("h1").text
    )  # fmt: skip
    return found


def test_every_kind_of_page_is_there(site: Path) -> None:
    found = [path.partition("/")[0] for path, _ in pages(site)]
    assert {kind: found.count(kind) for kind in found} == {
        "data": 1, "index.html": 1, "suites": 3, "tasks": 1, "methods": 4, "tickets": 27,
    }  # fmt: skip


PAPER = re.compile(r"https://(?:arxiv\.org/abs|doi\.org)/[\w./()-]+")
"""What a reader may follow out of a site: nothing is asked from there before."""


def test_methods_link_to_their_papers(site: Path) -> None:
    text = (site / "methods" / "imp.html").read_text(encoding="utf-8")
    assert '<a href="https://arxiv.org/abs/1803.03635">' in text
    found = {a for _, one in pages(site) for a in re.findall(r'[\w-]+="https?:[^"]*"', one)}
    assert all(PAPER.fullmatch(a[6:-1]) for a in found if a.startswith('href="')), found


def test_every_link_leads_to_a_file_and_a_place_in_it(site: Path) -> None:
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages(site)}
    links = 0
    for path, text in pages(site):
        found = re.findall(r'\b(?:href|src)="([^"]*)"', text)
        later = re.findall(r'\bdata-scripts="([^"]*)"', text)
        for href in [*found, *" ".join(later).split()]:
            if href in found and PAPER.fullmatch(href):
                continue
            assert not re.match(r"[a-z]+:|/", href), (path, href)
            file, _, anchor = href.partition("#")
            target = ((site / path).parent / unquote(file)).resolve() if file else site / path
            assert target.is_file() and target.is_relative_to(site), (path, href)
            if anchor:
                place = target.relative_to(site).as_posix()
                assert anchor in ids[place], (path, href)
            links += 1
    assert links > 500


def test_every_page_can_be_reached_from_the_first(site: Path) -> None:
    found, waiting = set(), ["index.html"]
    while waiting:
        page = waiting.pop()
        if page in found or not page.endswith(".html"):
            continue
        found.add(page)
        for href in re.findall(r'<a href="([^"#]+)', (site / page).read_text()):
            waiting.append(((site / page).parent / href).resolve().relative_to(site).as_posix())
    assert found == {path for path, _ in pages(site)}


def test_pages_are_well_formed_and_names_are_text(site: Path) -> None:
    for path, text in pages(site):
        page = PAGE(text)  # AssertionError for what is closed wrongly
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids)), path
        assert "<script>alert" not in text
        assert page.root.one("title").text.strip()
    index = PAGE((site / "index.html").read_text())
    assert "<script>alert(1)</script> (one)" in index.root.one("body").text
    assert index.root.one("h1").text == "Ours & <theirs>"


def test_machines_and_paths_are_nowhere(site: Path) -> None:
    for file in site.rglob("*"):
        if file.suffix in (".html", ".csv", ".cff", ".bib", ".json"):
            found = MACHINE.search(file.read_text(encoding="utf-8"))
            assert found is None, (file, found)
    whole = (site / "data" / "one.duckdb").read_bytes()
    assert b"/home/ann" not in whole


def test_two_databases_of_one_suite_stand_apart(site: Path) -> None:
    index = PAGE((site / "index.html").read_text()).root.one("body").text
    assert "quickstart (one)" in index and "quickstart (two)" in index
    assert "Verdicts are within a database" in index
    for words in (
        "2.15.0",
        "2.9.1",
        "seeds are no pairs",
        "source of methods: imp",
        "different code",
    ):
        assert words in index
    suites = [text for path, text in pages(site) if path.startswith("suites/quickstart")]
    assert len(suites) == 2
    assert all("The same suite elsewhere" in text for text in suites)


def test_a_suite_s_page_is_the_report_s(site: Path) -> None:
    text = (site / "suites" / "quickstart.html").read_text()
    page = PAGE(text)
    assert page.section("ranking").one("table") is not None
    assert page.numbers["pictures"]
    assert "Reproduce this" in text and "lth-bench run mine.toml --results r.duckdb" in text


def test_a_method_s_page_has_tasks_code_and_paper(site: Path) -> None:
    text = PAGE(named(site, "methods", "imp")).root.one("main").text
    for words in ("MLP on digits", "Frankle & Carbin, 2019", "prune_rate", "abc", "def",
                  "quickstart (two)", "imp/reinit"):  # fmt: skip
        assert words in text, words
    assert "no description is known" in named(site, "methods", "<script>")


def test_a_ticket_has_an_address_layers_curves_and_a_record(site: Path) -> None:
    found = [text for path, text in pages(site) if path.startswith("tickets/")
             and "imp on MLP on digits, seed 0" in text and "(one)" in text]  # fmt: skip
    page = PAGE(found[0])
    record = json.loads(page.root.one("script", id="record").text)
    assert (record["label"], record["seed"]) == ("imp", 0)
    reported = [ticket for ticket in record["tickets"] if ticket["reported"]]
    assert [ticket["control"] for ticket in reported] == ["none", "reinit"] * 2
    for ticket in record["tickets"]:
        assert page.root.one("tr", id=ticket["ticket_id"]).text
    layers = page.root.one("section", **{"aria-labelledby": "layers"})
    assert [row.all("th")[0].text for row in layers.all("tr")[1:]] == ["conv1", "fc1", "fc2"]
    assert [picture["title"] for picture in page.numbers["pictures"]][:2] == [
        "Learning curves", "Weights kept in each layer",
    ]  # fmt: skip
    assert "lth-bench export ticket" in page.root.one("main").text


def test_a_failure_is_told_on_its_page(site: Path) -> None:
    (text,) = (text for path, text in pages(site) if path.startswith("tickets/")
               and "line 3 on host-1" in text)  # fmt: skip
    assert 'File "mine.py", line 3 on host-1' in PAGE(text).root.one("main").text


def test_the_data_can_be_cited_and_checked(site: Path) -> None:
    data = site / "data"
    cff = (data / "CITATION.cff").read_text()
    assert 'title: "Ours & <theirs>"' in cff and '- name: "A. Name"' in cff
    assert "date-released: 2026-01-01" in cff
    assert "author = {A. Name}" in (data / "citation.bib").read_text()
    sums = (data / "SHA256SUMS").read_text().splitlines()
    files = {file for file in data.rglob("*") if file.is_file()}
    assert len(sums) == len(files) - 2  # the page and the sums themselves
    page = (data / "index.html").read_text()
    assert sums[0].partition(" ")[0] and all(
        line[:64] in page for line in sums if ".duckdb" in line
    )


@pytest.mark.slow
def test_the_same_results_give_the_same_pages(site: Path, databases: list, tmp_path: Path) -> None:
    from lth_bench.output.site import SiteOptions, replace_folder, write_site

    again = tmp_path / "again"
    with replace_folder(again) as made:
        write_site(databases, made, SiteOptions(title="Ours & <theirs>", authors=["A. Name"]))
    for path, text in pages(site):
        if path != "data/index.html":  # it has the checksums of databases
            assert (again / path).read_text(encoding="utf-8") == text, path
