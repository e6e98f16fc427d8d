"""A full device halves its cohorts: the self-test of it, on a pretend GPU."""

from __future__ import annotations

from typing import Any

import pytest

from lth_bench.maintenance.selftest.full_device import SIZE, halving


@pytest.mark.slow
def test_a_cohort_that_does_not_fit_is_halved_with_the_same_result(pretend_gpu: Any) -> None:
    pretend_gpu.keeps_captures = False
    found = halving("cuda:0", hidden=200)
    assert found["size"] == SIZE
    assert found["halved"] in (SIZE // 2, SIZE // 4)
    assert found["apart"] < 1e-5
    assert found["still_held"] == 0
    assert pretend_gpu.fraction == [1.0]
