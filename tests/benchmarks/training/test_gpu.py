"""The one run on a GPU gives numbers whatever fails: the real script, with faults put into it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import gpu, nets
from training.gpu_rows import rows
from training.gpu_steps import FIRST, SIDE_BY_SIDE, SUITE, groups

HERE = Path(__file__).parents[1]

CHILD = """
import os, signal, sys, time
from lth_bench.models.mlp import MLP
from lth_bench.maintenance.selftest import speed
from lth_bench.maintenance.selftest.supervised import serve
from lth_bench.maintenance.selftest.net import MADE, MNIST, Net, made
from lth_bench.training.recipe import Recipe
from training import gpu_child, ours, samples, tasks
from training.nets import NETS
from training.samples import Sample

RECIPE = Recipe(optimizer="adam", lr=5e-3, batch_size=32, steps=10**6, val_size=10,
                eval_every=10**6)
NETS["tiny"] = Net(name="tiny", model=MLP(hidden=(12,)), shape=MNIST, recipe=RECIPE, epoch=3200)
small = Sample(made(MNIST, 400, 50), "made")
ours.sample = tasks.sample = lambda *_: small
speed.CAP, speed.FIRST = 400, 5
usual = gpu_child.functions()

def faulty(device, net, size, stacks, seconds, rounds):
    if size == 1 and "raises" in sys.argv:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    if size == 1 and "hangs" in sys.argv:
        time.sleep(600)
    if size == 1 and "dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGSEGV)
    if size == 1 and "backwards" in sys.argv:
        now = [10.0**9]
        def clock():
            now[0] -= 0.001
            return now[0]
        speed.time.perf_counter = clock
    return usual["ours"](device, net, size, stacks, seconds, rounds)

serve({**usual, "ours": faulty, "agreement": lambda device, name: {}, "host": lambda device: {}})
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], subprocess.Popen[str]]]:
    """`script(fault, …)`: what the script wrote, and its process that has ended."""
    (tmp_path / "faulty_gpu_child.py").write_text(CHILD)

    def run(fault: str = "", *options: str, env: Any = None) -> Any:
        child = tmp_path / f"child_{fault or 'well'}.py"
        child.write_text(f"import sys\nsys.argv.append({fault!r})\nimport faulty_gpu_child\n")
        env = {**os.environ, **(env or {})}
        env.pop("LTH_BENCH_DATA", None)
        path = [env.get("PYTHONPATH", ""), tmp_path, HERE, HERE.parents[1] / "harness"]
        env["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, path)))
        output = tmp_path / "gpu.json"
        command = [
            sys.executable, "-m", "training.gpu", "--device", "cpu", "--nets", "tiny",
            "--seconds", "0.01", "--rounds", "1", "--output", output, "--child", child.stem,
            "--only", "tiny", *options,
        ]  # fmt: skip
        with subprocess.Popen(
            list(map(str, command)), env=env, text=True, stdout=subprocess.PIPE, cwd=tmp_path
        ) as process:
            process.said, _ = process.communicate(timeout=280)  # type: ignore[attr-defined]
        return json.loads(output.read_text()), process

    return run


def by_name(document: dict[str, Any]) -> dict[str, Any]:
    return {result["name"]: result for result in document["results"]}


Script = Callable[..., tuple[dict[str, Any], Any]]


@pytest.mark.slow
def test_all_is_measured(script: Script) -> None:
    document, process = script()
    found = by_name(document)
    assert {r["status"] for r in found.values()} == {"ok"}, found
    assert process.returncode == 0
    value = found["ours tiny 1"]["value"]
    assert value["rates"][0] > 0
    assert value["steps"][0] <= 400
    for key in ("host_micros", "step_micros", "advance_micros", "evaluation_seconds",
                "snapshot_seconds", "first_seconds", "begin_seconds"):  # fmt: skip
        assert value[key] >= 0
    assert "graph_micros" in value and "peak_memory" in value
    loops = [(row["loop"], row["net"]) for row in document["steps"]]
    assert ("ours", "tiny") in loops and ("floor", "tiny") in loops
    assert "% of floor" in process.said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("raises", "failed", "an illegal memory access"),
        pytest.param("dies", "died", "its process was killed by SIGSEGV"),
        pytest.param("backwards", "failed", "clock"),
    ],
)
def test_a_variant_that_fails_costs_itself_alone(
    script: Script, fault: str, status: str, said: str
) -> None:
    document, process = script(fault)
    found = by_name(document)
    bad = found.pop("ours tiny 1")
    assert (bad["status"], said in bad["error"]) == (status, True), bad
    assert {r["status"] for r in found.values()} == {"ok"}, found
    assert process.returncode == 1
    assert f"{status}: ours tiny 1" in process.said


@pytest.mark.slow
def test_one_that_hangs_ends_with_the_time(script: Script) -> None:
    for minutes in ("0.1", "0.5", "2"):  # on a busy machine starting takes some of them
        document, process = script("hangs", "--minutes", minutes)
        found = by_name(document)
        if found["ours tiny 1"]["status"] != "left out":
            break
    assert found["ours tiny 1"]["status"] == "late"
    assert found["floor tiny 1"]["status"] == "left out"
    assert process.returncode == 1


@pytest.mark.slow
def test_on_a_pretend_gpu(script: Script, gpu_env: Any) -> None:
    """Captures included; the smoke test's own networks take a CPU minutes."""
    document, _ = script("", "--device", "cuda:0", env=gpu_env())
    found = by_name(document)
    value = found["ours tiny 1"]["value"]
    assert value["captured"] and value["graph_micros"] > 0 and value["peak_memory"] > 0
    assert value["rates"][0] > 0


def test_what_was_measured_is_kept_when_the_machine_ends_it(tmp_path: Path) -> None:
    report = gpu.Report(tmp_path / "found.json")
    value = {"rates": [3.0], "batch": 2, "epoch": 10, "paper_seconds": float("inf"), "way": "apart",
             "dtype": "float32", "augmented": False}  # fmt: skip
    report.hear(gpu.StepResult(name="floor tiny 1", status="ok", seconds=1.0, value=value))
    report.hear(
        gpu.StepResult(
            name="ours tiny 1", status="ok", seconds=1.0, value={"rates": [float("nan")]}
        )
    )
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["steps"][0]["model_steps_per_second"] == 3.0
    assert len(document["results"]) == 2


def test_a_disk_that_is_full_stops_nothing(tmp_path: Path, capsys: Any) -> None:
    report = gpu.Report(tmp_path / "nowhere" / "found.json")
    report.hear(gpu.StepResult(name="a", status="failed", error="b\nc"))
    report.end(None)
    assert "cannot be written" in capsys.readouterr().out
    assert not report.complete


def test_the_order_is_that_of_worth() -> None:
    found = groups("cuda:0", (*SIDE_BY_SIDE, *SUITE), 1.0, 3)
    names = [group.name for group in found]
    assert names[:3] == ["smoke", *FIRST]
    assert all(name.endswith("conventional") for name in names[-len(SIDE_BY_SIDE) :])
    steps = [step.name for group in found for step in group.steps]
    assert len(set(steps)) == len(steps)
    assert "kernels resnet20 8" in steps
    for name in (
        "ours lenet_300_100 64 explicit",
        "ours resnet20 8 branches",
        "ours resnet20 auto",
    ):
        assert name in steps


def test_the_plan_names_the_networks_that_there_are() -> None:
    assert set(SIDE_BY_SIDE) == set(nets.SIDE_BY_SIDE)
    assert {*SIDE_BY_SIDE, *SUITE} == set(nets.NETS)
    for model, steps in gpu.DENSE_STEPS.items():
        assert nets.NETS[f"{model}_60"].recipe.steps == steps


def test_the_script_itself_imports_no_torch() -> None:
    code = (
        "import sys, training.gpu; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    path = os.pathsep.join(map(str, (HERE, HERE.parents[1] / "harness")))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)


def test_rows_without_floor_or_loop_say_so() -> None:
    value = {"rates": [2.0, 4.0, 3.0], "batch": 10, "epoch": 100, "paper_seconds": 0.1,
             "dtype": "bfloat16", "augmented": True, "engine_width": 8,
             "variant": "branches"}  # fmt: skip
    (row,) = rows([{"name": "ours net auto", "status": "ok", "value": value}])
    assert (row["model_steps_per_second"], row["low"], row["high"], row["n"]) == (3.0, 2.0, 4.0, 3)
    assert row["percent_of_floor"] is row["times_conventional_best"] is None
    assert row["percent_of_paper_floor"] == pytest.approx(30)
    assert row["seconds_per_model_epoch"] == pytest.approx(100 / 10 / 3)
