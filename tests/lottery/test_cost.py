"""What a ticket costs: without sharing, and as spent."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lth_bench import Mask, PerKind, RewindPoint, hookimpl
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.running.forecast import forecast
from lth_bench.training.recipe import Recipe
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


def costs(record):
    return {k: record["cost"][k] for k in ("steps", "search_steps", "spent_steps")}


def test_what_imp_costs(make_bench, run_rounds):
    story = run_rounds(
        make_bench(NET, RECIPE), IMP(PerKind(0.3, 0.3, 0.3)), (0.5, 0.25), ["reinit"]
    )
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
    strategy, expected, make_bench, run_rounds, tmp_path
):
    for i, checkpoints in enumerate(((6,), (5, 6), (5, 6, 11))):
        bench = make_bench(NET, RECIPE, root=tmp_path / str(i))
        (record,) = run_rounds(bench, strategy, (0.85,), checkpoints=checkpoints).reported()
        assert costs(record) == expected
    # the cost without sharing is the same, and the second time nothing is spent
    again = make_bench(NET, RECIPE, root=tmp_path / "0")
    (record,) = run_rounds(again, strategy, (0.85,), checkpoints=(6,)).reported()
    assert costs(record) == {**expected, "spent_steps": 0}


def test_early_bird_pays_for_its_search_and_the_rest(make_bench, run_rounds):
    recipe = Recipe(lr=0.1, steps=40, batch_size=20, val_size=60, eval_every=10)
    strategy = EarlyBird(window=2, threshold=0.9, interval=0.5)  # every 5 steps, soon content
    (record,) = run_rounds(make_bench(ConvBN(gamma_init=0.5), recipe), strategy, (0.3,)).reported()
    assert record["metrics"]["drawn"] == 1
    assert record["metrics"]["draw_step"] == record["rewind_step"] == 10
    assert costs(record) == {"steps": 30, "search_steps": 10, "spent_steps": 40}
    assert [(t["role"], t["start"], t["end"]) for t in record["trainings"]] == [
        ("search", 0, 10),
        ("train", 10, 40),
    ]


def test_bit_operations_are_apart_from_flops(make_bench, run_rounds):
    """A multiply-add is 2 FLOPs, 8 × 8 bit operations in eight bits, 32 × 32 in float32."""
    recipe = Recipe(lr=0.05, momentum=0.9, steps=40, batch_size=20, val_size=60, eval_every=20)
    bench = make_bench(ConvBN(gamma_init=0.5), recipe)
    costs = {}
    for bits in (None, 8):
        strategy = EarlyBird(window=100, interval=0.5, latest=0.4, search_bits=bits)
        (record,) = run_rounds(bench, strategy, (0.3,)).reported()
        costs[bits] = record["cost"]
    for name in ("steps", "search_steps", "flops_dense", "search_flops_dense"):
        assert costs[8][name] == costs[None][name]
    search = costs[8]["search_flops_masked_theoretical"]
    assert search == costs[8]["search_flops_dense"] > 0
    assert costs[8]["search_bit_operations"] == pytest.approx(search / 2 * 64)
    assert costs[None]["search_bit_operations"] == pytest.approx(search / 2 * 1024)
    own = costs[8]["flops_masked_theoretical"]
    assert own < costs[8]["flops_dense"]
    assert costs[8]["bit_operations"] == pytest.approx(own / 2 * 1024)


@pytest.mark.parametrize(
    ("strategy", "densities"),
    [
        (IMP(PerKind(0.3, 0.3, 0.2)), (0.6, 0.3, 0.02)),
        (IMP(PerKind(0.4, 0.4, 0.4), scope="global"), (0.5, 0.1)),
        (LateRewind(PerKind(0.5, 0.5, 0.5), rewind_step=4), (0.4, 0.05)),
        (IMP(PerKind(0.5, 0.5, 0.0)), (0.5, 0.04)),  # 24 weights are excluded: skipped
    ],
)
def test_the_forecast_of_trainings_is_what_happens(strategy, densities, make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, strategy, densities, checkpoints=(4,))
    counts = {x.name: x.numel for x in bench.layers}
    kinds = {x.name: x.kind for x in bench.layers}
    found = forecast("x", strategy, counts=counts, kinds=kinds, densities=densities, total_steps=20)
    assert list(found.fits) == [r.end - r.start for r in story.requests[1:]]
