"""Starts are found before a run and kept beside its trainings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.errors import UserError
from lth_bench.maintenance.gc import no_run
from lth_bench.running import starts
from lth_bench.running.starts import find_start, keep_starts
from lth_bench.store import Paths
from lth_bench.suite.start import StartSpec
from lth_bench.training.start import Start, kept_start, start_values


@dataclass
class Planned:
    """What `keep_starts` looks at."""

    start: Start | None


@pytest.fixture
def linear(tmp_path: Path) -> Start:
    module = nn.Linear(2, 3)
    save_file(module.state_dict(), tmp_path / "a.safetensors")
    return find_start(StartSpec("a.safetensors", (), tmp_path), module, "linear", "float32")


def test_a_copy_stays_when_the_file_is_gone(linear: Start, tmp_path: Path):
    artifacts = tmp_path / "artifacts"
    keep_starts([Planned(linear), Planned(None), Planned(linear)], artifacts)  # type: ignore[list-item]
    expected = dict(nn.Linear(2, 3).state_dict())
    linear.path.unlink()
    found = start_values(artifacts, {"start": linear.identity})
    assert found.keys() == expected.keys()
    assert start_values(artifacts, {"name": "linear", "params": {}}) == {}
    keep_starts([Planned(linear)], artifacts)  # type: ignore[list-item]  # it is there
    assert [p.name for p in (artifacts / "starts").iterdir()] == [f"{linear.sha256}.safetensors"]


def test_a_damaged_copy_is_replaced(linear: Start, tmp_path: Path):
    keep_starts([Planned(linear)], tmp_path)  # type: ignore[list-item]
    kept = kept_start(tmp_path, linear.sha256)
    kept.write_bytes(kept.read_bytes()[:50])
    keep_starts([Planned(linear)], tmp_path)  # type: ignore[list-item]
    assert kept.read_bytes() == linear.path.read_bytes()


def test_a_file_that_changes_in_between(linear: Start, tmp_path: Path):
    save_file({"weight": torch.ones(3, 2), "bias": torch.ones(3)}, linear.path)
    with pytest.raises(UserError, match="was changed while the run began"):
        keep_starts([Planned(linear)], tmp_path)  # type: ignore[list-item]
    assert not kept_start(tmp_path, linear.sha256).exists()


@pytest.mark.parametrize(
    "command", [["run", "quickstart", "-s", "random", "-m", "mlp"], ["tune", "tune_digits"]]
)
def test_starts_are_copied_while_gc_knows_that_something_runs(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it could remove them before an experiment names them."""
    running = []

    class Seen(BaseException):
        pass

    def watched(_: object, artifacts: Path) -> None:
        with no_run(Paths(artifacts.with_suffix(".duckdb"))) as found:
            running.append(found)
        raise Seen

    monkeypatch.setattr(starts, "keep_starts", watched)
    results = ["--results", str(tmp_path / "r.duckdb"), "--device", "cpu", "--workers", "1"]
    with pytest.raises(Seen):
        CliRunner().invoke(app, [*command, "--smoke", *results], catch_exceptions=False)
    assert running == [True]
