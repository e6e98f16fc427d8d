"""Members as parallel branches of one graph, each as it is alone."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import pytest
import torch
from pretend_gpu.graphs import shared
from thoroughness import some
from torch import nn

from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(
    lr=0.05,
    steps=12,
    batch_size=20,
    val_size=60,
    eval_every=5,
    momentum=0.9,
    weight_decay=0.01,
    crop=1,
    flip=True,
)


@dataclass(frozen=True)
class Net:
    """Tensors of whole vectors: a CPU's fused optimizer rounds otherwise in what is left over.
    Batch norm, a frozen layer, and a parameter that nothing uses.
    """

    def build(self, input_shape, classes):
        frozen = nn.Conv2d(16, 16, 3, padding=1, bias=False).requires_grad_(False)
        net = nn.Sequential(
            nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            frozen,
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(144, 16),
            nn.ReLU(),
            nn.Linear(16, classes, bias=False),
        )
        net.register_parameter("unused", nn.Parameter(torch.ones(16)))
        return net


@pytest.fixture
def requests(half_mask, request_of):
    def make(bench):
        return [
            request_of(bench, seed=0, mask=half_mask(bench).to(bench.device)),
            request_of(bench, seed=1, start=3, mask=half_mask(bench, 1).to(bench.device)),
            request_of(bench, seed=2, end=9),
        ]

    return make


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize(
    ("device", "optimizer"),
    some([("cpu", "adamw"), ("cuda:0", "sgd"), ("cpu", "sgd"), ("cuda:0", "adamw")], 2),
)
def test_a_member_has_the_bits_that_it_has_alone(
    device, optimizer, make_bench, requests, stack, hand, request
):
    if device != "cpu":
        request.getfixturevalue("pretend_gpu")
    fields = {} if optimizer == "sgd" else dict(momentum=0.0, lr=0.01)
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, **fields)
    bench = make_bench(Net(), recipe, device=device)
    asked = requests(bench)
    for one, fit in zip(stack(bench, asked, kind=Branches), asked, strict=True):
        (alone,) = stack(bench, [fit], kind=Plain)
        assert one.error is None and one.outcome.variant == "branches"
        assert hand.same(one.outcome.values, alone.outcome.values)
        assert hand.same(one.outcome.best, alone.outcome.best)
        assert one.outcome.curve == alone.outcome.curve


@pytest.mark.usefixtures("few_steps_a_graph")
def test_branches_lie_side_by_side(pretend_gpu, make_bench, requests, stack):
    bench = make_bench(Net(), RECIPE, device="cuda:0")
    layout = Branches(bench.network, bench.data, RECIPE, 3)
    stack(bench, requests(bench), layout=layout)
    assert layout.graphs.possible and not pretend_gpu.races
    graph = pretend_gpu.captures[0]
    by_stream = graph.by_stream()
    members = [by_stream.pop(stream.stream_id) for stream in layout._streams]
    (main,) = by_stream.values()
    # forward and backward of a member, and nothing else, on the member's stream
    names = [[op.name for op in ops] for ops in members]
    assert names[0] == names[1] == names[2]
    assert sum(n.startswith("convolution") for n in names[0]) == 4
    assert not any("convolution" in op.name for op in main)
    assert all(shared(a, b) == [] for a, b in itertools.combinations(members, 2))
    # between a fork and a join
    places = [op in main for op in graph.operations]
    first, last = places.index(False), len(places) - places[::-1].index(False)
    assert not any(places[first:last]) and any(places[:first]) and any(places[last:])


class Keeps(nn.Module):
    """Makes a table at its first batch, as causal masks and rotary embeddings are made."""

    def __init__(self) -> None:
        super().__init__()
        self.table = None

    def forward(self, x):
        if self.table is None or self.table.device != x.device:
            self.table = torch.linspace(1, 2, x.shape[1], dtype=x.dtype, device=x.device)
        return x * self.table


@dataclass(frozen=True)
class Tabled:
    def build(self, input_shape, classes):
        inputs = input_shape[0] * input_shape[1] * input_shape[2]
        return nn.Sequential(nn.Flatten(), Keeps(), nn.Linear(inputs, classes, bias=False))


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize("penalised", [False, True], ids=["captured", "launched"])
def test_what_the_first_batch_makes_and_keeps_no_branch_races_for(
    penalised, pretend_gpu, make_bench, request_of, stack
):
    bench = make_bench(Tabled(), RECIPE, device="cuda:0")
    more = {"penalty": lambda values: values["2.weight"].abs().sum()} if penalised else {}
    asked = [request_of(bench, seed=seed, **more) for seed in (0, 1, 2)]
    together = stack(bench, asked, kind=Branches)
    assert not pretend_gpu.races
    for one, fit in zip(together, asked, strict=True):
        (alone,) = stack(bench, [fit], kind=Plain)
        for key, value in alone.outcome.values.items():
            assert torch.allclose(one.outcome.values[key], value, rtol=1e-4, atol=1e-6)
