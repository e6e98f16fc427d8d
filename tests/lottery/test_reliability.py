"""Calibration and corruptions: worked by hand, and of tickets."""

from __future__ import annotations

import math

import pytest
import torch

from lth_bench.errors import UserError
from lth_bench.models.mlp import MLP
from lth_bench.plugins import load_registry
from lth_bench.training.recipe import Recipe
from lth_observers.reliability import (
    CORRUPTIONS,
    SEVERITIES,
    Reliability,
    calibration_error,
    corrupted,
)
from lth_strategies.imp import IMP

RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
NET = MLP(hidden=(12, 8))


def logits(*confidences: float) -> torch.Tensor:
    """[N, 2], whose first class has these probabilities."""
    return torch.tensor([[math.log(p), math.log(1 - p)] for p in confidences])


def test_calibration_error_by_hand() -> None:
    # two of confidence .9, one right: |.5 − .9|; two of .62, both right: |1 − .62|
    found = calibration_error(logits(0.9, 0.9, 0.62, 0.62), torch.tensor([0, 1, 0, 0]))
    assert found == pytest.approx(0.5 * 0.4 + 0.5 * 0.38)
    # the second class is found where it is the likelier one
    assert calibration_error(logits(0.1), torch.tensor([1])) == pytest.approx(0.1)
    assert calibration_error(logits(0.1), torch.tensor([0])) == pytest.approx(0.9)


def test_confidences_of_one_bin_cancel_and_of_two_do_not() -> None:
    # (.867, .933] holds .88 and .92, whose mean is .9; one of two is right
    assert calibration_error(logits(0.88, 0.92), torch.tensor([0, 1])) == pytest.approx(0.4)
    # .80 (right) and .88 (wrong) are in different bins
    found = calibration_error(logits(0.80, 0.88), torch.tensor([0, 1]))
    assert found == pytest.approx((0.20 + 0.88) / 2)


def test_certain_and_right_is_calibrated() -> None:
    certain = torch.tensor([[200.0, 0.0], [0.0, 200.0]])
    assert calibration_error(certain, torch.tensor([0, 1])) == 0
    assert calibration_error(certain, torch.tensor([1, 0])) == 1


def test_corruptions_by_hand() -> None:
    flat = torch.full((2, 1, 6, 6), 100, dtype=torch.uint8)
    rng = torch.Generator().manual_seed(0)
    same = {"blur", "contrast"}  # of an image without structure nothing is left to lose
    for kind in same:
        assert torch.equal(corrupted(flat, CORRUPTIONS[kind], 5, rng), flat)
    brighter = corrupted(flat, CORRUPTIONS["brightness"], 3, rng)
    assert set(brighter.flatten().tolist()) == {138}  # 100 + .15 · 255 = 138.25
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    image[0, 0, 0] = 200
    # the mean is 100; at severity 5 15% of the distance to it is left
    assert corrupted(image, CORRUPTIONS["contrast"], 5, rng).flatten().tolist() == [
        115, 115, 85, 85,
    ]  # fmt: skip
    noisy = corrupted(flat[:1].expand(200, 1, 6, 6), CORRUPTIONS["noise"], 5, rng).float()
    assert float(noisy.mean()) == pytest.approx(100, abs=2)
    assert float(noisy.std()) == pytest.approx(25.5, abs=2)  # .1 · 255


@pytest.mark.parametrize("kind", list(CORRUPTIONS))
def test_severities_grow_and_shapes_stay(kind: str) -> None:
    x = torch.randint(60, 190, (50, 3, 8, 8), generator=torch.Generator().manual_seed(3))
    x = x.to(torch.uint8)
    before, changes = x.clone(), []
    for severity in range(1, SEVERITIES + 1):
        made = corrupted(x, CORRUPTIONS[kind], severity, torch.Generator().manual_seed(1))
        assert made.dtype == torch.uint8
        assert made.shape == x.shape
        changes.append(float((made.float() - x.float()).square().mean()))
    assert changes == sorted(changes)
    assert changes[0] > 0
    assert torch.equal(x, before)


def test_of_every_ticket(make_bench, run_rounds) -> None:
    bench = make_bench(NET, RECIPE)
    seen = {"reliability": Reliability()}
    story = run_rounds(bench, IMP(), (0.8,), ["shuffle"], observers=seen)
    plain = run_rounds(bench, IMP(), (0.8,), ["shuffle"])
    for record, other in zip(story.records, plain.records, strict=True):
        assert record["reason"] is None
        extra = set(record["metrics"]) - set(other["metrics"])
        assert extra == {
            "calibration_error", "nll_loss", "noise_accuracy", "blur_accuracy",
            "contrast_accuracy", "brightness_accuracy", "corruption_accuracy", "corruption_loss",
        }  # fmt: skip
        metrics = record["metrics"]
        # the split that the defaults report, at the last step
        assert metrics["nll_loss"] == pytest.approx(metrics["test_loss"], rel=1e-5)
        assert {name: metrics[name] for name in other["metrics"]} == other["metrics"]
        assert 0 <= metrics["calibration_error"] <= 1


def test_outputs_are_for_score_alone(make_bench, run_rounds) -> None:
    from lth_bench import hookimpl

    class Curious:
        @hookimpl
        def on_round(self, ticket, trained):
            with pytest.raises(ValueError, match="score alone"):
                ticket.outputs()
            self.asked = True

        @hookimpl
        def score(self, ticket, trained):
            outputs, y = ticket.outputs()
            changed, _ = ticket.outputs(lambda x: 255 - x)
            right = float((outputs.argmax(1) == y).float().mean())
            return {"own": right, "differs": float((outputs != changed).any())}

    curious = Curious()
    story = run_rounds(make_bench(NET, RECIPE), IMP(), (0.8,), observers={"curious": curious})
    metrics = story.reported()[0]["metrics"]
    assert curious.asked
    assert metrics["own"] == pytest.approx(metrics["test_accuracy"])
    assert metrics["differs"] == 1


def test_it_is_loaded_by_name(tmp_path) -> None:
    registry = load_registry(["reliability"])
    assert "reliability" in registry.observers
    assert "reliability" not in load_registry().observers
    for wrong in ("reliabilty", "../lth_strategies/imp"):
        with pytest.raises(UserError, match="reliability, which is shipped"):
            load_registry([wrong])
