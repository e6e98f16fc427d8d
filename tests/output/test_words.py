from __future__ import annotations

import pytest

from lth_bench.output.words import counted, listed, remaining, spans


@pytest.mark.parametrize(
    ("density", "text"),
    [(1.0, "100"), (0.6, "60"), (0.2097, "21"), (0.216, "21.6"), (0.0467, "4.67"), (0.999, "99.9"),
     (0.0001, "0.01")],
)  # fmt: skip
def test_densities_have_as_few_digits_as_possible(density: float, text: str) -> None:
    assert remaining(density) == text


def test_counts_and_lists() -> None:
    assert [counted(n, "seed") for n in (0, 1, 2_000)] == ["0 seeds", "1 seed", "2,000 seeds"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcd"), 3) == "a, b and 2 more"


def test_consecutive_seeds_are_a_range() -> None:
    assert spans([4, 0, 1, 2, 3, 7]) == "0 to 4, 7"
    assert spans([0, 1]) == "0, 1"
    assert spans([]) == ""
