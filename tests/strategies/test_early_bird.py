"""Early-Bird: distances and ranks by hand, the penalty's gradient, the small network."""

from __future__ import annotations

import dataclasses
from collections import deque

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.lottery.ablated_runner import inverted, negative
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.models.prunable import prunable_layers
from lth_bench.structure import mask_of, removed_units, unit_groups
from lth_bench.training.recipe import Recipe
from lth_strategies.early_bird import (
    EarlyBird,
    has_settled,
    mask_distances,
    rank_within,
    ranked_bits,
    thinned,
)


def bits(text):
    return torch.tensor([c == "1" for c in text])


A, TWO_OFF, TWO_OTHERS, THREE_OFF = map(
    bits, ("1111100000", "1111001000", "0011100000", "1100000000")
)


@pytest.mark.parametrize(
    ("masks", "window", "threshold", "settled"),
    [
        ([A, TWO_OFF, TWO_OFF], 3, 0.2, True),
        ([A, TWO_OFF, THREE_OFF], 3, 0.2, False),
        ([A, TWO_OFF, THREE_OFF], 3, 0.3, True),
        # only distances to the newest count: these two others are 4 apart
        ([A, TWO_OFF, TWO_OTHERS], 3, 0.2, True),
        ([TWO_OFF, A, TWO_OTHERS], 3, 0.2, False),
        # a queue that is not full never triggers
        ([A, A], 3, 0.2, False),
        ([A], 2, 1.0, False),
        ([], 2, 1.0, False),
        ([A, A, A, A, A], 5, 1e-9, True),
    ],
)
def test_distances_by_hand(masks, window, threshold, settled):
    """Of ten bits two differ: distance .2; three: .3."""
    assert has_settled(deque(masks, maxlen=window), window, threshold) is settled


class HalfNormed(nn.Module):
    """48 channels with batch norm, and 128 hidden neurons without, which are never ranked."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 48, 1), nn.BatchNorm2d(48)
        self.hidden, self.out = nn.Linear(48, 128), nn.Linear(128, 3)

    def forward(self, x):
        h = F.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.out(F.relu(self.hidden(h)))


def test_units_that_are_never_ranked_do_not_dilute_the_distance():
    """24 of 48 bits differ: half, and not 24 of 176."""
    module = HalfNormed()
    groups = unit_groups(module, (1, 6, 6))
    layers = prunable_layers(module, (1, 6, 6), 3)
    assert [g.size for g in groups] == [48, 128]
    every = torch.ones(128, dtype=torch.bool)
    scores = [torch.rand(48), torch.full((128,), torch.inf)]
    first, second = (
        ranked_bits(groups, mask_of(groups, layers, [kept, every]), scores)
        for kept in (torch.arange(48) < 12, (torch.arange(48) >= 12) & (torch.arange(48) < 24))
    )
    assert first.shape == second.shape == (48,)
    assert int(first.sum()) == int(second.sum()) == 12
    assert mask_distances(torch.stack([first, second]))[0, 1] == 0.5
    assert has_settled([second, first], 2, 0.5) and not has_settled([second, first], 2, 0.49)


def test_the_search_compares_ranked_channels_alone(make_bench, make_ticket):
    class Model:
        def build(self, input_shape, classes):
            return HalfNormed()

    ticket = make_ticket(make_bench(Model(), RECIPE), 0.5)
    EarlyBird(threshold=1e-9, interval=0.2).select_mask(ticket)
    history = ticket.memo["search"].memo["history"]
    assert len(history) >= 2 and {len(bits) for bits in history.values()} == {48}


def test_ranks_within_a_layer():
    assert rank_within(torch.tensor([3.0, 1.0, 2.0, 9.0])).tolist() == [0.75, 0.25, 0.5, 1.0]
    # among equals the earlier unit stands higher
    assert rank_within(torch.tensor([2.0, 2.0, 1.0, 2.0])).tolist() == [1.0, 0.75, 0.25, 0.5]


RECIPE = Recipe(lr=0.05, momentum=0.9, steps=60, batch_size=20, val_size=60, eval_every=20)


@pytest.fixture
def normed(make_bench):
    return make_bench(ConvBN(gamma_init=0.5), RECIPE)


def test_a_network_with_batch_norm_ranks_by_gamma(normed, make_ticket):
    values = {k: v.clone() for k, v in normed.initial(0).values.items()}
    draws = torch.Generator().manual_seed(1)
    for i in (1, 2, 3):
        values[f"bn{i}.weight"] = torch.randn(len(values[f"bn{i}.weight"]), generator=draws)
    scores = EarlyBird().scores(make_ticket(normed).units, values)
    for i, score in enumerate(scores, start=1):
        assert torch.equal(score, values[f"bn{i}.weight"].abs().double())


def test_a_network_without_ranks_by_the_incoming_l1_norm(make_bench, make_ticket):
    bench = make_bench(MLP(hidden=(4, 2)), RECIPE)
    values = {k: v.clone() for k, v in bench.initial(0).values.items()}
    values["fc1.weight"] = torch.tensor([[-2.0], [1.0], [3.0], [-0.5]]).expand(4, 36).clone()
    values["fc2.weight"] = torch.tensor([[1.0, -1, 0, 0], [0.5, 0.5, 0.5, -0.7]])
    values["fc1.bias"] = torch.tensor([0.0, 99, 0, 0])  # biases do not count
    first, second = EarlyBird().scores(make_ticket(bench).units, values)
    assert first.tolist() == [0.75, 0.5, 1.0, 0.25]
    assert second.tolist() == [0.5, 1.0]  # 2.0 and 2.2


def test_layers_of_any_width_keep_about_the_same_share(make_bench, make_ticket):
    """Norms of layers of different fan-in do not compare: raw, or over their layer's mean, they
    would leave one layer with a single unit.
    """
    bench = make_bench(MLP(hidden=(120, 40)), RECIPE)
    for target in (0.3, 0.1, 0.05):
        mask = EarlyBird().select_mask(make_ticket(bench, target))
        units = {n: int(k.any(1).sum()) for n, k in mask.kept.items()}
        assert units["fc1"] / 120 == pytest.approx(units["fc2"] / 40, abs=1 / 40)
        assert 0.8 * target <= mask.density <= target


def test_the_search_trains_with_the_penalty_and_the_ticket_without(normed, make_ticket):
    """A strong penalty drives γ towards zero during the search."""
    strong, none = EarlyBird(l1=0.5, threshold=1e-9), EarlyBird(l1=0.0, threshold=1e-9)
    sums = {}
    for strategy in (strong, none):
        ticket = make_ticket(normed, 0.3)
        strategy.select_mask(ticket)
        search = ticket.memo["search"]
        sums[strategy.l1] = sum(
            float(search.values[f"bn{i}.weight"].abs().sum()) for i in (1, 2, 3)
        )
    assert sums[0.5] < 0.5 * sums[0.0]


class Watcher:
    """Collects the steps at which masks entered the queue."""

    def __init__(self, monkeypatch):
        self.lengths = []
        import lth_strategies.early_bird as module

        real = module.has_settled

        def watched(queue, *arguments):
            self.lengths.append(len(queue))
            return real(queue, *arguments)

        monkeypatch.setattr(module, "has_settled", watched)


def test_equal_gammas_at_the_start_trigger_nothing(normed, make_ticket, monkeypatch):
    """Masks at 5, 10, …: with the first one, at step 0, a queue of 3 would be full at 10."""
    watcher = Watcher(monkeypatch)
    ticket = make_ticket(normed, 0.3)
    EarlyBird(window=3, threshold=1.0, interval=0.5).select_mask(ticket)
    assert ticket.memo["search"].step == 15
    assert watcher.lengths == [1, 2, 3]


def test_gammas_that_stay_equal_never_trigger(make_bench, make_ticket, monkeypatch):
    # at this rate a γ of 0.5 does not move in float32
    bench = make_bench(ConvBN(gamma_init=0.5), dataclasses.replace(RECIPE, lr=1e-12, momentum=0.0))
    watcher = Watcher(monkeypatch)
    ticket = make_ticket(bench, 0.3)
    EarlyBird(window=2, threshold=1.0, interval=0.5).select_mask(ticket)
    assert watcher.lengths == []
    assert not ticket.memo["search"].stopped


def test_masks_that_do_not_settle_are_taken_at_the_latest(normed, make_ticket):
    ticket = make_ticket(normed, 0.3)
    strategy = EarlyBird(window=100, interval=0.5, latest=0.4)
    mask = strategy.select_mask(ticket)
    search = ticket.memo["search"]
    assert (search.step, search.stopped) == (24, False)
    point = strategy.rewind_point(ticket)
    assert point.step == 24
    assert point.values is search.values
    # at or below the target, and as large as it can be: one more unit would be above
    assert mask.density <= 0.3
    # the drawn weights are unmasked
    assert bool((point.values["conv2.weight"] != 0).all())


def test_the_small_network_is_measured(normed, make_ticket):
    ticket = make_ticket(normed, 0.3)
    strategy = EarlyBird(window=2, threshold=1.0, interval=0.5)
    mask = strategy.select_mask(ticket)
    ticket = ticket.after_selection(mask)
    ticket = ticket.after_rewinding(strategy.rewind_point(ticket))
    metrics = strategy.score(ticket, ticket.fit())
    a, b, c = (int(mask.kept[f"conv{i}"].flatten(1).any(1).sum()) for i in (1, 2, 3))
    weights = 9 * a + 9 * a * b + 9 * b * c + 3 * c
    assert weights == mask.count
    # γ and β of each unit, and three biases
    assert metrics["shrunk_parameters"] == weights + 2 * (a + b + c) + 3
    # 6×6 positions before the pooling, 3×3 after it
    assert metrics["shrunk_flops"] == 2 * (9 * a * 36 + (9 * a * b + 9 * b * c) * 9 + 3 * c)
    assert metrics["shrunk_latency_seconds"] > 0
    assert metrics["dense_latency_seconds"] > 0
    assert (metrics["draw_step"], metrics["drawn"]) == (10, 1)


def test_distances_between_all_masks_of_the_search() -> None:
    bits = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    assert mask_distances(bits).tolist() == [[0, 0.25, 1], [0.25, 0, 0.75], [1, 0.75, 0]]


def test_long_searches_are_thinned_to_their_ends() -> None:
    assert thinned(list(range(10)), 10) == list(range(10))
    assert thinned(list(range(0, 1000, 10)), 4) == [0, 330, 660, 990]


def test_the_picture_of_a_search_shows_why_it_stopped(normed, make_ticket):
    strategy = EarlyBird(window=3, threshold=0.3, latest=0.9)
    ticket = make_ticket(normed, 0.3)
    strategy.select_mask(ticket)
    picture = ticket.matrices["mask_distance"]
    search = ticket.memo["search"]
    assert search.stopped
    assert picture.steps[-1] == search.step
    distances = torch.tensor(picture.values)
    assert torch.equal(distances, distances.T)
    assert not distances.diagonal().any()
    settled = [float(distances[i, i - 2 : i].max()) <= 0.3 for i in range(2, len(distances))]
    assert settled == [False] * (len(settled) - 1) + [True]


def test_inverted_scores_remove_the_channels_of_largest_gamma(normed, make_ticket):
    ticket = make_ticket(normed, 0.3)
    strategy = inverted(EarlyBird(window=100, interval=0.5, latest=0.4))
    mask = strategy.select_mask(ticket)
    search = ticket.memo["search"].values
    gammas = [search[f"bn{i}.weight"].abs() for i in (1, 2, 3)]
    gone = removed_units(ticket.units, mask)
    # every layer keeps its best channel, here the one of smallest γ
    most = [float(gamma[~out].max()) for gamma, out in zip(gammas, gone, strict=True)]
    least = [float(gamma[out].min()) for gamma, out in zip(gammas, gone, strict=True) if out.any()]
    assert sum(map(int, map(torch.sum, gone))) > 10 and max(most) <= min(least)
    excluded = [torch.tensor([1.0, 2.0]), torch.full((2,), torch.inf)]
    assert [part.tolist() for part in negative(excluded)] == [[-1, -2], [torch.inf, torch.inf]]


def test_the_search_in_eight_bits_ranks_rounded_gammas(normed, make_ticket):
    strategy = EarlyBird(window=100, interval=0.5, latest=0.4, search_bits=8)
    ticket = make_ticket(normed, 0.3)
    strategy.select_mask(ticket)
    search = ticket.memo["search"]
    assert search.variant == "low_precision" and search.operand_bits == 8
    for i in (1, 2, 3):  # a block of its own: seven bits and a sign
        significand = torch.frexp(search.values[f"bn{i}.weight"]).mantissa * 2**7
        assert torch.equal(significand, significand.round())
    ticket = ticket.after_rewinding(strategy.rewind_point(ticket))
    trained = ticket.fit()
    assert trained.start == 24 and trained.operand_bits == 32
    assert trained.variant != "low_precision"
