"""Ablations: what a method finds when one thing that it sees, or may spend, is changed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from lth_bench import Change, Mask, PerKind, hookimpl
from lth_bench.lottery.ablated_runner import inverted, scratch_steps
from lth_bench.models.mlp import MLP
from lth_bench.suite.ablations import OF_DATA
from lth_bench.training.dispatch.variant import with_data
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.early_bird import EarlyBird
from lth_strategies.fine_tune import FineTune
from lth_strategies.grasp import GraSP
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.lr_rewind import LRRewind
from lth_strategies.one_shot import OneShot
from lth_strategies.random import Random
from lth_strategies.rigl import RigL
from lth_strategies.snip import SNIP

NET = MLP(hidden=(12, 8))
RECIPE = Recipe(optimizer="adam", lr=0.01, steps=20, batch_size=20, val_size=60, eval_every=10)
RATE = PerKind(0.5, 0.5, 0.5)


@pytest.mark.parametrize("view", OF_DATA)
def test_a_search_sees_other_data_and_its_ticket_the_task(view, make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, IMP(RATE), (0.5, 0.25), ablation={"name": view})
    first, second = story.reported()
    assert [data is bench.data for data in story.data] == [False, True, False, True]
    initial = bench.initial(0).values
    for request in story.requests:
        assert (request.start, request.end) == (0, 20)
        for layer in bench.layers:
            kept = request.mask.kept[layer.name]
            assert torch.equal(request.values[layer.key][kept], initial[layer.key][kept])
    for row, searched in ((first, 20), (second, 40)):
        assert (row["status"], row["cost"]["steps"]) == ("ok", 20)
        assert (row["cost"]["search_steps"], row["cost"]["spent_steps"]) == (searched, 40)
    # the masks are those that the plain method finds on that data
    elsewhere = run_rounds(with_data(bench, view), IMP(RATE), (0.5, 0.25))
    masks = [story.requests[1].mask, story.requests[3].mask]
    keys = [row["trainings"][-1]["key"] for row in elsewhere.reported()]
    assert masks == [with_data(bench, view).find(key, frozenset()).mask for key in keys]
    # and not those that it finds on the task
    plain = run_rounds(bench, IMP(RATE), (0.5, 0.25)).reported()
    found = [bench.find(row["trainings"][-1]["key"], frozenset()).mask for row in plain]
    assert masks[0] != found[0]
    assert masks[1] != found[1]


@pytest.mark.parametrize("strategy", [SNIP(batch_size=60), GraSP(per_class=20)])
def test_a_minibatch_is_of_the_other_data(strategy, make_bench, run_rounds):
    """Drawn from all examples, or from those of each class."""
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, strategy, (0.3,), ablation={"name": "random_labels"})
    (row,), (request,) = story.reported(), story.requests
    assert (row["status"], row["cost"]["search_steps"]) == ("ok", 0)
    assert story.data == [bench.data]
    (plain,) = run_rounds(bench, strategy, (0.3,)).requests
    assert request.mask != plain.mask


def test_another_order_is_that_of_the_whole_experiment(make_bench, run_rounds):
    """Of the dense run, the rounds and the tickets, from the same initial values; not the plain
    experiment's, which is found again beside it.
    """
    bench = make_bench(NET, RECIPE)
    stories = [
        run_rounds(bench, IMP(RATE), (0.5, 0.25), ablation=ablation)
        for ablation in (None, {"name": "other_order"}, {"name": "other_order"}, None)
    ]
    assert [len(s.requests) for s in stories] == [3, 3, 0, 0]
    plain, other = (s.requests for s in stories[:2])
    assert {r.order for r in plain} == {None}
    assert len({r.order for r in other} - {None, 0}) == 1
    assert torch.equal(plain[0].values["fc1.weight"], other[0].values["fc1.weight"])
    assert plain[1].mask.count == other[1].mask.count
    assert plain[1].mask != other[1].mask
    for row in stories[1].reported():
        assert (row["status"], row["cost"]["steps"]) == ("ok", 20)


def test_another_order_is_that_of_a_minibatch(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    (plain,), (other,) = (
        run_rounds(bench, SNIP(batch_size=20), (0.3,), ablation=ablation).requests
        for ablation in (None, {"name": "other_order"})
    )
    assert plain.mask != other.mask


@pytest.mark.parametrize("strategy", [Random(), RigL(update_every=5)])
def test_a_mask_that_sees_no_data_is_not_ablated(strategy, make_bench, run_rounds):
    story = run_rounds(make_bench(NET, RECIPE), strategy, (0.5,), ablation={"name": "half_data"})
    (row,) = story.reported()
    assert row["status"] == "skipped"
    assert "select_mask sees no data, so other data change nothing" in row["reason"]
    assert story.requests == []


def test_values_that_a_search_hands_on_go_with_the_ticket(make_bench, run_rounds):
    """Early-Bird's ticket continues its search, whose values saw the other data."""
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, EarlyBird(), (0.5,), ablation={"name": "random_labels"})
    (row,) = story.reported()
    assert row["status"] == "ok"
    assert [data is bench.data for data in story.data] == [False, True]
    assert story.requests[1].start == row["rewind_step"] > 0


def test_a_ticket_is_rewound_on_the_task(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    late = LateRewind(RATE, rewind_step=5)
    story = run_rounds(bench, late, (0.5,), checkpoints=[5], ablation={"name": "random_labels"})
    clean = run_rounds(bench, late, (0.5,), checkpoints=[5])
    (own,) = clean.requests[-1:]
    ticket = story.requests[-1]
    assert ticket.start == own.start == 5
    both = {n: k & own.mask.kept[n] for n, k in ticket.mask.kept.items()}
    for layer in bench.layers:
        a, b = ticket.values[layer.key], own.values[layer.key]
        assert torch.equal(a[both[layer.name]], b[both[layer.name]])


@pytest.mark.parametrize("view", OF_DATA)
def test_one_component_of_the_data_is_destroyed(view, make_bench):
    bench = make_bench(NET, RECIPE)
    seen = with_data(bench, view)
    assert with_data(bench, view) is seen
    own, other = bench.data.train, seen.data.train
    x, y = own.x.flatten(1), own.y
    if view == "half_data":
        assert len(other) == len(own) // 2
        rows = {tuple(row.tolist()) for row in torch.cat([x, y[:, None]], dim=1)}
        assert {
            tuple(r.tolist()) for r in torch.cat([other.x.flatten(1), other.y[:, None]], dim=1)
        } <= rows
        assert torch.equal(seen.data.val.x, bench.data.val.x)
        return
    moved = other.x.flatten(1)
    assert torch.equal(moved.sort(dim=1).values, x.sort(dim=1).values)
    assert torch.equal(other.y.sort().values, y.sort().values)
    assert torch.equal(moved, x) is (view == "random_labels")
    assert torch.equal(other.y, y) is (view == "shuffled_pixels")
    assert seen.total_steps == bench.total_steps
    assert torch.equal(seen.initial(0).weights["fc1"], bench.initial(0).weights["fc1"])


@pytest.mark.parametrize("strategy", [
    IMP(RATE), FineTune(RATE), FineTune(RATE, pruning="one_shot"),
    LRRewind(RATE), LRRewind(RATE, pruning="one_shot"),
])  # fmt: skip
def test_inverted_scores_keep_what_goes_first(strategy, make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, strategy, (0.5,), ablation={"name": "inverted_score"})
    dense = bench.find(story.reported()[0]["trainings"][0]["key"], frozenset())
    mask = story.requests[-1].mask
    for layer in bench.layers:
        size = dense.values[layer.key].abs()
        kept = mask.kept[layer.name]
        assert float(size[kept].max()) <= float(size[~kept].min())


def test_a_strategy_without_scores_is_not_inverted(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    (row,) = run_rounds(bench, Random(), (0.5,), ablation={"name": "inverted_score"}).reported()
    assert row["status"] == "skipped"
    assert "no method `scores`" in row["reason"]


def test_an_inverted_strategy_keeps_its_parameters():
    turned = inverted(SNIP(batch_size=7))
    assert isinstance(turned, SNIP)
    assert turned.batch_size == 7


def test_scratch_b_is_as_long_as_its_flops_allow():
    """VGG-16-A of Liu et al. (2019): 313 MFLOPs, 206 after pruning, 160 epochs."""
    assert scratch_steps(160, 313, 206) == 243


@pytest.mark.parametrize(("name", "strategy"), [
    ("scratch_e", OneShot(scope="global")), ("scratch_b", OneShot(scope="global")),
    ("scratch_e", IMP(RATE)), ("scratch_b", RigL(update_every=5)),
])  # fmt: skip
def test_final_masks_are_trained_from_scratch(name, strategy, make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, strategy, (0.5,), ablation={"name": name})
    (row,) = story.reported()
    plain = run_rounds(bench, strategy, (0.5,)).reported()[0]
    own = bench.find(plain["trainings"][-1]["key"], frozenset())
    last, fresh = story.requests[-1], bench.initial(0, "reinit").values
    assert last.mask == own.mask
    for layer in bench.layers:
        kept = own.mask.kept[layer.name]
        assert torch.equal(last.values[layer.key][kept], fresh[layer.key][kept])
    counts = own.mask.kept_per_layer()
    density = {x.name: counts[x.name] / x.numel for x in bench.layers}
    flops = bench.network.flops
    longer = int(20 * flops.step / flops.masked_step(density))
    assert row["cost"]["steps"] == last.end == (longer if name == "scratch_b" else 20)
    # RigL's final mask comes of its training, IMP's and one-shot's of the dense run's
    assert row["cost"]["search_steps"] == 20


def test_a_recipe_is_stretched_as_a_whole(make_bench, run_rounds):
    recipe = Recipe(
        lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10,
        schedule="step", milestones=(10, 15), warmup=2,
    )  # fmt: skip
    bench = make_bench(NET, recipe)
    budget = {"name": "equal_cost", "steps": 60}
    (request,) = run_rounds(bench, SNIP(batch_size=20), (0.5,), ablation=budget).requests
    assert (request.end, request.recipe.milestones, request.recipe.warmup) == (60, (30, 45), 6)


@dataclass(frozen=True, eq=False)
class Halfway:
    """Prunes in the middle of training."""

    dynamic = True

    @hookimpl
    def select_mask(self, ticket):
        return ticket.mask

    @hookimpl
    def train(self, ticket):
        mask = Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

        def prune(view):
            return Change(mask=mask) if view.step == view.end // 2 else None

        return ticket.fit(on_step=prune, every=ticket.total_steps // 2)


@pytest.mark.parametrize("strategy", [SNIP(batch_size=20), Random(), Halfway()])
def test_equal_cost_is_spent_on_the_ticket(strategy, make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    budget = {"name": "equal_cost", "steps": 80}
    (row,) = run_rounds(bench, strategy, (0.5,), ablation=budget).reported()
    assert (row["status"], row["cost"]["steps"], row["cost"]["search_steps"]) == ("ok", 80, 0)


def test_dense_at_equal_cost_is_one_long_training(make_bench, run_rounds):
    budget = {"name": "equal_cost", "steps": 80}
    story = run_rounds(make_bench(NET, RECIPE), Dense(), (1.0,), ablation=budget)
    (row,) = story.reported()
    assert (row["cost"]["steps"], row["cost"]["search_steps"], row["density"]) == (80, 0, 1.0)
    assert [r.end for r in story.requests] == [80]


def test_a_method_that_needs_the_dense_run_shares_the_budget_with_it(make_bench, run_rounds):
    budget = {"name": "equal_cost", "steps": 80}
    story = run_rounds(make_bench(NET, RECIPE), OneShot(), (0.5,), ablation=budget)
    (row,) = story.reported()
    assert (row["status"], row["cost"]["steps"], row["cost"]["search_steps"]) == ("ok", 40, 40)
    dense, ticket = story.requests
    assert (dense.end, ticket.end, dense.recipe) == (40, 40, ticket.recipe)
    assert dense.mask.density == 1


def test_equal_cost_is_for_no_method_that_needs_a_part_of_the_dense_run(make_bench, run_rounds):
    class Partly(OneShot):
        def scores(self, ticket):
            return abs(ticket.dense.at(10).weights)

    budget = {"name": "equal_cost", "steps": 80}
    story = run_rounds(make_bench(NET, RECIPE), Partly(), (0.5,), ablation=budget)
    (row,) = story.reported()
    assert (row["status"], story.requests) == ("skipped", [])
    assert "asks for a part of the dense run" in row["reason"]


def test_a_search_that_the_ticket_continues_shares_its_budget(make_bench, run_rounds):
    budget = {"name": "equal_cost", "steps": 80}
    story = run_rounds(make_bench(NET, RECIPE), EarlyBird(), (0.5,), ablation=budget)
    (row,) = story.reported()
    assert row["cost"]["steps"] + row["cost"]["search_steps"] == 80
    assert row["cost"]["search_steps"] > 0
