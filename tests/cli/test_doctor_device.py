"""`doctor --device`: what is said of a device, whatever its self-test comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.maintenance import device as module
from lth_bench.maintenance.device import findings, speeds
from lth_bench.maintenance.selftest.steps import plan
from lth_bench.maintenance.selftest.supervised import StepResult

SPEED = {
    "model_steps_per_second": 85_000.4, "steps": 4000, "size": 16, "variant": "stacked",
    "host_micros": 31.2, "step_micros": 190.0, "peak_memory": 250_000_000, "first_seconds": 0.71,
}  # fmt: skip
GOOD = {
    "about": {
        "torch": "2.15.0", "name": "NVIDIA X", "capability": "9.0", "free": 8e9, "total": 9e9,
        "runtime": "13.2", "driver": "12.8", "cudnn": 92600,
    },
    "capture": {"captured": True, "loss": 2.3, "warnings": []},
    "agreement": {
        "steps": 20, "eager": 0.0, "cpu": 2e-6, "stacked": {"explicit": 1e-7, "branches": 0.0},
        "pruned_zero": True, "warnings": [],
    },
    "halving": {"size": 8, "halved": 4, "apart": 1e-7, "needed": 4e8, "limit": 2e8, "warnings": []},
    "speed": SPEED,
}  # fmt: skip


def results(**changes: Any) -> list[StepResult]:
    """Of a device on which all is well, but for `changes` to what functions return."""
    found = []
    for step in plan("cuda:1"):
        value = changes.get(step.function, GOOD[step.function])
        if isinstance(value, StepResult):
            found.append(StepResult(name=step.name, status=value.status, error=value.error))
        else:
            found.append(StepResult(name=step.name, status="ok", seconds=1.0, value=value))
    return found


def levels(made: list[StepResult]) -> dict[str, str]:
    return {f.what: f.level for f in findings("cuda:1", made)}


def test_good_results_are_ok() -> None:
    found = levels(results())
    assert found.pop("CUDA") == "warning"  # that nobody has measured it on hardware
    assert set(found.values()) == {"ok"}
    assert len(found) == len(plan("cuda:1"))
    table = speeds("cuda:1", results())
    assert table[0] == [
        "cuda:1", "lenet_300_100", "16", "stacked", "85,000", "31", "190", "250", "0.7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "change", "said"),
    [
        ("agreement", {"eager": 0.3}, "differs by 3.0e-01 from eager"),
        ("agreement", {"cpu": 0.9}, "differs by 9.0e-01 from the CPU"),
        ("agreement", {"cpu": float("nan")}, "differs by nan from the CPU"),
        ("agreement", {"stacked": {"branches": 1.1}}, "differs by 1.1e+00 from stacked (branches)"),
        ("agreement", {"pruned_zero": False}, "a pruned weight is not zero"),
        ("halving", {"halved": 8}, "the cohort was not halved"),
        ("halving", {"apart": 1.0}, "its result differs by 1.0e+00"),
    ],
)
def test_bad_results_are_a_problem(function: str, change: dict[str, Any], said: str) -> None:
    made = results(**{function: {**GOOD[function], **change}})
    found = [f for f in findings("cuda:1", made) if f.level == "problem"]
    assert found
    assert all(said in f.found and f.do for f in found)


def test_a_step_that_hangs_or_dies_is_a_problem_beside_the_others() -> None:
    late = StepResult(name="", status="late", error="took longer than 60 s")
    found = list(findings("cuda:1", results(halving=late)))
    (bad,) = [f for f in found if f.level == "problem"]
    assert (bad.what, bad.found) == ("cuda:1 halving", "late: took longer than 60 s")
    assert levels(results(halving=late))["cuda:1 speed resnet20 4"] == "ok"


def test_warnings_of_torch_are_shown() -> None:
    made = results(capture={**GOOD["capture"], "warnings": ["adaptive_max is not deterministic"]})
    assert [f.found for f in findings("cuda:1", made) if f.level == "warning"][1:] == [
        "adaptive_max is not deterministic"
    ]


CHILD = """
import os
from lth_bench.maintenance.selftest.supervised import serve
def dies(device, **_):
    os.abort()
def raises(device, **_):
    raise ValueError("no " + device)
serve({"about": lambda device: {"torch": "2.15"}, "capture": dies, "agreement": raises,
       "speed": raises})
"""


def test_the_command_prints_its_table_whatever_steps_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    monkeypatch.setattr(module, "COMMAND", (sys.executable, str(script)))
    command = ["doctor", "--device", "cpu"]
    done = CliRunner().invoke(app, command, standalone_mode=False)
    assert done.return_value == 1
    assert "ok      cpu about: torch 2.15 on the CPU" in done.output
    assert "PROBLEM cpu capture: died: its process was killed by SIGABRT" in done.output
    assert "PROBLEM cpu agreement conv_bn: failed: ValueError: no cpu" in done.output
    done = CliRunner().invoke(app, [*command, "--json"], standalone_mode=False)
    document = json.loads(done.output)
    assert document["exit_code"] == 1
    assert [r["status"] for r in document["devices"]["cpu"]][:3] == ["ok", "died", "failed"]


def test_an_unknown_device_is_a_usage_error(lth: Any) -> None:
    done = lth("doctor", "--device", "cuda:99", code=4)
    assert "no device 'cuda:99'" in done.stderr


SMALL = """
import sys
from dataclasses import replace
from functools import partial
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.maintenance.selftest import net, steps
from lth_bench.maintenance.selftest.supervised import serve
from lth_bench.maintenance import device

def smaller(name, model, recipe):
    recipe = replace(recipe, batch_size=8, val_size=32, crop=0, flip=False)
    shape = (1, 8, 8)
    net.MADE[name] = lambda: net.Net(
        name=name, model=model, shape=shape, recipe=recipe, epoch=1000)

smaller("lenet_300_100", MLP(hidden=(12,)), net.ADAM)
smaller("conv_bn", ConvBN(), net.SGD)
smaller("resnet20", ConvBN(), net.SGD)
if "child" in sys.argv:
    found = steps.functions()
    serve({**found, "halving": partial(found["halving"], hidden=128)})
else:
    device.COMMAND = (sys.executable, __file__, "child")
    from lth_bench.cli import main
    main()
"""


@pytest.mark.slow
def test_a_pretend_gpu_passes(tmp_path: Path, gpu_env: Any) -> None:
    """The real command and its real steps in processes of their own, on smaller networks."""
    script = tmp_path / "small.py"
    script.write_text(SMALL)
    command = [sys.executable, str(script), "doctor", "--device", "cuda:1", "--json"]
    command += ["--timeout", "10m"]
    env = os.environ | gpu_env(devices=2)
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    found = {r["name"]: r for r in json.loads(done.stdout)["devices"]["cuda:1"]}
    assert {r["status"] for r in found.values()} == {"ok"}
    assert found["capture"]["value"]["captured"]
    assert found["halving"]["value"]["halved"] < found["halving"]["value"]["size"]
    events = [json.loads(line) for line in (tmp_path / "gpu.log").read_text().splitlines()]
    assert {(e["event"], e["device"]) for e in events} == {("capture", 1)}


def test_a_time_limit_without_a_device_is_refused(lth: Any) -> None:
    done = lth("doctor", "--timeout", "5m", code=4)
    assert "--timeout limits the tests of --device" in done.stderr
