"""AWS: random norms in the search alone, and a new initialisation with the signs found."""

from __future__ import annotations

import pytest
import torch

from lth_bench.errors import Unreachable
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.aws import AWS, norms_of, signed, towards_identity

RECIPE = Recipe(
    lr=0.05, momentum=0.9, steps=20, batch_size=20, val_size=60, eval_every=10, schedule="cosine"
)
SHORT = AWS(rounds=3, dense_fraction=0.25, round_fraction=0.1)


@pytest.fixture
def found(make_bench, make_ticket):
    """The ticket of a search, with its mask and its start."""
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.4)
    ticket = ticket.after_selection(SHORT.select_mask(ticket))
    return ticket.after_rewinding(SHORT.rewind_point(ticket))


def test_norms_move_towards_the_identity():
    """γ = 2 and β = −1 at α = 0.25: 1.75 and −0.75; a norm may have no β."""
    values = {"n.weight": torch.tensor([2.0]), "n.bias": torch.tensor([-1.0])}
    moved = towards_identity(values, ["n"], 0.25)
    assert {k: v.item() for k, v in moved.items()} == {"n.weight": 1.75, "n.bias": -0.75}
    del values["n.bias"]
    assert towards_identity(values, ["n"], 0.25).keys() == {"n.weight"}


def test_signs_are_put_on_new_magnitudes():
    fresh = torch.tensor([-0.5, -0.1, 0.7])
    assert signed(fresh, torch.tensor([3.0, -2.0, 0.0])).tolist() == pytest.approx([0.5, -0.1, 0])


def test_the_search_is_one_training_in_parts(found):
    """5 dense steps and three times 2, on one schedule without a decay; nothing else is trained."""
    parts = [(t.start, t.step) for t in found.ledger.search]
    assert parts == [(0, 5), (5, 7), (7, 9), (9, 11)]
    assert SHORT.search_steps(20) == 11
    assert AWS(round_fraction=0.05, rounds=2).lengths(8) == [1, 1, 1]  # in a smoke run too


def test_the_classifier_is_not_pruned(found):
    assert found.mask.count == found.target_count
    kept = found.mask.kept_per_layer()
    assert all((kept[x.name] == x.numel) == (x.kind == "output") for x in found.layers)


def test_the_ticket_starts_from_new_magnitudes_and_the_signs_found(found):
    searched, start = found.memo["values"], found.start.values
    fresh = found.bench.initial(found.seed, purpose="reinit").values
    assert found.start.step == 0
    for layer in found.layers:
        assert torch.equal(
            start[layer.key].sign(), searched[layer.key].sign() * fresh[layer.key].abs().sign()
        )
        alive = start[layer.key] != 0
        assert torch.equal(start[layer.key].abs()[alive], fresh[layer.key].abs()[alive])
    for name in norms_of(found.module()):
        assert torch.equal(start[f"{name}.weight"], fresh[f"{name}.weight"])
        assert not torch.equal(searched[f"{name}.weight"], fresh[f"{name}.weight"])


def test_random_norms_are_those_of_the_step_and_not_of_the_process(make_bench, make_ticket):
    """Two searches are the same, whatever was drawn before; without the random norms the weights
    are others.
    """
    values = []
    for before in (0, 7):
        ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.4)
        torch.rand(before)
        SHORT.select_mask(ticket)
        values.append(ticket.memo["values"]["conv1.weight"])
    assert torch.equal(*values)
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.4)
    fit = ticket.fit
    ticket.fit = lambda *a, parametrize, **k: fit(*a, **k)
    SHORT.select_mask(ticket)
    assert not torch.equal(ticket.memo["values"]["conv1.weight"], values[0])


def test_what_it_cannot_serve(make_bench, make_ticket):
    with pytest.raises(Unreachable, match="no norm with a scale"):
        AWS().select_mask(make_ticket(make_bench(MLP(hidden=(7,)), RECIPE), 0.4))
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.001)
    with pytest.raises(Unreachable, match="classifier, which aws does not prune"):
        SHORT.select_mask(ticket)
