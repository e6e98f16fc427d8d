from __future__ import annotations

import pytest

from lth_bench.analysis.boards.notes import prunable_share


@pytest.mark.parametrize(
    ("prunable", "all_"), [(95, 100), (100, 100), (5, None), (None, 5), (0, 0)]
)
def test_nothing_is_said_of_nearly_all_and_of_what_is_not_known(prunable, all_):
    assert prunable_share(prunable, all_) == ""


def test_the_share():
    says = "1,234 of 12,340 parameters (10.0%) are prunable, and densities count these alone"
    assert prunable_share(1234, 12340) == says
    assert prunable_share(94, 100)
