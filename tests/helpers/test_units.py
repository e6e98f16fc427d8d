"""Units by the public front: what an author writes, on networks small enough to follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lth_bench import (
    Unreachable,
    norm_penalty,
    norm_scores,
    rank_within,
    unit_mask,
    unit_scores,
)
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.models.resnet import ResNet20


def test_a_unit_s_score_is_the_sum_over_its_incoming_weights(make_ticket):
    ticket = make_ticket(MLP(hidden=(4, 2)))
    weights = ticket.initial.weights
    first, second = unit_scores(ticket.units, weights)  # signed
    assert torch.allclose(first, weights["fc1"].double().sum(1))
    assert torch.allclose(second, weights["fc2"].double().sum(1))
    l1 = unit_scores(ticket.units, abs(weights))[0]
    assert torch.allclose(l1, weights["fc1"].double().abs().sum(1))


def test_coupled_layers_share_their_units(make_ticket):
    ticket = make_ticket(ResNet20())
    groups = ticket.units
    scores = unit_scores(groups, abs(ticket.initial.weights))
    assert [len(s) for s in scores] == [g.size for g in groups]
    coupled = next(i for i, g in enumerate(groups) if len(g.layers) > 1)
    sums = [
        abs(ticket.initial.weights[n]).double().flatten(1).sum(1) for n in groups[coupled].layers
    ]
    assert torch.allclose(scores[coupled], torch.stack(sums).mean(0))


def test_l1_filters_in_two_lines(make_ticket):
    ticket = make_ticket(ConvBN(), target=0.3)
    scores = unit_scores(ticket.units, abs(ticket.initial.weights))
    mask = unit_mask(ticket, [rank_within(s) for s in scores])
    assert 0.2 < mask.density <= 0.3
    for name in ("conv1", "conv2", "conv3"):
        rows = mask.kept[name].flatten(1).any(1)
        best = scores[int(name[-1]) - 1].topk(int(rows.sum())).indices.sort().values
        assert rows.nonzero().flatten().tolist() == best.tolist()
        assert torch.equal(mask.held[f"bn{name[-1]}.bias"], rows)
    assert unit_mask(ticket, scores, k=2000).count <= 2000


def test_norms(make_ticket):
    ticket = make_ticket(ConvBN())
    values = dict(ticket.initial.values)
    values["bn2.weight"] = -torch.arange(32.0)
    assert norm_scores(ticket.units, values)[1].tolist() == list(range(32))
    with pytest.raises(ValueError, match="no batch norm"):
        norm_scores(make_ticket(MLP(hidden=(4,))).units, {})


def test_ranks():
    assert rank_within(torch.tensor([3.0, 1.0, 2.0, 9.0])).tolist() == [0.75, 0.25, 0.5, 1.0]


def test_what_cannot_be(make_ticket):
    ticket = make_ticket(MLP(hidden=(4, 2)))
    scores = unit_scores(ticket.units, abs(ticket.initial.weights))
    with pytest.raises(ValueError, match="2 groups of units, but there are scores for 1"):
        unit_mask(ticket, scores[:1])
    with pytest.raises(Unreachable, match="cannot be reached"):
        unit_mask(ticket, scores, k=5)


def test_the_penalty_adds_its_weight_times_the_sign_of_gamma(make_ticket):
    ticket = make_ticket(ConvBN(gamma_init=0.5))
    penalty = norm_penalty(ticket.units, 0.01)
    leaves = {
        k: torch.randn_like(v).requires_grad_()
        for k, v in ticket.initial.values.items()
        if v.is_floating_point() and "running" not in k
    }
    value = penalty(leaves)
    gammas = [f"bn{i}.weight" for i in (1, 2, 3)]
    assert float(value.detach()) == pytest.approx(
        0.01 * sum(float(leaves[k].detach().abs().sum()) for k in gammas)
    )
    value.backward()
    value = float(value.detach())
    for key, leaf in leaves.items():
        if key in gammas:
            assert torch.allclose(leaf.grad, 0.01 * leaf.detach().sign())
            # and by differences
            moved = {k: v.detach().clone() for k, v in leaves.items()}
            moved[key][0] += 1e-3
            step = (float(penalty(moved)) - value) / 1e-3
            assert step == pytest.approx(float(leaf.grad[0]), rel=0.02)
        else:
            assert leaf.grad is None
    assert norm_penalty(ticket.units, 0) is None
    assert norm_penalty(make_ticket(MLP(hidden=(4,))).units, 0.01) is None


def test_a_removed_unit_does_not_return_however_it_scores(make_ticket):
    ticket = make_ticket(MLP(hidden=(4, 2)), target=0.9)
    first = unit_mask(ticket, [torch.tensor([9.0, 0, 8, 7]), torch.tensor([9.0, 8])])
    assert first.kept["fc1"].any(1).tolist() == [True, False, True, True]
    ticket = replace(ticket, mask=first, target=0.6)
    second = unit_mask(ticket, [torch.tensor([1.0, 99, 2, 3]), torch.tensor([9.0, 8])])
    assert second.kept["fc1"].any(1).tolist() == [False, False, True, True]
