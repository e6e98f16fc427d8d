"""Kept and pruned weights in the dense run: worked by hand, against numpy, and of a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from close import close

from lth_bench.analysis.evidence import survivors as read
from lth_bench.errors import Diverged
from lth_bench.lottery.survivors import GRID, fates, joint, metrics, records
from lth_bench.masks import Layer, Mask, PerKind
from lth_bench.models.mlp import MLP
from lth_bench.ticket import DenseRun
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.imp import IMP
from lth_strategies.snip import SNIP

LAYERS = (Layer("a", "linear", (1, 4)), Layer("b", "output", (1, 2)))
INITIAL = {"a.weight": torch.tensor([[1.0, -1.0, 0.5, 0.5]]), "b.weight": torch.tensor([[2.0, 1]])}
FINAL = {"a.weight": torch.tensor([[2.0, 0.5, 0.25, 0.5]]), "b.weight": torch.tensor([[-3.0, 1]])}
MASK = Mask({"a": torch.tensor([[True, True, False, False]]), "b": torch.tensor([[True, False]])})


def test_metrics_by_hand() -> None:
    found = metrics(fates(LAYERS, MASK, INITIAL, FINAL))
    # kept 1 → 2, −1 → .5, 2 → −3; pruned .5 → .25, .5 → .5, 1 → 1
    assert found["survivors_same_sign"] == pytest.approx(1 / 3)
    assert found["pruned_same_sign"] == pytest.approx(1)
    assert found["survivors_grew"] == pytest.approx(2 / 3)
    assert found["pruned_grew"] == 0
    assert found["moved_ratio"] == pytest.approx((1 + 1.5 + 5) / 0.25)
    a, b = (2.5 / 4) ** 0.5, (5 / 2) ** 0.5
    assert found["initial_ratio"] == pytest.approx((2 / a + 2 / b) / (1 / a + 1 / b))


def test_records_by_hand() -> None:
    kept, pruned, *_ = records(fates(LAYERS, MASK, INITIAL, FINAL))
    assert (kept["layer"], kept["fate"], kept["weights"]) == ("a", "kept", 2)
    assert (kept["same_sign"], kept["grew"]) == (1, 1)
    assert kept["moved"] == pytest.approx(1.25)
    assert kept["initial"] == pytest.approx(1 / (2.5 / 4) ** 0.5)
    # the mean square of both ends is .883; 4 · .94 is below 4: bins of 1/4
    assert kept["reach"] == pruned["reach"] == 4.0
    middle = GRID // 2
    cells = {(middle + 4, middle + 8): 1, (middle - 4, middle + 2): 1}
    assert dict(zip(kept["cells"], kept["counts"], strict=True)) == {
        GRID * i + j: n for (i, j), n in cells.items()
    }


def test_they_are_read_as_they_are_written() -> None:
    """In two places, because what reads results does not import torch."""
    assert read.GRID == GRID
    assert set(metrics(fates(LAYERS, MASK, INITIAL, FINAL))) == set(read.ORIGINS)


def test_joint_histograms_equal_numpys() -> None:
    draw = torch.Generator().manual_seed(0)
    initial = {"a.weight": torch.randn(1, 4000, generator=draw) * 0.1}
    final = {"a.weight": initial["a.weight"] + 0.05 * torch.randn(1, 4000, generator=draw)}
    mask = Mask({"a": final["a.weight"].abs() > 0.1})
    kept, pruned = fates((Layer("a", "linear", (1, 4000)),), mask, initial, final)
    for one in (kept, pruned):
        found = np.zeros(GRID * GRID)
        given = joint(one)
        found[given["cells"]] = given["counts"]
        edges = np.linspace(-given["reach"], given["reach"], GRID + 1)
        wanted, *_ = np.histogram2d(one.initial.numpy(), one.final.numpy(), [edges, edges])
        assert np.array_equal(found.reshape(GRID, GRID), wanted)


def test_what_lies_beyond_is_in_the_outermost_bins() -> None:
    values = torch.zeros(1, 100)
    values[0, :2] = torch.tensor([9.0, 1.0])
    mask = Mask({"a": values != 0})
    state = {"a.weight": values}
    kept, _ = fates((Layer("a", "linear", (1, 100)),), mask, state, state)
    assert kept.reach == 4.0
    assert GRID * GRID - 1 in joint(kept)["cells"]


def test_layers_without_both_and_values_that_overflowed_are_left_out() -> None:
    whole = Mask({"a": MASK.kept["a"], "b": torch.ones(1, 2, dtype=torch.bool)})
    found = fates(LAYERS, whole, INITIAL, FINAL)
    assert [(one.layer, one.fate) for one in found] == [("a", "kept"), ("a", "pruned")]
    broken = {**FINAL, "a.weight": torch.tensor([[2.0, torch.nan, 0.25, torch.inf]])}
    assert [one.weights for one in fates(LAYERS, whole, INITIAL, broken)] == [1, 1]
    assert metrics([]) == {}
    assert records([]) == []


def test_many_layers_have_histograms_of_some() -> None:
    layers = tuple(Layer(f"l{i}", "linear", (1, 2)) for i in range(11))
    state = {layer.key: torch.tensor([[1.0, 0.5]]) for layer in layers}
    mask = Mask({layer.name: torch.tensor([[True, False]]) for layer in layers})
    found = records(fates(layers, mask, state, state))
    with_cells = [one["layer"] for one in found if one["cells"] and one["fate"] == "kept"]
    assert with_cells == ["l0", "l2", "l4", "l6", "l8", "l10"]
    assert len(found) == 22


NET = MLP(hidden=(12, 8))
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)


def test_every_weight_of_a_ticket_is_kept_or_pruned(make_bench, run_rounds) -> None:
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, IMP(PerKind.of(0.5)), (0.5, 0.25), ["reinit"], beside_dense=True)
    for record in story.reported():
        weights = {(one["layer"], one["fate"]): one["weights"] for one in record["fates"]}
        for layer in record["layers"]:
            assert weights[layer["layer"], "kept"] == layer["kept"]
            assert weights[layer["layer"], "pruned"] == layer["total"] - layer["kept"]
        assert 0 < record["metrics"]["survivors_grew"] <= 1
        for one in record["fates"]:
            assert sum(one["counts"]) == one["weights"]
    for record in story.reported("reinit"):
        assert record["fates"] == []
        assert "survivors_grew" not in record["metrics"]


LONGER = {"name": "equal_cost", "steps": 40}
PLAYED = {
    "dense": (Dense(), (1.0,), None),
    "longer dense": (Dense(), (1.0,), LONGER),
    "imp": (IMP(PerKind.of(0.5)), (0.5, 0.25), None),
    "imp, other order": (IMP(PerKind.of(0.5)), (0.5,), {"name": "other_order"}),
    "snip": (SNIP(batch_size=20), (0.25,), None),
    "snip, longer": (SNIP(batch_size=20), (0.25,), LONGER),
    "snip, other order": (SNIP(batch_size=20), (0.25,), {"name": "other_order"}),
}


def test_what_was_trained_before_decides_nothing(make_bench, run_rounds) -> None:
    """A run's rows are those of a run in the opposite order; a plan without the dense run has no
    fates, though it has been trained.
    """

    def played(names, planned=True):
        bench, found = make_bench(NET, RECIPE), {}
        for name in names:
            strategy, densities, ablation = PLAYED[name]
            story = run_rounds(bench, strategy, densities, ablation=ablation, beside_dense=planned)
            for record in story.reported():
                found[name, record["target_density"]] = record["metrics"], record["fates"]
        return found

    there, back = played(PLAYED), played(reversed(PLAYED))
    assert close(there) == back
    with_fates = {name for (name, _), (_, fates) in there.items() if fates}
    assert with_fates == {name for name in PLAYED if "dense" not in name}
    alone = played(["dense", "imp", "snip"], planned=False)
    assert [fates for _, fates in alone.values()] == [[]] * 4


def test_the_dense_run_that_all_are_compared_with_costs_no_method_anything(
    make_bench, run_rounds
) -> None:
    bench = make_bench(NET, RECIPE)
    plain = run_rounds(bench, SNIP(batch_size=20), (0.5,))
    asked = run_rounds(bench, SNIP(batch_size=20), (0.5,), beside_dense=True)
    (before,), (after,) = plain.reported(), asked.reported()
    assert before["trainings"][0]["key"] == after["trainings"][0]["key"]
    assert [training["role"] for training in after["trainings"]] == ["train"]
    for cost in ("steps", "search_steps", "flops_dense", "search_flops_dense"):
        assert before["cost"][cost] == after["cost"][cost]
    # it had not been trained, as it would have been in a run: somebody has to say what was spent
    (request,) = asked.requests
    assert request.mask == bench.dense_mask()
    assert after["cost"]["spent_steps"] == RECIPE.steps


def test_a_dense_run_that_diverges_is_the_reason(make_bench, run_rounds, monkeypatch) -> None:
    def diverged(_):
        raise Diverged("the loss became inf by step 10")

    bench = make_bench(NET, RECIPE)
    monkeypatch.setattr(DenseRun, "trained", property(diverged))
    (row,) = run_rounds(bench, SNIP(batch_size=20), (0.5,), beside_dense=True).reported()
    assert (row["status"], row["fates"]) == ("ok", [])
    assert "no metrics of survivors: in the dense run the loss became inf" in row["reason"]
