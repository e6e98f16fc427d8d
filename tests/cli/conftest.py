"""The command line as a user meets it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TINY = """
schema_version = 1

[suite]
name = "tiny"
version = 1
densities = [0.5, 0.2]
seeds = [0, 1]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 30
val_size = 97
eval_every = 10

[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
controls = ["reinit", "shuffle"]

[[strategies]]
use = "snip"
"""


class CommandLine:
    """Runs `lth-bench` in a folder of its own, with results in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results.duckdb"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LTH_BENCH")},
            "LTH_BENCH_RESULTS": str(self.results),
            "COLUMNS": "100",
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lth_bench", *map(str, arguments)],
            cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def lth(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A finished run of the tiny suite. Read it, don't change it."""
    lth = CommandLine(tmp_path_factory.mktemp("finished"))
    lth("run", lth.write("tiny.toml", TINY))
    return lth


@pytest.fixture(scope="session")
def longer() -> str:
    """The tiny suite at more steps, so that there is time to stop it in."""
    return TINY.replace("steps = 30", "steps = 300")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, longer: str) -> CommandLine:
    """A finished run of the longer suite. Read it, don't change it."""
    lth = CommandLine(tmp_path_factory.mktemp("undisturbed"))
    lth("run", lth.write("tiny.toml", longer))
    return lth


@pytest.fixture(scope="session")
def tiny() -> str:
    return TINY
