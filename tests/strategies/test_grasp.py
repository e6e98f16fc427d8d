"""GraSP's −θ ⊙ Hg on a quadratic that can be differentiated on paper, and its two halves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lth_bench.data.info import InputShape
from lth_bench.masks import Layer, Layers, Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.objectives.squared_error import SquaredError
from lth_bench.training.recipe import Recipe
from lth_strategies.grasp import GraSP


@pytest.fixture
def quadratic():
    """L = ½ θᵀAθ up to a factor, with A = [[2, 1, 0], [1, 1, 0], [0, 0, 4]] and θ = (1, −2, 0.1),
    as squared errors of the targets 0: A is the sum of x xᵀ over the four inputs.
    """
    x = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 0, 2], [0, 0, 0]])
    module = nn.Sequential(nn.Linear(3, 1, bias=False))
    module[0].weight.data = torch.tensor([[1.0, -2.0, 0.1]])
    layers = (Layer("0", "output", (1, 3)),)
    weights = Layers({"0": module[0].weight.detach()})
    return SimpleNamespace(
        initial=SimpleNamespace(weights=weights), module=lambda values: module, layers=layers,
        classes=1, target_count=2, mask=Mask.ones(layers),
        batches=lambda size, purpose: iter([(x[:size], torch.zeros(4, 1)[:size])]),
        bench=SimpleNamespace(objective=SquaredError(mean=(0.0,), deviation=(1.0,))),
    )  # fmt: skip


def test_a_quadratic_by_hand(quadratic):
    """g = Aθ = (0, −1, 0.4) and Hg = (−1, −1, 1.6): −θ ⊙ Hg = (1, −2, −0.16)."""
    strategy = GraSP(per_class=4, batch="random", temperature=1.0)
    score = -strategy.scores(quadratic)["0"].flatten()
    assert (score / score[0]).tolist() == pytest.approx([1, -2, -0.16], abs=1e-5)
    assert strategy.select_mask(quadratic).kept["0"].tolist() == [[False, True, True]]


def test_the_magnitude_variant_drops_what_matters_least(quadratic):
    strategy = GraSP(per_class=4, batch="random", temperature=1.0, score="magnitude")
    assert strategy.select_mask(quadratic).kept["0"].tolist() == [[True, True, False]]


@pytest.fixture
def bench(make_bench):
    return make_bench(ConvBN(), Recipe(steps=5, batch_size=20, val_size=60))


def test_halves_of_a_batch(bench, make_ticket):
    """Shuffled they hold the same classes, as the authors' code takes them different ones."""
    ticket = make_ticket(bench)
    (x, y), (x2, y2) = GraSP().halves(ticket)
    (ox, oy), (ox2, oy2) = GraSP(batch="official").halves(ticket)
    assert len(y) == len(oy) == len(y2) == len(oy2) == 15
    assert {*y.tolist()} == {*y2.tolist()} == {0, 1, 2}
    assert oy.tolist() == [0] * 10 + [1] * 5 and oy2.tolist() == [1] * 5 + [2] * 10
    assert torch.cat([x, x2]).sum() == pytest.approx(float(torch.cat([ox, ox2]).sum()), rel=1e-5)
    (_, y), (_, y2) = GraSP(batch="random").halves(ticket)
    assert len(y) + len(y2) == 30


def test_each_half_has_statistics_of_its_own(bench, make_ticket):
    """With batch norm it matters how the batch is halved; without, only sums count."""
    ticket = make_ticket(bench, 0.2)
    assert GraSP().select_mask(ticket) != GraSP(batch="official").select_mask(ticket)


def test_without_batch_norm_the_order_of_the_batch_is_roundoff(make_bench, make_ticket):
    recipe = Recipe(steps=5, batch_size=20, val_size=60)
    ticket = make_ticket(make_bench(MLP(hidden=(9,)), recipe), 0.2)
    a, b = (GraSP(batch=way).scores(ticket).flat() for way in ("shuffled", "official"))
    assert (a - b).norm() < 1e-3 * a.norm()


def test_the_mask_is_the_global_top_k_and_nothing_is_trained(bench, make_ticket):
    ticket = make_ticket(bench, 0.2)
    mask = GraSP().select_mask(ticket)
    flat = GraSP().scores(ticket).flat()
    kept = torch.cat([mask.kept[x.name].flatten() for x in ticket.layers])
    assert mask.count == ticket.target_count
    assert float(flat[kept].min()) >= float(flat[~kept].max())
    assert ticket.ledger.search == ticket.ledger.train == []


def test_bad_use_is_refused_at_planning():
    def task(**facts):
        shape = InputShape((1, 6, 6), "images", None, facts.pop("targets", "class"))
        return SimpleNamespace(**{"train_size": 200, "classes": 3, "input_shape": shape} | facts)

    GraSP().check_task(task())
    with pytest.raises(ValueError, match=r"10 with 3 .* a batch of 30, .* 4 to 29"):
        GraSP().check_task(task(train_size=29))
    with pytest.raises(ValueError, match=r"a batch of 3, which must be from 4"):
        GraSP(per_class=1).check_task(task())
    with pytest.raises(ValueError, match=r'the targets are values; set batch = "random"'):
        GraSP().check_task(task(targets="values"))
    GraSP(batch="random").check_task(task(targets="values"))
