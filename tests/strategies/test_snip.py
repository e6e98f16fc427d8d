"""SNIP's saliency |θ · ∂L/∂θ| on networks small enough to differentiate on paper."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.masks import Layer, Layers, count_at
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.objectives import CrossEntropy
from lth_bench.training.recipe import Recipe
from lth_strategies.snip import SNIP

LN3 = math.log(3)


def fake_ticket(module, layers, x, y):
    weights = Layers({x.name: module.get_parameter(x.key).detach() for x in layers})
    return SimpleNamespace(
        initial=SimpleNamespace(weights=weights), module=lambda values: module, layers=layers,
        batches=lambda size, purpose: iter([(x, y)]),
        bench=SimpleNamespace(objective=CrossEntropy()),
    )  # fmt: skip


def linear(weight):
    layer = nn.Linear(len(weight[0]), len(weight), bias=False)
    layer.weight.data = torch.tensor(weight)
    return layer


def test_one_layer_by_hand():
    """x = (1, 2), W = [[ln 3, 1], [0, 1]]: logits (ln 3 + 2, 2), p = (3/4, 1/4). For class 0,
    ∂L/∂W = (p − (1, 0)) xᵀ = [[−1/4, −1/2], [1/4, 1/2]].
    """
    module = nn.Sequential(linear([[LN3, 1.0], [0.0, 1.0]]))
    ticket = fake_ticket(
        module, (Layer("0", "output", (2, 2)),), torch.tensor([[1.0, 2.0]]), torch.tensor([0])
    )
    scores = SNIP().scores(ticket)
    expected = [[LN3 / 4, 0.5], [0.0, 0.5]]
    assert scores["0"].tolist() == [pytest.approx(row, abs=1e-6) for row in expected]
    ticket.target_count = 2
    # the two largest of the network
    assert SNIP().select_mask(ticket).kept["0"].tolist() == [[False, True], [False, True]]


def test_two_layers_by_hand():
    """x = 1, W₁ = (2, −1): h = (2, 0). W₂ = [[ln 3/2, 5], [0, 7]]: logits (ln 3, 0), p = (3/4,
    1/4). For class 1, δ = (3/4, −3/4): ∂L/∂W₂ = δ hᵀ = [[3/2, 0], [−3/2, 0]], and through the
    first unit alone, which is active, ∂L/∂W₁ = (3/4 · ln 3/2, 0).
    """
    module = nn.Sequential(linear([[2.0], [-1.0]]), nn.ReLU(), linear([[LN3 / 2, 5.0], [0.0, 7.0]]))
    layers = (Layer("0", "linear", (2, 1)), Layer("2", "output", (2, 2)))
    ticket = fake_ticket(module, layers, torch.tensor([[1.0]]), torch.tensor([1]))
    scores = SNIP().scores(ticket)
    assert scores["0"].flatten().tolist() == pytest.approx([0.75 * LN3, 0.0], abs=1e-6)
    assert scores["2"].flatten().tolist() == pytest.approx([0.75 * LN3, 0, 0, 0], abs=1e-6)


def test_a_minibatch_is_averaged_before_the_magnitude_is_taken():
    """Two examples of one input and opposite classes at p = (1/2, 1/2) cancel."""
    module = nn.Sequential(linear([[1.0, 1.0], [1.0, 1.0]]))
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    layers = (Layer("0", "output", (2, 2)),)
    scores = SNIP().scores(fake_ticket(module, layers, x, torch.tensor([0, 1])))
    assert scores["0"].abs().max() < 1e-7


@pytest.fixture
def bench(make_bench):
    recipe = Recipe(steps=5, batch_size=20, val_size=60, crop=2, flip=True)
    return make_bench(ConvBN(), recipe)


def scores_in(bench, ticket, train):
    """The saliency of the batch that the ticket gives, in train or eval mode."""
    x, y = next(ticket.batches(50, purpose="snip"))
    module = bench.network.twin(ticket.initial.values).train(train)
    F.cross_entropy(module(x), y).backward()
    weights = dict(module.named_parameters())
    return {
        layer.name: (weights[layer.key] * weights[layer.key].grad).abs() for layer in bench.layers
    }


def test_scores_are_taken_in_train_mode(bench, make_ticket):
    ticket = make_ticket(bench)
    scores = SNIP(batch_size=50).scores(ticket)
    train, evaluated = (scores_in(bench, ticket, train) for train in (True, False))
    for name, score in scores.items():
        assert torch.allclose(score, train[name], rtol=1e-4, atol=1e-9)
        assert not torch.allclose(score, evaluated[name], rtol=1e-2)


def test_the_minibatch_is_unaugmented_training_data(bench, make_ticket):
    x, y = next(make_ticket(bench).batches(50, purpose="snip"))
    whole = bench.data.normalise(bench.data.train.x)
    found = [(whole == image).flatten(1).all(1).nonzero() for image in x]
    assert all(len(f) == 1 for f in found)
    index = [int(f) for f in found]
    assert len(set(index)) == 50
    assert torch.equal(bench.data.train.y[index], y)


def test_the_mask_is_the_global_top_k_and_nothing_is_trained(bench, make_ticket):
    ticket = make_ticket(bench, target=0.2)
    mask = SNIP(batch_size=50).select_mask(ticket)
    scores = SNIP(batch_size=50).scores(ticket)
    k = count_at(0.2, ticket.prunable)
    assert mask.count == k
    flat = torch.cat([s.flatten() for s in scores.values()])
    kept = torch.cat([mask.kept[n].flatten() for n in scores])
    assert float(flat[kept].min()) >= float(flat[~kept].max())
    assert ticket.ledger.search == ticket.ledger.train == []


def test_a_batch_larger_than_the_training_split_is_refused(bench, make_ticket):
    with pytest.raises(ValueError, match=r"size must be from 1 to 200, .* but got 201"):
        SNIP(batch_size=201).select_mask(make_ticket(bench))


def test_the_network_s_own_values_are_left_alone(bench, make_ticket):
    before = bench.network.values()
    ticket = make_ticket(bench)
    SNIP(batch_size=50).select_mask(ticket)
    assert all(torch.equal(v, before[k]) for k, v in bench.network.values().items())
    assert bench.network.parameters["fc.weight"].grad is None
    assert int(ticket.initial.values["bn1.num_batches_tracked"]) == 0


def test_a_seed_gives_one_mask(make_bench, make_ticket):
    bench = make_bench(MLP(hidden=(9,)), Recipe(steps=5, batch_size=20, val_size=60))
    masks = [SNIP(batch_size=40).select_mask(make_ticket(bench, 0.3, s)) for s in (0, 0, 1)]
    assert masks[0] == masks[1]
    assert masks[0] != masks[2]
