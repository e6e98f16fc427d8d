"""Every kind of input, target and objective: stacked equals alone, and both equal plain torch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.models.mlp import MLP
from lth_bench.models.transformer import Transformer
from lth_bench.objectives import CrossEntropy
from lth_bench.objectives.binary import BinaryCrossEntropy
from lth_bench.objectives.cross_entropy import FocalLoss, WeightedCrossEntropy
from lth_bench.objectives.next_token import NextToken
from lth_bench.objectives.squared_error import SquaredError
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.recipe import Recipe

N, TEST = 90, 30
RECIPE = Recipe(
    optimizer="adam", lr=0.01, steps=20, batch_size=15, val_size=20, eval_every=5, dtype="float64"
)
EXACT = 1e-12
MLP_NET, NET = MLP(hidden=(8,)), Transformer(depth=1, width=8, heads=2, mlp=12)


def features(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(1)
    return 5 + 3 * torch.randn(N + TEST, *shape, generator=draws, dtype=torch.float64)


def tokens(vocabulary: int, places: int) -> Tensor:
    return torch.randint(0, vocabulary, (N + TEST, places), generator=torch.Generator())


def halves(x: Tensor, y: Tensor, classes: int, **kinds: Any) -> Arrays:
    return Arrays(x[:N], y[:N], x[N:], y[N:], classes=classes, **kinds)


X, T = features(4), tokens(6, 5)
CLASS = (X[:, 0] > 5).long() + (X[:, 1] > 7).long()
OF_FEATURES = {"inputs": "features"}
OF_TOKENS = {"inputs": "tokens", "vocabulary": 6}
TASKS: dict[str, tuple[Any, Arrays, Any]] = {
    "features, classes": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), CrossEntropy()),
    "features of two dimensions": (
        MLP_NET, halves(features(2, 3), CLASS, 3, **OF_FEATURES), CrossEntropy(),
    ),
    "weighted": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), WeightedCrossEntropy()),
    "focal": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), FocalLoss()),
    "labels": (
        MLP_NET,
        halves(X, (X[:, :2] > 5).to(torch.uint8), 2, **OF_FEATURES, targets="labels"),
        BinaryCrossEntropy(),
    ),
    "values": (
        MLP_NET, halves(X, 100 * X[:, :1] + 7, 1, **OF_FEATURES, targets="values"), SquaredError(),
    ),
    "tokens, classes": (NET, halves(T, T.sum(1) % 3, 3, **OF_TOKENS), CrossEntropy()),
    "encoder": (
        dataclasses.replace(NET, causal=False), halves(T, T[:, 0], 6, **OF_TOKENS), FocalLoss(),
    ),
    "next token": (
        NET, halves(T, T.roll(-1, 1), 6, **OF_TOKENS, targets="tokens"), NextToken(),
    ),
}  # fmt: skip


@pytest.fixture(params=TASKS)
def bench(request: pytest.FixtureRequest, make_bench: Any) -> Any:
    model, arrays, objective = TASKS[request.param]
    return make_bench(model, RECIPE, arrays, objective=objective)


def trained(bench: Any, requests: list[Any], size: int) -> list[Any]:
    asked = [PendingFit(request) for request in requests]
    layout = make_layout(bench.network, bench.data, RECIPE, size)
    Cohort(layout, [[one] for one in asked]).run()
    assert [one.error for one in asked] == [None] * len(asked)
    return [one.outcome for one in asked]


def test_stacked_equals_alone(bench: Any, request_of: Any, half_mask: Any) -> None:
    assert bench.network.stacks is not None  # otherwise nothing is compared
    requests = [request_of(bench, seed=seed, mask=half_mask(bench, seed)) for seed in (1, 2)]
    alone = [trained(bench, [request], 1)[0] for request in requests]
    for one, other in zip(alone, trained(bench, requests, 2), strict=True):
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
