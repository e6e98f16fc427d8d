"""AC/DC's phases as its authors' configurations have them, and what a phase begins with."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.acdc import ACDC


def test_imagenet_in_100_epochs():
    phases = ACDC().phases(100)
    assert [s for s, sparse in phases.items() if sparse] == [10, 20, 30, 40, 50, 60, 70, 85]
    assert [s for s, sparse in phases.items() if not sparse] == [15, 25, 35, 45, 55, 65, 75]


def test_cifar_in_200_epochs():
    phases = ACDC(warmup=0.05, phase=0.1).phases(200)
    assert [s for s, sparse in phases.items() if sparse] == [10, 50, 90, 130, 170]
    assert [s for s, sparse in phases.items() if not sparse] == [30, 70, 110, 150]


@given(st.integers(2, 3000), st.floats(0, 0.7), st.floats(0.01, 0.5))
def test_the_last_phase_is_sparse(steps, warmup, phase):
    phases = ACDC(warmup=warmup, phase=phase).phases(steps)
    order = list(phases)
    assert order == sorted(order) and order[0] >= 0 and order[-1] < steps
    assert phases[order[-1]] is True
    assert order[-1] <= 0.85 * steps + 1e-3


def test_a_phase_s_beginning(make_bench, make_ticket):
    """Sparse: the largest magnitudes of the whole network. Dense: every weight, the pruned ones at
    zero, and no momentum anywhere.
    """
    recipe = Recipe(lr=0.2, momentum=0.9, steps=20, batch_size=20, val_size=60, eval_every=10)
    ticket = make_ticket(make_bench(MLP(hidden=(8,)), recipe), target=0.25)
    strategy = ACDC(warmup=0.1, phase=0.1, last_dense=0.2, last_sparse=0.2)
    # sparse from 2, dense from 4, …, sparse from 10, dense from 12, sparse from 16
    phases = strategy.phases(20)
    assert phases == {2: True, 4: False, 6: True, 8: False, 10: True, 12: False, 16: True}
    seen = []

    def watch(view):
        seen.append((view.step, view.mask.count, view))
        if view.step in (4, 5, 12, 13):
            state = torch.cat(
                [s["momentum_buffer"].flatten() for s in view.optimizer_state.values()]
            )
            first = view.step in (5, 13)
            # after the dense phase has begun: its first step's momentum, which is that gradient
            revived = view.values["fc1.weight"][~masks[-1].kept["fc1"]]
            assert bool((revived == 0).all())
            assert bool((state == 0).all()) == first
        masks.append(view.mask)
        return strategy.begin(ticket, phases, view)

    masks = []
    trained = strategy.fit(ticket, watch, 1, "never")
    counts = {step: count for step, count, _ in seen}
    # a mask is in force from the step after the one at which it is made
    assert [counts[s] for s in (2, 3, 4, 5, 6, 7, 12, 13, 16, 17)] == [
        312, 78, 78, 312, 312, 78, 78, 312, 312, 78,
    ]  # fmt: skip
    assert trained.mask.count == 78
    assert strategy.train(ticket).mask == trained.mask


def test_bad_settings():
    with pytest.raises(ValueError, match=r"fractions of one training, but sum to 1\.25"):
        ACDC(warmup=1 / 2, last_dense=1 / 2, last_sparse=1 / 4)
    with pytest.raises(ValueError, match="a training of 1 steps has none for a dense and a sparse"):
        ACDC().phases(1)
