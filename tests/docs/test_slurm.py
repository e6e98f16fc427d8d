"""The guide's Slurm scripts run through, with stand-ins for what only a cluster has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import ROOT, blocks

from lth_bench.cli.app import app

CLUSTER, PARTS = (
    block
    for block in blocks(ROOT / "docs" / "how-to" / "cluster.md", "text")
    if block.startswith("#!/bin/bash")
)
COMMANDS = {
    # the step's own command, here and without srun's options
    "srun": """echo "srun $*" >> "$CALLS"
while [[ $1 == -* ]]; do [[ $1 == -w ]] && shift; shift; done
exec "$@" """,
    "scontrol": "for n in $(seq $SLURM_NNODES); do echo node$n; done",
    "hostname": 'echo "10.0.0.1 fd00::1"',
    "ray": """[ "$1" = status ] && exec test -f "$CALLS.head"
[ "$2" = --head ] && touch "$CALLS.head" """,
    "lth-bench": """python - "$@" <<'END'
import json, os, sys
with open(os.environ["CALLS"] + ".run", "w") as file:
    json.dump({"words": sys.argv[1:], "data": os.environ["LTH_BENCH_DATA"]}, file)
END
[ -z "$LONG" ] && exit
trap 'sleep 0.5; touch "$CALLS.saved"; exit 130' TERM
touch "$CALLS.training"
for _ in $(seq 600); do sleep 0.1; done""",
}
RAY = """import os
def init(address, **options): assert address == "10.0.0.1:6379", address
def nodes(): return [{"Alive": True}] * int(os.environ["SLURM_NNODES"])
"""


def submit(folder: Path, script: str, *options: str, **variables: str) -> subprocess.Popen[str]:
    """Start it as Slurm would, in a home whose `lth/venv` has the stand-ins."""
    there = folder / "lth" / "venv" / "bin"
    there.mkdir(parents=True)
    (there / "activate").write_text(f'export PATH="{there}:$PATH" PYTHONPATH="{folder}"\n')
    for name, text in COMMANDS.items():
        (there / name).write_text(f"#!/bin/bash\n{text}\n")
        (there / name).chmod(0o755)
    (there / "python").symlink_to(sys.executable)
    (folder / "ray.py").write_text(RAY)
    (folder / "job.sh").write_text(script)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LTH_", "RAY_", "SLURM_"))}
    own = {"HOME": str(folder), "CALLS": str(folder / "calls"), "LONG": "", **variables}
    return subprocess.Popen(["bash", *options, "job.sh"], cwd=folder, env=kept | own, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def job(nodes: int) -> dict[str, str]:
    return {"SLURM_NNODES": str(nodes), "SLURM_JOB_NODELIST": "node[1-5]",
            "SLURM_CPUS_PER_TASK": "8"}  # fmt: skip


def ran(folder: Path) -> list[str]:
    """The words after `lth-bench run`, which can be typed."""
    found: dict[str, Any] = json.loads((folder / "calls.run").read_text())
    assert found["data"] == str(folder / "lth" / "data")
    command: Any = typer.main.get_command(app)
    context = command.make_context("lth-bench", [*found["words"]])
    words: list[str] = found["words"][1:]
    command.get_command(context, found["words"][0]).make_context("run", [*words], parent=context)
    return words


@pytest.mark.parametrize("nodes", [1, 5])
def test_the_cluster_has_all_nodes_of_the_job(tmp_path: Path, nodes: int) -> None:
    done = submit(tmp_path, CLUSTER, **job(nodes))
    printed, _ = done.communicate(timeout=60)
    assert done.returncode == 0, printed
    assert printed == ""
    words = ran(tmp_path)
    assert words[words.index("--address") + 1] == "10.0.0.1:6379"
    assert words[words.index("--results") + 1] == str(tmp_path / "lth" / "cifar_conv.duckdb")
    calls = (tmp_path / "calls").read_text().splitlines()
    joined = [call for call in calls if "ray start --address" in call]
    assert len(calls) == 2 + len(joined)
    if nodes == 1:
        assert joined == []
    else:
        (call,) = joined
        assert call.startswith("srun --nodes=4 --ntasks=4 --exclude=node1 ")


def test_each_job_of_the_array_has_a_part_of_its_own(tmp_path: Path) -> None:
    done = submit(tmp_path, PARTS, SLURM_ARRAY_TASK_ID="3")
    printed, _ = done.communicate(timeout=60)
    assert (done.returncode, printed) == (0, "")
    words = ran(tmp_path)
    assert words[words.index("--shard") + 1] == "3/8"
    assert words[words.index("--results") + 1] == str(tmp_path / "lth" / "cifar_conv-3.duckdb")


@pytest.mark.parametrize("script", [CLUSTER, PARTS], ids=["cluster", "parts"])
def test_a_job_waits_for_its_run_to_save_before_its_time_is_up(tmp_path: Path, script: str) -> None:
    assert "#SBATCH" in script
    assert "--signal=B:TERM@120" in script
    done = submit(tmp_path, script, "-x", **job(2), SLURM_ARRAY_TASK_ID="1", LONG="yes")
    assert done.stdout is not None
    assert any(line.startswith("+ wait ") for line in done.stdout)  # the trap is set
    limit = time.monotonic() + 60
    while not (tmp_path / "calls.training").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    done.send_signal(signal.SIGTERM)
    done.communicate(timeout=60)
    assert (tmp_path / "calls.saved").exists()


def test_a_missing_environment_ends_the_job_before_anything_starts(tmp_path: Path) -> None:
    for number, script in enumerate((CLUSTER, PARTS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = submit(folder, script.replace("/venv/", "/none/"), **job(2))
        printed, _ = done.communicate(timeout=60)
        assert done.returncode == 1
        assert "none/bin/activate" in printed
        assert not (folder / "calls").exists()
