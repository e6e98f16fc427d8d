from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.report.leaderboard import print_leaderboard
from lth_bench.report.rendering import render as render_board
from lth_bench.report.rows import rows
from lth_bench.report.sheet import board, count, sheets
from lth_bench.store import Paths

Results = Callable[..., Any]

ROW: dict[str, Any] = {
    "suite": "s", "model": "mlp", "dataset": "digits", "recipe": "short",
    "source_model": "mlp", "source_dataset": "digits", "source_recipe": "short",
    "target_density": 0.2, "strategy": "imp", "label": "imp", "control": "none",
    "n": 3, "mean": 0.97123, "low": 0.9672, "high": 0.97526, "delta_dense": -0.00412, "rank": 1,
    "delta_low": -0.01, "delta_high": 0.00176, "delta_n": 3, "early_stop_step": 640.0,
    "early_stop_accuracy": 0.97, "density": 0.2, "effective_density": 0.2, "unit_density": None,
    "steps": 20000.0, "search_steps": 1250000.0, "flops_dense": 1.0,
    "flops_masked_theoretical": 1.0, "search_flops_dense": 1.0,
    "search_flops_masked_theoretical": 1.0, "flops_ratio": 9.0, "flops_masked_ratio": 4.256,
    "seconds": 1.0, "search_seconds": 1.0, "planned": 3, "failed": 0, "skipped": 0, "pending": 0,
}  # fmt: skip
NOTHING = dict.fromkeys(
    ("mean", "low", "high", "delta_dense", "delta_low", "delta_high", "rank", "density",
     "flops_masked_ratio")
)  # fmt: skip
NONE = {**NOTHING, "n": 0}


def line(**changes: Any) -> tuple[str, ...]:
    ((block,),) = [s.blocks for s in sheets([{**ROW, **changes}])]
    return tuple(cell.text for cell in block[0].cells())


def render(rows: list[dict[str, Any]], *arguments: Any) -> str:
    return render_board(board(rows), *arguments)


def test_a_row_is_read_at_a_glance() -> None:
    assert line() == (
        "20.00", "1", "imp", "97.12 ± 0.40", "−0.41 ± 0.59", "3", "640", "20.0k", "1.25M", "4.26",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "column", "text"),
    [
        ({"delta_dense": 0.004, "delta_high": 0.005}, 4, "+0.40 ± 0.10"),
        ({"n": 1, "planned": 1, "low": None, "high": None, "delta_high": None, "delta_low": None},
         3, "97.12"),
        ({"n": 2, "failed": 1}, 5, "2/3"),
        ({**NONE, "failed": 2, "skipped": 1}, 3, "2 failed, 1 skipped"),
        ({**NONE, "pending": 3}, 3, "3 to come"),
        ({**NONE, "pending": 3}, 9, ""),
        ({"strategy": "early_bird", "label": "eb", "density": 0.1731}, 2, "eb (17.31)"),
        ({"density": 0.2001}, 2, "imp"),
        ({"source_dataset": "mnist"}, 2, "imp from mnist"),
        ({"strategy": "dense", "label": "dense", "target_density": 1.0, "density": 1.0}, 4, ""),
        ({"strategy": "dense", "label": "dense", "target_density": 1.0, "density": 1.0}, 1, ""),
        ({"label": "[red]\x1b[31m\n"}, 2, "[red]�[31m�"),
    ],
)  # fmt: skip
def test_each_special_case_is_said(changes: dict[str, Any], column: int, text: str) -> None:
    assert line(**changes)[column] == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999.5, "1,000"), (9999, "9,999"), (9999.6, "10.0k"), (62_560, "62.6k"),
     (999_949, "999.9k"), (999_951, "1.00M"), (1.25e6, "1.25M"), (None, "–")],
)  # fmt: skip
def test_counts_are_short(number: float | None, text: str) -> None:
    assert count(number) == text


def test_controls_stand_under_their_strategy(results: Results) -> None:
    found = sheets(rows(results(controls=("shuffle", "reinit"))))
    for block in found[0].blocks[1:]:
        kinds = [x.kind for x in block]
        assert kinds == ["ranked", "control", "control"] * 3
        assert [x.strategy for x in block[1:3]] == ["└ reinit", "└ shuffle"]
        assert [x.rank for x in block if x.kind == "ranked"] == ["1", "2", "3"]
    assert [x.kind for x in found[0].blocks[0]] == ["dense"]


def test_a_control_without_its_ticket_is_still_shown() -> None:
    (sheet,) = sheets([{**ROW, "control": "reinit", "rank": None}])
    assert [x.strategy for x in sheet.blocks[0]] == ["└ reinit"]


@pytest.mark.parametrize("width", [80, 90, 100, 160])
def test_the_table_fits_the_terminal(results: Results, width: int) -> None:
    con = results(
        strategies=("dense", "imp", "late_rewind", "early_bird"), controls=("reinit",),
        tasks=(("conv_bn(gamma_init=0.5)", "digits", "conv"),),
    )  # fmt: skip
    text = render(rows(con), "table", width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("quickstart", "conv_bn(gamma_init=0.5) · digits · conv", "late_rewind", "└ reinit",
                 "accuracy: test"):  # fmt: skip
        assert word in text
    assert text.count("±") >= 2 * 7 if width >= 100 else True


def test_every_suite_has_its_heading(results: Results) -> None:
    found = rows(results())
    other = [{**r, "suite": "another"} for r in found]
    text = render([*other, *found], "table")
    assert re.findall(r"^(\w+) ─+$", text, re.M) == ["another", "quickstart"]


def test_failures_are_counted_below(results: Results) -> None:
    con = results(outcomes={("imp", 0): ("failed", "x"), ("snip", 1): ("skipped", "y"),
                            ("snip", 2): ("interrupted", "z")})  # fmt: skip
    text = render(rows(con), "table")
    assert "2 of 21 rows failed and 2 were skipped" in text
    assert "2 rows are still to come" in text


def test_json_and_csv_have_the_raw_numbers(results: Results) -> None:
    found = rows(results())
    document = json.loads(render(found, "json"))
    assert document["leaderboard"] == found
    table = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert [float(r["mean"]) for r in table] == [r["mean"] for r in found]
    assert list(table[0]) == list(found[0])


def test_markdown_is_a_table_whatever_the_names() -> None:
    text = render([{**ROW, "label": "a|b_c*", "suite": "my|suite"}], "markdown")
    lines = text.splitlines()
    assert lines[0].startswith("### my\\|suite: mlp")
    assert "**a\\|b\\_c\\***" in lines[-1]
    assert {len(re.findall(r"(?<!\\)\|", x)) for x in lines[2:]} == {11}


def test_latex_is_escaped_and_balanced() -> None:
    text = render([{**ROW, "label": r"50%_{x}&$\y"}], "latex")
    assert r"\textbf{50\%\_\{x\}\&\$\textbackslash{}y}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    body = text.split(r"\midrule")[1]
    assert len(re.findall(r"(?<!\\)&", body)) == 9


def test_an_unknown_format_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown format 'markdwon'; did you mean 'markdown'"):
        render([ROW], "markdwon")


def test_a_run_ends_with_its_suite_s_leaderboard(
    results: Results, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    results().close()
    print_leaderboard(Paths(tmp_path / "results.duckdb"), suite="quickstart")
    assert "mlp · digits · mlp" in capsys.readouterr().out
