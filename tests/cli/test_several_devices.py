"""Trainings over two processes, from the command line; the ImageNet suite on a made-up folder."""

from __future__ import annotations

import duckdb
import pytest

from lth_bench.suite import load_suite
from lth_bench.system.devices import cores

from .test_streaming import photographs

SMALL = [
    f"{where}.{what}"
    for where, whats in {
        "recipes.rigl": ("devices=2", "batch_size=12", "val_size=12", "crop=4"),
        "recipes.gradual": ("devices=2", "batch_size=12", "val_size=12", "crop=4"),
        "tasks.0.dataset": ("size=32", "resize=36"),
        "tasks.1.dataset": ("size=32", "resize=36"),
        "suite": ("densities=[0.1]",),
    }.items()
    for what in whats
]


def changes(**more: object) -> list[str]:
    """The suite at a few pixels and examples; `more` are other values of RigL's recipe."""
    keys = {f"recipes.rigl.{key}": value for key, value in more.items()}
    kept = [one for one in SMALL if one.partition("=")[0] not in keys]
    return [w for one in (*kept, *(f"{k}={v}" for k, v in keys.items())) for w in ("--set", one)]


@pytest.fixture
def imagenet(here):
    """The suite's data: three classes of a few images of all sizes."""
    photographs(here.folder / "data" / "imagenet")
    here.env |= {"LTH_BENCH_DATA": str(here.folder / "data"), "LTH_BENCH_STREAM": "always"}
    here.env["LTH_BENCH_CACHE"] = str(here.folder / "cache")
    return here


def test_without_the_data_there_is_one_message(here) -> None:
    here.env["LTH_BENCH_DATA"] = str(here.folder)
    for command in ("validate", "plan"):
        said = here(command, "imagenet_resnet50", code=4).stderr
        assert f"looked for {here.folder / 'imagenet'}" in said and said.count("error") == 1


def test_more_devices_than_there_are(imagenet) -> None:
    """A run is refused; a plan is one for a machine that has them."""
    n = cores() + 1
    few = changes(devices=n, batch_size=n)
    said = imagenet("run", "imagenet_resnet50", *few, "--device", "cpu", code=4).stderr
    assert f"a recipe trains on {n} devices at once, but the run has {n - 1} CPU c" in said
    out = imagenet("plan", "imagenet_resnet50", *few, "--device", "cpu", "--no-estimate").stdout
    assert f"a recipe trains on {n} devices at once" in " ".join(out.split())
    uneven = imagenet("validate", "imagenet_resnet50", *changes(devices=5), code=4)
    assert "got batch_size = 12 and devices = 5" in uneven.stderr


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="a training over two processes takes two cores")
def test_the_suite_runs_over_two_processes(imagenet) -> None:
    imagenet.workers = True
    temporary = imagenet.folder / "tmp"
    temporary.mkdir()
    imagenet.env["TMPDIR"] = str(temporary)
    few = ("-s", "gradual", "-m", "torchvision:resnet18")  # ResNet-50 takes three times as long
    done = imagenet("run", "imagenet_resnet50", "--smoke", *few, *changes())
    assert "imagenet_resnet50-smoke: 2 ok" in done.stderr and "1 worker" in done.stderr
    assert not [*temporary.rglob("lth-bench-ranks-*")]
    task = load_suite("imagenet_resnet50").tasks[-1]
    with duckdb.connect(str(imagenet.results), read_only=True) as con:
        rows = con.execute("SELECT DISTINCT model, recipe, status FROM tickets_flat").fetchall()
    assert rows == [(task.model.label, task.recipe_name, "ok")]


TINY = """
schema_version = 1
[suite]
name = "tiny"
version = 1
densities = [0.3]
seeds = 1
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
devices = 2
optimizer = "adam"
lr = 0.005
batch_size = 40
steps = 60
val_size = 97
eval_every = 20
dtype = "float64"
[[strategies]]
use = "rigl"
params = { update_every = 20 }
[[strategies]]
use = "edge_popup"
"""


@pytest.mark.slow
def test_two_pretend_gpus_give_the_rows_of_two_processes(lth, gpu_env) -> None:
    """And a method that cannot be spread over devices fails with the reason."""
    suite, found = lth.write("tiny.toml", TINY), {}
    asked = "SELECT label, status, score, steps FROM tickets_flat ORDER BY label"
    cpu = lth.env
    for device in ("cpu", "cuda"):
        lth.env = cpu | (gpu_env(devices=2) if device == "cuda" else {})
        results = lth.folder / f"{device}.duckdb"
        done = lth("run", suite, "--device", device, "--results", results, code=1)
        assert "set devices = 1 for it" in " ".join(done.stderr.split())
        with duckdb.connect(str(results), read_only=True) as con:
            found[device] = con.execute(asked).fetchall()
            where = con.execute("SELECT DISTINCT device FROM trainings").fetchall()
        assert where == [("cpu" if device == "cpu" else "cuda:0",)]
    assert [row[1] for row in found["cpu"]] == ["ok", "failed", "ok"]
    assert found["cuda"] == found["cpu"]
