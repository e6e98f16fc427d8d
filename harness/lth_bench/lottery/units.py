"""Where a mask keeps weights: how many of each unit, and of each pixel of an image.

Counts of different seeds can be compared place by place only where the places mean the same, as
pixels do; hidden units of two initialisations have nothing in common but their number.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from lth_bench.masks import Layer, Mask


def units_kept(
    layers: tuple[Layer, ...], mask: Mask, input_shape: tuple[int, ...] | None
) -> list[dict[str, Any]]:
    """Kept weights by unit: for each layer out of each of its inputs (`in`) and into each of its
    outputs (`out`); nothing of a mask that keeps every weight.

    `input_shape` is [C, H, W] of an image, None of other inputs. A first layer that is connected to
    every value of the image has `shape` [C, H, W] of its inputs, in the order of the image's
    values; a first convolution has the counts by place in the kernel (`kernel`) too, of shape
    [1, *kernel]. All other shapes are empty.
    """
    if mask.count == mask.total:
        return []
    found = []
    for index, layer in enumerate(layers):
        into, out_of = by_unit(layer, mask.kept[layer.name])
        image = input_shape if index == 0 and reads_image(layer, input_shape) else None
        found.append(_entry(layer, "in", out_of, image or ()))
        found.append(_entry(layer, "out", into, ()))
        kernel = layer.shape[2:]
        if index == 0 and input_shape is not None and len(kernel) == 2 and max(kernel) > 1:
            places = mask.kept[layer.name].flatten(0, 1).sum(0)
            found.append(_entry(layer, "kernel", places, (1, *kernel)))
    return found


def by_unit(layer: Layer, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Kept weights into each output [O] and out of each input [I] of a layer.

    A weight of stacked matrices, such as an LSTM's gates, has each matrix's outputs in turn. A
    grouped convolution's inputs and outputs are counted over all groups.
    """
    first, second = layer.shape[:2]
    groups = layer.groups
    matrix = kept.reshape(groups, first // groups, second, -1).sum(-1)
    rows, columns = matrix.sum(2).flatten(), matrix.sum(1).flatten()
    return (columns, rows) if layer.transposed else (rows, columns)


def reads_image(layer: Layer, input_shape: tuple[int, ...] | None) -> bool:
    """Whether the layer, the network's first, is connected to every value of the image."""
    if input_shape is None or layer.transposed or len(layer.shape) != 2:
        return False
    return layer.shape[1] == math.prod(input_shape)


def _entry(layer: Layer, side: str, kept: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "side": side,
        "shape": list(shape),
        "kept": kept.flatten().tolist(),
    }
