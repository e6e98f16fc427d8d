"""What every row is held against. A check returns its cell of the table, or fails."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lth_bench.errors import UserError
from lth_bench.lottery import Experiment
from lth_bench.running.progress import DiskRefused, Note, Recorded
from lth_bench.structure import mask_of, shrink_network
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import Layout, LayoutType, kind_of, make_layout
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.choose import for_any
from lth_bench.training.pending_fit import PendingFit
from zoo.benches import ZooWorker, bench_of, random_mask, request_of
from zoo.loop import plain_torch
from zoo.paths import kept_pairs, on_a_path
from zoo.rows import Row

NEAR = 1e-8
"""Float64 values after six steps, relative to the largest: batch norm over channels that a mask has
emptied magnifies the last bits (EfficientNet at a density of .1: 2e-10)."""
STRATEGIES: dict[str, dict[str, Any]] = {
    "dense": {},
    "imp": {"prune_rate": 0.6},
    "one_shot": {"relative_rate": 1.0},
    "late_rewind": {"prune_rate": 0.6, "rewind_fraction": 0.4},
    "early_bird": {"interval": 0.2, "window": 2, "threshold": 0.9},
    "snip": {"batch_size": 16},
    "rigl": {"update_every": 2},
    "random": {},
    "grasp": {"per_class": 4},
    "filter_l1": {},
    "edge_popup": {},
}
SMALL_ONLY = ("grasp", "filter_l1", "edge_popup")
"""Not tried on torchvision's networks, of which a cell takes ten seconds to a minute."""
ALIKE: dict[str, tuple[str, ...]] = {
    "imp": ("early_imp",),
    "one_shot": ("magnitude_init", "supermask"),
    "late_rewind": ("lr_rewind", "fine_tune", "bimp", "sculpt"),
    "early_bird": ("slimming",),
    "snip": ("iter_snip", "force"),
    "rigl": ("gradual", "acdc", "granet", "set", "snfs", "srigl"),
    "edge_popup": ("signed_supermask", "aws"),
    "dense": ("dense_rewind",),
}
"""Methods without a column, by the one with a column that asks the same of a network: gradients,
units, batch norm, a mask that changes. `n_m` asks for fan-ins alone, which a plan checks."""


def trains_alone(bench: Workbench, row: Row) -> str:
    """At cohort size 1, in every layout that takes the network: as plain torch does it."""
    for density in (0.5, 0.1):
        request = request_of(bench, seed=1, density=density)
        expected = plain_torch(row.make(), bench, request)
        chosen = kind_of(bench.network, bench.data, request, 1)  # kept weights alone, it may be
        for kind in {Plain, for_any(bench.network, bench.recipe, 1), chosen}:
            layout = kind(bench.network, bench.data, bench.recipe, 1)
            for _ in range(2):  # nothing of a training is left in the next one
                (outcome,) = _trained(layout, [request])
                _require_equal(outcome.values, expected)
                for key, kept in request.mask.items_by_key().items():
                    assert not outcome.values[key].masked_fill(kept, 0).any()
    return "equal"


def trains_stacked(bench: Workbench, row: Row, sizes: tuple[int, ...]) -> str:
    """In company of other seeds and masks, at every cohort size: as alone."""
    how = bench.network.stacks
    if how is None:
        return "alone"
    requests = [request_of(bench, seed, density) for seed, density in ((1, 0.5), (2, 1.0))]
    expected = [plain_torch(row.make(), bench, request) for request in requests]
    kinds: list[LayoutType | None] = [None, Branches] if Branches.takes(bench.network) else [None]
    for size, kind in product(sizes, kinds):
        layout = make_layout(bench.network, bench.data, bench.recipe, size, kind)
        for outcome, values in zip(_trained(layout, requests), expected, strict=True):
            _require_equal(outcome.values, values)
    return {"explicit": "by layer", "vmap": "by vmap"}[how]


def resumes(bench: Workbench, row: Row, size: int) -> str:
    """Stopped in mid-training and taken up by another layout: the same bits."""
    if bench.network.stacks is None:
        size = 1
    requests = [request_of(bench, seed) for seed in range(1, min(2, size) + 1)]
    whole = _trained(make_layout(bench.network, bench.data, bench.recipe, size), requests)

    def begun() -> Cohort:
        layout = make_layout(bench.network, bench.data, bench.recipe, size)
        return Cohort(layout, [[PendingFit(request)] for request in requests])

    first = begun()
    for _ in range(3):
        first.update(first.members)
    partials = [member.checkpoint(3) for member in first.members]
    rest = begun()
    rest._resume(partials)
    rest.run()
    for member, outcome in zip(rest.members, whole, strict=True):
        found = member.fits[0].outcome
        assert found is not None
        assert all(torch.equal(v, outcome.values[k]) for k, v in found.values.items())
    return "equal"


def counts_flops(bench: Workbench, row: Row) -> str:
    """As torch's own counter, what no prunable weight takes part in apart."""
    module = row.make().eval()
    with _in_parts(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(2, *row.shape))
    assert bench.network.flops.forward + row.other_flops == counter.get_total_flops() / 2
    grouped = any(getattr(part, "groups", 1) > 1 for part in module.modules())
    # torch's counter charges the backward of a grouped convolution as if it had no groups
    if not (row.other_flops or grouped or bench.network.side_effects.generators):
        module.train()
        with _in_parts(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(2, *row.shape)).sum().backward()
        assert bench.network.flops.step == counter.get_total_flops() / 2
    return "equal"


@contextlib.contextmanager
def _in_parts() -> Iterator[None]:
    """torch's counter knows not all that is fused."""
    torch.backends.mkldnn.enabled = False
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
            # it counts by hooks, of which a compiled network warns
            warnings.filterwarnings("ignore", "Using `torch.compile")
            yield
    finally:
        torch.backends.mkldnn.enabled = True
        torch.backends.mha.set_fastpath_enabled(True)


def dense_density(bench: Workbench, row: Row) -> str:
    """Effective density of the dense network, with the layers that are not all used."""
    found = bench.connections
    if isinstance(found, str):
        return f"no number: {found}"
    assert found.effective(bench.dense_mask()).density == found.dense
    return "1" if found.dense == 1 else f"{found.dense:.2f} ({', '.join(found.unused)})"


def follows_paths(bench: Workbench, row: Row, most: int) -> str:
    """Effective masks, against what trying every weight finds."""
    if not row.relu:
        return "–"
    connections = bench.connections
    assert not isinstance(connections, str)
    x = torch.rand(2, *row.shape, dtype=torch.float64) + 0.6
    for seed, density in ((1, 0.3), (2, 0.1)):
        mask = random_mask(bench, seed, density)
        found = connections.effective(mask)
        tried = kept_pairs(mask, most)
        for (name, o, i), expected in zip(
            tried, on_a_path(row.make(), x, mask, tried), strict=True
        ):
            assert bool(found.kept[name][o, i].any()) == expected, (name, o, i)
    return "equal"


def shrinks(bench: Workbench, row: Row) -> str:
    """Units cut out: the small network computes what the masked one does."""
    try:
        groups = bench.units
    except UserError as refusal:
        return f"refused: {refusal.message}"
    if not groups:
        return "no units"
    draws = torch.Generator().manual_seed(0)
    kept = [torch.randperm(g.size, generator=draws) < max(1, g.size // 2) for g in groups]
    mask = mask_of(groups, bench.layers, kept)
    values = dict(bench.initial(1).values)
    mask.apply_(values)
    masked = bench.network.twin(values).eval()
    small = shrink_network(bench.network.twin(values), row.shape, mask, groups).eval()
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in masked.parameters())
    x = torch.randn(3, *row.shape, dtype=torch.float64)
    with torch.no_grad():
        _require_equal({"out": small(x.clone())}, {"out": masked(x.clone())})
    return "equal"


def played(worker: ZooWorker, strategy: str) -> list[Recorded | Note | DiskRefused]:
    """Everything that an experiment with both controls tells."""
    controls = () if strategy == "dense" else ("reinit", "shuffle")
    events: list[Recorded | Note | DiskRefused] = []
    cls = worker.registry.get("strategies", strategy)
    experiment = Experiment(
        experiment_id=strategy, config_id="c", suite="zoo", label=strategy, strategy=strategy,
        params=STRATEGIES[strategy], model={}, model_label="m", dataset={}, dataset_label="d",
        recipe_name="r", recipe={}, seed=1, densities=(1.0,) if strategy == "dense" else (0.4,),
        controls=controls, iterative=bool(getattr(cls, "iterative", False)), source_hash="h",
        plugin_version="1", dense_checkpoints=(2,),
    )  # fmt: skip
    worker.run(experiment, events.append)
    return events


def plays(worker: ZooWorker, strategy: str) -> str:
    """How an experiment ended."""
    records = [e.record for e in played(worker, strategy) if isinstance(e, Recorded)]
    (end,) = [r for r in records if r.get("record") == "experiment"]
    rows = [r for r in records if r.get("record") == "ticket" and r["reported"]]
    if end["status"] == "skipped":
        return f"skipped: {rows[0]['reason']}"
    if end["status"] != "ok":
        return f"{end['status']}: {end['reason']}"
    controls = [] if strategy == "dense" else ["reinit", "shuffle"]
    assert [r["control"] for r in rows] == ["none", *controls]
    for record in rows:
        if record["status"] == "ok":
            total = sum(layer["total"] for layer in record["layers"])
            kept = sum(layer["kept"] for layer in record["layers"])
            assert record["density"] == kept / total
            assert record["effective_density"] is None or (
                0 <= record["effective_density"] <= record["density"]
            )
    reasons = sorted({r["reason"] for r in rows if r["reason"]})
    return f"ok; {'; '.join(reasons)}" if reasons else "ok"


def _trained(layout: Layout, requests: list[Any]) -> list[Any]:
    asked = [PendingFit(request) for request in requests]
    Cohort(layout, [[one] for one in asked]).run()
    for one in asked:
        assert one.error is None, one.error
    return [one.outcome for one in asked]


def _require_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        far = float((found[key].double() - value.double()).abs().max()) if value.numel() else 0.0
        scale = max(1.0, float(value.double().abs().max())) if value.numel() else 1.0
        assert far <= NEAR * scale, (key, far)


def row_bench(row: Row) -> Workbench | str:
    """The row's bench, or why the network is refused."""
    try:
        return bench_of(row)
    except UserError as refusal:
        return f"refused: {refusal.message}"
