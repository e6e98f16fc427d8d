"""What TensorBoard reads back of a run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lth_bench.plugins import load_registry

SUITE = """
schema_version = 1
[suite]
name = "small"
version = 1
description = "One network"
seeds = [0]
densities = [0.5, 0.25]
controls = ["reinit"]
[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "digits"
recipe = "short"
[recipes.short]
lr = 0.1
batch_size = 60
steps = 20
val_size = 97
eval_every = 10
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
[[strategies]]
use = "dense"
"""

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed"
)


def run(folder, environment, *options):
    """The suite run in a process of its own; its exit status, and what it printed."""
    (folder / "small.toml").write_text(SUITE)
    command = [sys.executable, "-m", "lth_bench", "run", "small.toml", "--device", "cpu"]
    command += ["--workers", "1", "--results", "r.duckdb", *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def records(folder):
    """The journal's tickets, times aside."""
    found = []
    for line in (folder / "r.journal.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["record"] == "ticket":
            for key in ("at", "run_id"):
                record.pop(key, None)
            for part in (record["cost"], *record["trainings"]):
                for key in [k for k in part if "seconds" in k]:
                    del part[key]
            found.append(record)
    return found


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.delenv("LTH_BENCH_TENSORBOARD", raising=False)
    monkeypatch.delenv("LTH_BENCH_NO_PLUGINS", raising=False)
    return dict(os.environ)


def test_it_is_found():
    entry = load_registry().observers["tensorboard"]
    assert entry.origin == "lth-bench-tensorboard"
    assert entry.load().__name__ == "TensorBoard"


@needs_tensorboard
def test_every_training_has_its_curve_and_no_result_changes(tmp_path, environment):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen, plain = tmp_path / "seen", tmp_path / "plain"
    seen.mkdir()
    plain.mkdir()
    done = run(seen, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    without = run(plain, environment | {"LTH_BENCH_TENSORBOARD": "off"})
    assert without.returncode == 0, without.stdout + without.stderr
    assert records(seen) == records(plain)
    assert not list(plain.rglob("events.*"))

    root = seen / "r.artifacts" / "tensorboard" / "small"
    scalars = {}
    for file in root.rglob("events.*"):
        accumulator = EventAccumulator(str(file)).Reload()
        tags = accumulator.Tags()["scalars"]
        scalars[str(file.parent.relative_to(root))] = {
            tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in tags
        }
    tickets = {r["ticket_id"]: r for r in records(seen)}
    folders = {
        ("dense" if r["target_density"] == 1 else "imp", r["round"], r["control"]): r
        for r in tickets.values()
    }
    assert len(folders) == 5  # two densities, each with its control, and the dense run
    for (label, round_, control), record in folders.items():
        tail = "" if control == "none" else f"-{control}"
        (name,) = [
            n for n in scalars
            if n.endswith(f"/{label}/seed0/round{round_:02d}-{record['target_density']:g}{tail}")
        ]  # fmt: skip
        found = scalars[name]
        assert [s for s, _ in found["val/accuracy"]] == [10, 20]
        for tag, column in (("train/loss", 1), ("val/loss", 2), ("val/accuracy", 3)):
            assert found[tag] == [(p[0], pytest.approx(p[column])) for p in record["curve"]]
        assert found["ticket/density"] == [(round_, pytest.approx(record["density"]))]
        kept = {x["layer"]: x["kept"] / x["total"] for x in record["layers"]}
        for layer, fraction in kept.items():
            assert found[f"layers/{layer}"] == [(round_, pytest.approx(fraction))]


def test_another_folder_and_labels_with_slashes(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from lth_bench_tensorboard.observer import folder_of

    view = SimpleNamespace(
        suite="s", task=("m", "d", "r"), label="imp: 1/2", seed=3, round=4, target=0.125,
        control="shuffle", training="search", artifacts=tmp_path,
    )  # fmt: skip
    name = Path("s", "m-d-r", "imp_1_2", "seed3", "round04-0.125-shuffle-search")
    assert folder_of(view) == tmp_path / "tensorboard" / name
    monkeypatch.setenv("LTH_BENCH_TENSORBOARD", str(tmp_path / "here"))
    assert folder_of(view) == tmp_path / "here" / name
    monkeypatch.setenv("LTH_BENCH_TENSORBOARD", "OFF")
    assert folder_of(view) is None


def test_without_tensorboard_the_run_says_so_and_goes_on(tmp_path, environment):
    # a package of that name which cannot be imported, in front of the real one
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "__init__.py").write_text("raise ImportError('not here')")
    done = run(tmp_path, environment | {"PYTHONPATH": str(tmp_path)}, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["statuses"] == {"ok": 2}
    said = [line for line in done.stderr.splitlines() if "observer tensorboard" in line]
    # of each hook at most once, whatever the number of experiments
    hooks = [line.split("tensorboard.")[1].split(":")[0] for line in said]
    assert hooks
    assert len(hooks) == len(set(hooks))
    assert said[0].startswith(
        "observer tensorboard.on_eval: raised ImportError: not here (observer"
    )
    assert not list(tmp_path.rglob("events.*"))


def test_no_plugins_leaves_it_out(tmp_path, environment):
    listed = subprocess.run(
        [sys.executable, "-m", "lth_bench", "ls", "observers", "--no-plugins", "--json"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(listed.stdout) == {"observers": []}
