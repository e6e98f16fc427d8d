"""Groups of coupled units: plain data, independent of a network's values, picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_bench.masks.layers import layer_name


@dataclass(frozen=True, eq=False, kw_only=True)
class Slots:
    """The positions of a group's units along one dimension of one parameter or buffer.

    Position `index[j]` belongs to unit `unit[j]`. Both are int64 vectors on the CPU, sorted by
    unit, then position; a unit may own several positions (as a flattened channel does) or none.
    """

    key: str
    """Its key in the state dict."""
    dim: int
    """0 for rows and vectors, 1 for a weight's input columns."""
    length: int
    """Size of that dimension."""
    index: Tensor
    unit: Tensor

    def kept(self, units: Tensor) -> Tensor:
        """bool [length], on the CPU: False where the owning unit is not in `units`.

        `units` is bool [size]; positions that no unit of the group owns are True.
        """
        kept = torch.ones(self.length, dtype=torch.bool)
        kept[self.index] = units.cpu()[self.unit]
        return kept


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitGroup:
    """Units that can only be removed together, because additions or shared layers couple them.

    A unit is a channel or neuron with everything that belongs to it alone. Layers joined by a
    residual sum form one group: removing unit i removes row i of each.
    """

    size: int
    """Number of units; unit i is output i of the first layer."""
    layers: tuple[str, ...]
    """Convolutions and linear layers whose outputs are these units, in the network's order."""
    norms: tuple[str, ...]
    """Normalisation modules whose γ scales these units, in the network's order."""
    rows: tuple[Slots, ...]
    """The units' rows in the weights of `layers`."""
    columns: tuple[Slots, ...]
    """Input columns of the layers that read these units."""
    vectors: tuple[Slots, ...]
    """Biases, γ and β."""
    buffers: tuple[Slots, ...]
    """Running statistics, which have no effect once γ and β are zero."""

    def scores_from_norms(self, values: Mapping[str, Tensor]) -> Tensor:
        """Mean |γ| over the coupled norms, float64 [size] on the CPU.

        `values` is a state dict. ValueError if the group has no norm.
        """
        if not self.norms:
            raise ValueError(
                f"units of {', '.join(self.layers)} have no batch norm to score them by; "
                f"use scores_from_weights"
            )
        keys = {f"{name}.weight" for name in self.norms}
        gammas = [s for s in self.vectors if s.key in keys]
        return self._mean(gammas, [values[s.key].detach().abs() for s in gammas])

    def scores_from_weights(self, values: Mapping[str, Tensor], order: float = 1) -> Tensor:
        """Norm of each unit's incoming weights, averaged over the coupled layers, float64 [size].

        `order` 1 is the sum of magnitudes (Li et al., 2017), 2 the Euclidean norm. Biases do not
        count. `values` is a state dict.
        """
        norms = [
            torch.linalg.vector_norm(values[s.key].detach().double().flatten(1), ord=order, dim=1)
            for s in self.rows
        ]
        return self._mean(self.rows, norms)

    def sums(self, scores: Mapping[str, Tensor]) -> Tensor:
        """Sum of the scores of each unit's incoming weights, averaged over the coupled layers.

        `scores` maps layers to tensors of their weights' shapes. Float64 [size] on the CPU.
        """
        entries = [scores[layer_name(s.key)].detach() for s in self.rows]
        return self._mean(self.rows, [e.double().flatten(1).sum(1) for e in entries])

    def _mean(self, slots: list[Slots] | tuple[Slots, ...], entries: list[Tensor]) -> Tensor:
        """Mean over slots of per-position entries, by unit."""
        total = torch.zeros(self.size, dtype=torch.float64)
        owned = torch.zeros(self.size, dtype=torch.float64)
        for slot, entry in zip(slots, entries, strict=True):
            total.index_add_(0, slot.unit, entry.double().cpu()[slot.index])
            owned.index_add_(0, slot.unit, torch.ones(len(slot.unit), dtype=torch.float64))
        return total / owned
