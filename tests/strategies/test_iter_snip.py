"""Iterative SNIP and FORCE: their schedule, and which weights may return."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from lth_bench.masks import Layer, Layers, Mask, count_at
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.force import FORCE
from lth_strategies.iter_snip import IterSNIP
from lth_strategies.snip import SNIP

RECIPE = Recipe(steps=5, batch_size=20, val_size=60)


def with_scores(method, *rounds):
    """`method`'s mask of half of four weights, in as many rounds as there are scores."""

    class Told(method):
        def masked_sensitivity(self, ticket, mask, x):
            return Layers({"w": torch.tensor([rounds[x]])})

    layers = (Layer("w", "output", (1, 4)),)
    ticket = SimpleNamespace(mask=Mask.ones(layers), target=0.5, prunable=4, target_count=2)
    return Told(rounds=len(rounds)).select_mask(ticket).kept["w"].flatten().tolist()


def test_force_lets_a_pruned_weight_return_and_iterative_snip_does_not():
    """√½ of four weights are three: the last goes, and has the best score in the second round."""
    scores = (4.0, 3.0, 2.0, 1.0), (1.0, 5.0, 2.0, 9.0)
    assert with_scores(FORCE, *scores) == [False, True, False, True]
    assert with_scores(IterSNIP, *scores) == [False, True, True, False]


@pytest.mark.parametrize("method", [IterSNIP, FORCE])
def test_ten_rounds_keep_the_published_fractions(method, make_bench, make_ticket):
    counts = []

    class Watched(method):
        def kept(self, ticket, mask, k, x):
            counts.append(k)
            return super().kept(ticket, mask, k, x)

    ticket = make_ticket(make_bench(MLP(hidden=(30, 10)), RECIPE), 0.1)
    mask = Watched(batch_size=20).select_mask(ticket)
    published = [0.794, 0.631, 0.501, 0.398, 0.316, 0.251, 0.200, 0.158, 0.126, 0.1]
    assert [k / ticket.prunable for k in counts] == pytest.approx(published, abs=1e-3)
    assert mask.count == ticket.target_count
    assert ticket.ledger.search == ticket.ledger.train == []


def by_plain_torch(ticket, rounds, returns):
    """The masks of every round, by autograd on a module of its own."""
    weights = {x.name: ticket.initial.weights[x.name] for x in ticket.layers}
    kept = {n: torch.ones_like(w, dtype=torch.bool) for n, w in weights.items()}
    masks = []
    for x in range(rounds):
        module = ticket.module()
        parameters = dict(module.named_parameters())
        with torch.no_grad():
            for n, keep in kept.items():
                parameters[f"{n}.weight"] *= keep
        inputs, y = next(ticket.batches(40, purpose=f"iterative snip {x}"))
        F.cross_entropy(module(inputs), y).backward()
        scores = {n: (w * parameters[f"{n}.weight"].grad).abs() for n, w in weights.items()}
        if not returns:
            scores = {n: s.masked_fill(~kept[n], -1.0) for n, s in scores.items()}
        k = count_at(ticket.target ** ((x + 1) / rounds), ticket.prunable)
        flat = torch.cat([s.flatten() for s in scores.values()])
        threshold = flat.sort(descending=True).values[k - 1]
        kept = {n: s >= threshold for n, s in scores.items()}
        masks.append(kept)
    return masks


@pytest.mark.parametrize(("method", "returns"), [(IterSNIP, False), (FORCE, True)])
def test_against_a_loop_in_plain_torch(method, returns, make_bench, make_ticket):
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), 0.3)
    masks = by_plain_torch(ticket, 4, returns)
    found = method(batch_size=40, rounds=4).select_mask(ticket)
    same = [(found.kept[n] == keep).flatten() for n, keep in masks[-1].items()]
    # a gradient's last bits may swap two neighbours in the order
    assert int((~torch.cat(same)).sum()) <= 4
    returned = sum(int((b[n] & ~a[n]).sum()) for a, b in pairwise(masks) for n in a)
    assert (returned > 0) is returns


def test_one_round_is_snip_on_another_minibatch(make_bench, make_ticket):
    ticket = make_ticket(make_bench(MLP(hidden=(9,)), RECIPE), 0.3)
    # on the whole training split there is no other minibatch
    everything = SNIP(batch_size=200).scores(ticket)
    once = IterSNIP(batch_size=200, rounds=1).masked_sensitivity(ticket, ticket.mask, 0)
    for name, scores in everything.items():
        torch.testing.assert_close(once[name], scores, rtol=1e-3, atol=1e-8)


def test_every_step_ranks_by_scores(make_bench, make_ticket):
    """What inverts a method's scores inverts every step, and not SNIP's own alone."""

    class Inverted(IterSNIP):
        def scores(self, ticket, mask=None, x=0):
            return -super().scores(ticket, mask, x)

    ticket = make_ticket(make_bench(MLP(hidden=(9,)), RECIPE), 0.3)
    plain, turned = (c(batch_size=40, rounds=2).select_mask(ticket) for c in (IterSNIP, Inverted))
    assert (plain & turned).count < 0.1 * plain.count
