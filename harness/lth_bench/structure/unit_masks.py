"""Masks of whole units: removing a unit removes its rows, its readers' columns, its
bias, γ and β.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lth_bench.errors import Unreachable, UserError
from lth_bench.masks import Layer, Mask, layer_name
from lth_bench.masks.allocation import top_k_flat
from lth_bench.structure.groups import UnitGroup
from lth_bench.structure.units import unit_groups


def mask_of(groups: Sequence[UnitGroup], layers: Sequence[Layer], kept: Sequence[Tensor]) -> Mask:
    """The structured mask that keeps these units, on the CPU.

    `kept` has a bool [size] for each group. The mask's `held` covers every bias, γ and β of a unit,
    but not the output layer's bias.
    """
    axes = _axes(groups, kept)
    weights = {}
    for layer in layers:
        rows, columns = _of_layer(axes, layer)
        grid = rows[:, None] & columns[None, :]
        ones = (1,) * (len(layer.shape) - 2)
        weights[layer.name] = grid.reshape(*grid.shape, *ones).expand(layer.shape).clone()
    held: dict[str, Tensor] = {}
    for group, units in zip(groups, kept, strict=True):
        for slot in group.vectors:
            vector = slot.kept(units)
            # after a concatenation one norm belongs to several groups
            held[slot.key] = held[slot.key] & vector if slot.key in held else vector
    return Mask(weights, held, layers)


def largest_below(
    groups: Sequence[UnitGroup], layers: Sequence[Layer], scores: Sequence[Tensor], k: int
) -> Mask:
    """The largest structured mask of at most `k` prunable weights, best scores first.

    All units are ranked together and removed from the lowest score up; ties keep the earlier unit.
    The best unit of each group is never removed, nor are units with infinite score. Unreachable if
    these alone have more than `k` weights; ValueError for a NaN score.
    """
    if not groups:
        raise Unreachable("the network has no removable units")
    sizes = [g.size for g in groups]
    flat = torch.cat([s.detach().double().cpu() for s in scores])
    # the best unit of each group, by the same tie rule
    excluded = (
        torch.cat([top_k_flat(part, 1) for part in torch.split(flat, sizes)]) | flat.isposinf()
    )
    worst_first = torch.argsort(flat, descending=True, stable=True).flip(0)
    worst_first = worst_first[~excluded[worst_first]]

    def keep(removed: int) -> list[Tensor]:
        kept = torch.ones(len(flat), dtype=torch.bool)
        kept[worst_first[:removed]] = False
        return list(torch.split(kept, sizes))

    def count(removed: int) -> int:
        axes = _axes(groups, keep(removed))
        sums = ((layer, _of_layer(axes, layer)) for layer in layers)
        return sum(
            int(rows.sum()) * int(columns.sum()) * math.prod(layer.shape[2:])
            for layer, (rows, columns) in sums
        )

    low, high = 0, len(worst_first)
    if (least := count(high)) > k:
        total = sum(layer.numel for layer in layers)
        raise Unreachable(
            f"with one unit in each layer {least} of {total} weights remain, so a density of "
            f"{k / total:.4g} ({k} weights) cannot be reached; the smallest is {least / total:.4g}"
        )
    # the count never increases with the number removed, so find the smallest by bisection
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) <= k else (middle + 1, high)
    return mask_of(groups, layers, keep(low))


def removed_units(groups: Sequence[UnitGroup], mask: Mask) -> list[Tensor]:
    """Units of which a mask keeps nothing: bool [size] for each group, on the CPU.

    Surviving units may have pruned weights. UserError if a group has no surviving unit.
    """
    gone = []
    for group in groups:
        alive = torch.zeros(group.size, dtype=torch.bool)
        for slot in (*group.rows, *group.columns):
            kept = mask.kept[layer_name(slot.key)].movedim(slot.dim, 0)
            alive[slot.unit[kept.flatten(1).any(1).cpu()[slot.index]]] = True
        for slot in group.vectors:
            if slot.key in mask.held:
                alive[slot.unit[mask.held[slot.key].cpu()[slot.index]]] = True
            else:
                alive[slot.unit] = True  # its bias is not held at zero
        if not bool(alive.any()):
            raise UserError(
                f"the mask removes every unit of {', '.join(group.layers)}; keep at least one"
            )
        gone.append(~alive)
    return gone


def shuffle_units(
    module: nn.Module,
    input_shape: tuple[int, ...],
    *,
    layers: Sequence[Layer],
    mask: Mask,
    rng: torch.Generator,
    groups: Sequence[UnitGroup] | None = None,
) -> Mask:
    """The mask with the units of each group permuted, on the mask's device.

    Unit i takes the mask of unit π(i): rows, columns, bias, γ and β together. So every layer keeps
    as many weights as before. `rng` is a CPU generator; `groups` are `unit_groups(module,
    input_shape)`, if already known.
    """
    if groups is None:
        groups = unit_groups(module, input_shape)
    kept = {name: tensor.clone() for name, tensor in mask.kept.items()}
    held = {key: tensor.clone() for key, tensor in mask.held.items()}
    for group in groups:
        order = torch.randperm(group.size, generator=rng)
        for slot in (*group.rows, *group.columns, *group.vectors):
            tensor = held.get(slot.key, kept.get(layer_name(slot.key)))
            if tensor is None:
                continue  # a bias, γ or β that the mask does not cover
            # all units own the same number of positions: [size, positions per unit]
            index = slot.index.view(group.size, -1)
            places = tensor.movedim(slot.dim, 0)
            places[index.flatten().to(tensor.device)] = places[
                index[order].flatten().to(tensor.device)
            ]
    return Mask(kept, held, layers)


def _axes(groups: Sequence[UnitGroup], kept: Sequence[Tensor]) -> dict[tuple[str, int], Tensor]:
    """(weight's key, dimension) → bool [length], False at the positions of removed units."""
    axes: dict[tuple[str, int], Tensor] = {}
    for group, units in zip(groups, kept, strict=True):
        for slot in (*group.rows, *group.columns):
            at = (slot.key, slot.dim)
            axis = slot.kept(units)
            # after a concatenation one layer reads several groups
            axes[at] = axes[at] & axis if at in axes else axis
    return axes


def _of_layer(axes: dict[tuple[str, int], Tensor], layer: Layer) -> tuple[Tensor, Tensor]:
    """The kept rows and columns of a layer's weight."""
    rows, columns = (
        axes.get((layer.key, dim), torch.ones(layer.shape[dim], dtype=torch.bool)) for dim in (0, 1)
    )
    return rows, columns
