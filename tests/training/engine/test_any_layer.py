"""Every kind of prunable layer: stacked equals alone, the general path where it does not stack."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from any_tasks import OPTIMIZERS, RECIPE, TASKS
from torch import Tensor, nn

from lth_bench.objectives import CrossEntropy
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.pending_fit import PendingFit

EXACT = 1e-12
WIDTH = 4
BIASED = "attention with biases"


class Attention(nn.Module):
    """torch's attention; keys and values of another size, so that the matrices are separate. What
    makes them has no bias, which would be one of the keys: see `same`.
    """

    def __init__(self, apart: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.deep = nn.Linear(WIDTH, 6, bias=False) if apart else nn.Identity()
        size = 6 if apart else None
        self.attention = nn.MultiheadAttention(
            WIDTH, 2, bias=bias, kdim=size, vdim=size, batch_first=True
        )

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.attention(h, self.deep(h), self.deep(h), need_weights=False)[0]
        return out


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.layer(h)[0]
        return out


class Along(nn.Module):
    """Convolutions along the places."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.layers(h.transpose(1, 2)).transpose(1, 2)
        return out


class Reader(nn.Module):
    """Tokens, a layer of some kind over the places, their mean, the classes."""

    def __init__(self, middle: nn.Module, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, WIDTH)
        self.middle = middle
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.middle(self.table(x)).mean(1))
        return out


class Tied(nn.Module):
    """The head scores every token by its place in the table."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, WIDTH)
        self.middle = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.middle(self.table(x)).relu())
        return out


MIDDLES: dict[str, Any] = {
    "attention": Attention,
    "attention apart": lambda: Attention(apart=True),
    BIASED: lambda: Attention(bias=True),
    "conv1d": lambda: Along(nn.Conv1d(WIDTH, 6, 2), nn.ReLU(), nn.Conv1d(6, WIDTH, 1)),
    "transposed": lambda: Along(nn.ConvTranspose1d(WIDTH, WIDTH, 2, stride=2, groups=2)),
    "lstm": lambda: Recurrent(nn.LSTM(WIDTH, 2, bidirectional=True, batch_first=True)),
    "gru": lambda: Recurrent(nn.GRU(WIDTH, WIDTH, batch_first=True)),
    "rnn": lambda: Recurrent(nn.RNN(WIDTH, WIDTH, batch_first=True)),
}
ALONE = {"lstm", "gru", "rnn"}
"""Kinds that torch.func cannot stack."""


class Model:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.prunable = ("table.weight",)

    def build(self, input_shape: Any, classes: int) -> nn.Module:
        if self.kind == "tied":
            return Tied(classes)
        return Reader(MIDDLES[self.kind](), input_shape.vocabulary, classes)


@pytest.fixture(params=[*MIDDLES, "tied"])
def bench(request: pytest.FixtureRequest, make_bench: Any) -> Any:
    tied = request.param == "tied"
    _, arrays, objective = TASKS["next token" if tied else "tokens, classes"]
    return make_bench(Model(request.param), RECIPE, arrays, objective=objective)


def trained(bench: Any, requests: list[Any], size: int, kind: Any = make_layout) -> list[Any]:
    asked = [PendingFit(request) for request in requests]
    layout = kind(bench.network, bench.data, bench.recipe, size)
    Cohort(layout, [[one] for one in asked]).run()
    assert [one.error for one in asked] == [None] * len(asked)
    return [one.outcome for one in asked]


def test_stacked_equals_alone_and_masks_hold(bench: Any, request_of: Any, half_mask: Any) -> None:
    requests = [request_of(bench, seed=seed, mask=half_mask(bench, seed)) for seed in (1, 2)]
    alone = [trained(bench, [request], 1)[0] for request in requests]
    for request, one in zip(requests, alone, strict=True):
        for key, kept in request.mask.items_by_key().items():
            assert not one.values[key].masked_fill(kept, 0).any(), key
            assert one.values[key][kept].all(), key
    if bench.model.kind in ALONE:
        assert bench.network.stacks is None
        return
    assert bench.network.stacks is not None
    for one, other in zip(alone, trained(bench, requests, 2), strict=True):
        assert one.variant != other.variant
        same(bench, one.values, other.values)


def same(bench: Any, alone: dict[str, Tensor], stacked: dict[str, Tensor]) -> None:
    """All values to 1e-12, and the outputs of the validation split.

    The softmax does not see a number that is added to all of a query's scores, as the keys' bias
    does: its gradient is 0, and what is computed of it is roundoff. Adam divides that by its own
    size, and takes steps of the learning rate in directions that no two ways of summing agree on.
    So under Adam the keys' bias is left out of the values, and the outputs show that nothing
    follows from it.
    """
    normalised = bench.model.kind == BIASED and bench.recipe.optimizer != "sgd"
    assert alone.keys() == stacked.keys()
    for key, value in alone.items():
        other = stacked[key]
        if normalised and key.endswith("in_proj_bias"):
            value, other = (t.unflatten(0, (3, WIDTH))[[0, 2]] for t in (value, other))
        assert torch.allclose(value, other, rtol=EXACT, atol=EXACT), key
    with torch.no_grad():
        outputs = [bench.network.twin(v).eval()(bench.data.val.x) for v in (alone, stacked)]
    assert torch.allclose(*outputs, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "kind", [BIASED, *(pytest.param(k, marks=pytest.mark.slow) for k in MIDDLES if k != BIASED)]
)
def test_stacked_equals_alone_under_every_optimizer(
    kind: str, optimizer: str, make_bench: Any, request_of: Any, half_mask: Any
) -> None:
    _, arrays, objective = TASKS["tokens, classes"]
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, **OPTIMIZERS[optimizer])
    bench = make_bench(Model(kind), recipe, arrays, objective=objective)
    assert (bench.network.stacks is None) == (kind in ALONE)
    requests = [request_of(bench, seed=seed, mask=half_mask(bench, seed)) for seed in (1, 2)]
    alone = [trained(bench, [request], 1)[0] for request in requests]
    layout = Branches if kind in ALONE else make_layout
    for one, other in zip(alone, trained(bench, requests, 2, layout), strict=True):
        same(bench, one.values, other.values)


def test_a_tied_table_stays_one_tensor(make_bench: Any, request_of: Any, half_mask: Any) -> None:
    _, arrays, objective = TASKS["next token"]
    bench = make_bench(Model("tied"), RECIPE, arrays, objective=objective or CrossEntropy())
    request = request_of(bench, mask=half_mask(bench))
    (outcome,) = trained(bench, [request], 1)
    table, head = outcome.values["table.weight"], outcome.values["head.weight"]
    assert torch.equal(table, head)
    assert not table.masked_fill(request.mask.kept["table"], 0).any()
