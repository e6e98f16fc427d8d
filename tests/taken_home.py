"""A finished run with its kept trainings, from which tickets are loaded and exported; a pytest
plugin, since two folders of tests need it.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

SUITE = """
schema_version = 1

[suite]
name = "home"
version = 1
densities = [1.0, 0.5, 0.2]
seeds = [3]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "sgd"
momentum = 0.9
weight_decay = 1e-3
lr = 0.05
batch_size = 50
steps = 30
val_size = 97
eval_every = 10
dtype = "float64"

[[strategies]]
use = "imp"
params = { prune_rate = 0.3 }
controls = ["reinit", "reinit_same_signs", "random_signs", "shuffle", "moved_values"]

[[strategies]]
use = "late_rewind"
params = { prune_rate = 0.5, rewind_step = 6 }
controls = ["shuffle", "reinit_at_rewind", "reinit_same_signs"]

[[strategies]]
use = "rigl"
params = { update_every = 5 }

[[strategies]]
use = "snip"

[[strategies]]
use = "random"

[[strategies]]
use = "early_bird"
params = { interval = 0.2, latest = 0.9 }
"""
DENSITY = 0.2
"""The density whose tickets tests look at."""


ANY = """
schema_version = 1

[suite]
name = "anywhere"
version = 1
densities = [0.3]
seeds = [3]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "tabular:diabetes"
recipe = "short"

[[tasks]]
model = { name = "transformer", width = 16, heads = 2, mlp = 32 }
dataset = { name = "stdlib_text", size = 4000, length = 8 }
recipe = "short"

[recipes.short]
optimizer = "sgd"
momentum = 0.9
lr = 0.05
batch_size = 50
steps = 20
val_size = 20
eval_every = 10
dtype = "float64"

[[strategies]]
use = "snip"

[[strategies]]
use = "rigl"
params = { update_every = 5 }
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`home("export", …)` is the command line in a folder with a finished run of the suite, and
    `home.results` its database. Read the results, don't change them.
    """
    return finished(tmp_path_factory.getbasetemp(), "home", SUITE)


@pytest.fixture(scope="session")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same of a run with features and real targets, and with tokens."""
    return finished(tmp_path_factory.getbasetemp(), "anywhere", ANY)


def finished(root: Path, name: str, suite: str) -> Any:
    """The command line in a folder where the suite has been run."""
    here = runpy.run_path(str(Path(__file__).parent / "cli" / "conftest.py"))["Here"]
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # all of pytest's processes share it
    line = here(root / name)
    with FileLock(root / f"{name}.lock"):
        if not line.folder.exists():
            line.folder.mkdir()
            line("run", line.write(f"{name}.toml", suite), "--cohort-size", "1")
            line.write("done", "")
    assert (line.folder / "done").exists(), "the suite failed in another of pytest's processes"
    return line


@pytest.fixture(scope="session")
def ticket_id(home: Any) -> Any:
    """`ticket_id("imp", control="none", density=0.2)`: the id of a reported ticket."""
    import lth_bench

    rows = lth_bench.results(home.results).table("tickets_flat")

    def find(label: str, control: str = "none", density: float = DENSITY) -> str:
        chosen = rows[
            (rows.label == label) & (rows.control == control) & (rows.target_density == density)
        ]
        (found,) = chosen.ticket_id
        return str(found)

    return find


@pytest.fixture(scope="session")
def ticket_of_model(anywhere: Any) -> Any:
    """`ticket_of_model("mlp", "snip")`: the id of its ticket in `anywhere`."""
    import lth_bench

    rows = lth_bench.results(anywhere.results).table("tickets_flat")

    def find(model: str, label: str) -> str:
        (found,) = rows[rows.model.str.startswith(model) & (rows.label == label)].ticket_id
        return str(found)

    return find
