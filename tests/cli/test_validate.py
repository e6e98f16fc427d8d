from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

import lth_bench.plugins
from lth_bench.cli.validate import validate
from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.root import DataMissing
from lth_bench.errors import NothingSelected, UserError
from lth_bench.objectives import CrossEntropy
from lth_bench.plugins import Entry, Registry

TEXT = """\
schema_version = 1
suite = { name = "demo", densities = [0.5, 0.2], seeds = 2, description = "[red]a test" }
recipes.fast = { steps = 10 }
tasks = [{ model = "net", dataset = "toy", recipe = "fast" }]
strategies = [{ use = "prune", controls = ["reinit"] }]
"""


@dataclass(frozen=True)
class Plain:
    """A strategy, a network and a dataset."""

    size: int = 3

    def select_mask(self, ticket): ...

    def build(self, input_shape, classes):
        if self.size == 0:
            raise ZeroDivisionError("no units")
        return nn.Sequential(nn.Flatten(), nn.Linear(4, classes))

    def info(self, root):
        if self.size == 0:
            raise FileNotFoundError("toy.npz")
        return DatasetInfo((1, 2, 2), 3, 9000, 10)


@pytest.fixture
def suite(tmp_path, monkeypatch) -> str:
    entries = [
        Entry(name=name, group=group, origin="test", version="1", _loaded=Plain)
        for name, group in (
            ("prune", "strategies"),
            ("dense", "strategies"),
            ("net", "models"),
            ("toy", "datasets"),
        )
    ]
    entries.append(
        Entry(
            name="cross_entropy", group="objectives", origin="test", version="1",
            _loaded=CrossEntropy,
        )
    )  # fmt: skip
    monkeypatch.setattr(lth_bench.plugins, "load_registry", lambda *_: Registry(entries))
    path = tmp_path / "demo.toml"
    path.write_text(TEXT)
    return str(path)


def invoke(*arguments: str):
    app = typer.Typer()
    app.command()(validate)
    return CliRunner().invoke(app, arguments)


def test_validate_prints_densities_and_tickets(suite):
    result = invoke(suite)
    assert result.exit_code == 0, result.exception
    assert "[red]a test" in result.stdout
    assert "0.5 0.2" in result.stdout
    assert "10 tickets" in result.stdout
    assert result.stdout.endswith("ok\n")


def test_validate_counts_the_claims(suite):
    claim = 'name = "better", text = "t", source = "s", of = "prune", density = 0.5, at_least = 0'
    Path(suite).write_text(TEXT + f"claims = [{{ {claim} }}]\n")
    assert "1 claims: better\n" in invoke(suite).stdout
    found = json.loads(invoke(suite, "--json").stdout)
    assert found["claims"] == [{"name": "better", "text": "t"}]


def test_json(suite):
    found = json.loads(invoke(suite, "--json", "--seeds", "7,").stdout)
    assert found["ok"] is True
    assert found["seeds"] == [7]
    assert found["tasks"] == [
        {"model": "net", "dataset": "toy", "recipe": "fast", "densities": [0.5, 0.2]}
    ]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--set", "strategies.prune.params.sise=4"], UserError, "did you mean 'size'"),
        (["--set", "suite.seeds=0"], UserError, "must be an integer"),
        (["-s", "prone"], NothingSelected, "did you mean 'prune'"),
        (["-m", "x"], NothingSelected, "choose from: net"),
        (["-d", "x"], NothingSelected, "choose from: toy"),
        (["--seeds", "x"], UserError, "--seeds takes"),
        (["--set", "plugins=['a.py']"], UserError, "--plugin"),
    ],
)
def test_an_invalid_suite_is_one_error(suite, arguments, kind, message):
    result = invoke(suite, *arguments)
    assert type(result.exception) is kind
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("group", "says"),
    [("model", "build raised ZeroDivisionError: no units"), ("dataset", "info raised FileNot")],
)
def test_networks_are_built_and_datasets_checked(suite, group, says):
    name = {"model": "net", "dataset": "toy"}[group]
    one, two = f'{group} = "{name}"', f'{group} = ["{name}", {{ name = "{name}", size = 0 }}]'
    Path(suite).write_text(TEXT.replace(one, two))
    result = invoke(suite)
    assert type(result.exception) is UserError
    message = str(result.exception)
    assert message.startswith("task net") and "size=0" in message and says in message
    assert "\n" not in message  # the other task is all right


@dataclass(frozen=True)
class Fetched(Plain):
    """A dataset that is not there until it is loaded, by when a network is needed."""

    def fingerprint(self, root):
        if not (root / "toy").exists():
            raise DataMissing("toy was not found")

    def load(self, root):
        if self.size == 0:
            raise DataMissing("toy cannot be downloaded")
        root.mkdir(exist_ok=True)
        (root / "toy").touch()
        info = self.info(root)
        x = [
            torch.zeros(n, *info.input_shape, dtype=torch.uint8)
            for n in (info.train_size, info.test_size)
        ]
        y = [torch.arange(len(images)) % 3 for images in x]
        return Arrays(x[0], y[0], x[1], y[1], classes=3)

    def info(self, root):
        return DatasetInfo((1, 2, 2), 3, 9000, 10)


def test_data_is_fetched_beforehand(suite, tmp_path, monkeypatch):
    monkeypatch.setattr(Registry, "get", patched(Registry.get))
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "data"))
    assert invoke(suite).exit_code == 0
    assert not (tmp_path / "data").exists()
    found = json.loads(invoke(suite, "--download", "--json").stdout)
    assert found["data"] == {"root": str(tmp_path / "data"), "datasets": ["toy"]}
    assert (tmp_path / "data" / "toy").exists()
    Path(suite).write_text(TEXT.replace('"toy"', '{ name = "toy", size = 0 }'))
    message = str(invoke(suite, "--download").exception)
    assert message == "task net/toy(size=0)/fast cannot run: toy cannot be downloaded"


def patched(get):
    return lambda self, group, name: Fetched if name == "toy" else get(self, group, name)
