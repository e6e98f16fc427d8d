"""Features are standardised by the training split, constant ones without blowing up."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.training.input.prepare import PrepareFeatures

CPU = torch.device("cpu")


@given(st.floats(-1e6, 1e6), st.integers(1, 50), st.sampled_from([torch.float32, torch.float64]))
def test_a_constant_feature_stays_itself_less_its_value(
    value: float, n: int, dtype: torch.dtype
) -> None:
    """Its deviation in floating point may be a rounding error, by which nothing is divided."""
    train = torch.full((n, 1), value, dtype=dtype)
    prepare = PrepareFeatures(train, CPU)
    scale = max(1.0, abs(value))
    assert prepare(train).abs().max() <= 1e-6 * scale
    assert (prepare(train + 1) - 1).abs().max() <= 1e-6 * scale


@given(st.integers(2, 50), st.integers(0, 2**31))
def test_others_have_mean_0_and_deviation_1(n: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    train = 2000 + 3 * torch.randn(n, 2, 3, generator=draws, dtype=torch.float64)
    found = PrepareFeatures(train, CPU)(train).double()
    assert torch.allclose(found.mean(0), torch.zeros(2, 3).double(), atol=1e-5)
    assert torch.allclose(found.std(0, correction=0), torch.ones(2, 3).double(), atol=1e-5)
