"""What needs no process of its own of `lth-bench tune`."""

from __future__ import annotations

import pytest

from lth_bench.cli.tune import _budget
from lth_bench.errors import UserError


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("trials=20", "tune.budget={ trials = 20 }"),
        (" minutes = 1.5 ", "tune.budget={ minutes = 1.5 }"),
        ("steps=1e5", "tune.budget={ steps = 1e5 }"),
    ],
)
def test_a_budget_is_a_change_of_the_suite(text, change):
    assert _budget(text) == [change]
    assert _budget(None) == []


@pytest.mark.parametrize("text", ["20", "trials", "trials=", "hours=3", "trials=many", "steps=nan"])
def test_another_budget_is_refused(text):
    with pytest.raises(UserError, match="--budget takes trials=N, steps=N or minutes=X"):
        _budget(text)
