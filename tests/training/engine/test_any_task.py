"""Every kind of input, target and objective: stacked equals alone, and both equal plain torch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from any_tasks import NETWORKS, OPTIMIZERS, RECIPE, TASKS

from lth_bench.data.info import InputShape
from lth_bench.models.mlp import MLP
from lth_bench.models.transformer import Transformer
from lth_bench.objectives import CrossEntropy
from lth_bench.objectives.cross_entropy import FocalLoss
from lth_bench.training.engine import network as network_module
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.stacked import Vmapped
from lth_bench.training.engine.network import Network
from lth_bench.training.pending_fit import PendingFit

EXACT = 1e-12
ALONE = ("lstm", "lstm, next token")
"""`torch.func` has no stacked form of torch's LSTM."""


@pytest.fixture(params=TASKS | NETWORKS)
def bench(request: pytest.FixtureRequest, make_bench: Any) -> Any:
    model, arrays, objective = (TASKS | NETWORKS)[request.param]
    return make_bench(model, RECIPE, arrays, objective=objective)


def trained(bench: Any, requests: list[Any], size: int, kind: Any = make_layout) -> list[Any]:
    asked = [PendingFit(request) for request in requests]
    layout = kind(bench.network, bench.data, bench.recipe, size)
    Cohort(layout, [[one] for one in asked]).run()
    assert [one.error for one in asked] == [None] * len(asked)
    return [one.outcome for one in asked]


def kinds_and_optimizers() -> Any:
    """Every kind with Adam, and some with the others; the whole product is slow."""
    for name in TASKS | NETWORKS:
        for optimizer in OPTIMIZERS:
            often = optimizer == "adam" or name in ("values", "next token", "vit", "lstm")
            marks = [] if often else pytest.mark.slow
            yield pytest.param(name, optimizer, id=f"{name}-{optimizer}", marks=marks)


@pytest.mark.parametrize(("name", "optimizer"), list(kinds_and_optimizers()))
def test_stacked_equals_alone(
    name: str, optimizer: str, make_bench: Any, request_of: Any, half_mask: Any
) -> None:
    model, arrays, objective = (TASKS | NETWORKS)[name]
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, **OPTIMIZERS[optimizer])
    bench = make_bench(model, recipe, arrays, objective=objective)
    # what is not stacked is computed member by member; otherwise nothing would be compared
    assert (bench.network.stacks is None) == (name in ALONE)
    kind = Branches if name in ALONE else make_layout
    requests = [request_of(bench, seed=seed, mask=half_mask(bench, seed)) for seed in (1, 2)]
    alone = [trained(bench, [request], 1)[0] for request in requests]
    for one, other in zip(alone, trained(bench, requests, 2, kind), strict=True):
        assert one.variant != other.variant
        for key, value in one.values.items():
            assert torch.allclose(value, other.values[key], rtol=EXACT, atol=EXACT), key
        for point, same in zip(one.curve, other.curve, strict=True):
            assert point.step == same.step and point.metric == same.metric
            for name in ("train_loss", "val_loss", "val_score"):
                assert getattr(point, name) == pytest.approx(
                    getattr(same, name), rel=1e-9, abs=EXACT
                )


def test_equals_plain_torch(bench: Any, request_of: Any, half_mask: Any) -> None:
    request = request_of(bench, mask=half_mask(bench))
    (outcome,) = trained(bench, [request], 1)
    module = bench.network.twin(request.values)
    kept = request.mask.items_by_key()
    parameters = dict(module.named_parameters())

    def prune() -> None:
        with torch.no_grad():
            for key, mask in kept.items():
                parameters[key].mul_(mask)

    prune()
    optimizer = torch.optim.Adam(module.parameters(), lr=RECIPE.lr)
    for step in range(RECIPE.steps or 0):
        x, y = bench.data.batch(step, request.seed, RECIPE)
        x = x.double() if x.is_floating_point() else x
        optimizer.zero_grad()
        bench.objective.losses(module(x), y).mean().backward()
        optimizer.step()
        prune()
    for key, value in outcome.values.items():
        assert torch.allclose(value, module.state_dict()[key], rtol=1e-9, atol=EXACT), key
    # the last evaluation is of the whole validation split at once
    val = bench.data.val
    x = bench.data.normalise(val.x)
    with torch.no_grad():
        outputs = module.eval()(x.double() if x.is_floating_point() else x)
    evidence = bench.objective.evidence(outputs, val.y)
    last = outcome.curve[-1]
    assert last.metric == bench.objective.primary.name
    assert last.val_score == pytest.approx(
        bench.objective.measure(evidence, val.y)[last.metric], rel=1e-9
    )
    assert last.val_loss == pytest.approx(
        float(bench.objective.losses(outputs, val.y).mean()), rel=1e-9
    )


@pytest.mark.parametrize(
    ("model", "shape", "classes", "largest"),
    [
        # its matrix of 12.6 million numbers is there once, however many examples
        (MLP(hidden=(4096,)), InputShape((3, 32, 32)), 10, 4096),
        (
            Transformer(depth=1, width=8, heads=2, mlp=8),
            InputShape((128,), "tokens", 50_000, "tokens"), 50_000, 128 * 50_000,
        ),
    ],
    ids=["images", "a large vocabulary"],
)  # fmt: skip
def test_evaluation_batches_are_as_large_as_memory_allows(
    model: Any, shape: InputShape, classes: int, largest: int
) -> None:
    network = Network(
        module=model.build(shape, classes), input_shape=shape, classes=classes,
        device=torch.device("cpu"), dtype="float32", targets=shape.targets,
    )  # fmt: skip
    assert network.evaluation_batch() == min(1000, 2**28 // largest)
    assert network.evaluation_batch(8) == min(1000, 2**28 // (8 * largest))


@pytest.mark.parametrize("kind", [Plain, Vmapped, Branches])
def test_small_evaluation_batches_measure_the_same(
    make_bench: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, arrays, objective = TASKS["next token"]
    bench = make_bench(model, RECIPE, arrays, objective=objective)
    size = 1 if kind is Plain else 2
    layout = kind(bench.network, bench.data, RECIPE, size)
    values = [bench.initial(i).values for i in range(size)]
    masks = [bench.dense_mask()] * size
    layout.begin(range(size), [0] * size, values, masks, penalties={})
    expected = layout.evaluate(range(size))
    monkeypatch.setattr(network_module, "LARGEST", 3 * size * bench.network.largest_output)
    lengths = [len(outputs) for _, outputs, _ in layout.outputs()]
    # branches compute one member after the other
    assert max(lengths) == (6 if kind is Branches else 3)
    assert sum(lengths) == size * len(bench.data.val)
    for slot, found in layout.evaluate(range(size)).items():
        assert found == pytest.approx(expected[slot], rel=1e-12)


def test_features_are_standardised_by_the_training_split(make_bench: Any) -> None:
    model, arrays, _ = TASKS["features, classes"]
    data = make_bench(model, RECIPE, arrays).data
    x = data.normalise(data.train.x).double()
    assert torch.allclose(x.mean(0), torch.zeros(4, dtype=x.dtype), atol=1e-6)
    assert torch.allclose(x.std(0, correction=0), torch.ones(4, dtype=x.dtype), atol=1e-6)
    raw = make_bench(model, RECIPE, dataclasses.replace(arrays, standardise=False)).data
    assert torch.equal(raw.normalise(raw.train.x), raw.train.x.float())


def test_plain_cross_entropy_keeps_its_keys(make_bench: Any, request_of: Any) -> None:
    model, arrays, _ = TASKS["features, classes"]
    keys = set()
    for objective in (None, CrossEntropy(), FocalLoss(), FocalLoss(1.0)):
        bench = make_bench(model, RECIPE, arrays, objective=objective)
        keys.add(bench.key(request_of(bench), None))
    assert len(keys) == 3
