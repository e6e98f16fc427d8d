"""What all tests share."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import MISSING, launched
from filelock import FileLock
from hypothesis import HealthCheck, settings
from thoroughness import cases

pytest_plugins = [
    "surroundings",
    "pretend_gpu.plugin",
    "copied_databases",
    "written_results",
    "taken_home",
]

# Decoded data is kept for the session, and not among the user's own; all processes share it.
if "LTH_BENCH_CACHE" not in os.environ:
    os.environ["LTH_BENCH_CACHE"] = tempfile.mkdtemp(prefix="lth-bench-tests-")
    atexit.register(shutil.rmtree, os.environ["LTH_BENCH_CACHE"], ignore_errors=True)

# A loaded machine is no failure. `.ci/run` sets LTH_BENCH_THOROUGH.
settings.register_profile(
    "lth-bench",
    deadline=None,
    max_examples=cases(100),
    suppress_health_check=[HealthCheck.too_slow],  # of how fast examples are made
)
settings.load_profile("lth-bench")


@pytest.fixture(autouse=True)
def own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the results of whoever runs the tests."""
    monkeypatch.delenv("LTH_BENCH_RESULTS", raising=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; one in a process, for playwright starts no second one beside it."""
    if MISSING:
        pytest.skip(MISSING)
    with launched() as opened:
        yield opened


@pytest.fixture(scope="session", autouse=True)
def commands_are_built_once() -> Iterator[None]:
    """Typer builds every command at each call of the application, for a tenth of a second."""
    import typer.main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`once(name, make)`: a folder that `make(folder)` has filled, once for all of pytest's
    processes. Read it, don't change it.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with FileLock(root / f"{name}.lock"):
            if not folder.exists():
                folder.mkdir()
                make(folder)
                done.touch()
        assert done.exists(), f"{name} could not be made in another of pytest's processes"
        return folder

    return made


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """`install("lth-bench-mine", {"strategies": {"mine": "mine_x:Mine"}}, mine_x=SOURCE)`: a
    distribution as pip leaves it, on the path of this process; the folder for those of others.
    """
    site = tmp_path / "site"
    before = set(sys.modules)

    def make(
        name: str, points: dict[str, dict[str, str]], version: str = "1.0", **modules: str
    ) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        sections = (
            "\n".join([f"[lth_bench.{group}]", *(f"{k} = {v}" for k, v in names.items())])
            for group, names in points.items()
        )
        (info / "entry_points.txt").write_text("\n\n".join(sections) + "\n")
        for module, text in modules.items():
            (site / f"{module}.py").write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(str(site))
        return site

    yield make
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(site)):
            del sys.modules[module]


@pytest.fixture(scope="session")
def requires_shared_data() -> Path:
    """The data root with the real MNIST in it; tests that use this are skipped where it is not."""
    root = os.environ.get("LTH_BENCH_DATA")
    if not root or not (Path(root) / "MNIST" / "raw").is_dir():
        pytest.skip("LTH_BENCH_DATA names no folder that holds MNIST/raw")
    return Path(root)


@pytest.fixture(scope="session")
def blobs() -> Any:
    """Arrays of 6×6 one-channel images in three classes that a small network learns: 260 to train
    on (60 of them held out by the recipes of tests), 90 to test on.
    """
    import torch

    from lth_bench.data.arrays import Arrays

    rng = torch.Generator().manual_seed(11)
    shapes = torch.rand(3, 1, 6, 6, generator=rng)

    def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.randint(0, 3, (n,), generator=rng)
        x = 130 * shapes[y] + 120 * torch.rand(n, 1, 6, 6, generator=rng)
        return x.to(torch.uint8), y

    return Arrays(*images(260), *images(90), classes=3)


@pytest.fixture
def few_steps_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two and not ten in the longest graph, which takes a pretend GPU as long to capture."""
    from lth_bench.training.engine.layouts import base, captured

    for module in (base, captured):
        monkeypatch.setattr(module, "SEVERAL", 2)


@pytest.fixture
def make_bench(blobs: Any, tmp_path: Path) -> Callable[..., Any]:
    """`make_bench(model, recipe, arrays=blobs, root=…, device="cpu", streamed=False,
    objective=None)`: a workbench.

    Its model's configuration is the dataclass's `repr`; trainings lie in `root`. On the CPU, or on
    a pretend GPU where the test has one.
    """
    import torch

    from lth_bench.training.checkpoints.cache import TrainingCache
    from lth_bench.training.dispatch.workbench import Workbench
    from lth_bench.training.input.resident import ResidentData
    from lth_bench.training.input.streaming import HostArrays, StreamedData

    def make(
        model: Any,
        recipe: Any,
        arrays: Any = blobs,
        root: Path = tmp_path / "kept",
        device: str = "cpu",
        streamed: bool = False,
        objective: Any = None,
    ) -> Any:
        where = torch.device(device)
        if streamed:
            data: Any = StreamedData(
                source=HostArrays(arrays), val_size=recipe.val_size, device=where
            )
        else:
            data = ResidentData(arrays, recipe.val_size, where)
        config = {"fingerprint": arrays.fingerprint(), "val_size": recipe.val_size}
        name = {"name": repr(model)}
        about: dict[str, Any] = {"objective": objective}
        if objective is not None and repr(objective) != "CrossEntropy()":
            about["objective_config"] = {"name": repr(objective)}
        return Workbench(
            model=model,
            model_config=name,
            data=data,
            data_config=config,
            recipe=recipe,
            device=where,
            cache=TrainingCache(root),
            **about,
        )

    return make
