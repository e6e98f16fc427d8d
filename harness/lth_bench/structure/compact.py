"""The network without the units that have no effect, such as neurons that an unstructured mask
empties.

`shrink_network` cuts out what a structured mask removes: rows, columns and biases. An unstructured
mask holds no bias at zero, so a neuron without incoming weights still passes on a constant, and one
without outgoing weights still computes. Here both are found from the values: a unit that nothing
reads is cut out, and a unit that reads nothing is cut out once the layers that read it have its
constant in their biases.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lth_bench.masks.layers import layer_name
from lth_bench.models import examples
from lth_bench.models.tracing import eager
from lth_bench.structure.groups import Slots, UnitGroup
from lth_bench.structure.trace import cut, refusal
from lth_bench.structure.units import removable_units
from lth_bench.structure.verify import outputs, same

ROUNDING = 1e-12
"""Relative differences up to this are those of float64 sums, and no variation."""
EXAMPLES = 4
"""Random inputs that constants are read from, and that the result is checked on."""


def compact_network(module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
    """A copy without the units that have no effect on the outputs, in eval mode, on the same
    device.

    `input_shape` is [C, H, W] of one example. Its outputs in eval mode equal the network's to
    1e-9 in float64 before they are rounded to the network's dtype; weights that are zero in
    surviving units stay. A layer with zero padding has no bias that could hold the constant of a
    unit that is not zero, so such a unit stays, as does one unit of a layer that has none left.

    UserError for a network whose units cannot be removed.
    """
    like = next(module.parameters())
    groups = removable_units(module, input_shape)
    whole = copy.deepcopy(module).to("cpu", torch.float64).eval()
    x = examples.random(EXAMPLES, input_shape, torch.float64, torch.Generator().manual_seed(0))
    small = copy.deepcopy(whole)
    with eager():
        gone = _fold(small, groups, x)
        for units in gone:
            units[0] &= not bool(units.all())  # a layer keeps a unit
        cut(small, input_shape, groups, gone)
        small.eval()
        if not same(outputs(whole, x), outputs(small, x)):
            raise refusal(module, "without the units that have no effect its outputs differ")
    for name, parameter in module.named_parameters():
        small.get_parameter(name).requires_grad_(parameter.requires_grad)
    # a copy, since what traced the network still holds its parameters
    return copy.deepcopy(small).to(like.device, like.dtype)


@torch.no_grad()
def _fold(small: nn.Module, groups: Sequence[UnitGroup], x: Tensor) -> list[Tensor]:
    """Bring constants into biases, in place, until no more units lose their effect. Returns those
    without one: bool [size] for each group.
    """
    values = small.state_dict()  # shares the network's memory
    gone: list[Tensor] = []
    while True:
        before, gone = gone, [~_touched(values, group.columns, group.size) for group in groups]
        for group, units in zip(groups, gone, strict=True):
            for slot in (*group.rows, *group.vectors):
                values[slot.key].movedim(slot.dim, 0)[~slot.kept(~units)] = 0
        if before and all(torch.equal(a, b) for a, b in zip(before, gone, strict=True)):
            return gone
        inputs = _inputs(small, groups, x)
        for group in groups:
            constant = ~_touched(values, group.rows, group.size)
            for slot in group.columns:
                reader = layer_name(slot.key)
                if len(inputs.get(reader, ())) == 1:
                    layer = small.get_submodule(reader)
                    assert isinstance(layer, nn.Linear | _ConvNd)
                    _into_bias(layer, ~slot.kept(~constant), inputs[reader][0])


def _touched(values: Mapping[str, Tensor], slots: Sequence[Slots], size: int) -> Tensor:
    """bool [size]: units with a weight that is not zero in one of these slots."""
    found = torch.zeros(size, dtype=torch.bool)
    for slot in slots:
        filled = (values[slot.key].movedim(slot.dim, 0).flatten(1) != 0).any(1)
        found[slot.unit[filled[slot.index]]] = True
    return found


def _inputs(module: nn.Module, groups: Sequence[UnitGroup], x: Tensor) -> dict[str, list[Tensor]]:
    """What each layer that reads units is called with."""
    found: dict[str, list[Tensor]] = {}
    hooks = []
    for name in {layer_name(slot.key) for group in groups for slot in group.columns}:
        calls = found.setdefault(name, [])

        def keep(_: nn.Module, given: tuple[Tensor, ...], calls: list[Tensor] = calls) -> None:
            calls.append(given[0])

        hooks.append(module.get_submodule(name).register_forward_pre_hook(keep))
    try:
        outputs(module, x)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _into_bias(reader: nn.Linear | _ConvNd, places: Tensor, x: Tensor) -> None:
    """Replace what the input columns `places` (bool [in]) contribute by a term of the bias, where
    the input `x` there is constant, and the same at every position that the layer computes.
    """
    linear = isinstance(reader, nn.Linear)
    by_place = x.reshape(-1, x.shape[-1]).t() if linear else x.movedim(1, 0).flatten(1)
    held = not linear and any(_padding(reader))
    for place in places.nonzero().flatten().tolist():
        row, column = by_place[place], reader.weight[:, place]
        constant = float(row[0])
        if float((row - constant).abs().max()) > ROUNDING * abs(constant):
            continue
        if constant != 0:
            if reader.bias is None or held:
                continue
            reader.bias += constant * column.flatten(1).sum(1) if not linear else constant * column
        column.zero_()


def _padding(reader: nn.Linear | _ConvNd) -> tuple[int, ...]:
    """Of a convolution; `same` pads, and `valid` does not."""
    assert isinstance(reader, _ConvNd)
    if isinstance(reader.padding, str):
        return (int(reader.padding != "valid"),)
    return reader.padding
