"""A layer's weights by the unit that they lead into, for methods of constant fan-in."""

from __future__ import annotations

import torch
from torch import Tensor

from lth_bench import Layer


def by_unit(weight: Tensor, layer: Layer) -> Tensor:
    """[units, fan-in] of a tensor of the weight's shape: one row for each output unit."""
    return weight.movedim(1 if layer.transposed else 0, 0).reshape(-1, layer.fan_in)


def as_weight(rows: Tensor, layer: Layer) -> Tensor:
    """The inverse of `by_unit`: [units, fan-in] in the weight's shape, contiguous."""
    along = 1 if layer.transposed else 0
    shape = list(layer.shape)
    moved = [shape.pop(along), *shape]
    return rows.view(moved).movedim(0, along).contiguous()


def largest_of_rows(scores: Tensor, counts: int | Tensor) -> Tensor:
    """bool [rows, n]: of each row its `counts` largest scores; ties go to the earlier one. `counts`
    is one number, or a tensor [rows].
    """
    order = torch.argsort(scores.detach(), dim=1, descending=True, stable=True)
    places = torch.argsort(order, dim=1)
    return places < (counts[:, None] if isinstance(counts, Tensor) else counts)
