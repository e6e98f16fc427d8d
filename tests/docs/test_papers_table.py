"""The table of the papers' claims: what it is made from, and that it is the table of these."""

from __future__ import annotations

import runpy
import types
from pathlib import Path
from typing import Any

import pytest

from lth_bench.suite import load_suite
from lth_bench.suite.source import papers
from lth_bench.suite.spec import Claim

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


@pytest.fixture(scope="module")
def rows(papers_table: types.ModuleType) -> dict[tuple[str, str, bool], Any]:
    known: dict[tuple[str, str, bool], Any] = papers_table.read()
    return known


def claims(name: str) -> dict[str, Claim]:
    return {claim.name: claim for claim in load_suite(name).claims}


def test_it_is_what_the_suites_and_the_rows_say(papers_table: types.ModuleType) -> None:
    old = "run `python docs/papers_table.py` and commit suites/papers/README.md"
    assert papers_table.table() in papers_table.README.read_text("utf-8"), old


def test_every_claim_has_a_line(papers_table: types.ModuleType) -> None:
    lines = papers_table.table().splitlines()
    for name in papers():
        for claim in claims(name).values():
            assert sum(line.startswith(f"| {claim.text} |") for line in lines) >= 1, claim.name


def test_a_verdict_follows_from_its_interval(rows: dict[tuple[str, str, bool], Any]) -> None:
    """So a threshold that is changed is run again."""
    for (name, claim, _), row in rows.items():
        low, high = claims(name)[claim].accepted
        assert row.low <= row.ours <= row.high and row.n >= 3
        inside, outside = low <= row.low and row.high <= high, row.high < low or high < row.low
        said = "reproduced" if inside else "not reproduced" if outside else "open"
        assert row.verdict == said, (name, claim)


def test_a_short_form_that_was_run_decides(rows: dict[tuple[str, str, bool], Any]) -> None:
    """And what a wrong method gives is told from it."""
    run = {name for name, _, _ in rows}
    assert len(run) > 10
    for name in run:
        own = [(wrong, row.verdict) for (suite, _, wrong), row in rows.items() if suite == name]
        right = {verdict for wrong, verdict in own if not wrong}
        inverted = {verdict for wrong, verdict in own if wrong}
        assert "reproduced" in right, name
        assert not inverted or "not reproduced" in inverted, name


def made_up(results: Path, old: str = "", new: str = "") -> Path:
    """Results of the short form of SNIP, with this put into its suite."""
    text = papers()["snip_2019"].read_text("utf-8")
    scenario = RECORDS["Scenario"](
        suite="snip_2019", tasks=[("mlp", "digits", "short")], densities=[0.0467, 0.0168],
        strategies=("dense", "snip", "random"), toml=text.replace(old, new),
    )  # fmt: skip
    RECORDS["write"](results, scenario)
    return results


def test_what_came_out_becomes_rows(papers_table: types.ModuleType, tmp_path: Path) -> None:
    found = {row.claim: row for row in papers_table.taken(made_up(tmp_path / "results.duckdb"))}
    assert {*found} == {"digits-snip-keeps-dense", "digits-snip-beats-random"}
    row = found["digits-snip-beats-random"]
    assert (row.suite, row.seeds, row.verdict) == ("snip_2019", "0 1 2", "not reproduced")
    assert (row.wrong, row.changed) == ("", "")


def test_of_a_wrong_method_only_what_is_about_it(
    papers_table: types.ModuleType, tmp_path: Path
) -> None:
    results = made_up(
        tmp_path / "results.duckdb", 'use = "random"\n', 'use = "snip"\nlabel = "random"\n'
    )
    with pytest.raises(SystemExit, match=r"--wrong says what is wrong with .*random"):
        [*papers_table.taken(results)]
    (row,) = papers_table.taken(results, "no random mask")
    assert (row.claim, row.wrong) == ("digits-snip-beats-random", "no random mask")


def test_a_figure_says_where_it_is_from(papers_table: types.ModuleType) -> None:
    lines = {line.split(" | ")[0][2:]: line for line in papers_table.table().splitlines()}

    def published(name: str, claim: str) -> str:
        text: str = lines[claims(name)[claim].text].split(" | ")[1]
        return text

    assert published("renda_2020", "lrr-beats-fine-tuning-21") == (
        "+1.54 pt: 91.9 ± 0.18 (n = 3) against 90.36 ± 0.3 (n = 3); ResNet-20 on CIFAR-10; 21%; "
        "Renda et al. (2020), data published with the paper"
    )
    assert published("snip_2019", "snip-5") == (
        "98.40%; LeNet-300-100 on MNIST; 5%; Lee et al. (2019), results for LeNet-300-100; "
        "at second hand"
    )
    assert published("renda_2020", "digits-lrr-beats-reinit") == "–"
