"""Is a network's list of units right? Tried on random values, because a wrong one says nothing.

torch-pruning follows shapes through the graph. Where it cannot (a shortcut padded with zero
channels, say) it couples the wrong units without a word.
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
"""Largest difference of two float64 outputs that should be equal, relative to the outputs.

Right networks differ by about 1e-15, wrong ones by more than 1e-3.
"""


def verify(module: nn.Module, input_shape: tuple[int, ...], groups: Sequence[UnitGroup]) -> None:
    """Remove random units from a float64 network; raise UserError where the groups are wrong.

    `module` is a copy on the CPU: its values are overwritten. With half of each group removed at
    random, and with all but the first quarter removed, the network with the units cut out must give
    the same outputs as the one with zeros in their place, and those outputs must not depend on what
    the removed units compute. (The half left by chance may suit a network that takes the first half
    of its channels; the first quarter does not.)
    """
    draws = torch.Generator().manual_seed(0)
    module.eval()
    halves = [torch.randperm(g.size, generator=draws) < (g.size + 1) // 2 for g in groups]
    quarters = [torch.arange(g.size) < (g.size + 3) // 4 for g in groups]
    for kept in (halves, quarters):
        _require_removable(module, input_shape, groups, kept, draws)


def _require_removable(
    module: nn.Module,
    input_shape: tuple[int, ...],
    groups: Sequence[UnitGroup],
    kept: Sequence[Tensor],
    draws: torch.Generator,
) -> None:
    _randomise(module, draws)
    pairs = list(zip(groups, kept, strict=True))
    x = examples.random(2, input_shape, torch.float64, draws)
    small = copy.deepcopy(module)

    producers = [(s, k) for g, k in pairs for s in (*g.rows, *g.vectors)]
    readers = [(s, k) for g, k in pairs for s in g.columns]
    _overwrite(module, [*producers, *readers], None)
    masked = outputs(module, x)
    if not bool(masked.isfinite().all()):
        raise refusal(module, "its outputs on random values are not finite, which proves nothing")
    try:
        cut(small, input_shape, groups, [~k for k in kept])
        shrunk = outputs(small, x)
    except (RuntimeError, AssertionError, IndexError, ValueError) as error:
        raise refusal(module, f"with some units cut out it does not run ({error})") from error
    if not same(masked, shrunk):
        raise refusal(module, "with units cut out it computes something else than with them zero")

    _overwrite(module, [*producers, *[(s, k) for g, k in pairs for s in g.buffers]], draws)
    _overwrite(module, readers, None)
    if not same(masked, outputs(module, x)):
        raise refusal(module, "some units reach the outputs past the layers known to read them")


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two float64 outputs agree to rounding; NaN agrees with NaN."""
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
def _randomise(module: nn.Module, draws: torch.Generator) -> None:
    """Values under which every unit matters; initial ones may leave γ or biases at zero."""

    def fill(tensor: Tensor | None, low: float, high: float) -> None:
        if tensor is not None:
            drawn = torch.rand(tensor.shape, generator=draws, dtype=torch.float64)
            tensor.copy_(drawn * (high - low) + low)

    for layer in module.modules():
        if isinstance(layer, (nn.Linear, _ConvNd)):
            bound = (6 / layer.weight[0].numel()) ** 0.5  # keeps the variance through ReLUs
            fill(layer.weight, -bound, bound)
            fill(layer.bias, -0.5, 0.5)
        elif isinstance(layer, _NormBase):
            fill(layer.weight, 0.5, 1.5)
            fill(layer.bias, -0.5, 0.5)
            fill(layer.running_mean, -0.5, 0.5)
            fill(layer.running_var, 0.5, 1.5)


@torch.no_grad()
def _overwrite(
    module: nn.Module, slots: Iterable[tuple[Slots, Tensor]], draws: torch.Generator | None
) -> None:
    """Set the positions of units that are not kept to zero, or to draws from [0.5, 1.5)."""
    values = module.state_dict()
    for slot, kept in slots:
        places = values[slot.key].movedim(slot.dim, 0)
        gone = ~slot.kept(kept)
        if draws is None:
            places[gone] = 0.0
        else:
            shape = (int(gone.sum()), *places.shape[1:])
            places[gone] = torch.rand(shape, generator=draws, dtype=places.dtype) + 0.5
