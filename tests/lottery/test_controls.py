"""Controls: the ticket with one component ablated, for any strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import pytest
import torch
from torch import nn

from lth_bench import Layer, Mask, PerKind, RewindPoint, hookimpl
from lth_bench.helpers import with_signs_of
from lth_bench.lottery.controls import CONTROLS
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.output.page.sections.summary import _CONTROLS as WORDS
from lth_bench.output.style import CONTROLS as DASHES
from lth_bench.running.forecast import FROM_REWIND_POINT, control_fits
from lth_bench.suite.document import ControlName
from lth_bench.training.recipe import Recipe
from lth_strategies.early_bird import EarlyBird
from lth_strategies.fine_tune import FineTune
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.rigl import RigL
from lth_strategies.supermask import Supermask

NET = MLP(hidden=(12, 8))  # 36·12 + 12·8 + 8·3 = 552 weights
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
ADAM = Recipe(optimizer="adam", lr=0.01, steps=20, batch_size=20, val_size=60, eval_every=10)
HALVE = IMP(PerKind(0.5, 0.5, 0.5))

OF_THE_TICKET_S_MASK = {
    "exploration_rate", "survivors_same_sign", "pruned_same_sign", "survivors_grew", "pruned_grew",
    "moved_ratio", "initial_ratio", "pruned_accuracy",
}  # fmt: skip


def masked(values, mask):
    out = {k: v.clone() for k, v in values.items()}
    for key, kept in mask.items_by_key().items():
        out[key][~kept] = 0
    return out


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


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
def test_controls_of_any_strategy(strategy, make_bench, run_rounds):
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, strategy, (0.5,), ["reinit", "shuffle"])
    (ticket,), (reinit,), (shuffle,) = (story.reported(c) for c in ("none", "reinit", "shuffle"))
    assert ticket["layers"] == reinit["layers"] == shuffle["layers"]
    by_reinit, by_shuffle = story.requests[-2:]
    own = bench.find(ticket["trainings"][-1]["key"], frozenset())
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
        # its mask is fixed, so it explores nothing, and is its ticket's, or at random
        assert record["metrics"].keys() == ticket["metrics"].keys() - OF_THE_TICKET_S_MASK
    # a control trains plainly, whatever the strategy does
    assert by_reinit.on_step is None
    assert by_shuffle.on_step is None


def test_every_control_is_known_everywhere():
    """In suites, the forecast, figures and the page's summary."""
    assert set(get_args(ControlName)) == set(CONTROLS) == set(DASHES) == set(WORDS)
    assert len(set(DASHES.values())) == len(DASHES)
    assert set(FROM_REWIND_POINT) < set(CONTROLS)


SIGNS = ["reinit", "reinit_at_rewind", "reinit_same_signs", "random_signs", "random_layers"]


@pytest.mark.parametrize("strategy", [Biggest(), RigL(update_every=5)])
def test_each_control_changes_one_component(strategy, make_bench, run_rounds):
    """Mask, magnitudes, signs and start of each, against the ticket's own."""
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, strategy, (0.5,), SIGNS)
    start = 5 if isinstance(strategy, Biggest) else 0
    (ticket,) = story.reported()
    own = bench.find(ticket["trainings"][-1]["key"], frozenset())
    asked = [c for c in SIGNS if start or c != "reinit_at_rewind"]
    made = dict(zip(asked, story.requests[-len(asked) :], strict=True))
    initial, fresh = bench.initial(0).values, bench.initial(0, "reinit").values
    rewound = initial
    if start:
        rewound = bench.fit(next(r for r in story.requests if r.end == 5)).values
    for control, request in made.items():
        (row,) = story.reported(control)
        assert (row["status"], row["layers"]) == ("ok", ticket["layers"])
        assert row["cost"]["search_steps"] == 0
        assert (request.on_step, request.end) == (None, 20)
        begins = start if control in ("reinit_at_rewind", "random_signs") else 0
        assert request.start == row["rewind_step"] == begins
        assert (request.mask == own.mask) is (control != "random_layers")
        expected = {
            "random_layers": initial, "reinit": fresh, "reinit_at_rewind": fresh,
        }.get(control)  # fmt: skip
        if expected is not None:
            assert same(request.values, masked(expected, request.mask))
            continue
        new, old = (fresh, rewound) if control == "reinit_same_signs" else (rewound, rewound)
        for layer in bench.layers:
            kept = own.mask.kept[layer.name]
            got = request.values[layer.key][kept]
            assert torch.equal(got.abs(), new[layer.key][kept].abs())
            agree = float((got.sign() == old[layer.key][kept].sign()).double().mean())
            assert agree == 1 if control == "reinit_same_signs" else 0 < agree < 1
    assert made["random_layers"].mask.kept_per_layer() == own.mask.kept_per_layer()
    if not start:
        (row,) = story.reported("reinit_at_rewind")
        assert row["status"] == "skipped"
        assert "rewound to step 0" in row["reason"]


def test_random_signs_are_those_of_the_weight_at_every_density(make_bench, run_rounds):
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, HALVE, (0.5, 0.25), ["random_signs"])
    dense, sparse = (story.requests[i] for i in (-3, -1))
    for layer in bench.layers:
        kept = sparse.mask.kept[layer.name]
        assert torch.equal(dense.values[layer.key][kept], sparse.values[layer.key][kept])


def test_signs_are_kept_where_there_are_any():
    fresh, own = torch.tensor([1.0, -2.0, 3.0, -0.0]), torch.tensor([-5.0, 0.0, 6.0, -7.0])
    layer = Layer("fc", "linear", (4,))
    found = with_signs_of({"fc.weight": fresh, "b": own}, {"fc.weight": own}, [layer])
    assert found["fc.weight"].tolist() == [-1.0, -2.0, 3.0, 0.0]
    assert found["b"] is own


def test_controls_never_feed_a_later_round(make_bench, run_rounds, tmp_path):
    bench = make_bench(NET, ADAM)
    plain = run_rounds(bench, HALVE, (0.5, 0.25))
    other = make_bench(NET, ADAM, root=tmp_path / "other")
    spoilt = run_rounds(other, HALVE, (0.5, 0.25), ["reinit", "shuffle"])
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


@pytest.mark.parametrize("control", ["shuffle", "random_layers"])
@pytest.mark.parametrize("model", [ConvBN(gamma_init=0.5), NoBias()])
def test_shuffling_a_structured_ticket_permutes_units(control, model, make_bench, run_rounds):
    bench = make_bench(model, RECIPE)
    story = run_rounds(bench, EarlyBird(), (0.3,), [control])
    (record,), (shuffled,) = story.reported(), story.reported(control)
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


@dataclass(frozen=True)
class Fixed:
    """A network whose initial values are the same at every seed, or but for its head."""

    head: bool = False
    constant: bool = False

    def build(self, input_shape, classes):
        module = MLP(hidden=(12, 8)).build(input_shape, classes)
        layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
        pretrained = torch.Generator().manual_seed(7)
        for layer in layers[: -1 if self.head else None]:
            nn.init.normal_(layer.weight, 0, 0.3, generator=pretrained)
            if self.constant:
                nn.init.constant_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias)
        return module


@dataclass(frozen=True)
class SignedConstant:
    """Weights of one magnitude, whose signs are drawn."""

    def build(self, input_shape, classes):
        module = MLP(hidden=(12, 8)).build(input_shape, classes)
        with torch.no_grad():
            for layer in (m for m in module.modules() if isinstance(m, nn.Linear)):
                layer.weight.copy_(layer.weight.sign() * 0.3)
        return module


def test_frozen_pruned_weights_are_not_drawn_again_and_the_row_says_so(make_bench, run_rounds):
    bench = make_bench(MLP(hidden=(12, 8)), RECIPE)
    story = run_rounds(bench, Supermask(pruned="initial"), (0.5,), ["reinit", "reinit_same_signs"])
    for control in ("reinit", "reinit_same_signs"):
        (record,) = story.reported(control)
        assert record["status"] == "ok"
        assert record["reason"] == (
            "partly re-initialised: pruned weights stay frozen at the values that they have in the "
            "ticket"
        )
    own, *controls = story.requests[-3:]
    for request in controls:
        assert request.mask == own.mask and request.mask.frozen


def test_magnitudes_that_are_fixed_are_not_drawn_again(make_bench, run_rounds):
    bench = make_bench(SignedConstant(), ADAM)
    controls = ["reinit", "reinit_same_signs", "random_signs"]
    story = run_rounds(bench, HALVE, (0.5,), controls)
    rows = {c: story.reported(c)[0] for c in controls}
    assert [rows[c]["status"] for c in controls] == ["ok", "skipped", "ok"]
    assert (
        "magnitudes of the model's initial values are fixed" in rows["reinit_same_signs"]["reason"]
    )


@dataclass(frozen=True, eq=False)
class FromZero:
    """Survivors that start at zero, as after a reset."""

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

    @hookimpl
    def rewind_point(self, ticket):
        return RewindPoint({k: torch.zeros_like(v) for k, v in ticket.initial.values.items()})


def test_zeros_have_no_signs(make_bench, run_rounds):
    story = run_rounds(make_bench(NET, ADAM), FromZero(), (0.5,), ["random_signs"])
    (row,) = story.reported("random_signs")
    assert (row["status"], row["reason"]) == (
        "skipped",
        "every surviving weight starts at zero, so there are no signs to draw",
    )


@pytest.mark.parametrize("model", [Fixed(), Fixed(constant=True)])
@pytest.mark.parametrize("strategy", [HALVE, Biggest(), RigL(update_every=5)])
def test_a_network_with_fixed_values_has_no_reinit(model, strategy, make_bench, run_rounds):
    bench = make_bench(model, ADAM)
    story = run_rounds(bench, strategy, (0.5, 0.25), ["reinit", "shuffle"])
    for ticket, reinit in zip(story.reported(), story.reported("reinit"), strict=True):
        assert (ticket["status"], reinit["status"]) == ("ok", "skipped")
        assert "initial values are fixed, as pretrained ones are" in reinit["reason"]
        assert reinit["target_density"] == ticket["target_density"]
        assert (reinit["metrics"], reinit["trainings"]) == ({}, [])
        assert reinit["ticket_id"] != ticket["ticket_id"]
    # the other control is not concerned
    assert [r["status"] for r in story.reported("shuffle")] == ["ok", "ok"]


def test_a_fixed_body_is_said_and_its_head_redrawn(make_bench, run_rounds):
    bench = make_bench(Fixed(head=True), ADAM)
    story = run_rounds(bench, HALVE, (0.5,), ["reinit"])
    (ticket,), (reinit,) = story.reported(), story.reported("reinit")
    assert (ticket["reason"], reinit["status"]) == (None, "ok")
    body, head = bench.layers[:-1], bench.layers[-1]
    kept = {row["layer"]: row["kept"] for row in reinit["layers"]}
    same = sum(kept[layer.name] for layer in body)
    assert reinit["reason"] == (
        f"partly re-initialised: {same} of {sum(kept.values())} surviving weights are in layers "
        f"with fixed initial values ({', '.join(layer.name for layer in body)})"
    )
    initial, mask = bench.initial(0).values, story.requests[-1].mask
    values = story.requests[-1].values
    for layer in body:
        assert torch.equal(values[layer.key], initial[layer.key] * mask.kept[layer.name])
    redrawn = values[head.key] != initial[head.key]
    assert bool(redrawn[mask.kept[head.name]].all())


def test_constants_that_every_network_begins_with_are_not_fixed_values(make_bench, run_rounds):
    story = run_rounds(make_bench(ConvBN(), RECIPE), HALVE, (0.5,), ["reinit"])
    assert story.reported("reinit")[0]["reason"] is None


@dataclass(frozen=True, eq=False)
class WholeLayers:
    """Keeps whole layers, and of the others nothing."""

    names: tuple[str, ...]
    structured = True  # allows the largest count below a target

    @hookimpl
    def select_mask(self, ticket):
        kept = {n: torch.full_like(k, n in self.names) for n, k in ticket.mask.kept.items()}
        return Mask(kept, layers=ticket.layers)


def test_whole_layers_have_no_shuffle(make_bench, run_rounds):
    bench = make_bench(NET, ADAM)
    strategy = WholeLayers((bench.layers[0].name,))
    story = run_rounds(bench, strategy, (0.9,), ["shuffle", "random_layers"])
    for control in ("shuffle", "random_layers"):
        (moved,) = story.reported(control)
        assert moved["status"] == "skipped"
        assert "no permutation of its units within the layers changes the mask" in moved["reason"]


@dataclass(frozen=True)
class Narrow:
    """A first layer of two weights, of which a permutation moves one only half of the time."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, classes)
        )


@pytest.mark.parametrize("seed", range(4))
def test_a_shuffle_moves_something_wherever_it_can(seed, make_bench, run_rounds):
    story = run_rounds(make_bench(Narrow(), ADAM), OneOfTwo(), (0.9,), ["shuffle"], seed=seed)
    before, after = (request.mask for request in story.requests[-2:])
    assert before != after
    assert before.kept_per_layer() == after.kept_per_layer()


@dataclass(frozen=True, eq=False)
class OneOfTwo:
    """Loses the first weight of the network."""

    @hookimpl
    def select_mask(self, ticket):
        kept = {n: k.clone() for n, k in ticket.mask.kept.items()}
        next(iter(kept.values())).view(-1)[0] = False
        return Mask(kept, layers=ticket.layers)


def test_controls_of_fine_tuning_are_trained_as_long(make_bench, run_rounds):
    """Their schedule has ended where the ticket's training starts."""
    strategy = FineTune(PerKind.of(0.5), tune_fraction=0.5, pruning="one_shot")
    story = run_rounds(make_bench(NET, RECIPE), strategy, (0.3,), ["shuffle", "reinit"])
    (ticket,), (shuffled,), (fresh,) = map(story.reported, ("none", "shuffle", "reinit"))
    assert (ticket["rewind_step"], ticket["cost"]["steps"]) == (20, 10)
    assert (shuffled["rewind_step"], shuffled["cost"]["steps"]) == (20, 10)
    assert (fresh["rewind_step"], fresh["cost"]["steps"]) == (0, 20)
    assert control_fits("x", strategy, ["shuffle", "reinit"], 1, 20) == (10, 20)


def test_the_forecast_counts_every_control_from_where_it_starts(make_bench, run_rounds):
    """For the plan of a ticket that is rewound to a later step."""
    strategy = LateRewind(PerKind.of(0.5), rewind_fraction=0.5)
    names = list(CONTROLS)
    story = run_rounds(make_bench(NET, ADAM), strategy, (0.5,), names)
    (steps,) = {bench_steps(row) for row in story.reported("none")}
    taken = tuple(story.reported(name)[0]["cost"]["steps"] for name in names)
    assert control_fits("x", strategy, names, 1, steps) == taken


def bench_steps(row):
    """The length of the schedule, of a ticket trained to its end."""
    return row["rewind_step"] + row["cost"]["steps"]


def test_moved_values_are_the_survivors_elsewhere(make_bench, run_rounds):
    """In every layer the same values survive, at other places; at every density the same moves."""
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, HALVE, (0.5, 0.25), ["moved_values"])
    initial, masks = bench.initial(0).values, []
    rounds = [r for r in story.requests if r.mask.density < 1]
    for ticket, moved in zip(rounds[::2], rounds[1::2], strict=True):
        masks.append(moved.mask)
        assert ticket.mask != moved.mask
        for layer in bench.layers:
            here = initial[layer.key][ticket.mask.kept[layer.name]]
            there = moved.values[layer.key][moved.mask.kept[layer.name]]
            assert torch.equal(here.sort().values, there.sort().values)
            assert moved.values[layer.key].count_nonzero() <= len(here)
    for layer in bench.layers:
        assert not bool((masks[1].kept[layer.name] & ~masks[0].kept[layer.name]).any())
    whole = run_rounds(bench, EarlyBird(), (0.3,), ["moved_values"]).reported("moved_values")
    assert "the values of a unit belong to its place" in whole[0]["reason"]


def test_a_global_shuffle_loses_the_layers_densities(make_bench, run_rounds):
    bench = make_bench(NET, ADAM)
    story = run_rounds(bench, HALVE, (0.25,), ["shuffle_global"])
    (ticket,), (moved,) = story.reported(), story.reported("shuffle_global")
    assert moved["density"] == ticket["density"]
    counts = [[layer["kept"] for layer in record["layers"]] for record in (ticket, moved)]
    assert counts[0] != counts[1]
    request = story.requests[-1]
    assert request.mask.count == sum(counts[1]) == 138
    assert same(request.values, masked(bench.initial(0).values, request.mask))
    # in expectation a quarter of each layer; 432 · 0.25 has a deviation of 3.6 (hypergeometric)
    assert abs(counts[1][0] - 108) < 25
    whole = run_rounds(bench, EarlyBird(), (0.3,), ["shuffle_global"]).reported("shuffle_global")
    assert whole[0]["status"] == "skipped"
    assert "units of different sizes" in whole[0]["reason"]
