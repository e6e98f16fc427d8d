from __future__ import annotations

import pytest

from lth_bench.analysis.measures import measure


@pytest.mark.parametrize(
    ("metric", "unit", "higher", "value", "difference"),
    [
        ("test_accuracy", "points", True, "-1.234", "−123.40"),
        ("early_stop_accuracy", "points", True, "0.5", "+50.00"),
        ("density", "points", False, "0.0358", "+3.58"),
        ("test_loss", "", False, "0.123456", "+0.1235"),
        ("early_stop_step", "steps", False, "-1775", "−1,775"),
        ("steps", "steps", False, "62560", "+62.6k"),
        ("examples", "examples", False, "100", "+100"),
        ("search_flops_dense", "FLOPs", False, "4.7e10", "+4.7e+10"),
        ("search_seconds", "s", False, "-1234.56", "−1,234.6"),
        ("draw_step", "steps", False, "351", "+351"),
        ("signs_kept", "", True, "1e-5", "+1e-05"),
    ],
)
def test_every_kind(metric, unit, higher, value, difference):
    found = measure(metric)
    assert (found.difference_unit, found.higher) == (unit, higher)
    assert found.difference(float(value)) == difference
    assert found.value(abs(float(value))) == difference[1:]
    assert found.known == (metric != "signs_kept")


def test_margins_are_absolute_for_fractions_and_relative_otherwise():
    accuracy, stop = measure("test_accuracy"), measure("early_stop_step")
    assert (accuracy.margin(None, 0.9), accuracy.margin(0.01, 0.9)) == (0.005, 0.01)
    assert (stop.margin(None, 2000), stop.margin(0.1, -2000)) == (100, 200)
    assert stop.margin(None, 0) > 0
    assert accuracy.margin_words(None) == "0.5 points"
    assert stop.margin_words(0.1) == "10% of A's mean"
    assert (accuracy.heading, stop.heading) == ("test_accuracy in %", "early_stop_step in steps")


def test_numbers_with_intervals() -> None:
    accuracy, loss = measure("test_accuracy"), measure("test_loss")
    assert accuracy.with_half(0.97801, 0.98301) == "97.80 ± 0.50"
    assert accuracy.with_half(0.97801, None) == "97.80"
    assert accuracy.difference_with_half(0.004, 0.0139) == "+0.40 ± 0.99"
    assert accuracy.difference_with_half(-0.0007, None) == "−0.07"
    assert loss.with_half(0.123456, 0.133456) == "0.1235 ± 0.01"
    assert loss.difference_with_half(-0.2, -0.1) == "−0.2 ± 0.1"
    assert (accuracy.direction, loss.direction) == ("higher is better", "lower is better")
    assert measure("signs").direction == "higher is better (assumed)"
    assert (accuracy.worst_words, loss.worst_words) == (
        "counts as accuracy 0", "ranks behind all others",
    )  # fmt: skip
