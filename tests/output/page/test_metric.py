"""A page about another metric than test accuracy: its name, unit and direction throughout."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.page import gather_report
from lth_bench.errors import UnknownName
from lth_bench.output.page import default_name, render_page

EVERYTHING = {
    "strategies": ("dense", "imp", "snip", "imp-tuned", "early_bird"),
    "tuned": {"imp-tuned": "imp"},
    "controls": ("reinit",),
    "weights": True,
    "tasks": (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")),
    "seeds": (0, 1, 2, 3),
    "outcomes": {("snip", 1): ("failed", "bug")},
}

OF_WEIGHTS = (
    r"(?i)density %|\d+% of the weights|down to [\d.]+%|[\d.]+% to|density [\d. to]+%"
    r"|at [\d.]+%(?:(?:,| and) [\d.]+%)*|95%|80%|at 5%|5% of [^.,]* mean|than 5% above"
    r"|(?:shown|even|possible) %|weights remaining[\s\d.%]*|[\d.]+%, seed"
    r"|(?:weights|differs|distance|\w+) \(%\)|\([\d.]+%\)|\d+% kept|prune \d+%"
    r"|weights kept[\d.%]+"
)
"""Fractions of the weights, levels of confidence and the relative margin are in percent, whatever
the metric is."""


@pytest.mark.parametrize("metric", ["test_loss", "early_stop_step"])
def test_a_page_about_loss_does_not_mention_accuracy(page, search, metric: str) -> None:
    found = page(metric=metric, searches=[search()], **EVERYTHING)
    main = found.root.one("main").text
    assert "accuracy" not in found.root.text.lower().replace("/* plotly */", "")
    assert re.findall(r"(?s).{0,40}%.{0,10}", re.sub(OF_WEIGHTS, "", main)) == []
    assert "points" not in re.sub(r"points of one density|one point|two points", "", main)
    assert "accuracy" not in json.dumps(found.numbers).lower()
    words = metric.replace("_", " ")
    assert words in found.root.one("title").text
    assert "lower is better" in found.root.one("header").text
    assert f"Lowest mean {words} at each density" in main
    assert f"lth-bench leaderboard --by matching --metric {metric}" in main


def test_numbers_equal_those_of_the_leaderboard(page, results) -> None:
    found = page(metric="test_loss", controls=("reinit",))
    con = results(controls=("reinit",))
    (table,) = leaderboard(con, Question(metric="test_loss")).tables
    rows = found.rows("ranking")
    heads = [h.text for h in found.section("ranking").all("thead")[0].all("th")]
    assert heads[3:6] == ["test_loss", "Δ dense", "verdict"]
    lines = {(line[3].text, line[4].text, line[5].text) for line in table.lines()}
    assert {(row[3], row[4], row[5]) for row in rows} == lines
    # the loss rises with sparsity, and a higher one is worse
    assert {row[5] for row in rows if row[0] == "20" and row[2] in ("snip", "one_shot")} == {
        "worse"
    }


def test_figures_show_the_metric_and_its_direction(page) -> None:
    found = page(metric="test_loss")
    titles = [picture["title"] for picture in found.numbers["pictures"]]
    assert titles[:4] == [
        "Test loss against density", "Early-stop step against density", "Test loss against cost",
        "Learning curves",
    ]  # fmt: skip
    axes = [found.numbers["axes"][i]["title"] for p in found.numbers["pictures"][:1]
            for i in p["panels"][0]["y"]]  # fmt: skip
    assert set(axes) == {"Test loss (lower is better)"}
    assert "Down and to the left is better" in found.section("cost").text
    (learning,) = found.numbers["pictures"][3]["panels"]
    assert learning["title"] == "Validation loss"


def test_another_accuracy_is_in_percent(page) -> None:
    found = page(metric="val_accuracy")
    heads = [h.text for h in found.section("ranking").all("thead")[0].all("th")]
    assert "val_accuracy %" in heads
    assert "early stop %" not in heads
    assert "Highest mean val accuracy at each density" in found.section("summary").text


def test_an_unknown_metric_is_an_error(results: Any) -> None:
    con = results()
    with pytest.raises(UnknownName, match="unknown metric 'test_los'; did you mean 'test_loss'"):
        gather_report(con, metric="test_los")
    without = render_page(gather_report(con, metric="unit_density"))  # none has it here
    assert "There is no result of the dense run to compare with." in without


def test_files_are_named_after_the_metric() -> None:
    assert default_name("test_accuracy") == "report.html"
    assert default_name("test_loss") == "report-test_loss.html"
    assert default_name("../my metric") == "report-my-metric.html"
