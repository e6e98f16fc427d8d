"""The two ladders are the same ladder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.params import build
from lth_bench.suite import load_suite
from lth_bench.training.recipe import Recipe
from training import ladder, table
from training.conventional_ladder import Ladder, trainings
from training.images import Images
from training.nets import NETS, Net
from training.samples import made


def test_conventional_ladder_prunes_a_fifth_a_round(tiny: Net, tmp_path: Path) -> None:
    arrays = made(tiny.shape, 320, 100)
    images = (Images(arrays.train_x, arrays.train_y), Images(arrays.test_x, arrays.test_y))
    asked = Ladder(tiny, seeds=2, rounds=2, epochs=1)
    found = list(trainings(asked, *images, workers=0, folder=tmp_path))
    assert [(one["seed"], one["round"]) for one in found] == [
        (seed, number) for seed in range(2) for number in range(3)
    ]
    assert asked.trainings == len(found)
    for one in found:
        assert one["density"] == pytest.approx(0.8 ** one["round"], abs=1e-3)
        assert one["steps"] == 10
        assert one["images_evaluated"] == 200  # at the start and at the end
        assert 0 <= one["test_accuracy"] <= 1
    assert {p.name for p in tmp_path.iterdir()} == {"start.pth", "end.pth"}


def test_the_suite_has_the_conventional_ladders_numbers(tmp_path: Path) -> None:
    file = tmp_path / "ladder.toml"
    file.write_text(ladder.SUITE)
    suite = load_suite(file)
    assert len(suite.seeds) == ladder.SEEDS
    recipe = build(Recipe, suite.tasks[0].recipe, "recipe")
    theirs = NETS["lenet_300_100"].recipe
    assert recipe.total_steps(60_000 - ladder.VAL_SIZE) == ladder.STEPS == 858
    for name in ("optimizer", "lr", "batch_size", "momentum", "weight_decay", "crop", "flip"):
        assert getattr(recipe, name) == getattr(theirs, name)
    assert recipe.in_steps(recipe.epochs or 0, 55_000) // recipe.eval_every == ladder.EPOCHS
    asked = Ladder(NETS["lenet_300_100"])
    assert (asked.seeds, asked.rounds, asked.epochs, asked.rate, asked.val_size) == (
        ladder.SEEDS, ladder.ROUNDS, ladder.EPOCHS, ladder.RATE, ladder.VAL_SIZE,
    )  # fmt: skip


def test_the_table_says_what_was_scaled() -> None:
    one = {
        "workers": 0, "threads": None, "trainings_measured": 2, "trainings": 55, "scaled": True,
        "seconds": 1500.0, "seconds_a_training": 27.0,
    }  # fmt: skip
    found = {"conventional": [one], "ours": {"seconds": 75.0, "n": 3, "trainings": 55}}
    first, second = table.ladder_cells(found)
    assert first[1] == "2 of 55 trainings, scaled"
    assert first[4] == "20"
    assert second[1] == "55 of 55 trainings"
