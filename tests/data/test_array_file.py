from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lth_bench.data.array_file import ArrayFile
from lth_bench.data.root import DataMissing
from lth_bench.errors import UserError

N = 20
DRAWS = np.random.default_rng(0)
INPUTS = {
    "images": DRAWS.integers(0, 255, (N, 1, 4, 4), dtype=np.uint8),
    "features": DRAWS.normal(size=(N, 3)),
    "tokens": DRAWS.integers(0, 7, (N, 5)),
}
TARGETS = {
    "class": np.arange(N) % 3,
    "labels": DRAWS.integers(0, 2, (N, 4), dtype=np.uint8),
    "values": DRAWS.normal(size=N).astype(np.float32),
}


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("inputs", INPUTS)
def test_kinds_are_told_by_types(tmp_path: Path, inputs: str, targets: str) -> None:
    np.savez(tmp_path / "a.npz", x=INPUTS[inputs], y=TARGETS[targets])
    dataset = ArrayFile("a.npz")
    arrays = dataset.load(tmp_path)
    dataset.info(tmp_path).require(arrays.info)
    assert (arrays.inputs, arrays.targets) == (inputs, targets)
    assert (len(arrays.train_y), len(arrays.test_y)) == (16, 4)
    assert arrays.classes == {"class": 3, "labels": 4, "values": 1}[targets]


def test_a_token_at_every_place_of_safetensors_with_its_own_split(tmp_path: Path) -> None:
    x = torch.from_numpy(INPUTS["tokens"]).int()
    parts = {"train_x": x[:15], "train_y": x[:15] + 2, "test_x": x[15:], "test_y": x[15:]}
    save_file({k: v.clone() for k, v in parts.items()}, tmp_path / "a.safetensors")
    arrays = ArrayFile("a.safetensors").load(tmp_path)
    assert arrays.targets == "tokens" and arrays.vocabulary == arrays.classes == 9
    assert torch.equal(arrays.train_x, x[:15].long())


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": INPUTS["features"]}, "must hold train_x, .* or x and y, but holds x"),
        ({"x": INPUTS["features"], "y": np.arange(3)}, "as many examples, .* 20 and 3"),
        ({"x": np.full((4, 2), np.nan), "y": np.arange(4)}, "must be finite"),
        ({"x": np.zeros((4, 2, 2), dtype=np.int64), "y": np.arange(4)}, "inputs must be uint8"),
        (
            {"x": np.zeros((4, 2)), "y": np.zeros((4, 2), dtype=np.int16)},
            "targets must be integers",
        ),
        (
            {"x": np.zeros((4, 2)), "y": np.arange(4) - 1},
            "classes must be 0 or more, but one is -1",
        ),
        (
            {"x": np.eye(4), "y": np.full(4, 5)},
            "classes must be two at least, but every example is of class 5",
        ),
        (
            {"x": np.eye(4), "y": np.array([1, 2, 1, 2])},
            "without gaps, but there are 2 from 1 to 2, and none is 0",
        ),
        (
            {"x": np.eye(4), "y": np.array([0, 9999, 0, 9999])},
            "there are 2 from 0 to 9,999, and none is 1; number them with numpy.unique",
        ),
        (
            {"x": np.stack([np.arange(4.0), np.full(4, 0.1)], 1), "y": np.arange(4) % 2},
            r"1 of 2 have one value in every training example: 1 \(column 1 is 0.1\)",
        ),
    ],
)
def test_arrays_that_are_no_dataset(tmp_path: Path, arrays, said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=said):
        ArrayFile("a.npz").load(tmp_path)


def test_a_constant_column_is_allowed_where_nothing_is_divided_by_its_deviation(
    tmp_path: Path,
) -> None:
    table, grid = np.ones((4, 2)), np.ones((4, 2, 2))
    np.savez(tmp_path / "table.npz", x=table, y=np.arange(4) % 2)
    np.savez(tmp_path / "grid.npz", x=grid, y=np.arange(4) % 2)
    assert ArrayFile("table.npz", standardise=False).load(tmp_path).train_x.shape == (3, 2)
    assert ArrayFile("grid.npz").load(tmp_path).train_x.shape == (3, 2, 2)


def test_nothing_that_could_run_code_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(UserError, match="pickles and not read"):
        ArrayFile("a.npz").load(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match="which cannot run code"):
        ArrayFile("a.pkl").load(tmp_path)
    for name in ("b.npz", "b.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps([1]))
        with pytest.raises(UserError, match="damaged"):
            ArrayFile(name).load(tmp_path)
    with pytest.raises(DataMissing):
        ArrayFile("c.npz").load(tmp_path)
