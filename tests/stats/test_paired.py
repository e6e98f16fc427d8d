from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import bootstrap_interval, differences, paired_interval


def test_differences_are_of_the_common_seeds() -> None:
    assert differences({0: 0.5, 1: 0.25, 7: 1.0}, {1: 0.125, 0: 0.25, 9: 0.0}) == {
        0: 0.25, 1: 0.125
    }  # fmt: skip


@given(st.dictionaries(st.integers(), st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_a_constant_gap_has_no_spread(values: dict[int, float], gap: float) -> None:
    found = paired_interval(values, {k: v - gap for k, v in values.items()})
    assert found.mean == pytest.approx(gap, abs=1e-12)
    if found.n > 1:
        assert found.half_width == pytest.approx(0, abs=1e-10)


@given(st.dictionaries(st.integers(0, 50), st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2))
def test_swapping_the_sides_turns_the_sign(pairs: dict[int, tuple[float, float]]) -> None:
    a = {k: x for k, (x, _) in pairs.items()}
    b = {k: y for k, (_, y) in pairs.items()}
    one, other = paired_interval(a, b), paired_interval(b, a)
    assert one.mean == -other.mean
    assert one.low is not None
    assert other.high is not None
    assert one.low == pytest.approx(-other.high, abs=1e-15)


def test_the_bootstrap_is_of_the_differences() -> None:
    a, b = {0: 0.875, 1: 0.75, 2: 0.5, 3: 0.25}, {2: 0.5, 1: 0.625, 0: 0.25}
    assert paired_interval(a, b, 0.9, "bootstrap") == bootstrap_interval([0.625, 0.125, 0.0], 0.9)


def test_no_common_seed_is_said() -> None:
    with pytest.raises(ValueError, match=r"no common seed: one side has \[0\], the other \[1\]"):
        paired_interval({0: 0.5}, {1: 0.5})


def test_an_unknown_method_is_said() -> None:
    with pytest.raises(ValueError, match="'t' or 'bootstrap', but got 'bca'"):
        paired_interval({0: 0.5}, {0: 0.5}, method="bca")  # type: ignore[arg-type]
