"""The round loop: which values tickets start from, which masks they have, what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import nn

from lth_bench import Layers, Mask, PerKind, RewindPoint, hookimpl
from lth_bench.errors import Unreachable
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.early_bird import EarlyBird
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.one_shot import OneShot
from lth_strategies.rigl import RigL
from lth_strategies.snip import SNIP

NET = MLP(hidden=(12, 8))  # 36·12 + 12·8 + 8·3 = 552 weights
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
ADAM = Recipe(optimizer="adam", lr=0.01, steps=20, batch_size=20, val_size=60, eval_every=10)
HALVE = IMP(PerKind(0.5, 0.5, 0.5))


def masked(values, mask):
    out = {k: v.clone() for k, v in values.items()}
    for key, kept in mask.items_by_key().items():
        out[key][~kept] = 0
    return out


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


# ---- start values ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NET, ConvBN()])
def test_imp_s_survivors_start_from_the_initial_values_bit_for_bit(
    model, make_bench, run_play, tmp_path
):
    story = run_play(make_bench(model, ADAM), HALVE, (0.5, 0.25), ["reinit"])
    dense, first, reinit, second, _ = story.requests
    fresh = make_bench(model, ADAM, root=tmp_path / "fresh")
    initial = fresh.initial(0).values
    assert same(dense.values, initial)
    for ticket in (first, second):
        assert ticket.start == 0
        assert same(ticket.values, masked(initial, ticket.mask))
    # and not because everything is equal
    kept = first.mask.items_by_key()
    for layer in fresh.layers:
        survivors = kept[layer.key]
        assert not bool((reinit.values[layer.key] == initial[layer.key])[survivors].any())


@pytest.mark.parametrize("announced", [True, False])
def test_late_rewinding_starts_from_the_dense_run_s_step_k_bit_for_bit(
    announced, make_bench, run_play, request_of_dense, tmp_path
):
    bench = make_bench(ConvBN(), ADAM)
    strategy = LateRewind(HALVE.prune_rate, rewind_step=7)
    checkpoints = strategy.dense_checkpoints(20) if announced else ()
    story = run_play(bench, strategy, (0.5, 0.25), ["shuffle"], checkpoints=checkpoints)
    fresh = make_bench(ConvBN(), ADAM, root=tmp_path / "fresh")
    at_7 = fresh.fit(request_of_dense(fresh, end=7))
    at_8 = fresh.fit(request_of_dense(fresh, end=8))
    tickets = [r for r in story.requests if r.start == 7]
    assert len(tickets) == 4  # two densities and their shuffles
    for ticket in tickets:
        assert ticket.end == 20
        expected = masked(at_7.values, ticket.mask)
        assert same(ticket.values, expected)  # batch norm's buffers too
        unequal = [k for k, v in masked(at_8.values, ticket.mask).items()
                   if not torch.equal(v, ticket.values[k])]  # fmt: skip
        assert len(unequal) == len(expected)
    assert [r["rewind_step"] for r in story.reported()] == [7, 7]
    trained = sorted((r.start, r.end) for r in story.requests)
    assert trained == ([] if announced else [(0, 7)]) + [(0, 20)] + [(7, 20)] * 4


@pytest.fixture
def request_of_dense():
    from lth_bench.training.request import FitRequest

    def make(bench, end):
        return FitRequest(bench.initial(0).values, bench.dense_mask(), 0, end, 0, bench.recipe)

    return make


def test_the_reported_ticket_can_be_trained_again_from_its_parts(make_bench, run_play, blobs):
    """`test_accuracy` and `early_stop_accuracy`, worked out from the training's own values."""
    bench = make_bench(NET, ADAM)
    (record,) = run_play(bench, SNIP(batch_size=100), (0.3,)).reported()
    key = record["trainings"][-1]["key"]
    outcome = bench._find(key, frozenset())
    for values, metric in (
        (outcome.values, "test_accuracy"),
        (outcome.best, "early_stop_accuracy"),
    ):
        module = bench.network.twin(values).eval()
        x = (blobs.test_x.float() / 255 - blobs_mean(bench)) / blobs_deviation(bench)
        right = (module(x).argmax(1) == blobs.test_y).double().mean().item()
        assert record["metrics"][metric] == pytest.approx(right)
    assert record["metrics"]["early_stop_step"] == outcome.best_step
    assert record["metrics"]["val_accuracy"] == outcome.curve[-1].val_accuracy


def blobs_mean(bench):
    return (bench.data.train.x.double() / 255).mean().float()


def blobs_deviation(bench):
    return (bench.data.train.x.double() / 255).std(unbiased=False).float()


# ---- densities and masks --------------------------------------------------------------------

LADDER = (
    0.8004, 0.6406, 0.5128, 0.4105, 0.3287, 0.2632, 0.2107, 0.1688, 0.1352, 0.1083, 0.0868,
    0.0695, 0.0557, 0.0447, 0.0358,
)  # fmt: skip


def test_the_published_ladder_takes_one_round_a_rung(lenet_bench, run_play):
    bench, noise = lenet_bench
    story = run_play(bench, IMP(), LADDER, arrays=noise)
    assert [r["reported"] for r in story.records] == [True] * 15
    assert [r["round"] for r in story.records] == list(range(15))
    for record, rung in zip(story.records, LADDER, strict=True):
        kept = sum(layer["kept"] for layer in record["layers"])
        assert kept == round(rung * 266_200)
        assert record["density"] == kept / 266_200
        assert record["effective_density"] <= record["density"]
        exact = [235_200 * 0.8, 30_000 * 0.8, 1_000 * 0.9]
        power = record["round"]
        for layer, first in zip(record["layers"], exact, strict=True):
            rate = 0.9 if layer["kind"] == "output" else 0.8
            assert layer["kept"] == pytest.approx(first * rate**power, rel=2e-3, abs=1.5)
    masks = [r.mask for r in story.requests]
    assert len(masks) == 16
    for before, after in pairwise(masks):
        for name, kept in after.kept.items():
            assert not bool((kept & ~before.kept[name]).any())


def test_rounds_above_a_density_are_reported_as_intermediate(make_bench, run_play):
    strategy = IMP(PerKind(0.2, 0.2, 0.2))
    story = run_play(make_bench(NET, RECIPE), strategy, (0.5, 0.3), ["reinit"])
    # .8 .64 | .512 -> .5 | .4 .32 -> .3: the last round of each takes a little more or less
    flags = [(r["reported"], r["control"]) for r in story.records]
    assert flags == [
        (False, "none"), (False, "none"), (True, "none"), (True, "reinit"),
        (False, "none"), (True, "none"), (True, "reinit"),
    ]  # fmt: skip
    assert [r["round"] for r in story.records] == [0, 1, 2, 2, 3, 4, 4]
    counts = [sum(x["kept"] for x in r["layers"]) for r in story.records]
    assert counts == [442, 354, 276, 276, 221, 166, 166]
    assert "test_accuracy" not in story.records[0]["metrics"]
    assert len({r["ticket_id"] for r in story.records}) == len(story.records)


@pytest.mark.parametrize("density", [0.9, 0.5, 1 / 3, 0.1, 0.001])
@pytest.mark.parametrize(
    "strategy",
    [IMP(PerKind(0.4, 0.4, 0.4)), OneShot(PerKind(1, 1, 1)), SNIP(100), RigL(update_every=5)],
    ids=lambda s: type(s).__name__,
)
def test_every_strategy_lands_on_exactly_the_target_s_count(
    strategy, density, make_bench, run_play
):
    story = run_play(make_bench(NET, RECIPE), strategy, (density,))
    (record,) = story.reported()
    assert sum(x["kept"] for x in record["layers"]) == max(1, math.floor(density * 552 + 0.5))
    assert record["status"] == "ok"
    assert record["target_density"] == density


def test_density_one_is_the_dense_run_and_no_round(make_bench, run_play):
    bench = make_bench(NET, ADAM)
    story = run_play(bench, IMP(PerKind(0.5, 0.5, 0.5)), (1.0, 0.5), ["reinit"])
    dense, ticket = story.reported()
    assert (dense["target_density"], dense["density"], dense["round"]) == (1.0, 1.0, 0)
    assert ticket["round"] == 0
    assert [r["target_density"] for r in story.reported("reinit")] == [0.5]
    assert (dense["cost"]["steps"], dense["cost"]["search_steps"]) == (20, 0)
    assert (ticket["cost"]["steps"], ticket["cost"]["search_steps"]) == (20, 20)
    assert len(story.requests) == 3
    (again,) = run_play(bench, Dense(), (1.0,)).records
    assert again["metrics"] == dense["metrics"]
    assert again["trainings"] == [{**dense["trainings"][0], "reused": True}]
    assert again["cost"]["spent_steps"] == 0


def test_the_same_experiment_again_trains_nothing_and_says_the_same(make_bench, run_play):
    strategies = [HALVE, RigL(update_every=5), EarlyBird(), SNIP(100)]
    for strategy in strategies:
        first = run_play(make_bench(ConvBN(), RECIPE), strategy, (0.5,), ["reinit", "shuffle"])
        # another process: a fresh workbench, another global random state
        torch.rand(3)
        again = run_play(make_bench(ConvBN(), RECIPE), strategy, (0.5,), ["reinit", "shuffle"])
        for a, b in zip(first.records, again.records, strict=True):
            latency = {k for k in a["metrics"] if "latency" in k}
            drop = {"cost", "trainings", "metrics"}
            assert {k: v for k, v in a.items() if k not in drop} == {
                k: v for k, v in b.items() if k not in drop
            }
            for metric in a["metrics"].keys() - latency:
                assert a["metrics"][metric] == b["metrics"][metric], metric
            assert [t["key"] for t in a["trainings"]] == [t["key"] for t in b["trainings"]]
        searched = isinstance(strategy, EarlyBird)
        assert len(again.requests) == int(searched)  # what `until` watches runs again


# ---- controls -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Biggest:
    """A third party's: the largest initial weights, rewound to step 5."""

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

    @hookimpl
    def rewind_point(self, ticket):
        return RewindPoint.at(ticket.dense.at(5))

    @hookimpl
    def score(self, ticket, trained):
        return {"largest": max(float(w.max()) for w in trained.weights.values())}


@pytest.mark.parametrize("strategy", [HALVE, Biggest(), RigL(update_every=5)])
def test_controls_of_any_strategy(strategy, make_bench, run_play):
    bench = make_bench(NET, ADAM)
    story = run_play(bench, strategy, (0.5,), ["reinit", "shuffle"])
    (ticket,), (reinit,), (shuffle,) = (story.reported(c) for c in ("none", "reinit", "shuffle"))
    assert ticket["layers"] == reinit["layers"] == shuffle["layers"]
    by_reinit, by_shuffle = story.requests[-2:]
    own = bench._find(ticket["trainings"][-1]["key"], frozenset())
    # reinit: the ticket's final mask, fresh values, the whole schedule
    assert by_reinit.mask == own.mask
    assert by_reinit.start == 0
    initial = bench.initial(0).values
    for layer in bench.layers:
        kept = own.mask.kept[layer.name]
        assert not bool((by_reinit.values[layer.key] == initial[layer.key])[kept].any())
    assert reinit["rewind_step"] == 0
    # shuffle: as many in each layer at other places, with the rewind point's values there
    start = 5 if isinstance(strategy, Biggest) else 0
    assert by_shuffle.start == shuffle["rewind_step"] == ticket["rewind_step"] == start
    assert by_shuffle.mask != own.mask
    assert by_shuffle.mask.kept_per_layer() == own.mask.kept_per_layer()
    rewound = bench.network.values() if start else initial
    if start:
        rewound = next(r for r in story.requests if r.end == 5 and r.start == 0)
        rewound = bench.fit(rewound).values
    assert same(by_shuffle.values, masked(rewound, by_shuffle.mask))
    for record, steps in ((reinit, 20), (shuffle, 20 - start)):
        cost = record["cost"]
        assert (cost["steps"], cost["spent_steps"]) == (steps, steps)
        assert cost["search_steps"] == cost["search_seconds"] == cost["search_flops_dense"] == 0
        assert [t["role"] for t in record["trainings"]] == ["train"]
        assert record["metrics"].keys() == ticket["metrics"].keys()
    # a control trains plainly, whatever the strategy does
    assert by_reinit.on_step is None
    assert by_shuffle.on_step is None


def test_controls_never_feed_a_later_round(make_bench, run_play, tmp_path):
    bench = make_bench(NET, ADAM)
    plain = run_play(bench, HALVE, (0.5, 0.25))
    other = make_bench(NET, ADAM, root=tmp_path / "other")
    spoilt = run_play(other, HALVE, (0.5, 0.25), ["reinit", "shuffle"])
    for a, b in zip(plain.reported(), spoilt.reported(), strict=True):
        assert a["metrics"] == b["metrics"]
        assert [t["key"] for t in a["trainings"]] == [t["key"] for t in b["trainings"]]
        for name in ("steps", "search_steps", "spent_steps"):
            assert a["cost"][name] == b["cost"][name]


@dataclass(frozen=True)
class NoBias:
    """Layers without biases, so that a structured mask holds nothing else."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(36, 10, bias=False),
            nn.ReLU(),
            nn.Linear(10, classes, bias=False),
        )


@pytest.mark.parametrize("model", [ConvBN(gamma_init=0.5), NoBias()])
def test_shuffling_a_structured_ticket_permutes_units(model, make_bench, run_play):
    bench = make_bench(model, RECIPE)
    story = run_play(bench, EarlyBird(), (0.3,), ["shuffle"])
    (record,), (shuffled,) = story.reported(), story.reported("shuffle")
    assert record["layers"] == shuffled["layers"]
    assert record["unit_density"] == shuffled["unit_density"] < 1
    before, after = story.requests[-2].mask, story.requests[-1].mask
    assert before != after
    for mask in (before, after):
        for kept in mask.kept.values():
            # whole rows and columns: an outer product
            rows = kept.flatten(2).any(2).any(1) if kept.ndim > 2 else kept.any(1)
            columns = kept.flatten(2).any(2).any(0) if kept.ndim > 2 else kept.any(0)
            grid = rows[:, None] & columns[None, :]
            assert torch.equal(kept, grid.view(*grid.shape, *[1] * (kept.ndim - 2)).expand_as(kept))
    rows = {n: k.flatten(1).any(1) for n, k in after.kept.items()}
    for key, held in after.held.items():
        name = key.split(".")[0].replace("bn", "conv")
        assert torch.equal(held, rows[name])


# ---- cost -----------------------------------------------------------------------------------


def costs(record):
    return {k: record["cost"][k] for k in ("steps", "search_steps", "spent_steps")}


def test_what_imp_costs(make_bench, run_play):
    story = run_play(make_bench(NET, RECIPE), IMP(PerKind(0.3, 0.3, 0.3)), (0.5, 0.25), ["reinit"])
    first, second, third, fourth = (r for r in story.records if r["control"] == "none")
    assert [r["reported"] for r in (first, second, third, fourth)] == [False, True, False, True]
    # search: the dense run and every earlier round; spent: what is new since the row before
    assert costs(first) == {"steps": 20, "search_steps": 20, "spent_steps": 40}
    assert costs(second) == {"steps": 20, "search_steps": 40, "spent_steps": 20}
    assert costs(third) == {"steps": 20, "search_steps": 60, "spent_steps": 20}
    assert costs(fourth) == {"steps": 20, "search_steps": 80, "spent_steps": 20}
    assert first["cost"]["examples"] == 400
    dense = 400 * 2 * (2 * 432 + 3 * 96 + 3 * 24)
    assert first["cost"]["flops_dense"] == first["cost"]["search_flops_dense"] == dense
    kept = {x["layer"]: x["kept"] for x in second["layers"]}
    sparse = 400 * 2 * (2 * kept["fc1"] + 3 * kept["fc2"] + 3 * kept["fc3"])
    assert second["cost"]["flops_masked_theoretical"] == pytest.approx(sparse)
    assert second["cost"]["search_flops_masked_theoretical"] == pytest.approx(
        dense + first["cost"]["flops_masked_theoretical"]
    )
    assert [t["role"] for t in fourth["trainings"]] == ["search"] * 4 + ["train"]
    total = sum(r["cost"]["spent_steps"] for r in story.records)
    assert total == sum(r.end - r.start for r in story.requests) == 7 * 20


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (OneShot(), {"steps": 20, "search_steps": 20, "spent_steps": 40}),
        (SNIP(100), {"steps": 20, "search_steps": 0, "spent_steps": 20}),
        (RigL(update_every=5), {"steps": 20, "search_steps": 0, "spent_steps": 20}),
        (LateRewind(rewind_step=6), {"steps": 14, "search_steps": 20, "spent_steps": 34}),
        (Biggest(), {"steps": 15, "search_steps": 5, "spent_steps": 20}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_a_ticket_costs_is_the_same_whatever_others_need(
    strategy, expected, make_bench, run_play, tmp_path
):
    for i, checkpoints in enumerate(((6,), (5, 6), (5, 6, 11))):
        bench = make_bench(NET, RECIPE, root=tmp_path / str(i))
        (record,) = run_play(bench, strategy, (0.85,), checkpoints=checkpoints).reported()
        assert costs(record) == expected
    # as if nothing were shared stays; what is spent is nothing the second time
    again = make_bench(NET, RECIPE, root=tmp_path / "0")
    (record,) = run_play(again, strategy, (0.85,), checkpoints=(6,)).reported()
    assert costs(record) == {**expected, "spent_steps": 0}


def test_early_bird_pays_for_its_search_and_the_rest(make_bench, run_play):
    recipe = Recipe(lr=0.1, steps=40, batch_size=20, val_size=60, eval_every=10)
    strategy = EarlyBird(window=2, threshold=0.9, interval=0.5)  # every 5 steps, soon content
    (record,) = run_play(make_bench(ConvBN(gamma_init=0.5), recipe), strategy, (0.3,)).reported()
    assert record["metrics"]["drawn"] == 1
    assert record["metrics"]["draw_step"] == record["rewind_step"] == 10
    assert costs(record) == {"steps": 30, "search_steps": 10, "spent_steps": 40}
    assert [(t["role"], t["start"], t["end"]) for t in record["trainings"]] == [
        ("search", 0, 10),
        ("train", 10, 40),
    ]


# ---- what cannot be reached -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fussy:
    """Reaches a half and a tenth, but nothing between."""

    iterative = True

    @hookimpl
    def select_mask(self, ticket):
        if 0.1 < ticket.target < 0.5:
            raise Unreachable("I do not like this density")
        scores = abs(ticket.trained.weights)
        return Mask.top_k(scores, ticket.target_count, within=ticket.mask)


def test_an_unreachable_density_is_skipped_and_the_others_go_on(make_bench, run_play):
    story = run_play(make_bench(NET, RECIPE), Fussy(), (0.5, 0.3, 0.1), ["reinit"])
    rows = [(r["target_density"], r["control"], r["status"]) for r in story.records]
    assert rows == [
        (0.5, "none", "ok"), (0.5, "reinit", "ok"),
        (0.3, "none", "skipped"), (0.3, "reinit", "skipped"),
        (0.1, "none", "ok"), (0.1, "reinit", "ok"),
    ]  # fmt: skip
    skipped = story.records[2]
    assert skipped["reason"] == "I do not like this density"
    assert skipped["reported"]
    assert skipped["density"] is None
    assert skipped["metrics"] == {}
    assert skipped["trainings"] == []
    assert len({r["ticket_id"] for r in story.records}) == 6
    assert story.records[4]["cost"]["search_steps"] == 40


def test_a_spared_layer_limits_one_shot(make_bench, run_play):
    # fc1 alone may go: 120 of 552 weights are spared
    strategy = OneShot(PerKind(1.0, 1.0, 0.0))
    story = run_play(make_bench(MLP(hidden=(12,)), RECIPE), strategy, (0.05,))
    (record,) = story.records
    assert record["status"] == "skipped"
    assert "cannot be reached" in record["reason"]


# ---- other ----------------------------------------------------------------------------------


def test_observers_hear_of_every_round_and_every_evaluation(make_bench, run_play):
    class Observer:
        def __init__(self):
            self.rounds, self.points = [], []

        @hookimpl
        def on_round(self, ticket, trained):
            torch.rand(1)  # disturbs nothing
            self.rounds.append((ticket.round, trained.mask.count))
            return "ignored"

        @hookimpl
        def on_eval(self, ticket, point):
            self.points.append((ticket.round, point.step))
            return "ignored"

        @hookimpl
        def score(self, ticket, trained):
            return {"seen": len(self.rounds)}

    observer = Observer()
    story = run_play(make_bench(NET, RECIPE), HALVE, (0.5, 0.25), observers={"watcher": observer})
    assert observer.rounds == [(0, 276), (1, 138)]
    assert observer.points == [(0, 10), (0, 20), (1, 10), (1, 20)]
    assert [r["metrics"]["seen"] for r in story.reported()] == [1, 2]


def test_what_a_hook_draws_from_global_generators_is_repeatable(make_bench, run_play, tmp_path):
    @dataclass(frozen=True, eq=False)
    class Careless:
        @hookimpl
        def select_mask(self, ticket):
            _ = ticket.dense.trained  # trained the first time, found the second
            scores = Layers({x.name: torch.rand(x.shape) for x in ticket.layers})
            return Mask.top_k(scores, ticket.target_count)

    bench = make_bench(NET, RECIPE)
    torch.manual_seed(1)
    (first,) = run_play(bench, Careless(), (0.3,)).records
    torch.manual_seed(2)
    (second,) = run_play(bench, Careless(), (0.3,)).records
    assert first["trainings"][-1]["key"] == second["trainings"][-1]["key"]
    (other,) = run_play(bench, Careless(), (0.3,), seed=1).records
    assert other["trainings"][-1]["key"] != first["trainings"][-1]["key"]
    state = torch.get_rng_state()
    run_play(bench, Careless(), (0.3,))
    assert torch.equal(torch.get_rng_state(), state)


def test_strategies_at_one_seed_share_the_dense_run_and_seeds_do_not(make_bench, run_play):
    bench = make_bench(NET, RECIPE)
    first = run_play(bench, HALVE, (0.5,))
    second = run_play(bench, OneShot(), (0.85,))
    other = run_play(bench, OneShot(), (0.85,), seed=1)
    (a,), (b,), (c,) = first.reported(), second.reported(), other.reported()
    dense = a["trainings"][0]
    assert b["trainings"][0] == {**dense, "reused": True}
    assert c["trainings"][0]["key"] != dense["key"]
    assert len(second.requests) == 1
    assert len(other.requests) == 2
