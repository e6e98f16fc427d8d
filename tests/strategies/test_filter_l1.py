"""Filters by their L1 norm: ranks and means by hand, rounds, the values survivors start from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.structure import shrink_network
from lth_bench.training.recipe import Recipe
from lth_strategies.filter_l1 import FilterL1

RECIPE = Recipe(lr=0.05, momentum=0.9, steps=30, batch_size=20, val_size=60, eval_every=10)


def with_weights(ticket, **weights):
    """The ticket, as if its last training had ended with these weights."""
    values = {k: v.clone() for k, v in ticket.initial.values.items()}
    values |= {f"{name}.weight": weight for name, weight in weights.items()}
    return replace(ticket, before=replace(ticket.initial, values=values))


def units(mask):
    return {n: k.flatten(1).any(1).tolist() for n, k in mask.kept.items()}


@pytest.fixture
def small(make_bench, make_ticket):
    """36 inputs, 4 and 2 neurons, 3 classes: Σ|w| of 72, 36, 108, 18 and of 2.0, 2.2."""
    ticket = make_ticket(make_bench(MLP(hidden=(4, 2)), RECIPE), 0.6)
    return with_weights(
        ticket,
        fc1=torch.tensor([[-2.0], [1.0], [3.0], [-0.5]]).expand(4, 36).clone(),
        fc2=torch.tensor([[1.0, -1, 0, 0], [0.5, 0.5, 0.5, -0.7]]),
    )


def test_ranks_within_a_layer_by_hand(small):
    first, second = FilterL1().ranks(small)
    assert first.tolist() == [0.75, 0.5, 1.0, 0.25]
    assert second.tolist() == [0.5, 1.0]
    # 158 weights, of which 95 may stay: two of four neurons of fc1, and of equal ranks the later
    mask = FilterL1().select_mask(small)
    assert units(mask)["fc1"] == [True, False, True, False]
    assert units(mask)["fc2"] == [False, True]


def test_a_global_ranking_compares_means(small):
    """|w| of 2, 1, 3, 0.5 in fc1, and 0.5, 0.55 in fc2: sums would remove fc2's neurons first."""
    first, second = FilterL1(scope="global").ranks(small)
    assert first.tolist() == pytest.approx([2, 1, 3, 0.5])
    assert second.tolist() == pytest.approx([0.5, 0.55])


def test_one_shot_trains_on_from_the_trained_values(make_bench, make_ticket):
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.4)
    mask = FilterL1().select_mask(ticket)
    assert 0.3 < mask.density <= 0.4
    point = FilterL1().rewind_point(ticket.after_selection(mask))
    assert point.step == 0
    assert torch.equal(point.values["conv2.weight"], ticket.dense.values["conv2.weight"])
    point = FilterL1(start="initial").rewind_point(ticket.after_selection(mask))
    assert torch.equal(point.values["conv2.weight"], ticket.initial.values["conv2.weight"])


def test_rounds_are_nested_and_end_at_the_target(make_bench, make_ticket):
    strategy = FilterL1(iterative=True, prune_rate=0.4)
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.2)
    densities = []
    while ticket.mask.density > 0.2:
        before, count = ticket.mask, ticket.mask.count
        mask = strategy.select_mask(ticket)
        assert before & mask == mask
        assert mask.count <= max(ticket.target_count, 0.6 * count)
        ticket = ticket.after_selection(mask)
        ticket = ticket.after_rewinding(strategy.rewind_point(ticket))
        densities.append(mask.density)
        ticket = replace(ticket, before=ticket.fit(), start=None, memo={})
    assert len(densities) >= 3
    assert densities[-1] > 0.15


def test_the_small_network_computes_the_same(make_bench, make_ticket):
    bench = make_bench(ConvBN(), RECIPE)
    ticket = make_ticket(bench, 0.3)
    mask = FilterL1().select_mask(ticket)
    ticket = ticket.after_selection(mask)
    ticket = ticket.after_rewinding(FilterL1().rewind_point(ticket))
    trained = ticket.fit()
    module = ticket.module(trained.values).eval()
    small = shrink_network(module, ticket.input_shape, mask).eval()
    x, _ = next(ticket.batches(20))
    with torch.no_grad():
        torch.testing.assert_close(small(x), module(x), rtol=1e-4, atol=1e-5)
    metrics = FilterL1().score(ticket, trained)
    weights = sum(small.get_parameter(x.key).numel() for x in ticket.layers)
    assert weights == mask.count
    assert metrics["shrunk_parameters"] == sum(p.numel() for p in small.parameters())
