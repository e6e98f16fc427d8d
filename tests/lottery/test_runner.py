"""The round loop: which values tickets start from, which masks they have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch

from lth_bench import Layers, Mask, PerKind, hookimpl
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


# ---- start values ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NET, ConvBN()])
def test_imp_s_survivors_start_from_the_initial_values_bit_for_bit(
    model, make_bench, run_rounds, tmp_path
):
    story = run_rounds(make_bench(model, ADAM), HALVE, (0.5, 0.25), ["reinit"])
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
    announced, make_bench, run_rounds, request_of_dense, tmp_path
):
    bench = make_bench(ConvBN(), ADAM)
    strategy = LateRewind(HALVE.prune_rate, rewind_step=7)
    checkpoints = strategy.dense_checkpoints(20) if announced else ()
    story = run_rounds(bench, strategy, (0.5, 0.25), ["shuffle"], checkpoints=checkpoints)
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
        return FitRequest(
            values=bench.initial(0).values,
            mask=bench.dense_mask(),
            start=0,
            end=end,
            seed=0,
            recipe=bench.recipe,
        )

    return make


def test_the_reported_ticket_can_be_trained_again_from_its_parts(make_bench, run_rounds, blobs):
    """`test_accuracy` and `early_stop_accuracy`, worked out from the training's own values."""
    # a rate at which the network gets worse again
    recipe = Recipe(lr=6.0, steps=20, batch_size=20, val_size=60, eval_every=2)
    bench = make_bench(NET, recipe)
    (record,) = run_rounds(bench, SNIP(batch_size=100), (0.3,)).reported()
    key = record["trainings"][-1]["key"]
    outcome = bench.find(key, frozenset())
    assert outcome.best_step < 20
    assert record["metrics"]["test_accuracy"] != record["metrics"]["early_stop_accuracy"]
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


# ---- densities and masks ---------------------------------------------------------------------

DENSITIES = (
    0.8004, 0.6406, 0.5128, 0.4105, 0.3287, 0.2632, 0.2107, 0.1688, 0.1352, 0.1083, 0.0868,
    0.0695, 0.0557, 0.0447, 0.0358,
)  # fmt: skip


def test_the_published_densities_take_one_round_each(lenet_bench, run_rounds):
    bench, noise = lenet_bench
    story = run_rounds(bench, IMP(), DENSITIES, arrays=noise)
    assert [r["reported"] for r in story.records] == [True] * 15
    assert [r["round"] for r in story.records] == list(range(15))
    for record, density in zip(story.records, DENSITIES, strict=True):
        kept = sum(layer["kept"] for layer in record["layers"])
        assert kept == round(density * 266_200)
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


def test_rounds_above_a_density_are_reported_as_intermediate(make_bench, run_rounds):
    strategy = IMP(PerKind(0.2, 0.2, 0.2))
    story = run_rounds(make_bench(NET, RECIPE), strategy, (0.5, 0.3), ["reinit"])
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
    strategy, density, make_bench, run_rounds
):
    story = run_rounds(make_bench(NET, RECIPE), strategy, (density,))
    (record,) = story.reported()
    assert sum(x["kept"] for x in record["layers"]) == max(1, math.floor(density * 552 + 0.5))
    assert record["status"] == "ok"
    assert record["target_density"] == density


def test_density_one_is_the_dense_run_and_no_round(make_bench, run_rounds):
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, IMP(PerKind(0.5, 0.5, 0.5)), (1.0, 0.5), ["reinit"])
    dense, ticket = story.reported()
    assert (dense["target_density"], dense["density"], dense["round"]) == (1.0, 1.0, 0)
    assert ticket["round"] == 0
    assert [r["target_density"] for r in story.reported("reinit")] == [0.5]
    assert (dense["cost"]["steps"], dense["cost"]["search_steps"]) == (20, 0)
    assert (ticket["cost"]["steps"], ticket["cost"]["search_steps"]) == (20, 20)
    assert len(story.requests) == 3
    (again,) = run_rounds(bench, Dense(), (1.0,)).records
    assert again["metrics"] == dense["metrics"]
    assert again["trainings"] == [{**dense["trainings"][0], "reused": True}]
    assert again["cost"]["spent_steps"] == 0


def test_the_same_experiment_again_trains_nothing_and_says_the_same(make_bench, run_rounds):
    strategies = [HALVE, RigL(update_every=5), EarlyBird(), SNIP(100)]
    for strategy in strategies:
        first = run_rounds(make_bench(ConvBN(), RECIPE), strategy, (0.5,), ["reinit", "shuffle"])
        # another process: a fresh workbench, another global random state
        torch.rand(3)
        again = run_rounds(make_bench(ConvBN(), RECIPE), strategy, (0.5,), ["reinit", "shuffle"])
        for a, b in zip(first.records, again.records, strict=True):
            latency = {k for k in a["metrics"] if "latency" in k}
            drop = {"cost", "trainings", "metrics"}
            assert {k: v for k, v in a.items() if k not in drop} == {
                k: v for k, v in b.items() if k not in drop
            }
            for metric in a["metrics"].keys() - latency:
                assert a["metrics"][metric] == b["metrics"][metric], metric
            assert [t["key"] for t in a["trainings"]] == [t["key"] for t in b["trainings"]]
        assert again.requests == []  # searches are found too, with what they have seen


def test_without_iterative_every_density_starts_from_the_dense_run(make_bench, run_rounds):
    seen = []

    class Looks:
        @hookimpl
        def select_mask(self, ticket):
            seen.append((ticket.mask.density, ticket.trained.key == ticket.dense.trained.key))
            return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

    run_rounds(make_bench(NET, RECIPE), Looks(), (0.5, 0.25))
    assert seen == [(1.0, True), (1.0, True)]
    Looks.iterative = True
    run_rounds(make_bench(NET, RECIPE), Looks(), (0.5, 0.25))
    assert seen[2:] == [(1.0, True), (0.5, False)]


# ---- what cannot be reached ------------------------------------------------------------------


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


def test_an_unreachable_density_is_skipped_and_the_others_go_on(make_bench, run_rounds):
    story = run_rounds(make_bench(NET, RECIPE), Fussy(), (0.5, 0.3, 0.1), ["reinit"])
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


def test_a_spared_layer_limits_one_shot(make_bench, run_rounds):
    # fc1 alone may go: 120 of 552 weights are excluded
    strategy = OneShot(PerKind(1.0, 1.0, 0.0))
    story = run_rounds(make_bench(MLP(hidden=(12,)), RECIPE), strategy, (0.05,))
    (record,) = story.records
    assert record["status"] == "skipped"
    assert "cannot reach a density" in record["reason"]


# ---- other -----------------------------------------------------------------------------------


def test_what_a_hook_draws_from_global_generators_is_repeatable(make_bench, run_rounds, tmp_path):
    @dataclass(frozen=True, eq=False)
    class Careless:
        @hookimpl
        def select_mask(self, ticket):
            _ = ticket.dense.trained  # trained the first time, found the second
            scores = Layers({x.name: torch.rand(x.shape) for x in ticket.layers})
            return Mask.top_k(scores, ticket.target_count)

    bench = make_bench(NET, RECIPE)
    torch.manual_seed(1)
    (first,) = run_rounds(bench, Careless(), (0.3,)).records
    torch.manual_seed(2)
    (second,) = run_rounds(bench, Careless(), (0.3,)).records
    assert first["trainings"][-1]["key"] == second["trainings"][-1]["key"]
    (other,) = run_rounds(bench, Careless(), (0.3,), seed=1).records
    assert other["trainings"][-1]["key"] != first["trainings"][-1]["key"]
    state = torch.get_rng_state()
    run_rounds(bench, Careless(), (0.3,))
    assert torch.equal(torch.get_rng_state(), state)


def test_strategies_at_one_seed_share_the_dense_run_and_seeds_do_not(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    first = run_rounds(bench, HALVE, (0.5,))
    second = run_rounds(bench, OneShot(), (0.85,))
    other = run_rounds(bench, OneShot(), (0.85,), seed=1)
    (a,), (b,), (c,) = first.reported(), second.reported(), other.reported()
    dense = a["trainings"][0]
    assert b["trainings"][0] == {**dense, "reused": True}
    assert c["trainings"][0]["key"] != dense["key"]
    assert len(second.requests) == 1
    assert len(other.requests) == 2


class Draws:
    """Draws a picture of a search that it does not make."""

    @hookimpl
    def select_mask(self, ticket):
        ticket.keep_matrix("example", [0, 5], torch.tensor([[0.0, 0.25], [1 / 3, 0.0]]))
        return ticket.mask.top_k(abs(ticket.initial.weights), ticket.target_count)


def test_a_reported_ticket_s_weights_and_matrices_are_recorded(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, Draws(), [0.5, 0.1], controls=("reinit",))
    for record in story.reported() + story.reported("reinit"):
        kept = {x["layer"]: x["kept"] for x in record["layers"]}
        assert {(w["layer"], w["moment"]) for w in record["weights"]} == {
            (layer, moment) for layer in kept for moment in ("start", "end")
        }
        for weights in record["weights"]:
            assert sum(weights["counts"]) == kept[weights["layer"]]
    for record in story.reported():
        assert record["matrices"] == [
            {"name": "example", "steps": [0, 5], "values": [[0.0, 0.25], [0.333333, 0.0]]}
        ]
    for record in story.reported("reinit"):
        assert record["matrices"] == []  # a control has no search


class FrozenAt:
    """Keeps the last layer alone; the others' weights are frozen at what `values` says."""

    def __init__(self, values):
        self.values = values

    @hookimpl
    def select_mask(self, ticket):
        last = ticket.layers[-1].name
        kept = {x.name: torch.full(x.shape, x.name == last) for x in ticket.layers}
        frozen = {x.name: self.values(x.shape) for x in ticket.layers if x.name != last}
        return Mask(kept, layers=ticket.layers).freezing({**ticket.initial.weights, **frozen})


@pytest.mark.parametrize("values", [torch.ones, torch.zeros])
def test_layers_frozen_at_other_values_than_zero_are_told(values, make_bench, run_rounds):
    """They are not empty, as ones of zeros are."""
    (record,) = run_rounds(make_bench(NET, RECIPE), FrozenAt(values), [24 / 552]).reported()
    assert [x["kept"] for x in record["layers"]] == [0, 0, 24]
    assert [x.get("frozen", False) for x in record["layers"][:-1]] == [values is torch.ones] * 2


class Transformed(torch.nn.Module):
    """Mixes its tokens by a Fourier transform, which effective density does not follow."""

    def __init__(self):
        super().__init__()
        self.a, self.out = torch.nn.Linear(6, 5), torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.out(torch.fft.fft(self.a(x.squeeze(1)), dim=1).real.relu().mean(1))


class OfTransforms:
    def build(self, input_shape, classes):
        return Transformed()


def test_a_row_without_effective_density_says_why(make_bench, run_rounds):
    story = run_rounds(make_bench(OfTransforms(), RECIPE), OneShot(), (0.5,), ["reinit"])
    (row,), (reinit,) = story.reported(), story.reported("reinit")
    assert row["status"] == "ok" and row["density"] == pytest.approx(0.5, abs=0.02)
    assert row["effective_density"] is None and reinit["effective_density"] is None
    assert row["reason"].startswith("no effective density: memory is read with another")
    assert reinit["reason"] is None
    (known,) = run_rounds(make_bench(NET, RECIPE), OneShot(), (0.5,)).reported()
    assert 0 < known["effective_density"] <= known["density"] and known["reason"] is None


class Made:
    """A model of a network that is made elsewhere."""

    def __init__(self, make):
        self.make = make

    def build(self, input_shape, classes):
        return self.make()


class ByFunction(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(36, 8), torch.nn.Linear(8, 3)

    def forward(self, x):
        linear = torch.nn.functional.linear
        return linear(linear(x.flatten(1), self.a.weight).relu(), self.b.weight)


class Halved(ByFunction):
    def forward(self, x):
        return torch.nn.functional.linear(self.a(x.flatten(1)).chunk(2, 1)[0], self.b.weight[:, :4])


def sequence(*parts):
    return lambda: torch.nn.Sequential(torch.nn.Flatten(), *parts)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            ByFunction,
            "ByFunction has no channel or neuron to remove: no layer called in its forward",
        ),
        (
            Halved,
            "Halved has no channel or neuron to remove: no layer called in its forward pass re",
        ),
        (
            sequence(torch.nn.Linear(36, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3)),
            "Sequential does not support structured pruning: '2' (LayerNorm) mixes units.",
        ),
        (sequence(torch.nn.Linear(36, 3)), "Sequential has no channel or neuron to remove: no lay"),
    ],
)
def test_networks_without_removable_units_are_skipped_before_training(
    make, reason, make_bench, run_rounds
):
    story = run_rounds(make_bench(Made(make), RECIPE), EarlyBird(), (0.5, 0.2), ["shuffle"])
    assert story.requests == []
    assert [(r["status"], r["control"]) for r in story.records] == [
        ("skipped", "none"), ("skipped", "shuffle"),
    ] * 2  # fmt: skip
    assert {r["reason"][: len(reason)] for r in story.records} == {reason}
    assert len({r["reason"] for r in story.records}) == 1
