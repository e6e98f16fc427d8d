"""A suite on a Ray cluster of two nodes, against the same suite on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from close import close_rows
from ray_nodes import HEAD, OTHER, PATIENCE, Nodes, two_nodes

pytestmark = pytest.mark.slow

ROWS = """
    SELECT label, control, seed, target_density, density, effective_density, test_accuracy,
           test_loss, val_accuracy, train_accuracy, early_stop_step, early_stop_accuracy, steps,
           flops_dense, flops_masked_theoretical, status
    FROM tickets_flat ORDER BY ALL
"""
"""Everything but times and hosts."""
SUITE = """
schema_version = 1
[suite]
name = "small"
version = 1
densities = [0.5, 0.2]
seeds = [0, 1]
controls = ["reinit"]
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 400
val_size = 97
eval_every = 50
[[strategies]]
use = "imp"
[[strategies]]
use = "early_bird"
[[strategies]]
use = "mine"
[tune]
budget = { trials = 3 }
seeds = 2
batch = 2
"""
MINE = """
from dataclasses import dataclass
from lth_bench import hookimpl

@dataclass(frozen=True, eq=False)
class Mine:
    "Smallest initial values first."

    @hookimpl
    def select_mask(self, ticket):
        return ticket.mask.shrink(abs(ticket.initial.weights), 1.0, ticket.target)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("small")
    (place / "small.toml").write_text(SUITE)
    (place / "mine.py").write_text(MINE)
    return place


def start(
    folder: Path, results: str, *options: str, env: dict[str, str], command: str = "run"
) -> subprocess.Popen[str]:
    words = [
        sys.executable, "-m", "lth_bench", command, "small.toml", "--plugin", "mine.py", "--json",
        "--results", results, "--device", "cpu", "--cohort-size", "1", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        words, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> dict[str, object]:
    out, err = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return json.loads(out) if out else {"error": err}


def on(nodes: Nodes, *options: str) -> tuple[str, ...]:
    return ("--executor", "ray", "--address", nodes.address, *options)


TRIALS = """
    SELECT study, number, state, origin, params, objectives, "values", intermediate, densities,
           seeds, tuning_steps
    FROM trials ORDER BY ALL
"""
"""Of a tuning, everything but times."""


def asked(file: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as con:
        return con.sql(query).fetchall()


def rows(file: Path) -> list[tuple[object, ...]]:
    return asked(file, ROWS)


def recorded(file: Path) -> list[dict[str, object]]:
    """The experiments that have ended, from a journal that may be written at this moment."""
    journal = file.with_suffix(".journal.jsonl")
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return [r for r in map(json.loads, lines) if r["record"] == "experiment"]


def wait_for(file: Path, workers: set[str]) -> None:
    """Until each of these has finished an experiment."""
    end = time.monotonic() + PATIENCE
    while not workers <= {str(r["worker"]) for r in recorded(file)}:
        assert time.monotonic() < end, recorded(file)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def local(folder: Path) -> list[tuple[object, ...]]:
    finish(start(folder, "local.duckdb", "--workers", "2", env=dict(os.environ)))
    return rows(folder / "local.duckdb")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory):
    # the other node keeps trainings on a disk of its own
    own = tmp_path_factory.mktemp("node") / "artifacts"
    with two_nodes(LTH_BENCH_NODE_ARTIFACTS=str(own)) as found:
        found.own = own
        yield found


def test_two_nodes_give_the_rows_of_this_machine(folder, local, nodes) -> None:
    said = finish(start(folder, "ray.duckdb", *on(nodes), env=nodes.env))
    assert said["statuses"] == {"ok": len(recorded(folder / "ray.duckdb"))}
    assert rows(folder / "ray.duckdb") == local
    assert {r["worker"] for r in recorded(folder / "ray.duckdb")} == {f"{HEAD} cpu", f"{OTHER} cpu"}
    # what the other node trained is here too, under the same addresses
    kept = [{f.name for f in (folder / f"{n}.artifacts/trainings").iterdir() if f.is_dir()}
            for n in ("local", "ray")]  # fmt: skip
    assert kept[0] == kept[1]
    assert any((nodes.own / "trainings").iterdir())
    # the coordinator, which is on neither, says what both did with their time
    workers = asked(folder / "ray.duckdb", "SELECT host, processes, retries FROM workers")
    assert sorted(workers) == [(HEAD, 1, 0), (OTHER, 1, 0)]
    ended, steps, busy = asked(
        folder / "ray.duckdb",
        "SELECT sum(experiments_ended), sum(steps_run), min(busy_seconds) FROM workers",
    )[0]
    assert ended == len(recorded(folder / "ray.duckdb"))
    assert steps == asked(folder / "ray.duckdb", "SELECT sum(steps) FROM trainings")[0][0]
    assert busy > 0


def test_a_tuning_on_two_nodes_gives_the_rows_of_this_machine(folder, nodes) -> None:
    options = ("-s", "imp", "-s", "early_bird", "--set", "recipes.short.steps=60")
    on_nodes = on(nodes, *options)
    finish(start(folder, "t.duckdb", *on_nodes, env=nodes.env, command="tune"))
    here = ("--workers", "2", *options)
    finish(start(folder, "here.duckdb", *here, env=dict(os.environ), command="tune"))
    for query in (TRIALS, ROWS):
        found = asked(folder / "t.duckdb", query)
        assert found and found == asked(folder / "here.duckdb", query)
    assert {r["worker"] for r in recorded(folder / "t.duckdb")} == {f"{HEAD} cpu", f"{OTHER} cpu"}


LOOKS = """
    SELECT label, target_density, n, verdict, stop, difference, deviation, p, p_equivalent
    FROM looks
"""
COUNTED = f"""
    SELECT * FROM ({ROWS}) r WHERE r.seed < (
        SELECT max(k.n) FROM looks k
        WHERE r.label = 'dense' OR (k.label = r.label AND k.target_density = r.target_density)
    )
"""
"""Of the seeds that a look has read: workers with nothing else to do train others ahead, which
depends on how fast they are. Verdicts are those of looks; means on boards take all seeds there are.
"""


def test_seeds_until_decided_are_those_of_this_machine(folder, nodes) -> None:
    options = (
        "--until-decided", "--add", "dense", "-s", "dense", "-s", "imp", "-s", "mine",
        "--set", "suite.decide.max_seeds=6", "--set", "suite.controls=[]",
        # so much that the first node is not done before the other has started
        "--set", "recipes.short.steps=600",
    )  # fmt: skip
    file, here = folder / "decided.duckdb", folder / "decided-here.duckdb"
    finish(start(folder, file.name, *on(nodes, *options), env=nodes.env))
    finish(start(folder, here.name, "--workers", "2", *options, env=dict(os.environ)))
    for query in (LOOKS, COUNTED):
        found = close_rows(asked(file, query))
        assert found and found == close_rows(asked(here, query))
    looks = asked(file, "SELECT max(n), count(stop) FROM looks")[0]
    assert looks[0] > 3 and looks[1] == 4  # seeds were added, and each row ended
    assert {r["worker"] for r in recorded(file)} == {f"{HEAD} cpu", f"{OTHER} cpu"}


def test_a_killed_coordinator_resumes(folder, local, nodes) -> None:
    file = folder / "resumed.duckdb"
    process = start(folder, file.name, *on(nodes), env=nodes.env)
    wait_for(file, {f"{HEAD} cpu"})
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = len(recorded(file))
    said = finish(start(folder, file.name, *on(nodes), env=nodes.env))
    assert said["reused"] == before
    assert rows(file) == local


def test_who_has_no_token_is_refused(folder, nodes) -> None:
    env = nodes.env | {"RAY_AUTH_TOKEN": "0" * 64}
    said = finish(start(folder, "refused.duckdb", *on(nodes), env=env), 4)
    assert "RAY_AUTH_TOKEN" in str(said["error"])


def test_a_killed_node_loses_nothing(folder, local) -> None:
    file = folder / "killed.duckdb"
    with two_nodes() as nodes:
        # three times the work, so that much is left when the other node has its first result
        process = start(folder, file.name, *on(nodes, "--seeds", "6"), env=nodes.env)
        wait_for(file, {f"{OTHER} cpu"})
        nodes.kill(OTHER)
        finish(process)
    found = rows(file)
    assert len(found) == 3 * len(local) and [row for row in found if row[2] < 2] == local
    found = asked(file, "SELECT host, worker_state, retries, starting_seconds FROM workers")
    (lost,) = [one for one in found if one[0] == OTHER]
    assert lost[1] == "gone" and lost[2] > 0
    # its replacement had no place before the end
    (waiting,) = [one for one in found if not one[0]]
    assert waiting[1] == "starting" and waiting[3] > 0
