"""Packed answers, and the second interval of a comparison."""

from __future__ import annotations

import base64
import math
import runpy
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev, variance

import numpy as np
import pytest

from lth_bench.analysis.answers import of_difference, of_pairs, unpacked
from lth_bench.analysis.compare.lines import Options, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.compare.sheet import sheet
from lth_bench.analysis.measures import measure
from lth_bench.stats import Summary

PACKED = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))["packed"]
A = ["1111111101", "1111111011", "1111110111"]
B = ["1111111100", "1110111001", "1110110110"]
SPARSE = ["1010111101", "1011111001", "1011110110"]


def packed(answers: str) -> bytes:
    return base64.b64decode(PACKED(answers))


def test_the_first_example_is_the_highest_bit() -> None:
    found = unpacked([b"\xa0\x40", b"\x00\x00"], 10)
    assert found.tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0, 1], [0] * 10]


@pytest.mark.parametrize("bits", [None, b"\xa0", b"\xa0\x40\x00"])
def test_answers_that_are_missing_or_of_other_data(bits: bytes | None) -> None:
    assert unpacked([b"\xa0\x40", bits], 10) is None
    assert unpacked([b"\xa0\x40"], None) is None
    assert of_difference(Summary(2, 0.0, 0.1), [b"\xa0\x40"] * 2, [b"\0\0", bits], 10) is None


def answering(made, answers: list[str]):
    by_seed = {seed: packed(one) for seed, one in enumerate(answers)}
    return replace(made, answers=by_seed, examples=10, step=0.1)


@pytest.fixture
def sides(sample):
    def make(label: str, density: float, answers: list[str]):
        values = {seed: one.count("1") / 10 for seed, one in enumerate(answers)}
        return answering(sample(label, density, values), answers)

    return make


def reach(table: list[list[float]], step: float) -> float:
    """√((t·s/√n)² + (z·extra)²) of [seeds][examples], with lists alone."""
    n, size = len(table), len(table[0])
    columns = list(zip(*table, strict=True))
    extra = variance(map(mean, columns)) / size - mean(map(variance, columns)) / (n * size)
    spread = max(stdev(map(mean, table)), step / 2)
    return math.hypot(4.302652730 * spread / n**0.5, 1.959963985 * max(0.0, extra) ** 0.5)


def minus(b: list[str], a: list[str]) -> list[list[float]]:
    return [
        [float(x) - float(y) for x, y in zip(*pair, strict=True)] for pair in zip(b, a, strict=True)
    ]


def test_lines_of_a_comparison(sides) -> None:
    a = [sides("old", 0.5, A), sides("old", 0.2, B)]
    b = [sides("new", 0.5, B), sides("new", 0.2, SPARSE)]
    (group,) = groups(a, b, by_name=False)
    first, second, overall = compare(group, Options(measure("test_accuracy")))
    for line, table, step in (
        (first, minus(B, A), 0.1),
        (second, minus(SPARSE, B), 0.1),
        (overall, (np.add(minus(B, A), minus(SPARSE, B)) / 2).tolist(), 0.05),
    ):
        assert line.wider.high - line.wider.mean == pytest.approx(reach(table, step))
        assert line.wider.mean == pytest.approx(line.interval.mean)


def test_a_comparison_says_where_there_are_no_answers(sample) -> None:
    a, b = ([sample(name, 0.5, {0: 0.9, 1: 0.8, 2: 0.8})] for name in ("old", "new"))
    options = Options(measure("test_accuracy"))
    found = [compare(group, options) for group in groups(a, b, by_name=False)]
    board = sheet("old", "new", comparisons=found, tasks={}, options=options)
    assert board.rows[0]["other_data_missing"] == "recorded by a version that kept no answers"
    assert [note for note in board.tables[0].notes if "no interval for other test data" in note]
    loss = sheet("old", "new", comparisons=found, tasks={}, options=Options(measure("test_loss")))
    assert loss.rows[0]["other_data_missing"] == "test_loss is not a fraction of test examples"
    assert not [note for note in loss.tables[0].notes if "other test data" in note]


@pytest.mark.parametrize(
    ("lacking", "shipped", "there", "absent"),
    [
        ("A", False, ["ticket of A gets", "--rerun` with the results of A records"], ["reference"]),
        ("B", False, ["ticket of B gets", "--rerun` with the results of B records"], ["reference"]),
        ("AB", False, ["ticket of A and B gets", "with the results of A and B"], []),
        ("A", True, ["ticket of A gets", "A, the reference results, stays"], ["--rerun"]),
        ("B", True, ["ticket of B gets", "results of B"], ["reference"]),
        ("AB", True, ["A, the reference results, stays", "with the results of B records"], []),
        ("", False, ["A and B were judged by other numbers of test examples"], ["--rerun"]),
    ],
)
def test_advice_is_about_the_side_that_lacks_answers(
    sides, *, lacking: str, shipped: bool, there: list[str], absent: list[str]
) -> None:
    a, b = (
        replace(sides(name, 0.5, text), **({"answers": {}} if side in lacking else {}))
        for side, name, text in (("A", "old", A), ("B", "new", B))
    )
    if not lacking:
        b = replace(b, answers={s: bytes(2) for s in b.answers}, examples=16)
    options = Options(measure("test_accuracy"))
    found = [compare(group, options) for group in groups([a], [b], by_name=False)]
    board = sheet("old", "new", comparisons=found, tasks={}, options=options, shipped=shipped)
    (note,) = [note for note in board.tables[0].notes if "no interval for other" in note]
    assert all(words in note for words in there), note
    assert not any(words in note for words in absent), note


def test_columns_of_a_comparison(sides) -> None:
    options = Options(measure("test_accuracy"))
    found = [
        compare(group, options)
        for group in groups([sides("old", 0.5, A)], [sides("new", 0.5, B)], by_name=False)
    ]
    board = sheet("old", "new", comparisons=found, tasks={}, options=options)
    (table,) = board.tables
    place = table.header.index("± other data")
    assert (table.interval, table.second) == (place - 1, place)
    assert table.lines()[0][place].text == f"{100 * reach(minus(B, A), 0.1):.2f}"
    assert [table.header[i] for i in sorted(table.optional)] == ["A", "B", "p", "detects"]
    assert "verdict" in [table.header[i] for i in table.left]


def test_samples_of_other_sizes_are_not_compared(sides) -> None:
    a, b = sides("old", 0.5, A), sides("new", 0.5, B)
    summary = Summary.of([0.1, 0.2, 0.3])
    assert of_pairs(summary, [b], [a], [0, 1, 2]) is not None
    assert of_pairs(summary, [b], [replace(a, examples=9)], [0, 1, 2]) is None
