"""What a notebook shows of results: frames with intervals, cards, figures."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pandas
import pytest

import lth_bench
from lth_bench.errors import UnknownName
from lth_bench.store import fold

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
HOSTILE = "<b>imp</b>&"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Any:
    scenario = RECORDS["Scenario"](
        tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")),
        strategies=("dense", "imp", "snip", HOSTILE), densities=(0.5, 0.2, 0.1), curve_points=4,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("notebook")
    paths = RECORDS["write"](folder / "results.duckdb", scenario)
    fold(paths)
    return lth_bench.results(paths.results)


def test_the_leaderboard_is_a_frame_that_draws_its_intervals(known: Any) -> None:
    board = known.leaderboard()
    assert isinstance(board, pandas.DataFrame)
    html = board._repr_html_()
    assert html.count("<table") == 2  # a table a task
    assert html.count('<svg class="interval"') == 2 * 3 * 3
    assert HOSTILE not in html and "&lt;b&gt;imp&lt;/b&gt;&amp;" in html
    assert "<script" not in html


def test_what_is_selected_is_shown_in_the_same_way(known: Any) -> None:
    board = known.leaderboard()
    some = board[(board["label"] == "imp") & (board["target_density"] < 0.3)]
    assert some._repr_html_().count('<svg class="interval"') == 2 * 2
    few = board[["label", "mean"]]
    assert few._repr_html_() == pandas.DataFrame(few)._repr_html_()
    assert board.groupby("label")["mean"].mean().loc["imp"] > 0


def test_long_frames_say_what_is_left_out(known: Any) -> None:
    board = known.leaderboard()
    with pandas.option_context("display.max_rows", 5):
        html = board._repr_html_()
    assert f"and {len(board) - 5} more rows" in html
    assert html.count("<tr") == 5 + 1  # and the head


def test_a_card_is_text_and_html(known: Any) -> None:
    card = known.card()
    assert "cheapest match" in repr(card) and repr(card).startswith(card.card.suite)
    html = card._repr_html_()
    assert "Cheapest that matches" in html or "None is shown to match" in html
    assert "First of each task" in html
    assert "50% of the weights" in repr(known.card(density=0.5))
    assert known._repr_html_() == html
    with pytest.raises(UnknownName, match="suite"):
        known.card("nope")


def test_a_figure_has_its_drawings(known: Any, tmp_path: Path) -> None:
    task = "mlp/digits/mlp"
    assert "accuracy" in known.figures()[task]
    figure = known.figure("accuracy", task)
    assert "<svg" in next(iter(figure.svg.values()))
    assert 'src="data:image/svg+xml;base64,' in figure._repr_html_()
    written = figure.save(tmp_path / "figures")
    assert {path.suffix for path in written} == {".svg", ".pdf", ".png"}
    assert all(path.stat().st_size > 0 for path in written)
    with pytest.raises(UnknownName, match="figure"):
        known.figure("accurracy")
    with pytest.raises(UnknownName, match="task"):
        known.figure("accuracy", "mlp")
