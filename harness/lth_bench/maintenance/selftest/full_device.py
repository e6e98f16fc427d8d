"""Train a cohort that does not fit into memory, to check that the engine halves it."""

from __future__ import annotations

import gc
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lth_bench.maintenance.selftest.bench import Bench
from lth_bench.maintenance.selftest.checks import apart, strict
from lth_bench.maintenance.selftest.net import ADAM, MNIST, Net, made

SIZE = 8
"""Members of the cohort that does not fit."""
STEPS = 5
MEMORY_SHARE = 0.5
"""Share of the memory that a cohort of `SIZE` needs and is given."""


def halving(device: str, hidden: int = 1024) -> dict[str, Any]:
    """Train with all of the memory, then with half of what that needed, so that the engine halves
    the cohort. The network has two layers of `hidden` units.

    The limit is torch's limit for this process and does not affect others. Returns the cohort sizes
    (`size`, `halved`), the relative difference of the results (`apart`), and memory in bytes.
    """
    from lth_bench.models.mlp import MLP

    recipe = replace(ADAM, eval_every=STEPS, steps=STEPS)
    # weights take most of the memory, so half as many members need about half of it
    net = Net(name="wide", model=MLP(hidden=(hidden, hidden)), shape=MNIST, recipe=recipe)
    with strict() as noted, tempfile.TemporaryDirectory() as folder:
        where = torch.device(device)
        free = _trained(net, device, Path(folder) / "free")
        needed = free["peak"] - free["before"]
        total = torch.cuda.get_device_properties(where).total_memory
        held = _held(where)
        limit = held + MEMORY_SHARE * needed
        torch.cuda.set_per_process_memory_fraction(limit / total, where)
        try:
            tight = _trained(net, device, Path(folder) / "tight")
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, where)
    return {
        "size": free["size"],
        "halved": tight["size"],
        "apart": apart([tight["values"]], [free["values"]], [free["start"]]),
        "needed": needed,
        "limit": int(limit),
        "still_held": held - free["before"],
        "warnings": noted,
    }


def _trained(net: Net, device: str, root: Path) -> dict[str, Any]:
    from lth_bench.training.checkpoints.cache import TrainingCache
    from lth_bench.training.dispatch.workbench import Workbench
    from lth_bench.training.engine.cohort_size import CohortSizes

    where = torch.device(device)
    before = _held(where)
    torch.cuda.reset_peak_memory_stats(where)
    bench = Bench(net, device, made(net.shape, 1000 + net.recipe.val_size, 10))
    work = Workbench(
        model=net.model,
        model_config={"name": net.name},
        data=bench.data,
        data_config={"name": "made"},
        recipe=net.recipe,
        device=where,
        cache=TrainingCache(root),
        cohort_sizes=CohortSizes(None, given=SIZE),
    )
    (request,) = bench.requests(1, STEPS)
    trained = work.fit(request)
    return {
        "size": trained.cohort_size,
        "values": {k: v.cpu() for k, v in trained.values.items()},
        "start": {k: v.cpu() for k, v in request.values.items()},
        "before": before,
        "peak": torch.cuda.max_memory_reserved(where),
    }


def _held(device: torch.device) -> int:
    """Bytes of the device that this process holds after freeing unused memory."""
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved(device)
