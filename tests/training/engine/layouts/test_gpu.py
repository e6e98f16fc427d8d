"""Every layout that a GPU takes, on a pretend one, against the CPU: captured, replayed, equal."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import get_args

import pytest
import torch
from torch import nn

from lth_bench.masks import Mask
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import choose
from lth_bench.training.engine.layouts.alone import ByHand, KeptOnly, Plain, SparseInput
from lth_bench.training.engine.layouts.choose import kind_of
from lth_bench.training.engine.layouts.low_precision import LowPrecision
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.recipe import Recipe, ResizedCrop
from lth_bench.training.request import Change

KINDS = {ByHand, *get_args(get_args(choose.LayoutType)[0])}
ON_CPU_ONLY = {ByHand, KeptOnly, SparseInput}
ON_GPU = sorted(KINDS - ON_CPU_ONLY, key=lambda kind: kind.variant)
ONE_AT_A_TIME = {Plain, LowPrecision}
RECIPE = Recipe(
    lr=0.05,
    steps=9,
    batch_size=20,
    val_size=60,
    eval_every=4,
    momentum=0.9,
    weight_decay=0.01,
    crop=1,
    flip=True,
)
CLOSE = {"float32": 2e-6, "bfloat16": 2e-2}


@dataclass(frozen=True)
class Conv:
    dropout: float = 0.0

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(self.dropout) if self.dropout else nn.Identity(),
            nn.Linear(72, classes),
        )


@dataclass(frozen=True)
class Dense:
    def build(self, input_shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, classes))


def test_all_that_a_gpu_takes_are_here():
    assert {Plain, Explicit, Vmapped} <= set(ON_GPU)
    assert ON_CPU_ONLY <= KINDS


def rewire(view):
    """Other weights in the middle of training, as RigL does."""
    if view.step != 5:
        return None
    kept = {n: ~m for n, m in view.mask.kept.items()}
    mask = Mask(kept, layers=view.mask.layers)
    return Change(mask, reset_momentum=kept, replace_update=True)


def decompress(view):
    """All weights and no momentum in the middle of training, after the update, as AC/DC does."""
    if view.step != 5:
        return None
    kept = {n: torch.ones_like(m) for n, m in view.mask.kept.items()}
    return Change(Mask(kept, layers=view.mask.layers), reset_momentum="all")


def supermask(trainables, mask):
    return {k: v * torch.sigmoid(5 * v) for k, v in trainables.items() if k.endswith("weight")}


def shrink(values):
    return 0.01 * sum(v.square().sum() for k, v in values.items() if k.endswith("weight"))


FEATURES = {
    "masks": {},
    "rewiring": {"on_step": rewire},
    "decompression": {"on_step": decompress},
    "penalty": {"penalty": shrink},
    "parametrize": {"parametrize": supermask},
}


def cohort(bench, kind, size, half_mask, changes, request_of):
    """Fits in a cohort of this size whose last slot is empty, with masks, seeds and ends of their
    own; the layout trains twice, and the second time counts.
    """
    layout = kind(bench.network, bench.data, bench.recipe, size)
    for round_ in range(2):
        asked = [
            PendingFit(
                request_of(
                    bench, seed=i + round_, mask=half_mask(bench, i).to(bench.device), **changes
                )
            )
            for i in range(max(1, size - 1))
        ]
        asked[0].request = dataclasses.replace(asked[0].request, end=7)
        Cohort(layout, [[one] for one in asked]).run()
    assert [one.error for one in asked] == [None] * len(asked)
    return [one.outcome for one in asked], layout


def on_cpu(values):
    return {k: v.cpu() for k, v in values.items()}


def equal(there, here, limit):
    """The same numbers, but for rounding; what is pruned is zero."""
    for one, other in zip(there, here, strict=True):
        assert (one.best_step, one.step) == (other.best_step, other.step)
        for found, expected in ((one.values, other.values), (one.best, other.best)):
            assert found.keys() == expected.keys()
            for key, value in on_cpu(found).items():
                off = (value.double() - expected[key].double()).abs().max()
                assert off <= limit * max(1.0, float(expected[key].abs().max())), key
        masks, values = on_cpu(one.mask.items_by_key()), on_cpu(one.values)
        for key, kept in masks.items():
            assert not values[key][~kept].any()
            assert torch.equal(kept, other.mask.items_by_key()[key])
        for p, q in zip(one.curve, other.curve, strict=True):
            assert p.step == q.step and abs(p.val_loss - q.val_loss) < 50 * limit
        assert one.cost == dataclasses.replace(other.cost, seconds=one.cost.seconds)


def cases():
    """Layout, network, feature and type: the whole product, of which a few are fast enough for
    every run.
    """
    often = {("rewiring", "float32"), ("penalty", "float32")}
    # rounding at random draws from the device's generator: no number is the CPU's
    for kind in [k for k in ON_GPU if k is not LowPrecision]:
        for model, name in ((Conv(), "conv"), (Dense(), "mlp")):
            for feature in FEATURES:
                if feature == "parametrize" and kind is not Plain:
                    continue  # trains alone
                for dtype in CLOSE:
                    fast = name == "conv" and (feature, dtype) in often
                    fast &= feature == "rewiring" or kind is Plain
                    fast |= (feature, dtype, name) == ("rewiring", "bfloat16", "conv") and (
                        kind in (Plain, Explicit)
                    )
                    fast |= (kind, feature, dtype, name) == (Plain, "parametrize", "float32", "mlp")
                    yield pytest.param(
                        kind, model, feature, dtype,
                        id=f"{kind.variant}-{name}-{feature}-{dtype}",
                        marks=[] if fast else pytest.mark.slow,
                    )  # fmt: skip


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize(("kind", "model", "feature", "dtype"), list(cases()))
def test_a_layout_on_a_gpu_has_the_cpus_numbers(
    kind, model, feature, dtype, pretend_gpu, make_bench, half_mask, request_of
):
    recipe = dataclasses.replace(RECIPE, dtype=dtype)
    size = 1 if kind is Plain else 4
    changes = FEATURES[feature]
    here = make_bench(model, recipe)
    expected, _ = cohort(here, kind, size, half_mask, changes, request_of)
    there = make_bench(model, recipe, device="cuda")
    found, layout = cohort(there, kind, size, half_mask, changes, request_of)
    equal(found, expected, CLOSE[dtype])
    assert (layout.graphs.step is not None) == (feature not in ("penalty", "parametrize"))
    assert not pretend_gpu.failed_captures
    assert all(p.device.type == "cuda" for p in layout.parameters.values())


@pytest.mark.parametrize("dtype", CLOSE)
def test_dropout_draws_from_the_devices_generator(
    dtype, pretend_gpu, make_bench, half_mask, request_of
):
    """Not captured: the same numbers as on the CPU, whose generator is seeded alike."""
    model, recipe = Conv(dropout=0.5), dataclasses.replace(RECIPE, dtype=dtype)
    here, there = make_bench(model, recipe), make_bench(model, recipe, device="cuda")
    assert there.network.side_effects.generators
    expected, _ = cohort(here, Plain, 1, half_mask, {}, request_of)
    found, layout = cohort(there, Plain, 1, half_mask, {}, request_of)
    equal(found, expected, CLOSE[dtype])
    assert layout.graphs.step is None and not pretend_gpu.failed_captures


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize("kind", [Plain, Explicit])
def test_crops_of_random_size_are_captured(kind, pretend_gpu, make_bench, half_mask, request_of):
    """A CPU cuts image by image with torchvision's kernel, a GPU the whole batch at once."""
    recipe = dataclasses.replace(RECIPE, crop=0, resized_crop=ResizedCrop())
    size = 1 if kind is Plain else 4
    here, there = make_bench(Conv(), recipe), make_bench(Conv(), recipe, device="cuda")
    expected, _ = cohort(here, kind, size, half_mask, {}, request_of)
    found, layout = cohort(there, kind, size, half_mask, {}, request_of)
    equal(found, expected, CLOSE["float32"])
    assert layout.graphs.step is not None and not pretend_gpu.failed_captures


@pytest.mark.usefixtures("few_steps_a_graph")
@pytest.mark.parametrize("kind", ON_GPU)
def test_streamed_data_have_the_same_numbers(kind, pretend_gpu, make_bench, half_mask, request_of):
    size = 1 if kind in ONE_AT_A_TIME else 4
    recipe = dataclasses.replace(RECIPE, bits=8) if kind is LowPrecision else RECIPE
    resident = make_bench(Conv(), recipe, device="cuda")
    streamed = make_bench(Conv(), recipe, device="cuda", streamed=True)
    expected, _ = cohort(resident, kind, size, half_mask, {}, request_of)
    found, _ = cohort(streamed, kind, size, half_mask, {}, request_of)
    for one, other in zip(found, expected, strict=True):
        values = on_cpu(other.values)
        assert all(torch.equal(v, values[k]) for k, v in on_cpu(one.values).items())


@pytest.mark.usefixtures("few_steps_a_graph")
def test_a_step_does_not_wait_for_the_device(pretend_gpu, make_bench, half_mask, request_of):
    """Waits are those of evaluations and answers, however many steps lie between them."""
    counted = []
    for steps in (10, 20):
        recipe = dataclasses.replace(RECIPE, steps=steps, eval_every=steps)
        bench = make_bench(Conv(), recipe, device="cuda")
        layout = Explicit(bench.network, bench.data, recipe, 2)
        requests = [
            request_of(bench, seed=i, mask=half_mask(bench, i).to(bench.device)) for i in range(2)
        ]
        pretend_gpu.reset()
        Cohort(layout, [[PendingFit(r)] for r in requests]).run()
        # the order of an epoch, once each
        waits = {p: n for p, n in pretend_gpu.waits.items() if not p.file.endswith("data.py")}
        counted.append(waits)
    assert counted[0] == counted[1]


def test_layouts_for_a_cpu_are_never_chosen(
    pretend_gpu, make_bench, dark, any_size, half_mask, request_of
):
    from lth_bench.models.mlp import LeNet300100

    chosen = {}
    for device in ("cpu", "cuda"):
        bench = make_bench(LeNet300100(), RECIPE, arrays=dark, device=device)
        few = {n: torch.rand(m.shape) < 0.02 for n, m in bench.dense_mask().kept.items()}
        sparse = Mask(few, layers=bench.layers)
        masks = (bench.dense_mask(), half_mask(bench), sparse)
        chosen[device] = {
            kind_of(bench.network, bench.data, request_of(bench, mask=mask), size)
            for mask in masks
            for size in (1, 2, 4)
        }
    assert chosen["cpu"] & ON_CPU_ONLY and not chosen["cuda"] & ON_CPU_ONLY


READS = {
    "item": lambda h: h / max(1.0, float(h.detach().abs().max().item())),
    "booleans": lambda h: torch.zeros_like(h).index_put((h > 0,), h[h > 0]),
    "shape": lambda h: h[:, : max(1, int((h > -1e9).any(0).sum()))] @ torch.eye(16).to(h.device),
}


@dataclass(frozen=True)
class Reads:
    """A network that asks the device in its forward pass."""

    how: str

    def build(self, input_shape, classes):
        how = READS[self.how]

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(36, 16), nn.Linear(16, classes)

            def forward(self, x):
                return self.b(how(self.a(x.flatten(1)).relu()))

        return Net()


@pytest.mark.parametrize("how", READS)
def test_a_network_that_reads_its_output_trains_uncaptured(
    how, pretend_gpu, make_bench, half_mask, request_of
):
    """It is found out before a capture begins, which would break off, and perhaps break torch."""
    here, there = make_bench(Reads(how), RECIPE), make_bench(Reads(how), RECIPE, device="cuda")
    expected, _ = cohort(here, Plain, 1, half_mask, {}, request_of)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found, _ = cohort(there, Plain, 1, half_mask, {}, request_of)
    equal(found, expected, 1e-6)
    assert any("cannot be captured" in str(w.message) for w in said)
    assert not pretend_gpu.failed_captures


@pytest.mark.usefixtures("few_steps_a_graph")
def test_members_of_a_branch_are_each_on_a_stream_of_their_own(
    pretend_gpu, make_bench, half_mask, request_of
):
    import pretend_gpu as gpus

    branches = [k for k in ON_GPU if k.variant == "branches"]
    if not branches:
        pytest.skip("no layout of parallel branches")
    bench = make_bench(Conv(), RECIPE, device="cuda")
    cohort(bench, branches[0], 4, half_mask, {}, request_of)
    graph = pretend_gpu.captures[0]
    lines = graph.by_stream()
    trunk = lines.pop(graph.origin)
    assert len(lines) == 4
    members = list(lines.values())
    assert len({tuple(op.name for op in line) for line in members}) == 1
    assert len(members[0]) > 10
    for i, one in enumerate(members):
        for other in members[i + 1 :]:
            assert gpus.shared(one, other) == []
    # all of it lies between one fork and one join
    at = [i for i, op in enumerate(graph.operations) if op.stream != graph.origin]
    between = graph.operations[at[0] : at[-1] + 1]
    assert all(op.stream != graph.origin for op in between)
    assert {op.name for op in trunk} and gpus.shared(trunk, members[0])
