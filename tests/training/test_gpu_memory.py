"""A device without memory, on a pretend GPU: in a capture, in an evaluation, while the cohort size
is measured. Fewer trainings are stacked, with the results of that size.
"""

from __future__ import annotations

import pytest
import torch
from pretend_gpu import OutOfMemory

from lth_bench.models.mlp import MLP
from lth_bench.training.engine import cohort_size as cohort_sizes
from lth_bench.training.engine.cohort_size import CohortSizes
from lth_bench.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("few_steps_a_graph")
RECIPE = Recipe(lr=0.05, steps=8, batch_size=20, val_size=60, eval_every=4)


@pytest.fixture
def trained(make_bench, request_of, queue, half_mask, tmp_path):
    """`trained(size, fault)`: outcomes or errors of four fits, and the sizes of their cohorts."""

    def run(size, fault=None, folder="kept", machine=None):
        bench = make_bench(MLP(hidden=(8,)), RECIPE, device="cuda", root=tmp_path / folder)
        bench.cohort_sizes = CohortSizes(None, given=size)
        masks = [half_mask(bench, i).to(bench.device) for i in range(4)]
        waiting = queue(bench, *[request_of(bench, seed=i, mask=m) for i, m in enumerate(masks)])
        if machine is not None:
            machine.fault = fault
        for _ in range(8):
            if left := [one for one in waiting if not one.done]:
                bench.serve(left)
        return waiting

    return run


def same(one, other):
    """Up to rounding: a processor's last bit depends on where in memory the numbers lie."""
    for a, b in zip(one.curve, other.curve, strict=True):
        assert a.metric == b.metric
        numbers = [{k: v for k, v in p.stored().items() if k != "metric"} for p in (a, b)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-5)
    for name, values in one.values.items():
        torch.testing.assert_close(values, other.values[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(OutOfMemory(capturing=True), id="in a capture", marks=pytest.mark.slow),
        pytest.param(
            OutOfMemory(inside="evaluated"), id="in the first evaluation", marks=pytest.mark.slow
        ),
    ],
)
def test_half_as_many_are_trained_together(fault, trained, pretend_gpu):
    expected = trained(2, folder="expected")
    found = trained(4, fault, machine=pretend_gpu)
    assert fault.times == 0  # it has struck
    for one, other in zip(found, expected, strict=True):
        assert one.error is None and one.outcome.cohort_size == 2
        same(one.outcome, other.outcome)
    assert not pretend_gpu.failed_captures


def test_alone_it_is_out_of_memory_and_the_next_one_is_not(trained, pretend_gpu):
    expected = trained(1, folder="expected")
    fault = OutOfMemory(inside="evaluated")
    found = trained(1, fault, machine=pretend_gpu)
    failed = [isinstance(one.error, torch.OutOfMemoryError) for one in found]
    assert failed.count(True) == 1
    for one, other in zip(found, expected, strict=True):
        if one.outcome is not None:  # in the mode that networks train in, too
            same(one.outcome, other.outcome)


def test_a_size_that_does_not_fit_is_not_chosen(make_bench, pretend_gpu, monkeypatch, tmp_path):
    monkeypatch.setattr(cohort_sizes, "ON_GPU", (2,))
    monkeypatch.setattr(cohort_sizes, "SECONDS", 0.0)
    tried = []
    usual = cohort_sizes.trial

    def trial(network, data, recipe, cohort_size, stacks=None):
        tried.append(cohort_size)
        if cohort_size == 2:
            pretend_gpu.run_out()
        return usual(network, data, recipe, cohort_size, stacks)

    monkeypatch.setattr(cohort_sizes, "trial", trial)
    bench = make_bench(MLP(hidden=(8,)), RECIPE, device="cuda")
    bench.cohort_sizes = CohortSizes(tmp_path / "widths.json")
    assert bench.cohort_size(RECIPE) == 1
    assert 2 in tried
