"""The GPU script needs torch and this package's training engine, and nothing more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ABSENT = {
    "pluggy", "typer", "duckdb", "optuna", "safetensors", "filelock", "torch_pruning",
    "platformdirs", "rich", "torchvision", "PIL", "sklearn", "scipy", "pandas", "plotly",
    "jinja2", "matplotlib",
}  # fmt: skip

SCRIPT = f"""
import importlib.util
assert not [name for name in {sorted(ABSENT)} if importlib.util.find_spec(name)]
import warnings
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
import training.gpu
from training.gpu_child import functions
from training.images import decoder
from training.nets import NETS
from training.ours import Bench
assert decoder() == "plain"
bench = Bench(NETS["lenet_300_100"], "cpu")
assert bench.rate(bench.layout("auto"), 0.01) > 0
assert functions()["capture"]("cpu")["loss"] > 0
"""


@pytest.mark.slow
def test_the_gpu_script_runs_without_what_a_bare_machine_lacks(tmp_path: Path) -> None:
    installed = Path(np.__file__).parents[1]
    for entry in installed.iterdir():
        if entry.name.partition(".")[0] not in ABSENT and entry.suffix != ".pth":
            (tmp_path / entry.name).symlink_to(entry)
    here = Path(__file__).parents[1]
    path = os.pathsep.join(map(str, (tmp_path, here, here.parents[1] / "harness")))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("LTH_BENCH_DATA", None)
    # -S: without the folder where everything is installed
    command = [sys.executable, "-S", "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
