"""Which step late rewinding returns to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.training.state import State
from lth_strategies.late_rewind import LateRewind


@pytest.mark.parametrize(
    ("strategy", "total", "k"),
    [
        (LateRewind(), 63_000, 630),
        (LateRewind(rewind_step=500), 63_000, 500),
        (LateRewind(rewind_step=500, rewind_fraction=0.5), 63_000, 500),
        (LateRewind(rewind_step=99), 100, 99),
        (LateRewind(rewind_fraction=0.0), 100, 0),
        (LateRewind(rewind_step=0), 100, 0),
        (LateRewind(rewind_fraction=0.034), 100, 3),
    ],
)
def test_k(strategy, total, k):
    assert strategy.start_step(total) == k
    assert list(strategy.dense_checkpoints(total)) == [k]


def test_the_rewind_point_is_the_dense_run_s_state_there():
    asked = []

    def at(step):
        asked.append(step)
        return State({"w": step}, step, ())

    ticket = SimpleNamespace(total_steps=1000, dense=SimpleNamespace(at=at))
    point = LateRewind(rewind_fraction=0.25).rewind_point(ticket)
    assert asked == [250]
    assert (point.values, point.step) == ({"w": 250}, 250)


def test_it_is_imp_otherwise():
    assert LateRewind.iterative
