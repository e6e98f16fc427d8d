"""What a CUDA graph asks of a step, tried on the CPU: tensors stay where they are, and nothing is
read back, drawn at random or copied from the host.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lth_bench.masks import Mask
from lth_bench.training.engine.layouts import base, captured, make_layout
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.captured import SEVERAL
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.graphs import WARM_UP
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

RECIPE = Recipe(
    lr=0.05,
    steps=24,
    batch_size=20,
    val_size=60,
    eval_every=10,
    momentum=0.9,
    nesterov=True,
    weight_decay=0.01,
    label_smoothing=0.1,
    crop=1,
    flip=True,
)
FORBIDDEN = (
    "_local_scalar_dense",
    "item",
    "nonzero",
    "masked_select",
    "rand",
    "normal_",
    "uniform_",
    "bernoulli",
    "dropout",
    "lift",
    "unique",
)


@dataclass(frozen=True)
class Small:
    """Tensors of whole vectors, so that the optimizer is fused here as it is on a GPU."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(72, 16),
            nn.ReLU(),
            nn.Linear(16, classes, bias=False),
        )


@dataclass(frozen=True)
class Linear:
    """The same for a network without convolutions."""

    def build(self, input_shape, classes):
        layers = nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, classes, bias=False)
        return nn.Sequential(nn.Flatten(), *layers)


class Log(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func).removeprefix("aten."))
        return func(*args, **(kwargs or {}))


class Twin:
    """Stands for a captured graph: runs the function as often, and looks at its operations."""

    made: list[Twin] = []

    pool = None

    def __init__(self, function, device, pool=None):
        for _ in range(WARM_UP):
            function()
        with Log() as log:
            function()
        self.function, self.names, self.calls = function, log.names, 0
        Twin.made.append(self)

    def __call__(self):
        with Log() as log:
            self.function()
        self.calls += 1
        assert log.names == self.names


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Steps are captured, as far as a CPU can."""
    monkeypatch.setattr(base, "captures", lambda device: True)
    monkeypatch.setattr("lth_bench.training.input.batches.captures", lambda device: True)
    monkeypatch.setattr(captured, "Replayed", Twin)
    monkeypatch.setattr(Twin, "made", [])


def places(layout):
    """Where everything lies that a captured step has seen."""
    tensors = {**layout.tensors(), "losses": layout.losses}
    tensors |= {f"mask {k}": t for k, t in layout._factors.items()}
    for key, parameter in layout.parameters.items():
        for name, value in layout.optimizer.state[parameter].items():
            tensors[f"{key} {name}"] = value
    tensors |= {"place": layout.batch_source._place, "table": layout.batch_source._table}
    return {k: (t.data_ptr(), t.shape, t.stride()) for k, t in tensors.items()}


@pytest.fixture
def members(half_mask, request_of):
    """Three cohorts: seeds, masks, starts, an empty slot; rewiring in the second, and nothing
    between the steps of the third.
    """

    def make(bench):
        def on_step(view):
            if view.step != 6:
                return None
            mask = half_mask(bench, 9)
            grown = {n: m & ~view.mask.kept[n] for n, m in mask.kept.items()}
            return Change(mask, reset_momentum=grown, replace_update=True)

        first = [
            request_of(bench, seed=0, mask=half_mask(bench)),
            request_of(bench, seed=1, start=7),
            request_of(bench, seed=2, end=9),
        ]
        # a mask of the second cohort holds a bias too
        held = {
            "1.bias": torch.tensor([False, True])[torch.arange(len(first[0].values["1.bias"])) % 2]
        }
        mask = Mask(half_mask(bench, 4).kept, held, bench.layers)
        second = [
            request_of(bench, seed=3, mask=mask),
            request_of(bench, seed=4, on_step=on_step, mask=half_mask(bench, 5)),
        ]
        third = [request_of(bench, seed=5, mask=half_mask(bench, 6)), request_of(bench, seed=6)]
        return first, second, third

    return make


@pytest.mark.parametrize(
    ("net", "kind", "optimizer"),
    [(Small(), Explicit, "sgd"), (Linear(), Vmapped, "adam"), (Small(), Branches, "sgd")],
    ids=["conv-stacked", "mlp-vmap", "conv-branches"],
)
def test_a_step_could_be_captured(
    net, kind, optimizer, on_a_gpu, make_bench, members, stack, hand, monkeypatch
):
    fields = {} if optimizer == "sgd" else dict(momentum=0.0, nesterov=False, lr=0.01)
    bench = make_bench(net, dataclasses.replace(RECIPE, optimizer=optimizer, **fields))
    layout = kind(bench.network, bench.data, bench.recipe, 4)
    first, second, third = members(bench)
    found = [stack(bench, first, layout=layout)]
    before = places(layout)
    assert len(before) > 10
    found += [stack(bench, second, layout=layout), stack(bench, third, layout=layout)]
    assert places(layout) == before
    forward, update, *several, evaluation = Twin.made
    assert forward.calls == update.calls
    # three cohorts of 24 steps, and one to see that a replay has an effect
    assert forward.calls + SEVERAL * sum(t.calls for t in several) == 73
    assert [t.calls for t in several] == [2] or kind is Branches  # of which a step is not small
    assert evaluation.calls > 0
    for twin in Twin.made:
        bad = [n for n in twin.names if any(n.split(".")[0].startswith(f) for f in FORBIDDEN)]
        assert not bad
        assert not [n for n in twin.names if n.startswith("_to_copy") and twin is update]
    # and gives what is computed without capturing
    monkeypatch.undo()
    for asked in found:
        layout = kind(bench.network, bench.data, bench.recipe, 4)
        plain = stack(bench, [one.request for one in asked], layout=layout)
        for a, b in zip(asked, plain, strict=True):
            assert hand.same(a.outcome.values, b.outcome.values)
            assert hand.same(a.outcome.best, b.outcome.best)
            assert a.outcome.curve == b.outcome.curve


def test_what_no_graph_repeats_is_computed_beside_it(
    on_a_gpu, make_bench, members, request_of, stack, hand, monkeypatch
):
    bench = make_bench(Small(), RECIPE)
    layout = make_layout(bench.network, bench.data, RECIPE, 2)
    first, _, third = members(bench)
    pulled = dataclasses.replace(
        first[0], penalty=lambda values: 0.01 * values["0.weight"].square().sum()
    )
    stack(bench, third, layout=layout)
    step = Twin.made[:3]  # the fourth evaluates, which is the same for every cohort
    calls = [t.calls for t in step]
    captured = [p.grad for p in layout.parameters.values()]
    beside = stack(bench, [pulled], layout=layout)[0].outcome
    assert [t.calls for t in step] == calls
    again = stack(bench, third, layout=layout)
    assert all(t.calls > c for t, c in zip(step, calls, strict=True))
    assert len(captured) == len(layout.parameters)
    monkeypatch.undo()
    fresh = make_layout(bench.network, bench.data, RECIPE, 2)
    assert hand.same(beside.values, stack(bench, [pulled], layout=fresh)[0].outcome.values)
    expected = stack(bench, third, layout=fresh)
    for a, b in zip(again, expected, strict=True):
        assert hand.same(a.outcome.values, b.outcome.values)


def test_callbacks_see_the_gradients_of_the_graph(on_a_gpu, make_bench, request_of, monkeypatch):
    bench = make_bench(Small(), RECIPE)
    layout = make_layout(bench.network, bench.data, RECIPE, 2)

    def begin(penalties):
        request = request_of(bench)
        layout.begin([0, 1], [0, 0], [request.values] * 2, [request.mask] * 2, penalties=penalties)

    begin({})
    captured = [p.grad for p in layout.parameters.values()]
    # a penalty's cohort is not replayed, and makes gradients of its own
    begin({0: lambda values: values["0.weight"].sum()})
    layout.forward_backward(0)
    assert all(p.grad is not g for p, g in zip(layout.parameters.values(), captured, strict=True))
    # a replay writes to the captured ones, which must be those that callbacks see
    begin({})
    assert all(p.grad is g for p, g in zip(layout.parameters.values(), captured, strict=True))
