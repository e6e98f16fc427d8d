"""A file that holds a strategy, a model, a dataset, an objective and an observer together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FILE = '''
from dataclasses import dataclass

import torch
from torch import nn

from lth_bench import Mask, Ticket, hookimpl
from lth_bench.data.arrays import Arrays
from lth_bench.objectives import CrossEntropy


def arrays():
    x = torch.arange(90.0)[:, None] % torch.tensor([7.0, 11.0, 13.0])
    y = (x[:, 0] > 3).long()
    return Arrays(x[:60], y[:60], x[60:], y[60:], classes=2, inputs="features")


@dataclass(frozen=True)
class Rows:
    """Made up."""

    def info(self, root):
        return arrays().info

    def load(self, root):
        return arrays()


class Block(nn.Module):
    def build(self):  # no plugin: a module
        return self


@dataclass(frozen=True)
class Net:
    """A hidden layer."""

    width: int = 4

    def build(self, input_shape, classes):
        (features,) = input_shape
        hidden, head = nn.Linear(features, self.width), nn.Linear(self.width, classes)
        return nn.Sequential(hidden, nn.ReLU(), head)


@dataclass(frozen=True)
class Plain(CrossEntropy):
    """Cross-entropy by another name."""


@dataclass(frozen=True, eq=False)
class Largest:
    """The largest initial weights."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)


class Watching:
    """Counts rounds."""

    @hookimpl
    def on_round(self, ticket, trained):
        pass
'''
SUITE = """
schema_version = 1
[suite]
name = "one"
densities = [0.5]
seeds = [0]
[[tasks]]
model = { name = "python:mine.py:Net", width = 6 }
dataset = "python:mine.py:Rows"
objective = "python:mine.py:Plain"
recipe = "short"
[recipes.short]
batch_size = 10
steps = 4
val_size = 10
eval_every = 2
[[strategies]]
use = "largest"
"""


@pytest.fixture
def files(here) -> tuple[Path, Path]:
    return here.write("s.toml", SUITE), here.write("mine.py", FILE)


def test_all_kinds_in_one_file(here, files):
    suite, file = files
    outcome = json.loads(here("run", suite, "--plugin", file, "--json").stdout)
    assert outcome["statuses"] == {"ok": 2}
    rows = here(
        "query", "SELECT DISTINCT model, dataset FROM tickets_flat", "--format", "csv"
    ).stdout
    assert rows.split()[-1] == "net(width=6),rows"
    for group, name in (
        ("models", "net"), ("datasets", "rows"), ("objectives", "plain"), ("observers", "watching"),
    ):  # fmt: skip
        listed = json.loads(here("ls", group, "--plugin", file, "--json").stdout)[group]
        names = {row["name"] for row in listed}
        assert name in names and "block" not in names  # a module with a method `build`


def test_the_file_is_part_of_the_identity(here, files):
    suite, file = files

    def done() -> int:
        plan = here("plan", suite, "--plugin", file, "--no-estimate", "--json")
        return json.loads(plan.stdout)["done"]

    here("run", suite, "--plugin", file)
    assert done() == 2
    file.write_text(FILE.replace("nn.ReLU()", "nn.Tanh()"))
    assert done() == 0


def test_masks_on_its_networks_are_compared(here, files):
    suite, file = files
    here("run", suite, "--plugin", file, "--add", "random")
    pair = ("compare", "largest", "random", "--masks")
    assert "unknown model" in here(*pair, code=4).stderr
    (row,) = json.loads(here(*pair, "--plugin", file, "--json").stdout)["overlap"]
    # random masks keep each layer's half; these a half of all, more of one layer than the other
    assert (row["pairs"], row["initial_values"]) == (1, "shared")
    assert 0 < row["overlap"] < 1


def test_a_suite_alone_runs_no_code(here, files):
    suite, _ = files
    said = here("run", suite, code=4).stderr
    assert "needs its own code: mine.py" in said and "--plugin mine.py" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("(features,) = input_shape", "1 / 0"), "mine.py:"),
        (("def build(self, input_shape, classes)", "def build(self, shape)"), "mine.py"),
        (("return arrays().info", "return 3"), "dataset 'rows'"),
    ],
)
def test_errors_name_the_file(here, files, change, says):
    suite, file = files
    file.write_text(FILE.replace(*change))
    assert says in here("run", suite, "--plugin", file, code=4).stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("python:mine.py:Other", "unknown model 'other'"),
        ("python:mine:Net", "must be python:FILE.py:CLASS"),
        ("python:mine.py", "must be python:FILE.py:CLASS"),
    ],
)
def test_names_that_are_none(here, files, name, says):
    suite, file = files
    suite.write_text(SUITE.replace("python:mine.py:Net", name))
    said = here("validate", suite, "--plugin", file, code=4).stderr
    assert says in " ".join(said.split()) and "s.toml:8" in said
