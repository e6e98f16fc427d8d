"""SRigL's rewiring by hand: salience, ablation, the new fan-in, and exact counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench import Layers, Mask, StepView
from lth_bench.masks import Layer
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.fan_in import as_weight, by_unit, largest_of_rows
from lth_strategies.srigl import SRigL, shared

FC = Layer("fc", "linear", (3, 4))
WEIGHT = torch.tensor([[0.9, 0.0, 0.8, 0.0], [0.0, 0.7, 0.0, 0.6], [0.1, 0.05, 0.0, 0.0]])
KEPT = WEIGHT != 0
GRADIENT = torch.tensor([[0.1, 5.0, 0.1, 1.0], [4.0, 0.1, 2.0, 0.1], [0.0, 0.0, 0.3, 0.2]])


def view(step, end):
    return StepView(
        step=step, end=end, values={"fc.weight": WEIGHT}, gradients=Layers({"fc": GRADIENT}),
        optimizer_state={}, mask=Mask({"fc": KEPT}), memo={},
    )  # fmt: skip


def test_a_unit_dies_and_the_others_fan_in_grows():
    """Six connections, two go: .1 and .05. The largest gradients elsewhere are 5 and 4, in the
    first two rows: the third has nothing salient, and its two connections go to the others.
    """
    found = SRigL().rewired(FC, KEPT, WEIGHT.abs(), GRADIENT, alpha=0.34)
    assert found.tolist() == [
        [True, True, True, False],
        [True, True, False, True],
        [False] * 4,
    ]


def test_the_output_layer_keeps_all_units():
    out = Layer("fc", "output", (3, 4))
    found = SRigL().rewired(out, KEPT, WEIGHT.abs(), GRADIENT, alpha=0.34)
    assert found.sum(1).tolist() == [2, 2, 2]
    assert found[2].tolist() == [False, False, True, True]  # by gradient: both were dropped


def test_values_and_momentum_follow():
    """α_t = .5·(1 + cos(π/3))/2 = .375 at step 25 of 100: int(2.25) = 2 of 6."""
    change = SRigL(drop_fraction=0.5).rewire(view(25, 100), (FC,))
    assert change.replace_update
    assert change.values["fc.weight"].tolist() == [
        pytest.approx([0.9, 0, 0.8, 0]), pytest.approx([0, 0.7, 0, 0.6]), [0.0] * 4,
    ]  # fmt: skip
    assert change.reset_momentum["fc"].nonzero().tolist() == [[0, 1], [1, 0]]
    assert SRigL().rewire(view(0, 100), (FC,)) is None
    assert SRigL().rewire(view(75, 100), (FC,)) is None


def test_gamma_decides_who_dies():
    """Fan-in 10 and 3 salient: max(1, int(.3·10)) = 3 lives, int(.35·10) = 3 too, .4 does not."""
    layer = Layer("fc", "linear", (4, 20))
    salient = torch.tensor([10, 3, 13, 14])
    for gamma, lives in ((0.3, True), (0.35, True), (0.4, False)):
        active = SRigL(salient_fraction=gamma).active(layer, salient, 40, 10)
        assert active.tolist() == [True, lives, True, True]
    # 40 connections need three units of at most 20, ⌊40/20⌋ + 1, whatever γ says
    few = SRigL(salient_fraction=0.95).active(layer, torch.tensor([0, 40, 1, 2]), 40, 10)
    assert few.tolist() == [False, True, True, True]


def test_the_remainder_goes_to_the_best():
    active = torch.tensor([True, True, False, True])
    assert shared(8, active, torch.tensor([1, 3, 9, 2])).tolist() == [2, 3, 0, 3]


@given(
    seed=st.integers(0, 10**6),
    density=st.floats(0.02, 1.0),
    alpha=st.floats(0.0, 0.9),
    gamma=st.sampled_from([0.0, 0.3, 0.95]),
    layer=st.sampled_from(
        [
            Layer("a", "conv", (6, 3, 2, 2)),
            Layer("a", "output", (5, 8)),
            Layer("a", "conv", (4, 6, 3), transposed=True),
            Layer("a", "conv", (4, 3, 3), transposed=True, groups=2),
        ]
    ),
)
def test_counts_are_exact_and_fan_ins_equal(seed, density, alpha, gamma, layer):
    rng = torch.Generator().manual_seed(seed)
    scores = torch.rand(3, *layer.shape, generator=rng)
    before = scores[0] < density
    if not before.any():
        return
    found = SRigL(salient_fraction=gamma).rewired(layer, before, scores[1], scores[2], alpha)
    assert int(found.sum()) == int(before.sum())
    fan_in = by_unit(found, layer).sum(1)
    alive = fan_in[fan_in > 0] if layer.kind != "output" else fan_in
    assert int(alive.max() - alive.min()) <= 1


def test_rows_are_units_and_come_back():
    weight = torch.arange(2 * 3 * 4.0).view(2, 3, 4)
    plain = Layer("a", "conv", (2, 3, 4))
    assert by_unit(weight, plain)[1].tolist() == list(range(12, 24))
    turned = Layer("a", "conv", (2, 3, 4), transposed=True)
    assert by_unit(weight, turned)[1].tolist() == [4, 5, 6, 7, 16, 17, 18, 19]
    for layer in (plain, turned):
        assert torch.equal(as_weight(by_unit(weight, layer), layer), weight)
    scores = torch.tensor([[1.0, 3, 3, 2], [5.0, 5, 5, 5]])
    assert largest_of_rows(scores, 2).tolist() == [
        [False, True, True, False], [True, True, False, False],
    ]  # fmt: skip


@pytest.mark.parametrize("model", [MLP(hidden=(12,)), ConvBN()], ids=["mlp", "conv_bn"])
def test_from_start_to_end_the_fan_in_is_constant(model, make_bench, make_ticket):
    recipe = Recipe(lr=0.1, momentum=0.9, steps=24, batch_size=20, val_size=60, eval_every=12)
    bench = make_bench(model, recipe)
    strategy = SRigL(drop_fraction=0.6, update_every=4)
    start = strategy.select_mask(make_ticket(bench, 0.3))
    assert start.count == make_ticket(bench, 0.3).target_count
    ticket = make_ticket(bench, 0.3).after_selection(start)
    trained = strategy.train(ticket)
    end = trained.mask
    assert end != start
    for mask in (start, end):
        for layer in bench.layers:
            fan_in = by_unit(mask.kept[layer.name], layer).sum(1)
            alive = fan_in if layer.kind == "output" or mask is start else fan_in[fan_in > 0]
            assert int(alive.max() - alive.min()) <= 1
    metrics = strategy.score(ticket, trained)
    assert 0 <= metrics["ablated_units"] < 1
    assert metrics["exploration_rate"] > 0.3
