"""Network slimming: γ decides, the penalty acts in the search alone, no layer is emptied."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lth_bench.errors import Unreachable
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.slimming import Slimming

RECIPE = Recipe(lr=0.05, momentum=0.9, steps=30, batch_size=20, val_size=60, eval_every=10)


@pytest.fixture
def normed(make_bench):
    return make_bench(ConvBN(gamma_init=0.5), RECIPE)


def gammas(values):
    return torch.cat([values[f"bn{i}.weight"].abs() for i in (1, 2, 3)])


def kept_units(mask):
    return torch.cat([mask.kept[f"conv{i}"].flatten(1).any(1) for i in (1, 2, 3)])


def test_channels_of_smallest_gamma_go(normed, make_ticket):
    ticket = make_ticket(normed, 0.4)
    mask = Slimming(l1=1e-3).select_mask(ticket)
    found, kept = gammas(ticket.memo["search"].values), kept_units(mask)
    assert 0.3 < mask.density <= 0.4
    assert float(found[kept].min()) >= float(found[~kept].max())


def test_the_penalty_acts_in_the_search_alone(normed, make_ticket):
    sums = {}
    for l1 in (0.0, 0.2):
        ticket = make_ticket(normed, 0.4)
        strategy = Slimming(l1=l1)
        mask = strategy.select_mask(ticket)
        search = ticket.memo["search"]
        sums[l1] = float(gammas(search.values).sum())
        ticket = ticket.after_selection(mask)
        point = strategy.rewind_point(ticket)
        assert (point.step, search.step) == (0, 30)
        assert torch.equal(point.values["conv1.weight"], search.values["conv1.weight"])
        assert [t.key for t in ticket.ledger.search] == [search.key]
    assert sums[0.2] < 0.5 * sums[0.0]


def test_densities_share_the_search(normed, make_ticket):
    keys = set()
    for target in (0.5, 0.2):
        ticket = make_ticket(normed, target)
        Slimming().select_mask(ticket)
        keys.add(ticket.memo["search"].key)
    assert len(keys) == 1


def test_no_layer_is_emptied(normed, make_ticket):
    """A penalty that shrinks one layer's γ to nothing leaves its best channel; with that one alone
    the others have 5% of the weights.
    """
    ticket = make_ticket(normed, 0.04)
    strategy = Slimming()
    search = ticket.fit()
    values = {k: v.clone() for k, v in search.values.items()}
    values["bn2.weight"] *= 1e-6
    ticket.fit = lambda **_: replace(search, values=values)
    mask = strategy.select_mask(ticket)
    best = int(values["bn2.weight"].abs().argmax())
    assert mask.kept["conv2"].flatten(1).any(1).nonzero().flatten().tolist() == [best]


def test_iterative_rounds_are_nested_and_search_from_the_ticket_before(normed, make_ticket):
    strategy = Slimming(iterative=True, prune_rate=0.5)
    ticket = make_ticket(normed, 0.3)
    counts = []
    while ticket.mask.density > 0.3:
        before = ticket.mask
        mask = strategy.select_mask(ticket)
        assert before & mask == mask
        ticket = ticket.after_selection(mask)
        ticket = ticket.after_rewinding(strategy.rewind_point(ticket))
        ticket = replace(ticket, before=ticket.fit(), start=None, memo={})
        counts.append(mask.count)
    assert len(counts) == 2
    searches = ticket.ledger.search
    assert len({t.key for t in searches}) == 4  # two searches, and two trainings of tickets


def test_a_network_without_batch_norm_cannot_be_ranked(make_bench, make_ticket):
    ticket = make_ticket(make_bench(MLP(hidden=(9,)), RECIPE), 0.5)
    with pytest.raises(Unreachable, match="γ of their batch norm, and this network has none"):
        Slimming().select_mask(ticket)
