"""Every kind of task on a pretend GPU, against the CPU: captured, and the same numbers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from any_tasks import RECIPE, TASKS
from torch import Tensor

from lth_bench.objectives import Metric, Objective
from lth_bench.objectives.cross_entropy import WeightedCrossEntropy
from lth_bench.training.engine import network as network_module
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.choose import for_any
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.engine.loss import is_plain
from lth_bench.training.pending_fit import PendingFit

SHORT = dataclasses.replace(RECIPE, steps=7, eval_every=3, lr=2**-7)
"""The rate is a float32 on a GPU, so one that is exact there."""
KINDS = {kind.variant: kind for kind in (Plain, Explicit, Vmapped, Branches)}
OFTEN = {
    ("labels", "branches"), ("values", "stacked"), ("weighted", "vmap"), ("next token", "plain"),
    ("next token", "vmap"), ("next token", "branches"), ("values", "plain"),
    ("weighted", "branches"), ("values", "branches"),
}  # fmt: skip
"""What every run tries; the whole product is slow."""


def cases() -> Any:
    for name in TASKS:
        for variant in KINDS:
            marks = [] if (name, variant) in OFTEN else pytest.mark.slow
            yield pytest.param(name, variant, id=f"{name}-{variant}", marks=marks)


def trained(bench: Any, kind: Any, request_of: Any, half_mask: Any) -> tuple[list[Any], Any]:
    layout = kind(bench.network, bench.data, bench.recipe, 1 if kind is Plain else 2)
    asked = [
        PendingFit(request_of(bench, seed=i, mask=half_mask(bench, i).to(bench.device)))
        for i in range(layout.cohort_size)
    ]
    Cohort(layout, [[one] for one in asked]).run()
    assert [one.error for one in asked] == [None] * len(asked)
    return [one.outcome for one in asked], layout


def equal(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        for key, value in other.values.items():
            there = one.values[key].cpu()
            assert torch.allclose(there, value, rtol=1e-9, atol=1e-12), key
        for point, same in zip(one.curve, other.curve, strict=True):
            for name in ("train_loss", "val_loss", "val_score"):
                assert getattr(point, name) == pytest.approx(getattr(same, name), rel=1e-9)


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize(("name", "variant"), list(cases()))
def test_a_gpu_has_the_cpus_numbers(
    name, variant, pretend_gpu, make_bench, half_mask, request_of
) -> None:
    model, arrays, objective = TASKS[name]
    kind = KINDS[variant]
    here = make_bench(model, SHORT, arrays, objective=objective)
    there = make_bench(model, SHORT, arrays, objective=objective, device="cuda")
    if kind is Explicit and here.network.stacks != "explicit":
        pytest.skip("this network is not stacked by layer")
    expected, _ = trained(here, kind, request_of, half_mask)
    found, layout = trained(there, kind, request_of, half_mask)
    equal(found, expected)
    assert layout.graphs.step is not None and not pretend_gpu.failed_captures
    assert all(p.device.type == "cuda" for p in layout.parameters.values())


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize("name", [n for n in ("labels", "next token") if n in TASKS])
def test_an_evaluation_reads_as_often_whatever_its_members_and_batches(
    name, pretend_gpu, make_bench, half_mask, request_of, monkeypatch
) -> None:
    model, arrays, objective = TASKS[name]
    bench = make_bench(model, SHORT, arrays, objective=objective, device="cuda")
    assert not is_plain(bench.network.objective)
    counted = []
    for kind, size, batch in (
        (Plain, 1, 1000), (Plain, 1, 3), (Vmapped, 2, 1000), (Vmapped, 4, 7), (Branches, 3, 7),
    ):  # fmt: skip
        monkeypatch.setattr(network_module, "EVAL_BATCH", batch)
        layout = kind(bench.network, bench.data, SHORT, size)
        masks = [half_mask(bench, i).to(bench.device) for i in range(size)]
        values = [bench.initial(i).values for i in range(size)]
        layout.begin(range(size), [0] * size, values, masks, penalties={})
        layout.evaluate(range(size))
        pretend_gpu.reset()
        found = layout.evaluate(range(size))
        assert len(found) == size
        counted.append(sum(pretend_gpu.waits.values()))
    assert counted == [3] * 5


@dataclass(frozen=True)
class Reads(Objective):
    """One of the user's own, which asks the device at every step."""

    targets = ("values",)
    metrics = (Metric("misses", "", higher_is_better=False),)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        misses = (outputs - targets / 100).abs().mean(1)
        return misses / max(1.0, float(misses.detach().max().item()))

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        return {"misses": float((evidence - targets / 100).abs().mean())}


def test_an_objective_that_reads_the_host_trains_alone_and_uncaptured(
    pretend_gpu, make_bench, half_mask, request_of
) -> None:
    model, arrays, _ = TASKS["values"]
    here = make_bench(model, SHORT, arrays, objective=Reads())
    there = make_bench(model, SHORT, arrays, objective=Reads(), device="cuda")
    assert here.network.stacks is None and there.network.stacks is None
    expected, _ = trained(here, Plain, request_of, half_mask)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found, layout = trained(there, Plain, request_of, half_mask)
    equal(found, expected)
    assert layout.graphs.step is None and not pretend_gpu.failed_captures
    assert any("cannot be captured" in str(w.message) for w in said)


def test_a_captured_constant_lives_as_long_as_its_objective() -> None:
    """A graph reads the memory that it was captured with."""
    like = torch.zeros(2)
    mine = WeightedCrossEntropy((1.0, 2.0))
    held = mine.constant(mine.weights, like)
    for i in range(200):
        other = WeightedCrossEntropy((1.0, float(i)))
        assert other.constant(other.weights, like).tolist() == [1.0, float(i)]
    assert mine.constant(mine.weights, like) is held
    assert mine.constant(mine.weights, like.double()).dtype == torch.float64


def test_what_cannot_be_stacked_is_not_asked_to(make_bench) -> None:
    model, arrays, objective = TASKS["values"]
    stacked = make_bench(model, SHORT, arrays, objective=objective).network
    assert for_any(stacked, SHORT, 2) in (Explicit, Vmapped)
