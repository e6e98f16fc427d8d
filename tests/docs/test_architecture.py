"""The pictures of the code in ARCHITECTURE.md: the map of rooms, and one density's way."""

from __future__ import annotations

import ast
import re
import sys
import threading
import tomllib
import types
from pathlib import Path

import pytest

from lth_bench.data.root import data_root
from lth_bench.running.executors.pool import Pool
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.request import RunRequest, prepare

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harness" / "lth_bench"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")


@pytest.fixture(scope="module")
def picture(drawing: types.ModuleType) -> str:
    drawn: str = drawing.draw()
    return drawn


# the map


def test_the_picture_is_what_the_code_is_now(drawing: types.ModuleType, picture: str) -> None:
    assert "](docs/rooms.svg)" in ARCHITECTURE
    old = (
        "run `python docs/draw_rooms.py` and commit docs/rooms.svg: an import between rooms changed"
    )
    assert drawing.PICTURE.read_text("utf-8") == picture, old


def test_its_arrows_run_as_the_layers(drawing: types.ModuleType, picture: str) -> None:
    """Each from a room to one in a lower layer of import-linter's."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = contracts["tool"]["importlinter"]["contracts"]
    (layers,) = (c["layers"] for c in contracts if c["type"] == "layers")
    place = {room: i for i, line in enumerate(layers) for room in line.split(" | ")}
    arrows = re.findall(r'<path id="(\w+)-(\w+)"', picture)
    assert {room for pair in arrows for room in pair} | {*drawing.EVERYWHERE} == {
        *place
    } - drawing.DOOR
    assert [pair for pair in arrows if place[pair[0]] >= place[pair[1]]] == []


def test_an_arrow_is_left_out_where_a_longer_way_leads(drawing: types.ModuleType) -> None:
    arrows = {"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": set()}
    assert drawing.reduced(arrows) == [("a", "b"), ("a", "d"), ("b", "c")]


def test_imports_for_types_are_no_arrows(drawing: types.ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.py").write_text(
        "import os\nfrom lth_bench import b\nfrom lth_bench.errors import E\n"
        "if TYPE_CHECKING:\n    from lth_bench.d.e import F\n"
        "def f():\n    from lth_bench.c.g import H\n"
    )
    for room in "bcd":
        (tmp_path / f"{room}.py").write_text("")
    assert drawing.rooms(tmp_path) == {"a": {"b", "c"}, "b": set(), "c": set(), "d": set()}


# one density's way


def defined(file: Path) -> set[str]:
    """Functions of a module, and methods as `Class.method`."""
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef))
            names |= {node.name, *(f"{node.name}.{n.name}" for n in inner)}
    return names


def stations() -> list[tuple[str, str]]:
    """(file, function) of each that the table names, in order; those in passing too."""
    part = ARCHITECTURE.partition("## One density, ")[2].partition("\n## ")[0]
    found = []
    for row in re.findall(r"^\| (`.*) \|$", part, re.M):
        file, functions, there = row.split(" | ")
        found += [(file.strip("`"), name) for name in re.findall(r"`([\w.]+)`", functions)]
        # `name` (`file`), `name` in `file`, or `file`: `name`
        for name, other in re.findall(r"`([\w.]+)` (?:\(|in )`([\w./]+\.py)`", there):
            found.append((other, "Experiment" if name.startswith("Experiment.") else name))
        found += re.findall(r"`([\w./]+\.py)`: `([\w.]+)`", there)
    return found


def test_one_density_passes_functions_that_exist() -> None:
    named = stations()
    assert len(named) > 35
    missing = []
    for file, function in named:
        place = next(p for p in (ROOT / file, PACKAGE / file) if p.is_file())
        if function not in defined(place):
            missing.append(f"{file}: {function}")
    assert missing == []


SUITE = """
schema_version = 1
[suite]
name = "one"
densities = [0.5]
seeds = 1
[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "digits"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 4
val_size = 97
eval_every = 2
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
"""
OTHER_PROCESSES = {
    "run_suite",
    "remaining",
    "Executor.run",
    "Executor._send",
    "worker_main",
}
"""Called where a run has processes and a journal, which this one has not."""
PLAIN = {"Begin", "Experiment", "FitRequest", "PendingFit"}
"""Classes of plain data."""


def test_one_density_passes_them_all(tmp_path: Path) -> None:
    """A run in this process calls every function that the table names."""
    codes: set[types.CodeType] = set()

    def note(frame: types.FrameType, event: str, _: object) -> None:
        codes.add(frame.f_code)

    (tmp_path / "one.toml").write_text(SUITE)
    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        suite, registry = prepare(RunRequest.from_arguments(suite=tmp_path / "one.toml"))
        planned = plan_suite(suite, registry, data_root()).experiments
        config = WorkerConfig(device="cpu", artifacts=tmp_path / "kept", data_root=data_root())
        worker = Worker(config, registry, Pool())
        worker.begin([p.experiment for p in planned], lambda event: None)
        while len(worker.pool):
            worker.serve()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    called = {(Path(code.co_filename), code.co_qualname) for code in codes}
    missed = []
    for file, function in stations():
        if function in OTHER_PROCESSES | PLAIN:
            continue
        if not called & {(ROOT / file, function), (PACKAGE / file, function)}:
            missed.append(f"{file}: {function}")
    assert missed == []
