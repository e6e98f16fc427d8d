from __future__ import annotations

from lth_bench.analysis.evidence import LayerWeights
from lth_bench.output.pictures.layers import axis_reach, suffixes


def histogram(start: list[int], end: list[int]) -> LayerWeights:
    return LayerWeights(
        "any",
        "imp",
        "none",
        "",
        target_density=0.5,
        layer="fc",
        reach=4.0,
        start=tuple(start),
        end=tuple(end),
        n=1,
    )


def test_the_axis_excludes_outliers() -> None:
    narrow = [0, 0, 0, 500, 500, 0, 0, 0]
    assert axis_reach(histogram(narrow, narrow)) == 1.0
    assert axis_reach(histogram([0, 0, 9, 9, 9, 9, 0, 0], narrow)) == 2.0
    assert axis_reach(histogram(narrow, [1, 0, 0, 999, 0, 0, 0, 0])) == 1.0
    assert axis_reach(histogram(narrow, [9, 0, 0, 991, 0, 0, 0, 0])) == 4.0


def test_file_names_distinguish_densities() -> None:
    assert suffixes([0.5, 0.0467]) == ["-50", "-4_67"]
    assert suffixes([0.50001, 0.5]) == ["-50_001", "-50"]
