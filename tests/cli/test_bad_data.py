"""Data, networks and objectives that do not fit: one message before anything trains, exit 4."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lth_bench.models.mlp import MLP as MLPModel

SUITE = """
schema_version = 1
[suite]
name = "bad"
densities = [0.5]
seeds = [0]
[recipes.short]
steps = 2
batch_size = 4
val_size = 2
[[tasks]]
model = MODEL
dataset = DATASET
recipe = "short"
OBJECTIVE
[[strategies]]
use = "random"
"""
MLP = '{ name = "mlp", hidden = [4] }'
OWN = """
from dataclasses import dataclass
import torch
from torch import nn
from lth_bench import Arrays, DatasetInfo, Metric, Objective

@dataclass(frozen=True)
class Tokens:
    vocabulary: int = 5

    def info(self, root):
        return DatasetInfo((6,), 9, 20, 10, inputs="tokens", targets="tokens",
                           vocabulary=self.vocabulary)

    def load(self, root):
        x = torch.arange(180).view(30, 6) % 9
        return Arrays(x[:20], x[:20], x[20:], x[20:], classes=9, inputs="tokens",
                      targets="tokens", vocabulary=self.vocabulary)

@dataclass(frozen=True)
class Other:
    def build(self, input_shape, classes):
        return nn.Linear(*input_shape, classes + 1)

@dataclass(frozen=True)
class Lone:
    def info(self, root):
        return DatasetInfo((1, 2, 2), 1, 20, 10)

    def load(self, root):
        x, y = torch.zeros(30, 1, 2, 2, dtype=torch.uint8), torch.zeros(30, dtype=torch.int64)
        return Arrays(x[:20], y[:20], x[20:], y[20:], classes=1)

@dataclass(frozen=True)
class Named(Lone):
    def info(self, root):
        return DatasetInfo((1, 2, 2), ["cat"], 20, 10)

@dataclass(frozen=True)
class Starts:
    start: int = 3

    def build(self, input_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

@dataclass(frozen=True)
class Picky(Objective):
    targets = ("values", "class")
    metrics = (Metric("mae", "", higher_is_better=False),)

    def bound(self, train_targets, info):
        raise ZeroDivisionError("no spread")

    def losses(self, outputs, targets):
        return (outputs - targets).abs().mean(1)

    def measure(self, evidence, targets):
        return {"mae": float((evidence - targets).abs().mean())}
"""
ROWS = [(i, i % 3, i % 2) for i in range(20)]


def table(rows: list[tuple[object, ...]], head: str = "a,b,y") -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


def changed(row: int, column: int, value: object) -> str:
    rows = [list(r) for r in ROWS]
    rows[row][column] = value  # type: ignore[assignment]
    return table([tuple(r) for r in rows])


def arrays(folder: Path, name: str, **parts: np.ndarray) -> None:
    np.savez(folder / name, **parts)  # type: ignore[arg-type]  # of the stubs


X, Y = np.linspace(0, 1, 60, dtype=np.float32).reshape(20, 3), np.arange(20) % 2

FILES = {
    "good.csv": table(ROWS),
    "nan.csv": changed(4, 0, "nan"),
    "hole.csv": changed(4, 0, ""),
    "constant.csv": table([(i, 7, i % 2) for i in range(20)]),
    "words.csv": table([(i, i % 3, "red" if i % 2 else "blue") for i in range(20)]),
    "flat.csv": table([(i, i % 3, 2.5) for i in range(20)]),
    "one_class.csv": table([(i, i % 3, 1) for i in range(20)]),
    "empty.csv": "",
    "short.txt": "to be",
}
CASES = {
    # a table
    "missing target": ("tabular:good.csv", "", "target must name the column to predict"),
    "unknown target": ("good.csv target='z'", "", "unknown column 'z'; choose from: a, b, y"),
    "nan": ("nan.csv target='y'", "", "column 'a' has 1 missing, NaN or infinite values, the"),
    "hole": ("hole.csv target='y'", "", "missing values; fill them in"),
    "constant": ("constant.csv target='y'", "", "column 'b' has one value, 7, in every row"),
    "text": ("words.csv target='y' task='regression'", "", "is text, which task = 'regression'"),
    "no spread": ("flat.csv target='y'", "", "component 0 of the targets is 2.5 in every"),
    "one class": ("one_class.csv target='y'", "", "column 'y' has 1 different values, and"),
    "empty": ("empty.csv target='y'", "", "empty.csv is empty"),
    "gone": ("gone.csv target='y'", "", "'tabular' is not there: looked for"),
    "folder": ("folder.csv target='y'", "", "folder.csv: it is a folder, not a regular file"),
    "no table": ("noise.csv target='y'", "", "noise.csv"),
    "no parquet": ("noise.parquet target='y'", "", "noise.parquet cannot be read as a table"),
    "huge": ("huge.csv target='y'", "", "half of this machine's memory is"),
    # arrays
    "pickle": ("arrays:pickle.npz", "", "holds objects, which are pickles and not read"),
    "objects": ("arrays:objects.npz", "", "holds objects, which are pickles and not read"),
    "no safetensors": ("arrays:pickle.safetensors", "", "is damaged or no safetensors file"),
    "torch's own": ("arrays:values.pt", "", "are read from .npz and .safetensors files"),
    "unseen": ("arrays:unseen.npz", "", "5 of 5 test examples are of a class that no training"),
    "bomb": ("arrays:bomb.npz", "", "half of this machine's memory is"),
    "arrays constant": ("arrays:constant.npz", "", "have one value in every training example: 1"),
    "arrays one class": ("arrays:one_class.npz", "", "two at least, but every example is of class"),
    "arrays gaps": ("arrays:gaps.npz", "", "there are 2 from 0 to 9, and none is 1; number them"),
    "arrays infinite": ("arrays:infinite.npz", "", "test_x must be finite, but 1 of its numbers"),
    "arrays nan target": ("arrays:target.npz", "", "train_y must be finite, but 1 of its numbers"),
    "arrays kind": ("arrays:whole.npz", '"binary_cross_entropy"', "needs several labels an"),
    "arrays nan": ("arrays:nan.npz", "", "train_x must be finite, but 1 of its numbers are NaN"),
    # text
    "short text": ("text:short.txt", "", "two sequences of 64 take 129"),
    "empty text": ("text:empty.csv", "", "empty.csv is empty"),
    "text folder": ("text:folder.csv", "", "folder.csv: it is a folder, not a regular file"),
    # what does not fit together
    "vocabulary": ("tokens", "", "must be in [0, 4] (the vocabulary is 5), but ranges from 0 to 8"),
    "kind": ("good.csv target='y'", '"squared_error"', "needs real numbers as targets, but"),
    "weights": (
        "good.csv target='y'", '{ name = "weighted_cross_entropy", weights = [1.0] }',
        "weights must be one a class, but got 1 for 2 classes",
    ),
    "all weights 0": (
        "good.csv target='y'", '{ name = "weighted_cross_entropy", weights = [0.0, 0.0] }',
        "weights must not all be 0",
    ),
    "image weights": (
        "digits", '{ name = "weighted_cross_entropy", weights = [1.0] }',
        "weights must be one a class, but got 1 for 10 classes",
    ),
    "components": (
        "tabular:diabetes", '{ name = "squared_error", mean = [0.0, 1.0] }',
        "mean must be one number or one a component of the targets, but got 2 for 1",
    ),
    "own bound": (
        "tabular:diabetes", '"picky"',
        "objective 'picky' on dataset 'tabular': bound raised ZeroDivisionError: no spread (own.py",
    ),
    "output": ("good.csv target='y' model='other'", "", "outputs of shape [2, 2]"),
    "lone class": ("lone", "", "dataset 'lone' has one class, so there is nothing to learn"),
    "class names": ("named", "", "classes must be a whole number above 0, but got ['cat']"),
    "reserved": ("digits model='starts'", "", "a parameter must not be called 'start'"),
    # a start
    "other shapes": ("digits start='other'", "", "fc1.weight has shape [5, 64] in the file and"),
    "start pickle": ("digits start='pickle'", "", "is a pickle, and loading one can run any code"),
    "start nan": ("digits start='nan'", "", "1 of 256 values of fc1.weight are NaN or infinite"),
    "start gone": ("digits start='gone'", "", "there is no file"),
}  # fmt: skip


@pytest.fixture
def there(here):
    """The command line in a folder with all of these files."""
    for name, text in FILES.items():
        here.write(name, text)
    here.write("own.py", OWN)
    folder = here.folder
    (folder / "folder.csv").mkdir()
    noise = bytes(range(256)) * 40
    for name in ("noise.csv", "noise.parquet"):
        (folder / name).write_bytes(noise)
    with (folder / "huge.csv").open("wb") as file:
        file.truncate(1 << 43)  # 8 TB that take no room
    for name in ("pickle.npz", "pickle.safetensors"):
        (folder / name).write_bytes(pickle.dumps({"x": X, "y": Y}))
    torch.save({"x": X}, folder / "values.pt")
    objects = np.array([{}] * 20, dtype=object)
    arrays(folder, "objects.npz", x=objects, y=Y)
    few = {"train_x": X[:10], "train_y": Y[:10], "test_x": X[10:15]}
    arrays(folder, "unseen.npz", test_y=np.full(5, 2), **few)
    bad = few | {"train_x": np.where(X[:10] == X[3, 1], np.nan, X[:10]).astype(np.float32)}
    arrays(folder, "nan.npz", test_y=Y[:5], **bad)
    whole = {"x": X, "y": Y}
    arrays(folder, "whole.npz", **whole)
    arrays(folder, "constant.npz", **whole | {"x": np.where([0, 1, 0], np.float32(2), X)})
    arrays(folder, "one_class.npz", **whole | {"y": np.ones(20, int)})
    arrays(folder, "gaps.npz", **whole | {"y": 9 * Y})
    far = {"test_x": np.where(X[:5] == X[2, 1], np.inf, X[:5]).astype(np.float32)}
    arrays(folder, "infinite.npz", test_y=Y[:5], **few | far)
    real = {"train_y": np.where(np.arange(10) == 3, np.nan, 0.5), "test_y": np.zeros(5)}
    arrays(folder, "target.npz", **few | real)
    net = MLPModel(hidden=(4,)).build((1, 8, 8), 10).state_dict()
    wide = MLPModel(hidden=(5,)).build((1, 8, 8), 10).state_dict()
    save_file(wide, folder / "other.safetensors")
    net["fc1.weight"][1, 2] = np.nan
    save_file(net, folder / "nan.safetensors")
    here.env["LTH_BENCH_DATA"] = str(folder)
    return here


def suite_of(dataset: str, objective: str) -> str:
    first, *options = dataset.split()
    given = dict(option.split("=") for option in options)
    model = f'"{given.pop("model").strip(chr(39))}"' if "model" in given else MLP
    if start := given.pop("start", None):
        model = MLP.replace("}", f', start = "{start.strip(chr(39))}.safetensors" }}')
    if given:
        parts = "".join(f", {key} = {value}" for key, value in given.items())
        shown = f'{{ name = "tabular:{first}"{parts} }}'
    else:
        shown = f'"{first}"'
    if first.startswith(("text", "tokens")):
        model = '{ name = "transformer", width = 4, heads = 2, mlp = 4 }'
    text = SUITE.replace("MODEL", model).replace("DATASET", shown)
    return text.replace("OBJECTIVE", f"objective = {objective}" if objective else "")


def bomb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to more than half of the memory, of which little is there."""
    np.savez_compressed(folder / "bomb.npz", x=np.zeros((10_000, 50)), y=np.zeros(10_000, int))
    monkeypatch.setattr("lth_bench.data.source_file.host_memory", lambda: 1 << 20)
    assert (folder / "bomb.npz").stat().st_size < 1 << 18


@pytest.mark.parametrize("name", CASES)
def test_it_is_one_message_before_anything_trains(there, name: str, monkeypatch) -> None:
    dataset, objective, said = CASES[name]
    if name == "bomb":
        bomb(there.folder, monkeypatch)
    suite = there.write("bad.toml", suite_of(dataset, objective))
    for command in ("validate", "run"):
        failed = there(command, suite, "--plugin", "own.py", code=4)
        text = " ".join(failed.stderr.split())
        assert said in text
        assert text.count("error:") == 1
    assert not there.results.exists()


def test_a_plan_says_it_too(there) -> None:
    suite = there.write("bad.toml", suite_of("flat.csv target='y'", ""))
    failed = there("plan", suite, "--no-estimate", code=4)
    assert "component 0 of the targets is 2.5 in every" in " ".join(failed.stderr.split())


def test_good_data_runs(there) -> None:
    suite = there.write("good.toml", suite_of("good.csv target='y'", '"weighted_cross_entropy"'))
    there("validate", suite)
    there("run", suite, "--cohort-size", 1)
