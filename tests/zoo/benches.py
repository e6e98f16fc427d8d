"""A workbench for each row, and a worker that plays experiments on it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lth_bench.data.arrays import Arrays
from lth_bench.masks import Mask
from lth_bench.plugins import load_registry
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.request import Execution
from lth_bench.testing.bench import MemoryCache
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.input.resident import ResidentData, ResidentSplit
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from zoo.rows import CLASSES, Row, Shape

CPU = torch.device("cpu")
RECIPE = Recipe(
    lr=0.005, momentum=0.9, steps=6, batch_size=8, val_size=12, eval_every=3, dtype="float64"
)


@cache
def images(shape: Shape) -> Arrays:
    """60 images of noise to train on, 12 of them held out, and 20 to test on."""
    draws = torch.Generator().manual_seed(11)

    def split(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randint(0, 256, (n, *shape), generator=draws, dtype=torch.uint8)
        return x, torch.randint(0, CLASSES, (n,), generator=draws)

    return Arrays(*split(60), *split(20), classes=CLASSES)


def bench_of(row: Row) -> Workbench:
    """UserError for a network that is refused."""
    data = ResidentData(images(row.shape), RECIPE.val_size, CPU)
    config = {"name": f"zoo {row.shape}", "val_size": RECIPE.val_size}
    return Workbench(
        model=row,
        model_config={"name": row.name},
        data=data,
        data_config=config,
        recipe=RECIPE,
        device=CPU,
        cache=MemoryCache(),
    )


def request_of(bench: Workbench, seed: int, density: float = 0.5) -> FitRequest:
    """A training at a seed under a random mask."""
    mask = random_mask(bench, seed, density)
    values = bench.initial(seed).values
    return FitRequest(
        values=values, mask=mask, start=0, end=bench.total_steps, seed=seed, recipe=bench.recipe
    )


def random_mask(bench: Workbench, seed: int, density: float) -> Mask:
    """About this part of each layer's weights, at least one."""
    draws = torch.Generator().manual_seed(seed)
    kept = {x.name: torch.rand(x.shape, generator=draws) < density for x in bench.layers}
    for tensor in kept.values():
        tensor.view(-1)[0] |= not bool(tensor.any())
    return Mask(kept, layers=bench.layers)


class ZooWorker(Worker):
    """A worker whose task is a row."""

    def __init__(self, row: Row) -> None:
        folder = Path(tempfile.mkdtemp(prefix="zoo"))
        config = WorkerConfig(
            device="cpu",
            artifacts=folder,
            data_root=folder,
            no_plugins=True,
            execution=Execution(cohort_size=1),
        )
        super().__init__(config, load_registry([], third_party=False))
        self.row_bench = bench_of(row)
        arrays = images(row.shape)
        self.test = ResidentSplit(arrays.test_x, arrays.test_y)

    def bench(self, experiment: Any) -> tuple[Workbench, Any]:
        self._bench = ("row", self.row_bench, self.test)
        return self.row_bench, self.test
