from __future__ import annotations

import base64
import gzip
import hashlib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from lth_bench.analysis.page import gather_report
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.errors import UnknownName, UserError
from lth_bench.output.page import check_output, render_page, write_page
from lth_bench.output.page.sections.summary import overview

ANSWER = "Every method at 20% of the weights"
SECTIONS = [
    ANSWER, "Summary", "Leaderboard", "Against density", "Against cost", "What makes a ticket",
    "Learning curves",
    "The procedure", "Layer by layer", "The masks themselves", "Surviving weights",
    "Where survivors come from", "Mask distances",
]  # fmt: skip

HOSTILE = "<script>alert(1)</script>\"'&amp;<!-- \\ \u001b[31m\u202egnp.exe %{x} <b>bold</b>"


def test_a_task_has_all_sections_in_order(page) -> None:
    found = page(weights=True, strategies=("dense", "imp", "early_bird"), controls=("reinit",))
    assert found.headings == SECTIONS
    assert [h.text for h in found.root.all("h3")] == [
        "MLP on digits", "Other leaderboards", "Reproduce this",
    ]  # fmt: skip
    assert found.root.one("title").text == "quickstart · Lottery tickets, compared"
    assert found.root.all("section", class_="overview") == []  # of one task there is none


def test_sections_without_data_are_left_out(page) -> None:
    assert page(curve_points=1).headings == [
        ANSWER, "Summary", "Leaderboard", "Against density", "Against cost", "Layer by layer",
    ]  # fmt: skip


def test_heading_levels_are_in_order_and_links_have_targets(page) -> None:
    found = page(tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")), weights=True)
    markup = re.sub(r"(?s)<script.*?</script>", "", found.html)
    levels = [int(x) for x in re.findall(r"<h([1-6])", markup)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in found.root.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(links) > 20


def test_tables_have_captions_and_scopes(page) -> None:
    found = page(controls=("shuffle",))
    for table in found.root.all("table"):
        assert table.one("caption").text
        assert {th["scope"] for th in table.all("th")} <= {"row", "col"}
        for row in table.all("tbody")[0].all("tr"):
            (head,) = row.all("th", scope="row")
            assert head.text
    for figure in found.root.all("figure"):
        assert len(figure.one("div", class_="plot")["aria-label"]) > 10


def test_the_same_database_gives_the_same_page(results) -> None:
    con = results(weights=True)
    assert render_page(gather_report(con)) == render_page(gather_report(con))


def test_the_page_loads_nothing_and_allows_only_its_own_code(page) -> None:
    found = page()
    policy = found.root.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'; ")
    _, packed, script = found.root.all("script")
    library = gzip.decompress(base64.b64decode(packed.text)).decode()
    assert library == "/* plotly */"
    for code in (library, script.text, found.root.one("style").text):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert not [a for a in found.root.all("script") if "src" in a.attributes]
    assert found.root.all("link") == found.root.all("img") == []


def test_how_to_read_this_defines_matches_or_better(page) -> None:
    said = page().root.one("section", class_="reading").text
    assert "Matches or better" in said and "not to be worse by more than the margin" in said
    assert "call the same row open" in said


def test_hostile_names_are_escaped(page) -> None:
    found = page(
        suite=f"suite {HOSTILE}",
        tasks=[(f"model {HOSTILE}", f"data {HOSTILE}", "mlp")],
        strategies=("dense", f"imp {HOSTILE}", "snip"),
        outcomes={("snip", 1): ("failed", f"line one\nline two {HOSTILE}")},
        weights=True,
    )
    scripts = found.root.all("script")
    assert [s.attributes for s in scripts] == [
        {"type": "application/json", "id": "numbers"}, {"type": "text/plain", "id": "plotly"}, {},
    ]  # fmt: skip
    bold = {b.text for b in found.root.all("b")}
    known = {"Better", "worse", "Equivalent", "Matches or better", "Needs 3+", "Open ~4–7"}
    assert bold == known
    shown = HOSTILE.replace("\u001b", "�").replace("\u202e", "�")
    assert found.root.all("h2")[0].text == f"Suite suite {shown}"
    assert any(row[2] == f"imp {shown}" for row in found.rows("ranking"))
    assert f"line one\nline two {shown}" in found.rows("failures")[0]
    repeated = found.section("repeat").all("code")
    assert repeated[0].text == f"lth-bench run suite {shown} --seeds 3"
    assert f'name = "suite {shown}"' in repeated[1].text
    assert [f"imp {shown}", "none"] in found.numbers["names"]
    assert f"imp {shown}" in found.numbers["series"]
    text = found.root.one("script", id="numbers").text
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert "\u001b" not in found.html
    assert "\u202e" not in found.html
    assert "<script>alert" not in found.html


def test_a_page_of_empty_results_tells_what_to_do(page) -> None:
    found = page(strategies=())
    assert [h.text for h in found.root.all("h2")] == ["No results yet"]
    assert "lth-bench run quickstart" in found.root.one("main").text
    assert found.root.all("nav") == []


def test_only_the_selected_suites(results) -> None:
    con = results(suite="one")
    with pytest.raises(UnknownName, match="unknown suite 'on'; did you mean 'one'"):
        gather_report(con, ["on"])
    assert "lth-bench run one" in render_page(gather_report(con, ["one"]))


def test_one_seed_has_no_interval_and_no_verdict(page) -> None:
    found = page(seeds=(0,))
    assert "±" not in found.section("ranking").text
    # the text of the note that explains intervals has one, the figures have none
    assert "needs 3+" in found.section("ranking").text
    marks = [m for g in found.numbers["pictures"] for f in g["panels"] for m in f.get("traces", [])]
    assert marks
    assert not [m for m in marks if "e" in m]
    assert "not tested: too few seeds" in found.section("summary").text


def test_a_page_of_dense_runs_only(page) -> None:
    found = page(strategies=("dense",))
    assert found.headings == ["Summary", "Leaderboard"]
    assert "The dense run alone, on 3 seeds (0 to 2)." in found.section("summary").text


def test_a_page_of_one_strategy_without_dense(page) -> None:
    found = page(strategies=("imp",))
    assert "no result of the dense run to compare with" in found.section("summary").text
    assert found.headings[:3] == [ANSWER, "Summary", "Leaderboard"]
    assert "1 method (imp)" in found.section("summary").text


def test_a_page_of_failures_only(page) -> None:
    outcomes = {
        (label, seed): ("failed", "out of luck")
        for label in ("dense", "imp", "one_shot", "snip")
        for seed in (0, 1, 2)
    }
    found = page(outcomes=outcomes)
    assert found.headings == [ANSWER, "Summary", "Leaderboard", "Failures"]
    assert "0 of 21 results are in; 21 failed." in found.section("summary").text
    assert all("3 failed" in row for row in found.rows("ranking"))
    reasons = {row[-1] for row in found.rows("failures")}
    assert reasons == {"out of luck"}


def test_an_overview_of_several_suites(results) -> None:
    tasks = (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper"))
    suites = suite_facts(results(tasks=tasks, densities=(0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02)))
    (grid,) = overview([*suites, *suites])
    rows = [[cell.text for cell in row.cells][:5] for row in grid.rows]
    assert rows == 2 * [
        ["quickstart", "Conv-2 on CIFAR-10", "3", "80, 2", "3"],
        ["quickstart", "MLP on digits", "3", "80, 2", "3"],
    ]
    assert overview(suites) == ()  # one suite opens with its tasks


def test_the_exact_names_of_a_task_stand_beside_its_spoken_one(page) -> None:
    found = page(tasks=(("mlp(hidden=[16])", "digits", "short"),))
    task = found.root.one("section", class_="task")
    assert task.one("h3").text == "MLP on digits"
    exact = task.one("p", class_="exact")
    assert [name.text for name in exact.all("bdi")] == ["mlp(hidden=[16])", "digits", "short"]
    assert [span.text.split()[0] for span in exact.all("span")] == ["model", "dataset", "recipe"]


def test_a_task_can_be_looked_at_alone(page) -> None:
    found = page(tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")))
    assert [o.text for o in found.root.one("nav").all("option")] == [
        "all 2 tasks", "Conv-2 on CIFAR-10", "MLP on digits",
    ]  # fmt: skip


# writing


@pytest.fixture
def empty(results, monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")
    return gather_report(results(strategies=()))


def test_the_old_page_is_replaced_and_no_other_file_left(empty, tmp_path: Path) -> None:
    output = tmp_path / "out" / "page.html"
    output.parent.mkdir()
    output.write_text("old")
    assert write_page(empty, output) == output
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in output.parent.iterdir()] == ["page.html"]


def test_a_failed_write_leaves_the_old_page(empty, tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "page.html"
    output.write_text("old")

    def full(self: Path, *_: object, **__: object) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"cannot write the report to .*No space left on device"):
        write_page(empty, output)
    assert output.read_bytes() == b"old"
    assert not list(tmp_path.glob(".page.html*"))


def test_an_invalid_output_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"names a folder.*name a file in it.*report\.html"):
        check_output(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        check_output(tmp_path / "none" / "page.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="there is no folder"):
        check_output(tmp_path / "file" / "page.html")


def test_a_read_only_folder_is_an_error(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(UserError, match="is not writable"):
        check_output(tmp_path / "page.html")
