"""Verifies a network's groups of units on random values.

torch-pruning traces shapes through the graph. Where that fails (a shortcut padded with zero
channels, for example) it silently couples the wrong units.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lth_bench.models import examples
from lth_bench.structure.groups import Slots, UnitGroup
from lth_bench.structure.trace import cut, refusal

TOLERANCE = 1e-9
"""Maximum difference between two equal float64 outputs, relative to the outputs. Correct groups
differ by about 1e-15, wrong ones by more than 1e-3."""


def verify(module: nn.Module, input_shape: tuple[int, ...], groups: Sequence[UnitGroup]) -> None:
    """Remove random units from a float64 network; UserError if the groups are wrong.

    `module` is a CPU copy whose values are overwritten. With a random half of each group removed,
    and with all but the first quarter removed, the network with the units cut out must have the
    same outputs as with zeros in their place, and the outputs must not depend on the removed units'
    values. (A random half may by chance work in a network that slices the first half of its
    channels; the first quarter does not.)
    """
    rng = torch.Generator().manual_seed(0)
    module.eval()
    halves = [torch.randperm(g.size, generator=rng) < (g.size + 1) // 2 for g in groups]
    quarters = [torch.arange(g.size) < (g.size + 3) // 4 for g in groups]
    for kept in (halves, quarters):
        _require_removable(module, input_shape, groups, kept, rng)


def _require_removable(
    module: nn.Module,
    input_shape: tuple[int, ...],
    groups: Sequence[UnitGroup],
    kept: Sequence[Tensor],
    rng: torch.Generator,
) -> None:
    _randomise(module, rng)
    pairs = list(zip(groups, kept, strict=True))
    x = examples.random(2, input_shape, torch.float64, rng)
    small = copy.deepcopy(module)

    producers = [(s, k) for g, k in pairs for s in (*g.rows, *g.vectors)]
    readers = [(s, k) for g, k in pairs for s in g.columns]
    _overwrite(module, [*producers, *readers], None)
    masked = outputs(module, x)
    if not bool(masked.isfinite().all()):
        raise refusal(
            module, "its outputs on random values are not finite, so the units cannot be verified"
        )
    try:
        cut(small, input_shape, groups, [~k for k in kept])
        shrunk = outputs(small, x)
    except (RuntimeError, AssertionError, IndexError, ValueError) as error:
        raise refusal(module, f"it fails with some units cut out ({error})") from error
    if not same(masked, shrunk):
        raise refusal(module, "its outputs differ between cutting units out and zeroing them")

    _overwrite(module, [*producers, *[(s, k) for g, k in pairs for s in g.buffers]], rng)
    _overwrite(module, readers, None)
    if not same(masked, outputs(module, x)):
        raise refusal(
            module,
            "some units reach the outputs through other layers than those known to read them",
        )


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two float64 outputs agree up to rounding; NaN equals NaN."""
    if a.shape != b.shape:
        return False
    scale = float(a.abs().nan_to_num(posinf=0).max()) if a.numel() else 0.0
    return torch.allclose(a, b, rtol=0, atol=TOLERANCE * scale, equal_nan=True)


@torch.no_grad()
def outputs(module: nn.Module, x: Tensor) -> Tensor:
    """The network's outputs for a batch."""
    out: Tensor = module(x)
    return out


@torch.no_grad()
def _randomise(module: nn.Module, rng: torch.Generator) -> None:
    """Set random values under which every unit has an effect; initial ones may have zero γ or
    biases.
    """

    def fill(tensor: Tensor | None, low: float, high: float) -> None:
        if tensor is not None:
            drawn = torch.rand(tensor.shape, generator=rng, dtype=torch.float64)
            tensor.copy_(drawn * (high - low) + low)

    for layer in module.modules():
        if isinstance(layer, (nn.Linear, _ConvNd)):
            bound = (6 / layer.weight[0].numel()) ** 0.5  # preserves the variance through ReLUs
            fill(layer.weight, -bound, bound)
            fill(layer.bias, -0.5, 0.5)
        elif isinstance(layer, _NormBase):
            fill(layer.weight, 0.5, 1.5)
            fill(layer.bias, -0.5, 0.5)
            fill(layer.running_mean, -0.5, 0.5)
            fill(layer.running_var, 0.5, 1.5)


@torch.no_grad()
def _overwrite(
    module: nn.Module, slots: Iterable[tuple[Slots, Tensor]], rng: torch.Generator | None
) -> None:
    """Set the positions of removed units to zero, or to random values in [0.5, 1.5)."""
    values = module.state_dict()
    for slot, kept in slots:
        places = values[slot.key].movedim(slot.dim, 0)
        gone = ~slot.kept(kept)
        if rng is None:
            places[gone] = 0.0
        else:
            shape = (int(gone.sum()), *places.shape[1:])
            places[gone] = torch.rand(shape, generator=rng, dtype=places.dtype) + 0.5
