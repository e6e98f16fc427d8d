"""Overlap of masks: by hand, and of a run's tickets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import lth_bench
from lth_bench import Mask
from lth_bench.errors import NothingSelected, UserError
from lth_bench.interchange.overlap import overlap, overlaps

SUITE = """
schema_version = 1
[suite]
name = "masks"
densities = [0.5, 0.2]
seeds = 2
controls = ["reorder"]
[recipes.short]
steps = 12
batch_size = 32
val_size = 97
eval_every = 6
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "one_shot"
[[strategies]]
use = "random"
"""


def mask(*rows: tuple[int, ...]) -> Mask:
    layers = {f"fc{i}": torch.tensor([row], dtype=torch.bool) for i, row in enumerate(rows)}
    return Mask(layers)


def test_by_hand() -> None:
    one, other = mask((1, 1, 0, 0), (1, 0)), mask((1, 0, 1, 0), (1, 1))
    values = [
        {"fc0.weight": torch.tensor([[1.0, 2, 0, 0]]), "fc1.weight": torch.tensor([[3.0, 0]])},
        {"fc0.weight": torch.tensor([[4.0, 0, 1, 0]]), "fc1.weight": torch.tensor([[-1.0, 2]])},
    ]
    found = overlap(one, other, values)
    assert found.jaccard == pytest.approx(2 / 5)  # both: one in each layer; either: 3 + 2
    by_chance = 2 * 2 / 4 + 1 * 2 / 2
    assert found.chance == pytest.approx(by_chance / (3 + 4 - by_chance))
    assert found.same_sign == pytest.approx(1 / 2)
    apart = overlap(mask((1, 0)), mask((0, 1)), [{"fc0.weight": torch.ones(1, 2)}] * 2)
    assert (apart.jaccard, apart.same_sign) == (0, None)
    same = overlap(one, one, [values[0]] * 2)
    assert (same.jaccard, same.same_sign) == (1, 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    (folder / "masks.toml").write_text(SUITE)
    lth_bench.run(folder / "masks.toml", results=folder / "r.duckdb")
    return folder / "r.duckdb"


def test_methods_share_initial_values_and_seeds_do_not(results: Path) -> None:
    board = overlaps(results, ("one_shot", "none"), ("random", "none"))
    shape = [(row["target_density"], row["initial_values"], row["pairs"]) for row in board.rows]
    assert shape == [
        (0.5, "shared", 2), (0.5, "different", 2), (0.2, "shared", 2), (0.2, "different", 2),
    ]  # fmt: skip
    for row in board.rows:  # 740 weights; a random mask overlaps by chance with any other
        assert row["overlap"] == pytest.approx(row["chance"], abs=0.1)
    shared = board.rows[0]["same_sign"]
    assert shared > 0.9 > board.rows[1]["same_sign"]
    assert board.tables[0].header[0] == "density %"


def test_filters_are_those_of_every_comparison(results: Path) -> None:
    sides = (("one_shot", "none"), ("random", "none"))
    found = overlaps(results, *sides, tasks=["mlp*/digits"], densities=[0.201], suites=["masks"])
    assert {row["target_density"] for row in found.rows} == {0.2}
    for filters in ({"tasks": ["conv2"]}, {"suites": ["other"]}, {"densities": [0.3]}):
        with pytest.raises(NothingSelected):
            overlaps(results, *sides, **filters)


def test_between_the_seeds_of_one_label_and_the_copies_of_a_ticket(results: Path) -> None:
    (first, _) = overlaps(results, ("random", "none"), ("random", "none")).rows
    assert (first["initial_values"], first["pairs"]) == ("different", 1)
    copies = overlaps(results, ("random", "none"), ("random", "reorder"), densities=[0.2]).rows
    assert copies[0]["initial_values"] == "shared"
    assert copies[0]["overlap"] == 1  # the mask is the ticket's
    assert copies[0]["same_sign"] > 0.9


def test_mistakes(results: Path) -> None:
    with pytest.raises(NothingSelected, match="no tickets of imp and random"):
        overlaps(results, ("imp", "none"), ("random", "none"))
    from lth_bench.cli.compare import compare

    with pytest.raises(UserError, match="--masks takes LABEL or LABEL/CONTROL"):
        compare(f"{results}:random", "one_shot", results=results, masks=True)
    with pytest.raises(UserError, match="--metric has no meaning with --masks"):
        compare("random", "one_shot", results=results, masks=True, metric="test_loss")
    with pytest.raises(UserError, match="--plugin goes with --masks"):
        compare("random", "one_shot", results=results, plugin=[Path("mine.py")])
