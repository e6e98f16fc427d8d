"""What a worker on another machine must have: whatever differs is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.lottery import Experiment
from lth_bench.plugins import load_registry
from lth_bench.running.executors import probe
from lth_bench.running.executors.needs import NodeNeeds, lacking, needed, versions
from lth_bench.running.executors.worker import Worker, WorkerConfig

MINE = """
from dataclasses import dataclass
from lth_bench import hookimpl

@dataclass(frozen=True, eq=False)
class Mine:
    "Version {}."

    @hookimpl
    def select_mask(self, ticket):
        return ticket.mask
"""
DIGITS: dict[str, Any] = {"name": "digits", "params": {}}
EXPERIMENT = Experiment(
    experiment_id="e", config_id="c", suite="s", label="mine", strategy="mine", params={},
    model={"name": "mlp", "params": {"hidden": (8,)}}, model_label="mlp", dataset=DIGITS,
    dataset_label="digits", recipe_name="short", recipe={}, seed=0, densities=(0.5,), controls=(),
    iterative=False, source_hash="h", plugin_version="1",
    objective={"name": "cross_entropy", "params": {}},
)  # fmt: skip


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE.format(1))
    return file


@pytest.fixture
def needs(mine: Path) -> NodeNeeds:
    return needed([EXPERIMENT], load_registry([mine]), "cpu")


def worker(tmp_path: Path, *plugins: Path, **config: Any) -> Worker:
    known = {"device": "cpu", "artifacts": tmp_path / "artifacts", "data_root": tmp_path, **config}
    return Worker(WorkerConfig(plugins=plugins, **known))


def test_this_machine_has_what_it_needs(tmp_path: Path, mine: Path, needs: NodeNeeds) -> None:
    assert needs.sources.keys() == {"strategies", "models", "datasets", "objectives"}
    assert needs.datasets == {"digits": DIGITS}
    assert lacking(needs, worker(tmp_path, mine)) is None


def test_another_version_is_named(tmp_path: Path, mine: Path, needs: NodeNeeds) -> None:
    now = versions()["torch"]
    other = replace(needs, versions={**needs.versions, "torch": "2.11.0"})
    assert lacking(other, worker(tmp_path, mine)) == (
        f"has torch {now}, not 2.11.0: install the same as where the run was started"
    )


def test_other_source_of_lth_bench_itself_is_named(
    tmp_path: Path, mine: Path, needs: NodeNeeds
) -> None:
    other = replace(needs, versions={**needs.versions, "lth-bench's source": "0123456789ab"})
    assert "lth-bench's source" in str(lacking(other, worker(tmp_path, mine)))


def test_a_missing_plugin_is_named(tmp_path: Path, needs: NodeNeeds) -> None:
    assert "lacks the strategy 'mine'" in str(lacking(needs, worker(tmp_path)))


def test_another_source_of_a_plugin_is_named(tmp_path: Path, mine: Path, needs: NodeNeeds) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "mine.py").write_text(MINE.format(2))
    found = lacking(needs, worker(tmp_path, there / "mine.py"))
    assert "has another source of the strategy 'mine'" in str(found)
    # the same file at another place is the same
    (there / "mine.py").write_text(MINE.format(1))
    assert lacking(needs, worker(tmp_path, there / "mine.py")) is None


def test_missing_data_is_named(tmp_path: Path, mine: Path, needs: NodeNeeds) -> None:
    mnist = replace(needs, datasets={"mnist": {"name": "mnist", "params": {"download": False}}})
    found = lacking(mnist, worker(tmp_path, mine))
    assert found is not None and found.startswith("lacks data: ") and "mnist" in found


def test_other_data_is_named(tmp_path: Path, mine: Path, needs: NodeNeeds) -> None:
    from lth_bench.training.keys import digest

    found = lacking(needs, worker(tmp_path, mine, fingerprints={digest(DIGITS): "another"}))
    assert found == (
        "lacks data: dataset 'digits' has other content than where the run was started"
    )


def test_another_kind_of_gpu_is_named(
    tmp_path: Path, mine: Path, needs: NodeNeeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = SimpleNamespace(error=None, name="H100")
    monkeypatch.setattr(probe, "ask", lambda _: answer)
    one = worker(tmp_path, mine)
    one.config = replace(one.config, device="cuda:0")
    assert lacking(replace(needs, device_name="A100"), one) == (
        "is H100, not A100: a run is trained on one kind of GPU"
    )
    answer.error = "its memory is full"
    assert lacking(needs, one) == "cannot be used: its memory is full"
